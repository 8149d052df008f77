package store

import (
	"bytes"
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

// An index that is added to a table with records is filled by each region for
// itself, from its own records. Its observer keeps the entries of every change
// from the moment on at which the region has adopted the table with the index;
// filling adds those of the records that were there. Each step locks some
// records and adds the entries of what they are at that time, so that whichever
// of it and a change comes first, the entries are those of the later record. How
// far it has come is committed with the entries.

const (
	// IndexStep is the default of Config.IndexStep. It and fillBytes bound what one
	// step of filling an index locks and reads: writers of these records wait for
	// some milliseconds at most.
	IndexStep = 256
	fillBytes = 1 << 20
)

// Marks of indexes in the observers' keyspace: how far an index is filled.
const (
	indexFilling = 1 // up to the key that follows
	indexWhole   = 2
	indexGone    = 3 // what is there of it is of no use
)

// The first byte of what stands in the observers' keyspace.
const (
	indexMarks = 'm' // marks
	indexFirst = 'i' // entries of indexes that tables began with
	indexAdded = 'n' // entries of others, by the revision that added them
)

// Filler is an Observer that keeps indexes.
type Filler interface {
	// Fill adds the entries that an index has of a record, which were Observe's if
	// the record had changed just now.
	Fill(t *table.Table, x table.Index, r record.Record, into *Writes) error
}

// Indexed says what a step of filling indexes did.
type Indexed struct {
	// Records were looked at.
	Records int
	// More says that another step has work to do.
	More bool
}

// IndexPrefix is what the entries of an index begin with, in the observers'
// keyspace: its name, and what tells it from others that had the name before.
func IndexPrefix(x table.Index) []byte {
	if x.Since == 0 {
		return appendEscaped([]byte{indexFirst}, []byte(x.Name))
	}
	return appendEscaped(binary.BigEndian.AppendUint64([]byte{indexAdded}, x.Since), []byte(x.Name))
}

// indexID tells an index from all others.
type indexID struct {
	table record.TableID
	name  string
	since uint64
}

func (i indexID) mark() []byte {
	key := binary.BigEndian.AppendUint64([]byte{indexMarks}, i.since)
	return IndexKey(i.table, append(key, i.name...))
}

// prefix is what the engine's keys of the index's entries begin with.
func (i indexID) prefix() []byte {
	return IndexKey(i.table, IndexPrefix(table.Index{Name: i.name, Since: i.since}))
}

// IndexWhole reports whether an index of a table has the entries of all records
// of this region.
func (s *Store) IndexWhole(id record.TableID, x table.Index) (bool, error) {
	i := indexID{id, x.Name, x.Since}
	if _, known := s.filled.Load(i); known {
		return true, nil
	}
	state, _, err := s.filling(i)
	if err != nil || state != indexWhole {
		return false, err
	}
	s.filled.Store(i, true)
	return true, nil
}

// filling answers how far an index is filled, and where it goes on.
func (s *Store) filling(i indexID) (state byte, from []byte, err error) {
	raw, err := s.engine.Get(i.mark())
	switch {
	case errors.Is(err, kv.ErrNotFound) && i.since == 0:
		return indexWhole, nil, nil // every change of the table was observed
	case errors.Is(err, kv.ErrNotFound):
		return indexGone, nil, nil
	case err != nil:
		return 0, nil, s.noteFrozen(err)
	case len(raw) == 0:
		return 0, nil, fmt.Errorf("the mark of index %s is damaged", i.name)
	}
	return raw[0], raw[1:], nil
}

// Index is one step of bringing the indexes here to what the tables say: the
// entries of those that were removed go, those that were added are filled, and
// records get their places in the index of times of death (ttl.go). Call
// it until there is no more, again when tables have changed, and from one
// goroutine only.
func (s *Store) Index(ctx context.Context) (Indexed, error) {
	p, err := s.BeginIndex()
	return wait(ctx, p, err)
}

// BeginIndex is the first half of Index.
func (s *Store) BeginIndex() (*Pending[Indexed], error) {
	tables := s.tables.Load()
	if s.indexing.Load() != tables {
		s.quiesce() // no change is under way that finds the tables as they were
		sequence, err := s.purgeIndexes(*tables)
		if err != nil {
			return nil, fmt.Errorf("remove the entries of indexes: %w", err)
		}
		s.indexing.Store(tables)
		return answer(s, sequence, Indexed{More: true}), nil
	}
	s.changing.RLock()
	defer s.changing.RUnlock()
	if s.tables.Load() != tables {
		return answer(s, 0, Indexed{More: true}), nil
	}
	for _, id := range slices.Sorted(maps.Keys(*tables)) {
		t := (*tables)[id]
		if timed, err := s.TimesWhole(*t); err != nil {
			return nil, err
		} else if !timed {
			return s.passTimes(t)
		}
		for _, x := range t.Indexes {
			whole, err := s.IndexWhole(id, x)
			if err != nil {
				return nil, err
			}
			if !whole {
				return s.fill(t, x)
			}
		}
	}
	return answer(s, 0, Indexed{}), nil
}

// fill adds the entries of some records to an index.
func (s *Store) fill(t *table.Table, x table.Index) (*Pending[Indexed], error) {
	i := indexID{t.ID, x.Name, x.Since}
	state, from, err := s.filling(i)
	if err != nil {
		return nil, err
	}
	switch {
	case state == indexGone:
		return s.clearIndex(i)
	case len(from) == 0:
		from = tableKey(spaceData, t.ID)
	}
	keys, next, err := s.someKeys(from, t.ID)
	if err != nil {
		return nil, err
	}
	mark := kv.Op{Key: i.mark(), Value: []byte{indexWhole}}
	if next != nil {
		mark.Value = append([]byte{indexFilling}, next...)
	}
	own, err := s.commit(keys, func(r kv.Reader) ([]kv.Op, error) {
		into := Writes{table: t.ID}
		if err := s.entries(r, t, x, keys, &into); err != nil {
			return nil, fmt.Errorf("fill index %s of table %s: %w", x.Name, t.Name, err)
		}
		return append(into.ops, mark), nil
	})
	if err != nil {
		return nil, err
	}
	return &Pending[Indexed]{Sequence: own.Sequence, store: s, own: own, value: Indexed{Records: len(keys), More: true}}, nil
}

// clearIndex begins to fill an index. A region whose control state fell back may
// have had it before, and did not keep it meanwhile; what its observer has added
// since is added again.
func (s *Store) clearIndex(i indexID) (*Pending[Indexed], error) {
	prefix := i.prefix()
	own, err := s.commit(nil, func(kv.Reader) ([]kv.Op, error) {
		return []kv.Op{{Kind: kv.DeleteRange, Key: prefix, Value: successor(prefix)}, {Key: i.mark(), Value: []byte{indexFilling}}}, nil
	})
	if err != nil {
		return nil, err
	}
	return &Pending[Indexed]{Sequence: own.Sequence, store: s, own: own, value: Indexed{More: true}}, nil
}

// entries adds what an index has of the records under locked keys.
func (s *Store) entries(r kv.Reader, t *table.Table, x table.Index, keys [][]byte, into *Writes) error {
	for _, data := range keys {
		current, found, err := load(r, data)
		if err != nil {
			return err
		}
		if present(current, found) == nil {
			continue
		}
		if err := s.fillEntries(t, x, current, into); err != nil {
			return err
		}
	}
	return nil
}

// fillEntries adds what an index has of a record.
func (s *Store) fillEntries(t *table.Table, x table.Index, r record.Record, into *Writes) error {
	for _, o := range s.config.Observers {
		if f, ok := o.(Filler); ok {
			if err := f.Fill(t, x, r, into); err != nil {
				return err
			}
		}
	}
	return nil
}

// someKeys lists the data keys of some records from a key on; next is where they
// go on, nil at the end.
func (s *Store) someKeys(from []byte, id record.TableID) (keys [][]byte, next []byte, err error) {
	it := s.engine.Scan(kv.Range{From: from, To: successor(tableKey(spaceData, id))})
	defer func() { err = errors.Join(err, it.Close()) }()
	for size := 0; it.Next(); size += len(it.Value()) {
		if len(keys) == s.config.IndexStep || size >= fillBytes {
			return keys, bytes.Clone(it.Key()), nil
		}
		keys = append(keys, bytes.Clone(it.Key()))
	}
	return keys, nil, it.Err()
}
