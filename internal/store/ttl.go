package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/meridian-run/meridian/internal/equality"
	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/table"
)

// A table may get its expiry attribute when it holds records: theirs lack their
// times of death. That is derived from the item and the time of its version
// alone (record.Timed), so every region finds the same, without a new version and
// without a word to the others: in what it holds, by a pass over the table that is
// made when the region has adopted it, and in what comes from others, which may
// not have adopted it yet, before that is merged.

// Marks of the pass: behind the table's TTLSince that it is for.
const (
	timesPassing = 1 // up to the key that follows
	timesWhole   = 2
)

// timesKey is where it stands how far the records of a table have their times of
// death.
func timesKey(id record.TableID) []byte {
	return binary.BigEndian.AppendUint64(append([]byte(nil), spaceMeta, 'e'), uint64(id))
}

// timed is a record with the expiry that the table's attribute gives it, and
// whether it had another.
func timed(t *table.Table, r record.Record) (record.Record, bool) {
	if t.TTLSince == 0 {
		return r, false // whoever wrote it knew of it
	}
	return record.Timed(r, t.TTL)
}

// expire gives a write the expiry that its item has by the table's attribute.
func (sl *slot) expire(now time.Time) {
	if sl.table.TTL == "" || sl.write.Tombstone {
		return
	}
	sl.write.Expires = record.ExpiryOf(sl.write.Value, sl.table.TTL, now)
	if sl.changed != nil && slices.Contains(sl.changed.Attributes, sl.table.TTL) {
		changed := *sl.changed
		changed.Expires = true
		sl.changed = &changed
	}
}

// TimesWhole reports whether the records of a table that are here have their times
// of death.
func (s *Store) TimesWhole(t table.Table) (bool, error) {
	if t.TTLSince == 0 {
		return true, nil
	}
	if known, ok := s.timed.Load(t.ID); ok && known == t.TTLSince {
		return true, nil
	}
	since, state, _, err := s.timesMark(t.ID)
	if err != nil || since != t.TTLSince || state != timesWhole {
		return false, err
	}
	s.timed.Store(t.ID, since)
	return true, nil
}

// timesMark reads how far the pass of a table has come; zero is not at all.
func (s *Store) timesMark(id record.TableID) (since uint64, state byte, from []byte, err error) {
	raw, err := s.engine.Get(timesKey(id))
	switch {
	case errors.Is(err, kv.ErrNotFound):
		return 0, 0, nil, nil
	case err != nil:
		return 0, 0, nil, s.noteFrozen(err)
	case len(raw) < 9:
		return 0, 0, nil, fmt.Errorf("the mark of the expiry of table %x is damaged", uint64(id))
	}
	return binary.BigEndian.Uint64(raw), raw[8], raw[9:], nil
}

// passTimes gives some of the records that a table held before it had its expiry
// attribute their times of death. What is due is buried by Expire, like any other.
func (s *Store) passTimes(t *table.Table) (*Pending[Indexed], error) {
	since, _, from, err := s.timesMark(t.ID)
	if err != nil {
		return nil, err
	}
	if since != t.TTLSince || len(from) == 0 {
		from = tableKey(spaceData, t.ID)
	}
	keys, next, err := s.someKeys(from, t.ID)
	if err != nil {
		return nil, err
	}
	mark := binary.BigEndian.AppendUint64(nil, t.TTLSince)
	if next == nil {
		mark = append(mark, timesWhole)
	} else {
		mark = append(append(mark, timesPassing), next...)
	}
	own, err := s.engine.Begin(keys, func(r kv.Reader) (*kv.Batch, error) {
		e := edit{store: s, extra: []kv.Op{{Key: timesKey(t.ID), Value: mark}}}
		for _, data := range keys {
			if err := e.time(r, t, data); err != nil {
				return nil, fmt.Errorf("expiry of table %s: %w", t.Name, err)
			}
		}
		return e.batch(), nil
	})
	if err != nil {
		return nil, s.noteFrozen(err)
	}
	return &Pending[Indexed]{Sequence: own.Sequence, store: s, own: own, value: Indexed{Records: len(keys), More: true}}, nil
}

// time gives a record its time of death.
func (e *edit) time(r kv.Reader, t *table.Table, data []byte) error {
	current, found, err := load(r, data)
	if err != nil || !found {
		return err
	}
	next, late := timed(t, current)
	if !late {
		return nil
	}
	e.ops = append(e.ops, kv.Op{Key: data, Value: encode(next)})
	return e.store.retime(t, data, current, next, &e.writes)
}

// retime adds to a batch what follows from a record's new time of death: the index
// of such times, and what the entries of secondary indexes say of it. The item is
// as it was, so it is no change that observers or images are told of.
func (s *Store) retime(t *table.Table, data []byte, before, after record.Record, into *Writes) error {
	key, err := parseDataKey(data)
	if err != nil {
		return err
	}
	into.table = t.ID
	change := Change{Table: t, Key: key, Old: present(before, true), New: present(after, true)}
	indexExpiry(change, into)
	if change.New == nil {
		return nil
	}
	for _, x := range t.Indexes {
		if err := s.fillEntries(t, x, after, into); err != nil {
			return err
		}
	}
	return nil
}

// staleTimes forgets the pass of tables that are about to be adopted without the
// expiry attribute that it was for: what is written from now on has no expiry.
func (s *Store) staleTimes(tables []table.Table) (ops []kv.Op, err error) {
	for _, t := range tables {
		since, _, _, err := s.timesMark(t.ID)
		if err != nil {
			return nil, err
		}
		if since != 0 && since != t.TTLSince {
			ops = append(ops, kv.Op{Kind: kv.Delete, Key: timesKey(t.ID)})
			s.timed.Delete(t.ID)
		}
	}
	return ops, nil
}

// timed answers how a comparison sees the records of a table: with the expiry
// that they have where both regions are done with their pass. It fails if the other
// region does not know of that yet.
func (s Side) timed(b equality.Basis) (func(record.Record) record.Record, error) {
	t, err := s.store.table(b.Table)
	if err != nil {
		return nil, err
	}
	switch {
	case b.TTL != "" && (t.TTL == "" || t.TTLSince != 0):
		return func(r record.Record) record.Record {
			r, _ = record.Timed(r, b.TTL)
			return r
		}, nil
	case t.TTLSince != 0:
		return nil, fmt.Errorf("the region that compares does not know yet that table %s has got a ttl", t.Name)
	}
	return func(r record.Record) record.Record { return r }, nil
}
