package kv

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
)

// Watermark is the durable watermark of an engine: what it has reached, who
// waits for more, and why it stands still (DATA 3, 4). The zero value is ready.
type Watermark struct {
	reached atomic.Uint64

	mu      sync.Mutex
	moved   chan struct{} // closed and replaced when reached or stopped changes
	stopped error
	ceiling uint64 // once stopped, never reached
}

// Reached answers the highest durable sequence.
func (w *Watermark) Reached() uint64 { return w.reached.Load() }

// Advance raises the watermark. Once it was stopped, only what is below the
// commit that failed counts.
func (w *Watermark) Advance(sequence uint64) {
	if w.reached.Load() >= sequence {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.reached.Load() >= sequence || (w.stopped != nil && sequence >= w.ceiling) {
		return
	}
	w.reached.Store(sequence)
	w.wake()
}

// Freeze stops the watermark below sequence, the lowest commit that may be lost:
// waits for it and later ones answer ErrFrozen with the cause. Only the first
// cause counts, and the lowest sequence.
func (w *Watermark) Freeze(sequence uint64, cause error) {
	w.stop(sequence, fmt.Errorf("%w: %w", ErrFrozen, cause))
}

// Close stops the watermark where it is: waits answer ErrClosed, unless the
// engine had frozen before.
func (w *Watermark) Close() { w.stop(0, ErrClosed) }

func (w *Watermark) stop(ceiling uint64, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped == nil {
		w.stopped, w.ceiling = err, ceiling
		w.wake()
	}
	w.ceiling = min(w.ceiling, ceiling)
}

// Stopped answers why the watermark stands still; nil while it moves.
func (w *Watermark) Stopped() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stopped
}

// Wait returns nil once sequence is durable, or why it will not be.
func (w *Watermark) Wait(ctx context.Context, sequence uint64) error {
	for w.reached.Load() < sequence {
		w.mu.Lock()
		if w.reached.Load() >= sequence {
			w.mu.Unlock()
			return nil
		}
		if w.stopped != nil {
			defer w.mu.Unlock()
			return w.stopped
		}
		if w.moved == nil {
			w.moved = make(chan struct{})
		}
		moved := w.moved
		w.mu.Unlock()
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// wake lets all waiters look again; the caller holds mu.
func (w *Watermark) wake() {
	if w.moved != nil {
		close(w.moved)
		w.moved = nil
	}
}
