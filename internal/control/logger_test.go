package control

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"go.uber.org/zap"
)

func TestEtcdsLinesAreFew(t *testing.T) {
	var out bytes.Buffer
	ended := ""
	log := zapLogger(slog.New(slog.NewTextHandler(&out, nil)), func(reason string) { ended = reason })
	log.Info("chatter")
	for range 3 {
		log.With(zap.String("who", "a1")).Warn("disk is slow", zap.Int("ms", 9))
	}
	log.Warn("lost TCP streaming connection with remote peer")
	log.Error("no space")
	want := []string{`level=WARN msg="disk is slow"`, "part=etcd", "who=a1", "ms=9", `level=ERROR msg="no space"`}
	for _, text := range want {
		if !strings.Contains(out.String(), text) {
			t.Errorf("%q is not in\n%s", text, out.String())
		}
	}
	if lines := strings.Count(out.String(), "\n"); lines != 2 {
		t.Errorf("%d lines, want the warning once and the error:\n%s", lines, out.String())
	}

	// A fatal line, or a panic, ends the goroutine, not the process.
	for reason, end := range map[string]func(string, ...zap.Field){"the log is torn": log.Fatal, "the log is old": log.Panic} {
		after := make(chan bool, 1)
		go func() {
			defer close(after)
			end(reason)
			after <- true
		}()
		if went, ok := <-after; ok {
			t.Errorf("the goroutine went on: %v", went)
		}
		if ended != reason {
			t.Errorf("the reason given is %q, want %q", ended, reason)
		}
	}
}
