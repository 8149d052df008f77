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
	"github.com/meridian-run/meridian/internal/table"
)

// writable answers a table that takes writes here.
func (s *Store) writable(id record.TableID) (*table.Table, error) {
	t, err := s.table(id)
	if err != nil {
		return nil, err
	}
	if len(t.Leaving) == 0 {
		return t, s.takesWrites(t)
	}
	if _, leaving, _ := t.Holder(s.config.Region); leaving {
		return nil, fmt.Errorf("%w: table id %x is leaving this region", ErrNoTable, uint64(id))
	}
	return t, s.takesWrites(t)
}

// quiesce returns once every change that found its table held or taking writes
// before is committed. Those that come later find the tables as they are now. It
// waits for no disk: whatever is committed after it is durable after them, too.
func (s *Store) quiesce() {
	s.changing.Lock()
	defer s.changing.Unlock() // to have waited is all
}

// Closed answers the last entry of this region's log that can be of a table
// which is leaving, durably: nothing is written to it any more.
func (s *Store) Closed(ctx context.Context, id record.TableID) (Cursor, error) {
	p, err := s.BeginClosed(id)
	end, err := wait(ctx, p, err)
	return end.Cursor, err
}

// BeginClosed is the first half of Closed; the end is its position's Cursor.
func (s *Store) BeginClosed(id record.TableID) (*Pending[Position], error) {
	if _, err := s.writable(id); err == nil {
		return nil, fmt.Errorf("end of table %x: it still takes writes", uint64(id))
	}
	s.quiesce()
	return s.BeginHeartbeat()
}

// DropTable removes all of a table that SetTables no longer names: records,
// index entries, receipts, frontier. It does nothing where there is nothing. The
// table may come back (Renew).
func (s *Store) DropTable(ctx context.Context, id record.TableID) error {
	p, err := s.BeginDropTable(id)
	_, err = wait(ctx, p, err)
	return err
}

// BeginDropTable is the first half of DropTable.
func (s *Store) BeginDropTable(id record.TableID) (*Pending[None], error) {
	if _, held := s.Table(id); held {
		return nil, fmt.Errorf("drop table %x: it is still in use", uint64(id))
	}
	s.quiesce()
	if there, err := s.remains(id); !there || err != nil {
		return answer(s, 0, None{}), err
	}
	return s.empty([]record.TableID{id}, nil)
}

// tableSpaces are where a table's keys begin with its id.
var tableSpaces = []byte{spaceData, spaceIndex, spaceTombstones, spaceReceipts, spacePlaces, spaceRelay, spaceExpiry, spaceImages, spaceStreams}

// tableMarks are the single keys of a table.
func tableMarks(id record.TableID) [][]byte {
	return [][]byte{wholeKey(id), givenKey(id), frontierKey(id), floorKey(id), termKey(id), joinKey(id), timesKey(id)}
}

// remains reports whether anything of a table is there.
func (s *Store) remains(id record.TableID) (bool, error) {
	for _, key := range tableMarks(id) {
		if there, err := has(s.engine, key); there || err != nil {
			return there, err
		}
	}
	for _, space := range tableSpaces {
		from := tableKey(space, id)
		it := s.engine.Scan(kv.Range{From: from, To: successor(from)})
		there := it.Next()
		if err := errors.Join(it.Err(), it.Close()); there || err != nil {
			return there, err
		}
	}
	return false, nil
}

