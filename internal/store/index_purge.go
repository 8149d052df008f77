package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/table"
)

// purgeIndexes removes the entries and marks of indexes that tables no longer
// have, and answers the sequence of its commit.
func (s *Store) purgeIndexes(tables map[record.TableID]*table.Table) (sequence uint64, err error) {
	var ops []kv.Op
	for id, t := range tables {
		there, err := s.indexesHere(id)
		if err != nil {
			return 0, err
		}
		for _, i := range there {
			if i.of(t.Indexes) {
				continue
			}
			prefix := i.prefix()
			ops = append(ops, kv.Op{Kind: kv.DeleteRange, Key: prefix, Value: successor(prefix)}, i.forgotten())
			s.filled.Delete(i)
		}
	}
	if len(ops) == 0 {
		return 0, nil
	}
	own, err := s.commit(nil, func(kv.Reader) ([]kv.Op, error) { return ops, nil })
	if err != nil {
		return 0, err
	}
	return own.Sequence, nil
}

// of reports whether an index is among some.
func (i indexID) of(indexes []table.Index) bool {
	return slices.ContainsFunc(indexes, func(x table.Index) bool { return x.Is(table.Index{Name: i.name, Since: i.since}) })
}

// forgotten makes an index one that has to be filled, if it ever comes back: with
// a state of the tables that is older than what this region knew.
func (i indexID) forgotten() kv.Op {
	if i.since == 0 {
		return kv.Op{Key: i.mark(), Value: []byte{indexGone}}
	}
	return kv.Op{Kind: kv.Delete, Key: i.mark()}
}

// indexesHere lists the indexes of a table of which there are entries, or marks
// of those that were added.
func (s *Store) indexesHere(id record.TableID) (all []indexID, err error) {
	from := IndexKey(id, nil)
	end := successor(from)
	for {
		i, key, err := s.nextIndex(id, kv.Range{From: from, To: end})
		if err != nil || key == nil {
			return all, err
		}
		if key[IndexPrefixSize] == indexMarks {
			from = append(key, 0)
			if i.since == 0 {
				continue // says that it is gone
			}
		} else {
			from = successor(i.prefix())
		}
		if !slices.Contains(all, i) {
			all = append(all, i)
		}
	}
}

// nextIndex finds the first key in a range, nil if there is none, and the index
// that it belongs to.
func (s *Store) nextIndex(id record.TableID, r kv.Range) (i indexID, key []byte, err error) {
	it := s.engine.Scan(r)
	defer func() { err = errors.Join(err, it.Close()) }()
	if !it.Next() {
		return i, nil, it.Err()
	}
	key = bytes.Clone(it.Key())
	i, err = parseIndexKey(id, key[IndexPrefixSize:])
	return i, key, err
}

// parseIndexKey answers the index that a key in the observers' keyspace belongs to.
func parseIndexKey(id record.TableID, key []byte) (indexID, error) {
	i := indexID{table: id}
	bad := fmt.Errorf("%w: %x of an index", errBadKey, key)
	kind, rest := key[0], key[1:]
	if kind != indexFirst {
		if len(rest) < 8 {
			return i, bad
		}
		i.since, rest = binary.BigEndian.Uint64(rest), rest[8:]
	}
	switch kind {
	case indexMarks:
		i.name = string(rest)
	case indexFirst, indexAdded:
		name, _, err := parseEscaped(rest)
		if err != nil {
			return i, err
		}
		i.name = string(name)
	default:
		return i, bad
	}
	return i, nil
}

// staleIndexes makes those indexes of tables that are about to be adopted without
// them ones that have to be filled: what changes from now on is not in them.
func (s *Store) staleIndexes(tables []table.Table) (ops []kv.Op, err error) {
	before := *s.tables.Load()
	for _, t := range tables {
		if !holds(t, s.config.Region) {
			continue
		}
		marked, err := s.markedIndexes(t.ID)
		if err != nil {
			return nil, err
		}
		if b := before[t.ID]; b != nil {
			for _, x := range b.Indexes {
				marked = append(marked, indexID{t.ID, x.Name, x.Since})
			}
		}
		for _, i := range marked {
			if !i.of(t.Indexes) {
				ops = append(ops, i.forgotten())
				s.filled.Delete(i)
			}
		}
	}
	return ops, nil
}

// markedIndexes lists the indexes that were added to a table and have marks.
func (s *Store) markedIndexes(id record.TableID) (all []indexID, err error) {
	first := IndexKey(id, binary.BigEndian.AppendUint64([]byte{indexMarks}, 1))
	it := s.engine.Scan(kv.Range{From: first, To: IndexKey(id, []byte{indexMarks + 1})})
	defer func() { err = errors.Join(err, it.Close()) }()
	for it.Next() {
		i, err := parseIndexKey(id, it.Key()[IndexPrefixSize:])
		if err != nil {
			return nil, err
		}
		all = append(all, i)
	}
	return all, it.Err()
}

// forgetIndexes forgets what is known of the indexes of tables that are emptied.
func (s *Store) forgetIndexes(tables []record.TableID) {
	s.filled.Range(func(key, _ any) bool {
		if slices.Contains(tables, key.(indexID).table) {
			s.filled.Delete(key)
		}
		return true
	})
}
