package kv

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

func TestWatermark(t *testing.T) {
	broken := errors.New("input/output error")
	synctest.Test(t, func(t *testing.T) {
		var w Watermark
		w.Advance(5)
		w.Advance(3)
		if w.Reached() != 5 {
			t.Errorf("reached %d, want 5", w.Reached())
		}
		results := make(chan error)
		for _, sequence := range []uint64{5, 7, 9} {
			go func() { results <- w.Wait(context.Background(), sequence) }()
			synctest.Wait()
		}
		if err := <-results; err != nil {
			t.Errorf("what is reached: %v", err)
		}
		w.Freeze(8, broken)
		first, second := <-results, <-results
		if !errors.Is(first, ErrFrozen) || !errors.Is(second, broken) {
			t.Errorf("waits for what may be lost: %v, %v", first, second)
		}
		w.Advance(7) // was synced before the failure
		w.Advance(8) // was not
		if w.Reached() != 7 {
			t.Errorf("reached %d, want 7", w.Reached())
		}
		w.Close()
		w.Freeze(3, errors.New("later"))
		if err := w.Wait(context.Background(), 8); !errors.Is(err, broken) {
			t.Errorf("only the first cause counts, got %v", err)
		}
		if err := w.Wait(context.Background(), 7); err != nil {
			t.Errorf("what is reached stays so: %v", err)
		}
	})
}

func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g Gate
		for range 2 {
			if !g.Enter() {
				t.Fatal("an open gate lets nobody in")
			}
		}
		closed := make(chan bool, 1)
		go func() { closed <- g.Close() }()
		synctest.Wait()
		if g.Enter() {
			t.Error("a closing gate lets somebody in")
		}
		g.Leave()
		synctest.Wait()
		select {
		case <-closed:
			t.Error("closed with somebody inside")
		default:
		}
		g.Leave()
		if !<-closed || g.Close() {
			t.Error("want true from the first Close and false from the second")
		}
	})
}
