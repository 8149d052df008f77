package store

import (
	"bytes"
	"errors"

	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/record"
)

// indexing is how far the records of a table that were written before there was
// an index have been found.
type indexing struct {
	done bool
	from []byte // where the next step goes on
}

// index adds to the index the records of a table that were written before it
// existed, a piece in each step. Records written meanwhile are in it by their own
// batch. The index of a table is complete once the key that is its bare prefix
// is there; it goes with the table.
func (w *sweep) index(id record.TableID) error {
	s, mark := w.store, tableKey(spaceExpiry, id)
	known, _ := s.indexed.Load(id)
	at, _ := known.(indexing)
	if at.done {
		return nil
	}
	if at.from == nil {
		there, err := has(s.engine, mark)
		if err != nil || there {
			s.indexed.Store(id, indexing{done: there})
			return err
		}
		at.from = tableKey(spaceData, id)
	}
	found, next, err := s.mortals(at.from, id)
	if err != nil {
		return err
	}
	w.More = w.More || next != nil
	own, err := s.commit(found, func(r kv.Reader) ([]kv.Op, error) {
		ops, err := indexed(r, found)
		if next == nil {
			ops = append(ops, kv.Op{Key: mark, Value: []byte{Format}})
		}
		return ops, err
	})
	if err != nil {
		return err
	}
	w.sequence = max(w.sequence, own.Sequence)
	s.indexed.Store(id, indexing{done: next == nil, from: next})
	return nil
}

// mortals lists the data keys of records that die, of some from a key on; next
// is where they go on, nil at the end.
func (s *Store) mortals(from []byte, id record.TableID) (found [][]byte, next []byte, err error) {
	it := s.engine.Scan(kv.Range{From: from, To: successor(tableKey(spaceData, id))})
	defer func() { err = errors.Join(err, it.Close()) }()
	for n := 0; it.Next(); n++ {
		if n == indexBatch {
			return found, bytes.Clone(it.Key()), nil
		}
		r, err := record.Parse(it.Value())
		if err != nil {
			return nil, nil, err
		}
		if dies(r) {
			found = append(found, bytes.Clone(it.Key()))
		}
	}
	return found, nil, it.Err()
}

// indexed are the entries of records that still die.
func indexed(r kv.Reader, keys [][]byte) ([]kv.Op, error) {
	var ops []kv.Op
	for _, data := range keys {
		current, found, err := load(r, data)
		if err != nil {
			return nil, err
		}
		if found && dies(current) {
			ops = append(ops, kv.Op{Key: expiryKey(data, current.Expires)})
		}
	}
	return ops, nil
}
