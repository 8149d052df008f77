package store

import (
	"context"
	"errors"

	"github.com/meridian-run/meridian/internal/kv"
)

// keyUnsettled stands in a directory that began empty until it has been given what
// the other regions have: a lost disk, a store that was set aside, and a new world
// begin alike. Directories of releases before the mark are settled.
var keyUnsettled = []byte{spaceMeta, 'u'}

// Unsettled reports whether this directory began empty and has not had its tables
// whole since. Until then nothing that it lacks may be taken for absent: it answers
// no reads and takes no writes (DATA 16, 17).
func (s *Store) Unsettled() bool { return s.unsettled.Load() }

// Settle notes that this directory has its tables whole. It has no effect on one
// that had them before.
func (s *Store) Settle(ctx context.Context) error {
	if !s.Unsettled() {
		return nil
	}
	p, err := s.change([]kv.Op{{Kind: kv.Delete, Key: keyUnsettled}}, func() { s.unsettled.Store(false) })
	_, err = wait(ctx, p, err)
	return err
}

// loadUnsettled answers what the first batch of a directory that is empty has more
// than others.
func (s *Store) loadUnsettled() ([]kv.Op, error) {
	_, err := s.engine.Get(keyIdentity)
	if errors.Is(err, kv.ErrNotFound) {
		s.unsettled.Store(true)
		return []kv.Op{{Key: keyUnsettled}}, nil
	}
	if err != nil {
		return nil, err
	}
	_, err = s.engine.Get(keyUnsettled)
	if errors.Is(err, kv.ErrNotFound) {
		return nil, nil
	}
	s.unsettled.Store(err == nil)
	return nil, err
}
