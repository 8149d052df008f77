package dynamo

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/meridian-run/meridian/internal/access"
)

// D1: requests of very many values wait for each other, and others for none of them.
func TestD1_HeavyRequestsWaitForRoom(t *testing.T) {
	s := New(Config{Region: "eu-west-1"})
	over, end := context.WithCancel(context.Background())
	end()
	run := func(ctx context.Context, body string) error {
		c := &call{server: s, operation: "Invented", key: access.Key{Kind: access.Admin}, body: []byte(body)}
		return c.run(ctx, operation{run: func(context.Context, *call) error { return nil }})
	}
	heavy := `{"a":[` + strings.Repeat("1,", heavyValues) + `1]}`
	for range heavyMax {
		if err := run(context.Background(), heavy); err != nil {
			t.Fatalf("with room: %v", err)
		}
		s.heavy <- struct{}{}
	}
	if err := run(over, heavy); !errors.Is(err, context.Canceled) {
		t.Errorf("without room: %v", err)
	}
	for _, light := range []string{`{}`, `{"a":[` + strings.Repeat("1,", heavyValues/2) + `1]}`, `{"a":"` + strings.Repeat(",", 2*heavyBytes) + `"}`} {
		if err := run(over, light); err != nil {
			t.Errorf("%.20s…: %v", light, err)
		}
	}
	done := make(chan error)
	go func() { done <- run(context.Background(), heavy) }()
	<-s.heavy
	if err := <-done; err != nil || len(s.heavy) != heavyMax-1 {
		t.Errorf("once there is room: %v, %d places are taken", err, len(s.heavy))
	}
}
