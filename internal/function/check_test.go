package function

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"testing"
	"time"
)

func TestChecksAreNoUse(t *testing.T) {
	u := run(t, "function", nil)
	if _, err := u.Check(context.Background(), "", []byte("{}")); err != nil {
		t.Fatal(err)
	}
	if reason := <-u.ended; !errors.Is(reason, errNotUsed) {
		t.Errorf("the instance ended because of %v, want %v", reason, errNotUsed)
	}
	if got := u.Instances(); got != 0 {
		t.Errorf("got %d instances after a check, want 0", got)
	}
}

// A check is told that all instances work, and in time to say so.
func TestCheckOfABusyFunctionIsToldSo(t *testing.T) {
	u := run(t, "function", func(c *Config) { c.Concurrency, c.QueueWait = 1, time.Hour })
	release := busy(t, u)
	defer release()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if _, err := u.Check(ctx, "", []byte("{}")); !errors.Is(err, ErrBusy) || ctx.Err() != nil {
		t.Errorf("got %v, deadline %v, want %v before it", err, ctx.Err(), ErrBusy)
	}
	release()
	if _, err := u.Check(context.Background(), "", []byte("{}")); err != nil {
		t.Errorf("got %v when it was free again", err)
	}
}

// Calls that wait do not keep a check from its instance.
func TestCheckGoesBeforeCallsThatWait(t *testing.T) {
	u := run(t, "function", func(c *Config) { c.Concurrency, c.QueueWait = 1, time.Hour })
	release := busy(t, u)
	defer release()
	waiting := func(n int) func() bool {
		return func() bool {
			u.mu.Lock()
			defer u.mu.Unlock()
			return len(u.pool.waiting) == n
		}
	}
	order1, _ := json.Marshal(order{Do: "wait", File: filepath.Join(t.TempDir(), "never")})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	go u.Invoke(ctx, "", order1)
	until(t, "a call to wait", waiting(1))
	checked := make(chan error, 1)
	go func() {
		_, err := u.Check(ctx, "", []byte("{}"))
		checked <- err
	}()
	until(t, "the check to wait", waiting(2))
	release()
	if err := <-checked; err != nil {
		t.Errorf("the check got %v", err)
	}
}

// A function whose calls all hang is busy, but not well.
func TestCheckOfAHangingFunctionFails(t *testing.T) {
	u := run(t, "function", func(c *Config) { c.Concurrency, c.Timeout = 1, 5*time.Second })
	u.mustOrder(t, order{})
	u.order(order{Do: "crash"})
	release := busy(t, u)
	defer release()
	check := func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		_, err := u.Check(ctx, "", []byte("{}"))
		return err
	}
	if err := check(); !errors.Is(err, ErrTimeout) {
		t.Errorf("got %v after a call was lost, want %v", err, ErrTimeout)
	}
	release()
	defer busy(t, u)()
	if err := check(); !errors.Is(err, ErrBusy) {
		t.Errorf("got %v after a call was answered, want %v", err, ErrBusy)
	}
}
