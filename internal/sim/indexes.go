package sim

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

const (
	// firstIndex is the index that every table begins with.
	firstIndex = "values"
	// indexStep is how many records are filled into an index at a time: few, so that
	// much happens between two steps.
	indexStep = 2
	// indexRest is how long a region rests between two steps.
	indexRest = 20 * time.Millisecond
)

// The observer keeps indexes from values to keys, in the store's batches: one that
// each table begins with, and those that are added while all else goes on.
var _ store.Filler = (*node)(nil)

// indexOf is an index of a name; what its keys are is the observer's.
func indexOf(name string) table.Index {
	return table.Index{Name: name, Key: table.Attribute{Name: name, Type: "S"}, Projection: "KEYS_ONLY"}
}

// indexed is the entry of a record in an index.
func indexed(x table.Index, k record.Key, value []byte) []byte {
	return slices.Concat(store.IndexPrefix(x), value, []byte{' '}, k.Partition)
}

// reindex changes the entries of a record in all indexes of its table.
func reindex(c store.Change, into *store.Writes) {
	for _, x := range c.Table.Indexes {
		if c.Old != nil {
			into.Delete(indexed(x, c.Key, c.Old.Value))
		}
		if c.New != nil {
			into.Set(indexed(x, c.Key, c.New.Value), nil)
		}
	}
}

// Fill implements store.Filler. An entry has the record's key, which the record does
// not have: it is under those keys of which the observer was told this value.
func (n *node) Fill(t *table.Table, x table.Index, r record.Record, into *store.Writes) error {
	prefix := fmt.Sprintf("%d/", uint64(t.ID))
	for _, at := range slices.Sorted(maps.Keys(n.model)) {
		if partition, ok := strings.CutPrefix(at, prefix); ok && bytes.Equal(n.model[at].Value, r.Value) {
			into.Set(indexed(x, record.Key{Table: t.ID, Partition: []byte(partition)}, r.Value), nil)
		}
	}
	n.world.count("index entries filled")
	return nil
}

// index brings the indexes here to what the tables say, as package region does.
func (n *node) index() {
	if n.indexing || n.frozen {
		return
	}
	p, err := n.store.BeginIndex()
	if err != nil {
		n.line("index: %v", err)
		return
	}
	n.indexing = true
	n.await(p.Ready, func() {
		n.indexing = false
		done, err := p.Finish()
		if err != nil {
			n.line("index: %v", err)
			return
		}
		if done.Records > 0 {
			n.line("fills %d records into an index", done.Records)
		}
		if done.More {
			n.after(indexRest, func() { n.index(); n.touch() })
		}
	})
}

// unindexed says in what the indexes of a table here are not yet what they should
// be: one is to be filled, or there are entries of one that was removed.
func (n *node) unindexed(t table.Table) (why string) {
	for _, x := range t.Indexes {
		if whole, err := n.store.IndexWhole(t.ID, x); err != nil || !whole {
			return fmt.Sprintf("%s has not filled index %s of table %d", n.name, x.Name, t.ID)
		}
	}
	if whole, err := n.store.TimesWhole(t); err != nil || !whole {
		return fmt.Sprintf("%s has not looked through table %d for its ttl", n.name, t.ID)
	}
	n.scanIndex(t.ID, nil, func(entry []byte) {
		if entry[0] != 'm' && !slices.ContainsFunc(t.Indexes, func(x table.Index) bool { return bytes.HasPrefix(entry, store.IndexPrefix(x)) }) {
			why = fmt.Sprintf("%s keeps %q of an index of table %d that was removed", n.name, entry, t.ID)
		}
	})
	return why
}

// unindexed is the same for all living regions that hold the table.
func (w *World) unindexed(t table.Table) string {
	for _, name := range t.Regions() {
		if n := w.node(name); !n.dead {
			if why := n.unindexed(t); why != "" {
				return why
			}
		}
	}
	return ""
}

// checkIndex compares the entries of all indexes that are whole with the records.
func (n *node) checkIndex() {
	s := n.world.control.states[n.state]
	for _, id := range slices.Sorted(maps.Keys(n.world.tables)) {
		t, _ := s.table(id)
		for _, x := range t.Indexes {
			if whole, err := n.store.IndexWhole(id, x); err != nil || !whole {
				continue
			}
			want := n.entries(x, id)
			got := 0
			n.scanIndex(id, store.IndexPrefix(x), func(entry []byte) {
				got++
				if !want[string(entry)] {
					n.world.fail("effect once", "%s: index %s has %q, which no record has", n.name, x.Name, entry)
				}
			})
			if got != len(want) {
				n.world.fail("effect once", "%s: index %s of table %d has %d entries, the table %d records", n.name, x.Name, id, got, len(want))
			}
		}
	}
}

// entries are those that an index must have of the records here.
func (n *node) entries(x table.Index, id record.TableID) map[string]bool {
	want := map[string]bool{}
	for _, h := range records(n.disk.engine, id) {
		if !h.record.Tombstone && !h.record.Expired {
			want[string(indexed(x, h.key, h.record.Value))] = true
		}
	}
	return want
}

// scanIndex reads what observers wrote of a table under a prefix.
func (n *node) scanIndex(id record.TableID, prefix []byte, fn func(entry []byte)) {
	scan(n.disk.engine, 'x', id, func(key, _ []byte) {
		if entry := key[store.IndexPrefixSize:]; bytes.HasPrefix(entry, prefix) {
			fn(entry)
		}
	})
}

// addIndex adds an index to a table, with its entries to be filled.
func (a *authority) addIndex(id record.TableID, name string) error {
	return a.changeIndexes("add", id, name, func(t *table.Table) error {
		if _, there := t.Index(name); there {
			return fmt.Errorf("it is there")
		}
		t.Indexes = append(t.Indexes, indexOf(name))
		return nil
	})
}

// removeIndex removes an index of a table.
func (a *authority) removeIndex(id record.TableID, name string) error {
	return a.changeIndexes("remove", id, name, func(t *table.Table) error {
		before := len(t.Indexes)
		t.Indexes = slices.DeleteFunc(t.Indexes, func(x table.Index) bool { return x.Name == name })
		if len(t.Indexes) == before {
			return fmt.Errorf("it is not there")
		}
		return nil
	})
}

// setTTL names the attribute of a table's items that says when they die.
func (a *authority) setTTL(id record.TableID, attribute string) error {
	return a.changeIndexes("have ttl instead of", id, attribute, func(t *table.Table) error {
		t.TTL = attribute
		return nil
	})
}

func (a *authority) changeIndexes(what string, id record.TableID, name string, fn func(*table.Table) error) error {
	return a.change(fmt.Sprintf("%s index %s of table %d", what, name, id), func(s *state) error {
		i := s.index(id)
		if i < 0 {
			return fmt.Errorf("no table")
		}
		t := &s.tables[i]
		before := t.Clone()
		if err := fn(t); err != nil {
			return err
		}
		t.AddedSince(s.revision, before)
		t.Revision = s.revision
		return nil
	})
}

// indexes makes a command of what control does to an index: "index TABLE NAME".
func indexes(do func(*authority, record.TableID, string) error) func(*World, Command) error {
	return func(w *World, c Command) error {
		id, err := strconv.ParseUint(c.arg(0), 10, 64)
		if err != nil || c.arg(1) == "" {
			return fmt.Errorf("want a table and the name of an index")
		}
		w.count(c.Name)
		_ = do(w.control, record.TableID(id), c.arg(1)) // a refusal is traced
		return nil
	}
}
