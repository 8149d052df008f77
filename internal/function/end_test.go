package function

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"
)

func TestRunEndsEverything(t *testing.T) {
	u := run(t, "function", nil)
	d := u.mustOrder(t, order{})
	u.stop()
	if startTime(d.PID) != "" {
		t.Error("a process outlived its runner")
	}
	if _, err := u.order(order{}); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v after the end, want %v", err, ErrClosed)
	}
	if records, _ := os.ReadDir(u.instanceDir()); len(records) != 0 {
		t.Errorf("%d process records are left", len(records))
	}
}

// A new version takes the calls while the old one, in the same directory,
// finishes those it has.
func TestU2_RetiredRunnerFinishesItsCalls(t *testing.T) {
	dir := t.TempDir()
	before := run(t, "function", func(c *Config) { c.Dir, c.Concurrency, c.QueueWait = dir, 1, time.Hour })
	idle := before.mustOrder(t, order{})
	release := busy(t, before)
	waiting := make(chan error, 1)
	go func() {
		_, err := before.order(order{})
		waiting <- err
	}()
	until(t, "a call to wait", func() bool {
		before.mu.Lock()
		defer before.mu.Unlock()
		return len(before.pool.waiting) == 1
	})

	after := run(t, "function", func(c *Config) { c.Dir = dir })
	if d := after.mustOrder(t, order{}); d.PID == idle.PID {
		t.Error("the new version has the old one's instance")
	}
	before.Retire()
	if _, err := before.order(order{}); !errors.Is(err, ErrRetired) {
		t.Errorf("a new call got %v from the old version, want %v", err, ErrRetired)
	}
	if got := before.Instances(); got != 1 {
		t.Errorf("the old version has %d instances, want that which works", got)
	}
	release()
	if err := <-waiting; err != nil {
		t.Errorf("the call that waited got %v", err)
	}
	if err := <-before.ran; err != nil {
		t.Errorf("Run of the old version: %v", err)
	}
	until(t, "the old instance's end", func() bool { return startTime(idle.PID) == "" })
	after.mustOrder(t, order{})
}

func TestRetiredRunnerWithoutCallsEndsAtOnce(t *testing.T) {
	for _, used := range []bool{false, true} {
		r, err := New(Config{Name: "api", Bundle: bundle(t), Dir: t.TempDir(), Env: map[string]string{roleVar: "function"}})
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- r.Run(context.Background()) }()
		if used {
			if _, err := r.Invoke(context.Background(), "", []byte("{}")); err != nil {
				t.Fatal(err)
			}
		}
		r.Retire()
		r.Retire()
		if err := <-done; err != nil {
			t.Errorf("used %v: Run: %v", used, err)
		}
	}
}
