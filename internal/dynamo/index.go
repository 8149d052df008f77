package dynamo

import (
	"encoding/binary"
	"hash/fnv"
	"slices"

	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

// IndexObserver keeps the entries of secondary indexes: whenever a record
// changes, by a write here or by one that arrived, the entries of the old item
// are deleted and those of the new one set, in the batch of the change (DATA 11).
// An entry depends on the record alone, so indexes are right whatever the order
// in which records arrive.
//
// An entry is, behind the table's prefix,
//
//	store.IndexPrefix | 16-bit hash | partition key, closed | sort key, closed | table's keys
//
// where each attribute of a key that has several is closed, and "closed" escapes zero bytes and ends with a separator, so that entries
// sort as their keys do. Its value is the record's expiry and the projected item.
type IndexObserver struct{}

var (
	_ store.Observer = IndexObserver{}
	_ store.Filler   = IndexObserver{}
)

// Observe is called by the store, inside the batch.
func (IndexObserver) Observe(c store.Change, into *store.Writes) error {
	if len(c.Table.Indexes) == 0 {
		return nil
	}
	before, err := decoded(c.Old)
	if err != nil {
		return err
	}
	after, err := decoded(c.New)
	if err != nil {
		return err
	}
	for _, x := range c.Table.Indexes {
		old := indexEntry(c.Table, x, before)
		next := indexEntry(c.Table, x, after)
		if old != nil && !slices.Equal(old, next) {
			into.Delete(old)
		}
		if next != nil {
			into.Set(next, indexValue(c.Table, x, after, c.New.Expires))
		}
	}
	return nil
}

// Fill adds the entry of a record that was there before the index.
func (IndexObserver) Fill(t *table.Table, x table.Index, r record.Record, into *store.Writes) error {
	it, err := item.Decode(r.Value)
	if err != nil {
		return err
	}
	if entry := indexEntry(t, x, it); entry != nil {
		into.Set(entry, indexValue(t, x, it, r.Expires))
	}
	return nil
}

func decoded(r *record.Record) (item.Item, error) {
	if r == nil {
		return nil, nil
	}
	return item.Decode(r.Value)
}

// indexEntry is the item's entry in the index; nil if it has none, because it
// lacks a key attribute or has it in another type.
func indexEntry(t *table.Table, x table.Index, it item.Item) []byte {
	for a := range x.Attributes() {
		if v := it.Get(a.Name); v.Kind.String() != a.Type {
			return nil
		}
	}
	key := indexPartition(x, it)
	for _, a := range x.Sorted() {
		key = appendClosed(key, item.AppendOrdered(nil, it.Get(a.Name)))
	}
	key = appendClosed(key, item.AppendOrdered(nil, it.Get(t.Key.Name)))
	if t.Sort != nil {
		key = item.AppendOrdered(key, it.Get(t.Sort.Name))
	}
	return key
}

// indexPartition is what all entries of one partition of an index begin with; of
// it, the attributes of the partition key count.
func indexPartition(x table.Index, it item.Item) []byte {
	h := fnv.New32a()
	var closed []byte
	for _, a := range x.Partition() {
		ordered := item.AppendOrdered(nil, it.Get(a.Name))
		h.Write(ordered) // never fails
		closed = appendClosed(closed, ordered)
	}
	key := binary.BigEndian.AppendUint16(store.IndexPrefix(x), uint16(h.Sum32()>>16^h.Sum32()))
	return append(key, closed...)
}

// appendClosed appends b so that no other value's bytes begin with it, in the
// order of b: zero as 0 255, the end as 0 1.
func appendClosed(dst, b []byte) []byte {
	for _, c := range b {
		dst = append(dst, c)
		if c == 0 {
			dst = append(dst, 0xff)
		}
	}
	return append(dst, 0, 1)
}

func indexValue(t *table.Table, x table.Index, it item.Item, expires int64) []byte {
	value := binary.AppendVarint(nil, expires)
	return item.Encode(value, projected(t, x, it))
}

// projected is what the index holds of an item.
func projected(t *table.Table, x table.Index, it item.Item) item.Item {
	if x.Projection == "" || x.Projection == "ALL" {
		return it
	}
	return it.Pick(slices.Concat(pageAttributes(*t, &x), x.Include)...)
}

// pageAttributes are the names of a page's key attributes: the table's and the
// index's, each once.
func pageAttributes(t table.Table, x *table.Index) []string {
	var names []string
	add := func(a table.Attribute) bool {
		if !slices.Contains(names, a.Name) {
			names = append(names, a.Name)
		}
		return true
	}
	if x != nil {
		x.Attributes()(add)
	}
	attributes(t)(add)
	return names
}

// splitIndexValue takes an entry's value apart.
func splitIndexValue(value []byte) (expires int64, stored []byte, err error) {
	expires, n := binary.Varint(value)
	if n <= 0 {
		return 0, nil, item.ErrCorrupt
	}
	return expires, value[n:], nil
}

// indexRange is the engine's range of the keys between from and to (excluded),
// behind the table's prefix.
func indexRange(id record.TableID, from, to []byte, reverse bool) kv.Range {
	return kv.Range{From: store.IndexKey(id, from), To: store.IndexKey(id, to), Reverse: reverse}
}

// successor is the first key that does not begin with the prefix, which must
// not be all 255.
func successor(prefix []byte) []byte {
	next := slices.Clone(prefix)
	for i := len(next) - 1; i >= 0; i-- {
		if next[i]++; next[i] != 0 {
			return next[:i+1]
		}
	}
	return nil
}
