package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/record"
)

// goneOrigins are the regions that left the world for good.
func (s *Store) goneOrigins() (ids []record.RegionID) {
	for id, c := range *s.closed.Load() {
		if c.gone {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// isGone reports whether a region left the world for good.
func (s *Store) isGone(id record.RegionID) bool { return (*s.closed.Load())[id].gone }

// gone frees what only waited for regions that left the world for good: cursors
// into their logs, reports by and about them, gaps of their relay lists. Their
// tombstones, entries and references go by the frontier, which they hold back no
// more. How far their logs were applied stays: it judges what an old directory
// brings back (DATA 18), and is as old as that directory's data if this one is
// restored itself, as the agreed ends are not.
func (c *collection) gone() error {
	s := c.store
	for _, id := range s.goneOrigins() {
		known := s.forgetGone(id)
		if !known && s.freed[id] {
			continue
		}
		ops := []kv.Op{{Kind: kv.Delete, Key: cursorKey(id, 0)}, {Kind: kv.Delete, Key: reportKey(id)}}
		gaps, err := s.gapsOf(id)
		if err != nil {
			return fmt.Errorf("forget region %d: %w", id, err)
		}
		ops = append(ops, gaps...)
		if err := c.commit(nil, func(kv.Reader) ([]kv.Op, error) { return ops, nil }); err != nil {
			return fmt.Errorf("forget region %d: %w", id, err)
		}
		if s.freed == nil {
			s.freed = map[record.RegionID]bool{}
		}
		s.freed[id] = true
	}
	return nil
}

// forgetGone forgets a region in memory, and marks reports about it to be kept
// anew; it answers whether there was anything.
func (s *Store) forgetGone(id record.RegionID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, cursor := s.cursors[id]
	_, applied := s.applied[id]
	_, report := s.reports[id]
	delete(s.cursors, id)
	delete(s.applied, id)
	delete(s.reports, id)
	delete(s.unsaved, id)
	for by, r := range s.reports {
		if _, about := r.Applied[id]; about {
			r.Applied = maps.Clone(r.Applied)
			delete(r.Applied, id)
			s.reports[by], s.unsaved[by] = r, true
		}
	}
	return cursor || applied || report
}

// gapsOf removes the marks of lists of an origin that were cut, in all tables.
func (s *Store) gapsOf(id record.RegionID) (ops []kv.Op, err error) {
	const offsetOrigin = 2 + 8 // in a gap's key, after the table
	prefix := []byte{spaceMeta, 'a'}
	it := s.engine.Scan(kv.Range{From: prefix, To: successor(prefix)})
	defer func() { err = errors.Join(err, it.Close()) }()
	for it.Next() {
		if k := it.Key(); len(k) >= offsetOrigin+2 && record.RegionID(binary.BigEndian.Uint16(k[offsetOrigin:])) == id {
			ops = append(ops, kv.Op{Kind: kv.Delete, Key: slices.Clone(k)})
		}
	}
	return ops, it.Err()
}
