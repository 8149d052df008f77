package world

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/meridian-run/meridian/client"
)

// A new version of a function takes over while requests go on: the old one
// finishes what it has.
func TestU2_F1_ChangedFunctionLosesNoRequest(t *testing.T) {
	t.Parallel()
	w := run(t, Config{Spec: parse(t, notesSpec), RoundTrip: near})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var served atomic.Int64
	ended := make(chan error, 4)
	for range cap(ended) {
		go func() {
			for ctx.Err() == nil {
				r, err := w.Request(ctx, client.Request{Method: "POST", Path: "/data", Body: []byte(`{"name":"x"}`), From: "Dublin"})
				if ctx.Err() != nil {
					break
				}
				if err != nil || r.Status != 200 {
					t.Errorf("request: %v, status %d, %s", err, r.Status, r.Body)
					break
				}
				served.Add(1)
			}
			ended <- nil
		}()
	}
	text := strings.ReplaceAll(notesSpec, "BUNDLE", notesBundle(t))
	for _, version := range []string{"2", "3", "4"} {
		changed := strings.Replace(text, "}\n    tables:", ", env: {VERSION: \""+version+"\"}}\n    tables:", 1)
		whenAgreed(t, "apply", func() (client.Applied, error) {
			return w.Region(eu).Apply(t.Context(), client.ApplyRequest{Spec: []byte(changed)})
		})
		before := served.Load()
		eventually(t, 40*time.Second, "requests go on with version "+version, func() bool { return served.Load() > before+20 })
	}
	stop()
	for range cap(ended) {
		<-ended
	}
}
