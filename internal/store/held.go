package store

import (
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/meridian-run/meridian/internal/hlc"
	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/table"
)

// HeldBack says what a table's collection waits for: the region that is behind all
// others in what it has applied, and of whom. Nothing that is newer than Upto can
// be forgotten (DATA 14).
type HeldBack struct {
	Table record.TableID
	// By has reported to have applied Of's writes up to Upto, and no more.
	By, Of record.RegionID
	Upto   hlc.Time
	// Copying says that By is still copying the table: until it has it, nothing is
	// forgotten.
	Copying bool
	// Tombstones wait to be forgotten, heldMax of them at most are counted; Entries of
	// this region's log do.
	Tombstones, Entries uint64
}

// heldMax bounds what is counted for a status.
const heldMax = 10_000

// HeldBack answers what the collection waits for of the tables that have waited
// since before a time, and have something to forget.
func (s *Store) HeldBack(before time.Time) ([]HeldBack, error) {
	tables := *s.tables.Load()
	var list []HeldBack
	for _, id := range slices.Sorted(maps.Keys(tables)) {
		held := s.heldBack(tables[id])
		if held.By == 0 || held.Upto >= hlc.Of(before) && !held.Copying {
			continue
		}
		var err error
		if held.Tombstones, err = s.countTombstones(id); err != nil {
			return nil, err
		}
		if held.Tombstones+held.Entries > 0 {
			list = append(list, held)
		}
	}
	return list, nil
}

// heldBack finds the lowest of all reports that a table's frontier waits for.
func (s *Store) heldBack(t *table.Table) HeldBack {
	s.mu.Lock()
	defer s.mu.Unlock()
	held := HeldBack{Table: t.ID, Upto: ^hlc.Time(0), Entries: s.ordinal - s.trimmed.Ordinal}
	own := s.report()
	for _, by := range t.Holders() {
		if held.Copying && by.Complete() {
			continue // one that copies holds back more than any report
		}
		r := s.reports[by.ID]
		if by.ID == s.config.Region {
			r = own
		}
		for _, of := range t.Holders() {
			if upto := r.Applied[of.ID]; upto < held.Upto || !by.Complete() && !held.Copying {
				held.By, held.Of, held.Upto, held.Copying = by.ID, of.ID, upto, !by.Complete()
			}
		}
	}
	return held
}

// countTombstones counts a table's tombstones, heldMax at most.
func (s *Store) countTombstones(id record.TableID) (n uint64, err error) {
	from := tableKey(spaceTombstones, id)
	it := s.engine.Scan(kv.Range{From: from, To: successor(from)})
	defer func() { err = errors.Join(err, it.Close()) }()
	for n < heldMax && it.Next() {
		n++
	}
	return n, it.Err()
}
