package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/record"
)

// wholeKey is where it stands that this region has copied a table.
func wholeKey(id record.TableID) []byte {
	return binary.BigEndian.AppendUint64(append([]byte(nil), spaceMeta, 'w'), uint64(id))
}

// Whole answers the control revision under which this region was last given a
// table that it has copied in full since; 0 if it has copied none.
func (s *Store) Whole(id record.TableID) (uint64, error) {
	if known, ok := s.wholes.Load(id); ok {
		return known.(uint64), nil
	}
	revision, err := s.revisionAt(wholeKey(id))
	if err == nil && revision > 0 {
		s.wholes.LoadOrStore(id, revision)
	}
	return revision, err
}

// revisionAt reads a mark: a control revision, 0 where there is none.
func (s *Store) revisionAt(key []byte) (uint64, error) {
	raw, err := s.engine.Get(key)
	switch {
	case errors.Is(err, kv.ErrNotFound):
		return 0, nil
	case err != nil:
		return 0, s.noteFrozen(err)
	case len(raw) != 8:
		return 0, fmt.Errorf("mark %x of a table is damaged: %x", key, raw)
	}
	return binary.BigEndian.Uint64(raw), nil
}

// MarkWhole notes that tables have been copied in full from every peer, each as
// it was given to this region by a control revision. Until then a start asks
// for the copy again (DATA 16, 17).
func (s *Store) MarkWhole(ctx context.Context, since map[record.TableID]uint64) error {
	p, err := s.BeginMarkWhole(since)
	_, err = wait(ctx, p, err)
	return err
}

// BeginMarkWhole is the first half of MarkWhole.
func (s *Store) BeginMarkWhole(since map[record.TableID]uint64) (*Pending[None], error) {
	var ops []kv.Op
	for _, id := range slices.Sorted(maps.Keys(since)) {
		ops = append(ops, kv.Op{Kind: kv.Set, Key: wholeKey(id), Value: binary.BigEndian.AppendUint64(nil, since[id])},
			kv.Op{Kind: kv.Delete, Key: joinKey(id)})
	}
	return s.change(ops, func() {
		s.joined(slices.Collect(maps.Keys(since)))
		for id, revision := range since {
			s.wholes.Store(id, revision)
		}
	})
}