// empty removes tables' content, in one batch with what ops adds.
func (s *Store) empty(tables []record.TableID, ops []kv.Op) (*Pending[None], error) {
	var all []kv.Op
	for _, id := range tables {
		for _, key := range tableMarks(id) {
			all = append(all, kv.Op{Kind: kv.Delete, Key: key})
		}
		all = append(all, forgetRelayed(id)...)
		for _, space := range tableSpaces {
			from := tableKey(space, id)
			all = append(all, kv.Op{Kind: kv.DeleteRange, Key: from, Value: successor(from)})
		}
		s.wholes.Delete(id)
		s.terms.Delete(id)
		s.indexed.Delete(id)
		s.timed.Delete(id)
	}
	s.forgetJoins(tables)
	s.forgetIndexes(tables)
	all = append(append(all, ops...), stateOp())
	own, err := s.engine.Begin(nil, func(kv.Reader) (*kv.Batch, error) {
		return &kv.Batch{Ops: all, Seal: func(sequence uint64, ops []kv.Op) {
			s.forgetFloors(tables)
			s.sealState(sequence, ops[len(ops)-1])
		}}, nil
	})
	if err != nil {
		return nil, s.noteFrozen(err)
	}
	s.recount(tables)
	return &Pending[None]{Sequence: own.Sequence, store: s, own: own}, nil
}

// forgetFloors forgets floors whose keys go in the batch that is sealed.
func (s *Store) forgetFloors(tables []record.TableID) {
	next := maps.Clone(*s.floors.Load())
	for _, id := range tables {
		delete(next, id)
	}
	s.floors.Store(&next)
}

// givenKey is where it stands which control revision gave this region the table
// that its records are a copy of.
func givenKey(id record.TableID) []byte {
	return binary.BigEndian.AppendUint64(append([]byte(nil), spaceMeta, 'g'), uint64(id))
}

// Renew empties the tables that this region was given anew: what it holds of
// them is from an earlier time, and the others may have forgotten since what was
// deleted (DATA 18). It does nothing for tables that were emptied for the same
// revision before, so a copy that was begun goes on. Call it before SetTables.
func (s *Store) Renew(ctx context.Context, tables []table.Table) error {
	p, err := s.BeginRenew(tables)
	_, err = wait(ctx, p, err)
	return err
}

// BeginRenew is the first half of Renew.
func (s *Store) BeginRenew(tables []table.Table) (*Pending[None], error) {
	var stale []record.TableID
	var marks []kv.Op
	for _, t := range tables {
		own, _, held := t.Holder(s.config.Region)
		if !held || own.Since == 0 {
			continue
		}
		known, err := s.Given(t.ID)
		if err != nil {
			return nil, fmt.Errorf("renew table %s: %w", t.Name, err)
		}
		if own.Since > known {
			stale = append(stale, t.ID)
			marks = append(marks, kv.Op{Kind: kv.Set, Key: givenKey(t.ID), Value: binary.BigEndian.AppendUint64(nil, own.Since)})
		}
	}
	ended, err := s.staleImages(tables)
	if err != nil {
		return nil, fmt.Errorf("end image logs: %w", err)
	}
	removed, err := s.staleIndexes(tables)
	if err != nil {
		return nil, fmt.Errorf("end indexes: %w", err)
	}
	untimed, err := s.staleTimes(tables)
	if err != nil {
		return nil, fmt.Errorf("end times of death: %w", err)
	}
	s.release(stale)
	s.quiesce()
	begun, err := s.beginImages(tables)
	if err != nil {
		return nil, fmt.Errorf("begin image logs: %w", err)
	}
	marks = slices.Concat(marks, ended, removed, untimed, begun)
	if len(stale) == 0 && len(marks) == 0 {
		return answer(s, 0, None{}), nil
	}
	p, err := s.empty(stale, marks)
	if err != nil {
		return nil, fmt.Errorf("renew tables: %w", err)
	}
	return p, nil
}

// Given is the highest control revision that is known to have given this region
// a table which others had before; 0 if there is none.
func (s *Store) Given(id record.TableID) (uint64, error) {
	whole, err := s.Whole(id)
	if err != nil {
		return 0, err
	}
	given, err := s.revisionAt(givenKey(id))
	return max(whole, given), err
}

// release makes tables unheld until the next SetTables.
func (s *Store) release(ids []record.TableID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := maps.Clone(*s.tables.Load())
	for _, id := range ids {
		delete(next, id)
	}
	s.tables.Store(&next)
}
