package store

import (
	"context"
	"sync"
)

// turns lets one request of an id in at a time. The zero value is ready.
type turns struct {
	mu   sync.Mutex                  // guards what follows
	busy map[RequestID]chan struct{} // closed when the turn is over
}

// take waits until it is the request's turn.
func (t *turns) take(ctx context.Context, id RequestID) error {
	for {
		t.mu.Lock()
		under := t.busy[id]
		if under == nil {
			if t.busy == nil {
				t.busy = map[RequestID]chan struct{}{}
			}
			t.busy[id] = make(chan struct{})
		}
		t.mu.Unlock()
		if under == nil {
			return nil
		}
		select {
		case <-under:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// leave ends the turn.
func (t *turns) leave(id RequestID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	close(t.busy[id])
	delete(t.busy, id)
}
