package dynamo

import (
	"fmt"
	"slices"

	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
)

// holdsAll reports whether all names are held.
func holdsAll(held, names []string) bool {
	return !slices.ContainsFunc(names, func(name string) bool { return !slices.Contains(held, name) })
}

// fetch reads, as it was at the moment of the entry, the item of the table that an
// entry of a local index is of. Each costs a read of its own.
func (p *page) fetch(r kv.Reader, entry []byte) (stored []byte, err error) {
	it, err := item.Decode(entry)
	if err != nil {
		return nil, err
	}
	key := record.Key{Table: p.table.ID, Partition: item.AppendOrdered(nil, it.Get(p.table.Key.Name))}
	if p.table.Sort != nil {
		key.Sort = item.AppendOrdered(nil, it.Get(p.table.Sort.Name))
	}
	whole, found, err := store.ReadRecord(r, key)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, fmt.Errorf("index %s of table %s has an entry of an item that is not there", p.index.Name, p.table.Name)
	}
	size, err := item.StoredSize(whole.Value)
	p.fetched.units += readUnits(size, p.call.flag("ConsistentRead"))
	p.fetched.size += size
	p.fetched.entries += it.Size()
	return whole.Value, err
}

// fetched is what a page has read from the table for the entries of an index.
type fetched struct {
	units   float64
	size    int // of the items
	entries int // size of the entries
}

// consumed is what the page has cost.
func (p *page) consumed() consumed {
	consistent := p.call.flag("ConsistentRead")
	if p.index == nil {
		return consumed{table: readUnits(p.size, consistent)}
	}
	units := readUnits(p.size-p.fetched.size+p.fetched.entries, consistent)
	return consumed{table: p.fetched.units, indexes: []consumedIndex{{*p.index, units}}}
}
