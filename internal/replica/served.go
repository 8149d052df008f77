package replica

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/meridian-run/meridian/internal/replicate"
	"github.com/meridian-run/meridian/internal/store"
)

// returnMax is how long a peer whose stream has ended may take to pull again:
// longer than the longest pause between two attempts.
const returnMax = 3 * time.Second

// served is one peer that pulls from us; Replica.mu guards it.
type served struct {
	peer    string
	serving bool
	left    time.Time // when serving ended
	applied replicate.Cursor
	waits   chan struct{} // closed and replaced when applied or serving changes
}

func (s *served) wake() {
	close(s.waits)
	s.waits = make(chan struct{})
}

// ErrNoCopy says that no second region has a write, nor can be reached.
var ErrNoCopy = errors.New("no other region that holds the table can be reached")

// Copied waits until one of the peers has told that it has applied our log up to
// a sequence, durably. It answers ErrNoCopy as soon as none of them pulls from
// us.
func (r *Replica) Copied(ctx context.Context, sequence uint64, peers []string) error {
	for {
		done, there, acked := r.copiedBy(sequence, peers)
		switch {
		case done:
			return nil
		case !there:
			return ErrNoCopy
		}
		select {
		case <-acked:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// copiedBy reports whether one of the peers has applied our log up to a sequence,
// whether one of them pulls from us, and when to look again.
func (r *Replica) copiedBy(sequence uint64, peers []string) (done, there bool, acked <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, name := range peers {
		if s := r.served[name]; s != nil && s.serving {
			there = true
			done = done || s.applied.Sequence >= sequence
		}
	}
	return done, there, r.acked
}

// Pulled reports whether one of the peers pulls from us.
func (r *Replica) Pulled(peers []string) bool {
	_, there, _ := r.copiedBy(0, peers)
	return there
}

// told wakes those who wait in Copied; the caller holds mu.
func (r *Replica) told() {
	close(r.acked)
	r.acked = make(chan struct{})
}

// serve notes that a peer pulls, in place of an older stream of the same peer.
func (r *Replica) serve(peer string, at replicate.Cursor) *served {
	r.mu.Lock()
	defer r.mu.Unlock()
	if old := r.served[peer]; old != nil {
		old.wake()
	}
	s := &served{peer: peer, serving: true, applied: at, waits: make(chan struct{})}
	r.served[peer] = s
	r.wake() // the older one is to notice
	r.told()
	return s
}

func (r *Replica) replaced(s *served) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.served[s.peer] != s
}

func (r *Replica) unserve(s *served, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.serving, s.left = false, now
	s.wake()
	r.told()
}

func (r *Replica) acknowledged(s *served, at replicate.Cursor) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.applied = at
	s.wake()
	r.told()
}

// Flush waits until every peer that pulls from us has applied all that our log
// holds now, durably. One whose stream has just ended may be about to pull again,
// and is waited for as long as that may take; one that is gone is not.
func (r *Replica) Flush(ctx context.Context) error {
	r.beatNow(ctx) // entries that ship nothing are covered by the next beat
	end := r.config.Store.Position().Cursor.Sequence
	for {
		waits, peer := r.unflushed(end)
		if waits == nil {
			return nil
		}
		again := time.NewTimer(returnMax)
		select {
		case <-waits:
		case <-again.C:
		case <-ctx.Done():
			return fmt.Errorf("flush: %s has not applied all of the log: %w", peer, ctx.Err())
		}
		again.Stop()
	}
}

// Lacking answers those of the peers that have not told, over a stream that
// stands, that they have applied our log up to end.
func (r *Replica) Lacking(end store.Cursor, peers []string) (names []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, name := range peers {
		if s := r.served[name]; s == nil || !s.serving || s.applied.Sequence < end.Sequence {
			names = append(names, name)
		}
	}
	return names
}

// unflushed answers a peer that has not applied the log up to end, and may yet.
func (r *Replica) unflushed(end uint64) (<-chan struct{}, string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.served {
		there := s.serving || r.peers[s.peer] != nil && r.config.Now().Sub(s.left) < returnMax
		if there && s.applied.Sequence < end {
			return s.waits, s.peer
		}
	}
	return nil, ""
}
