package dynamo

import (
	"slices"
	"strconv"
	"strings"

	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/table"
)

// wantsCollections reports whether the answer to a write of a table tells about
// its item collection: all items, and entries of local indexes, of one partition
// key.
func (c *call) wantsCollections(t table.Table) bool {
	return c.asksCollections() && t.HasLocal()
}

func (c *call) asksCollections() bool { return c.text("ReturnItemCollectionMetrics") == "SIZE" }

// collectionMetrics appends ItemCollectionMetrics of one write, if they are asked
// for.
func (c *call) collectionMetrics(t table.Table, k record.Key) error {
	if !c.wantsCollections(t) {
		return nil
	}
	c.out = member(c.out, "ItemCollectionMetrics")
	return c.appendCollection(t, k)
}

// appendCollection appends the size of a key's collection, as it was when the
// table was counted, as a range of one gigabyte.
func (c *call) appendCollection(t table.Table, k record.Key) error {
	partition, err := item.ParseOrdered(item.KindOf(t.Key.Type), k.Partition)
	if err != nil {
		return err
	}
	least := c.server.counted(t.ID).collections[string(k.Partition)]
	c.out = append(c.out, `{"ItemCollectionKey":`...)
	c.out = item.Make(item.Attribute{Name: t.Key.Name, Value: partition}).AppendJSON(c.out)
	c.out = append(member(c.out, "SizeEstimateRangeGB"), '[')
	c.out = strconv.AppendInt(c.out, least, 10)
	c.out = strconv.AppendInt(append(c.out, ".0,"...), least+1, 10)
	c.out = append(c.out, ".0]}"...)
	return nil
}

// written is what one of several writes of a request has written.
type written struct {
	table table.Table
	key   record.Key
}

// collectionsMetrics appends ItemCollectionMetrics of several writes, by table and
// each collection once, if they are asked for.
func (c *call) collectionsMetrics(writes []written) error {
	slices.SortStableFunc(writes, func(a, b written) int { return strings.Compare(a.table.Name, b.table.Name) })
	open := ""
	seen := map[string]bool{}
	for _, w := range writes {
		if !c.wantsCollections(w.table) {
			continue
		}
		id := identity(record.Key{Table: w.table.ID, Partition: w.key.Partition})
		if seen[id] {
			continue
		}
		switch {
		case open == "":
			c.out = append(member(c.out, "ItemCollectionMetrics"), '{')
		case open != w.table.Name:
			c.out = append(c.out, "],"...)
		default:
			c.out = append(c.out, ',')
		}
		if open != w.table.Name {
			c.out = append(item.AppendQuoted(c.out, w.table.Name), ":["...)
		}
		open, seen[id] = w.table.Name, true
		if err := c.appendCollection(w.table, w.key); err != nil {
			return err
		}
	}
	if open != "" {
		c.out = append(c.out, "]}"...)
	}
	return nil
}
