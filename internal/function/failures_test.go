package function

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestDeadlineKillsTheProcessGroup(t *testing.T) {
	u := run(t, "function", func(c *Config) { c.Timeout = 300 * time.Millisecond })
	file := filepath.Join(t.TempDir(), "child")
	if _, err := u.order(order{Do: "hang", File: file}); !errors.Is(err, ErrTimeout) {
		t.Fatalf("got %v, want %v", err, ErrTimeout)
	}
	if reason := <-u.ended; !errors.Is(reason, ErrTimeout) {
		t.Errorf("the instance ended because of %v, want %v", reason, ErrTimeout)
	}
	var child int
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Sscan(string(text), &child)
	until(t, "the child's end", func() bool { return startTime(child) == "" })
	u.mustOrder(t, order{})
}

func TestInitFailuresSayWhy(t *testing.T) {
	for _, c := range []struct{ role, want string }{
		{"exits", "exit status 3: no such table: notes"},
		{"reports", "Config: bad key"},
		{"hangs", "did not ask for work within"},
	} {
		t.Run(c.role, func(t *testing.T) {
			u := run(t, c.role, func(cfg *Config) { cfg.InitTimeout = 2 * time.Second })
			if c.role == "hangs" {
				u.cfg.InitTimeout = 50 * time.Millisecond
			}
			_, err := u.order(order{})
			if !errors.Is(err, ErrInit) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %v with %q", err, ErrInit, c.want)
			}
			<-u.ended
			if !strings.Contains(u.log.String(), c.want) {
				t.Errorf("the log does not tell %q:\n%s", c.want, u.log)
			}
			if got := u.Instances(); got != 0 {
				t.Errorf("got %d instances, want 0", got)
			}
		})
	}
}

// Health checks start a broken function again and again; the log tells of the
// first time, and of its recovery.
func TestFunctionThatDoesNotStartIsToldOnce(t *testing.T) {
	u := run(t, "exits", nil)
	for range 20 {
		if _, err := u.Check(context.Background(), "", []byte("{}")); !errors.Is(err, ErrInit) {
			t.Fatalf("got %v, want %v", err, ErrInit)
		}
		<-u.ended
	}
	if got := strings.Count(u.log.String(), "\n"); got != 2 { // its own line, and ours
		t.Errorf("got %d lines, want 2:\n%s", got, u.log)
	}
	u.cfg.Env = map[string]string{roleVar: "function"}
	u.mustOrder(t, order{})
	if !strings.Contains(u.log.String(), "function starts again") {
		t.Errorf("the log does not tell that it starts again:\n%s", u.log)
	}
}

func TestCrashFailsTheCallAndIsReplaced(t *testing.T) {
	u := run(t, "function", nil)
	before := u.mustOrder(t, order{})
	_, err := u.order(order{Do: "crash"})
	if !errors.Is(err, ErrCrashed) || !strings.Contains(err.Error(), "out of luck") {
		t.Errorf("got %v, want %v with its last line", err, ErrCrashed)
	}
	if after := u.mustOrder(t, order{}); after.PID == before.PID {
		t.Error("the crashed process answered")
	}
}

func TestKilledIdleInstanceIsReplaced(t *testing.T) {
	u := run(t, "function", nil)
	d := u.mustOrder(t, order{})
	killGroup(d.PID)
	<-u.ended
	if after := u.mustOrder(t, order{}); after.PID == d.PID {
		t.Error("the killed process answered")
	}
}
