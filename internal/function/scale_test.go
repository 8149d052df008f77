package function

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func TestF1_NothingRunsWhileIdle(t *testing.T) {
	u := run(t, "function", func(c *Config) { c.Idle = 50 * time.Millisecond })
	if got := u.Instances(); got != 0 {
		t.Fatalf("got %d instances before the first call, want 0", got)
	}
	first := u.mustOrder(t, order{})
	if second := u.mustOrder(t, order{}); second.PID != first.PID || second.ID == first.ID {
		t.Errorf("got process %d call %s after process %d call %s, want the same process and another call", second.PID, second.ID, first.PID, first.ID)
	}
	if reason := <-u.ended; !errors.Is(reason, errIdle) {
		t.Errorf("the instance ended because of %v, want %v", reason, errIdle)
	}
	if got := u.Instances(); got != 0 {
		t.Errorf("got %d instances after the idle time, want 0", got)
	}
	if third := u.mustOrder(t, order{}); third.PID == first.PID {
		t.Error("the first process answered after its end")
	}
}

func TestF1_ScalesWithLoadUpToConcurrency(t *testing.T) {
	u := run(t, "function", func(c *Config) {
		c.Concurrency, c.Queue, c.QueueWait = 3, 1, 20*time.Millisecond
	})
	file := filepath.Join(t.TempDir(), "go")
	pids := make(chan int, 3)
	for range 3 {
		go func() {
			d, err := u.order(order{Do: "wait", File: file})
			if err != nil {
				t.Error(err)
			}
			pids <- d.PID
		}()
	}
	until(t, "three calls in three instances", func() bool {
		began, _ := filepath.Glob(file + ".*")
		return len(began) == 3
	})
	if got := u.Instances(); got != 3 {
		t.Errorf("got %d instances for 3 calls, want 3", got)
	}
	if _, err := u.order(order{}); !errors.Is(err, ErrTooManyRequests) {
		t.Errorf("the call beyond the concurrency got %v, want %v", err, ErrTooManyRequests)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	all := []int{<-pids, <-pids, <-pids}
	slices.Sort(all)
	if got := len(slices.Compact(all)); got != 3 {
		t.Errorf("3 calls at once had %d processes, want 3", got)
	}
	if d := u.mustOrder(t, order{}); !slices.Contains(all, d.PID) {
		t.Error("a new process was started although three are idle")
	}
	if got := len(u.started); got != 3 {
		t.Errorf("got %d starts, want 3", got)
	}
}

func TestWaitingCallsAreBounded(t *testing.T) {
	u := run(t, "function", func(c *Config) { c.Concurrency, c.Queue, c.QueueWait = 1, 1, time.Hour })
	file := filepath.Join(t.TempDir(), "go")
	results := make(chan error, 2)
	call := func() {
		_, err := u.order(order{Do: "wait", File: file})
		results <- err
	}
	go call()
	until(t, "the first call", func() bool {
		began, _ := filepath.Glob(file + ".*")
		return len(began) == 1
	})
	go call()
	until(t, "the second call to wait", func() bool {
		u.mu.Lock()
		defer u.mu.Unlock()
		return len(u.pool.waiting) == 1
	})
	if _, err := u.order(order{}); !errors.Is(err, ErrTooManyRequests) {
		t.Errorf("got %v with a full queue, want %v", err, ErrTooManyRequests)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(<-results, <-results); err != nil {
		t.Error(err)
	}
}
