package dynamo

import (
	"bytes"
	"strconv"

	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/table"
)

// Sizes of capacity units: a strongly consistent read of 4 KB, a write of 1 KB.
const (
	readUnit  = 4 << 10
	writeUnit = 1 << 10
)

// readUnits is what reading size bytes costs.
func readUnits(size int, consistent bool) float64 {
	units := float64(max(1, (size+readUnit-1)/readUnit))
	if !consistent {
		units /= 2
	}
	return units
}

// writeUnits is what a write costs that leaves or replaces size bytes.
func writeUnits(size int) float64 { return float64(max(1, (size+writeUnit-1)/writeUnit)) }

// wantsCapacity reports whether the answer tells the consumed capacity.
func (c *call) wantsCapacity() bool {
	n := c.request.Get("ReturnConsumedCapacity")
	return n.Exists() && n.Text() != "NONE"
}

// consumed is what a request costs of one table, in capacity units.
type consumed struct {
	table   float64
	indexes []consumedIndex
	// kind is the name under which a transaction tells its units once more.
	kind string
}

type consumedIndex struct {
	index table.Index
	units float64
}

func (u *consumed) total() float64 {
	sum := u.table
	for _, x := range u.indexes {
		sum += x.units
	}
	return sum
}

func (u *consumed) addIndex(x table.Index, units float64) {
	for i := range u.indexes {
		if u.indexes[i].index.Name == x.Name {
			u.indexes[i].units += units
			return
		}
	}
	u.indexes = append(u.indexes, consumedIndex{x, units})
}

// addWrite adds a write that puts the new item in the place of the old one; nil
// is no item. An index costs a write if its entry changes, and two if the entry
// moves: one deletes, one puts.
func (u *consumed) addWrite(t *table.Table, old, new item.Item) {
	u.table += writeUnits(max(old.Size(), new.Size()))
	for _, x := range t.Indexes {
		if units := indexUnits(t, x, old, new); units > 0 {
			u.addIndex(x, units)
		}
	}
}

func indexUnits(t *table.Table, x table.Index, old, new item.Item) float64 {
	before, after := indexEntry(t, x, old), indexEntry(t, x, new)
	var held, holds item.Item
	if before != nil {
		held = projected(t, x, old)
	}
	if after != nil {
		holds = projected(t, x, new)
	}
	switch {
	case before == nil && after == nil:
		return 0
	case before != nil && after != nil && !bytes.Equal(before, after):
		return writeUnits(held.Size()) + writeUnits(holds.Size())
	case before != nil && after != nil && item.EqualItems(held, holds):
		return 0
	}
	return writeUnits(max(held.Size(), holds.Size()))
}

// capacity charges units, and appends ConsumedCapacity if the request asks for
// it.
func (c *call) capacity(table string, units consumed) {
	c.charge(table, units)
	if !c.wantsCapacity() {
		return
	}
	c.out = member(c.out, "ConsumedCapacity")
	c.out = c.appendCapacity(c.out, table, units)
}

// appendCapacity appends what was consumed of a table; table and indexes apart
// only on INDEXES.
func (c *call) appendCapacity(dst []byte, table string, units consumed) []byte {
	dst = append(dst, `{"TableName":`...)
	dst = item.AppendQuoted(dst, table)
	dst = units.append(dst, units.total())
	if c.text("ReturnConsumedCapacity") == "INDEXES" {
		dst = units.appendIndexes(dst, "LocalSecondaryIndexes", true)
		dst = units.appendIndexes(dst, "GlobalSecondaryIndexes", false)
		dst = units.append(append(member(dst, "Table"), '{'), units.table)
		dst = append(dst, '}')
	}
	return append(dst, '}')
}

func (u *consumed) appendIndexes(dst []byte, name string, local bool) []byte {
	shown := 0
	for _, x := range u.indexes {
		if x.index.Local != local {
			continue
		}
		if shown == 0 {
			dst = append(member(dst, name), '{')
		}
		dst = comma(dst, shown)
		shown++
		dst = item.AppendQuoted(dst, x.index.Name)
		dst = append(u.append(append(dst, `:{`...), x.units), '}')
	}
	if shown > 0 {
		dst = append(dst, '}')
	}
	return dst
}

// append appends the members of an object that tells units.
func (u *consumed) append(dst []byte, units float64) []byte {
	dst = appendUnits(member(dst, "CapacityUnits"), units)
	if u.kind != "" {
		dst = appendUnits(member(dst, u.kind), units)
	}
	return dst
}

// appendUnits writes 0.5, 1.0, 12.0 as AWS does.
func appendUnits(dst []byte, units float64) []byte {
	return strconv.AppendFloat(dst, units, 'f', 1, 64)
}

// member appends an object member's name, after a comma if one is due. Names
// are ours and need no escapes.
func member(dst []byte, name string) []byte {
	if last := dst[len(dst)-1]; last != '{' {
		dst = append(dst, ',')
	}
	dst = append(dst, '"')
	dst = append(dst, name...)
	return append(dst, '"', ':')
}
