package pebblekv

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
)

// commit is a batch that is visible and whose sync was asked for. Pebble tells
// only who asks, and once, so whoever waits first follows it, for all.
type commit struct {
	batch    *pebble.Batch
	sequence uint64
	followed atomic.Bool
}

// unsynced is the commits that may not be durable yet.
type unsynced struct {
	mu   sync.Mutex // guards list
	list []*commit  // without gaps in the sequence
}

// add appends a commit and forgets what is durable.
func (u *unsynced) add(c *commit, durable uint64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for len(u.list) > 0 && u.list[0].sequence <= durable {
		u.list[0] = nil // its batch must not be kept by the array below
		u.list = u.list[1:]
	}
	u.list = append(u.list, c)
}

// find answers the commit of a sequence; nil if it is durable, or not there yet.
func (u *unsynced) find(sequence uint64) *commit {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.list) == 0 || sequence < u.list[0].sequence {
		return nil
	}
	if i := sequence - u.list[0].sequence; i < uint64(len(u.list)) {
		return u.list[i]
	}
	return nil
}

// follow waits for a commit's sync and moves the watermark, unless somebody else
// does. No context bounds it: a batch that is visible must be followed to its end.
func (e *Engine) follow(c *commit) {
	if !c.followed.CompareAndSwap(false, true) {
		return
	}
	if !e.gate.Enter() {
		return // closed: the watermark stands still
	}
	defer e.gate.Leave()
	if err := c.batch.SyncWait(); err != nil {
		e.watermark.Freeze(c.sequence, err)
		return
	}
	_ = c.batch.Close() // gives memory back; nothing can fail after the sync
	c.batch = nil
	e.watermark.Advance(c.sequence)
}

// WaitDurable implements kv.Engine.
func (e *Engine) WaitDurable(ctx context.Context, sequence uint64) error {
	if e.watermark.Reached() < sequence {
		if c := e.visible(sequence); c != nil {
			e.follow(c)
		}
	}
	return e.watermark.Wait(ctx, sequence)
}

// visible finds a commit that waits for its sync. One that was sealed and is on
// its way is waited for.
func (e *Engine) visible(sequence uint64) *commit {
	if c := e.unsynced.find(sequence); c != nil {
		return c
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.unsynced.find(sequence)
}
