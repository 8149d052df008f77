package dynamo

import (
	"slices"
	"strconv"

	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/table"
)

// appendIndexes appends the descriptions of a table's secondary indexes.
func (c *call) appendIndexes(dst []byte, t table.Table, status table.State) []byte {
	dst = c.appendIndexList(dst, "LocalSecondaryIndexes", t, status, localIndex)
	return c.appendIndexList(dst, "GlobalSecondaryIndexes", t, status, globalIndex)
}

func (c *call) appendIndexList(dst []byte, list string, t table.Table, status table.State, kind indexKind) []byte {
	shown := 0
	for _, x := range t.Indexes {
		if x.Local != bool(kind) {
			continue
		}
		if shown == 0 {
			dst = append(member(dst, list), '[')
		}
		dst = append(comma(dst, shown), `{"IndexName":`...)
		dst = item.AppendQuoted(dst, x.Name)
		dst = appendIndexSchema(dst, x)
		dst = appendProjection(dst, x)
		dst = item.AppendQuoted(member(dst, "IndexArn"), c.server.arn(t.Name)+"/index/"+x.Name)
		if kind == globalIndex {
			dst = c.appendIndexStatus(dst, t, x, status)
			dst = c.appendIndexBilling(dst, t.Settings, x.Name)
		}
		count := c.server.counted(t.ID).indexes[x.Name]
		dst = strconv.AppendInt(member(dst, "ItemCount"), count.items, 10)
		dst = append(strconv.AppendInt(member(dst, "IndexSizeBytes"), count.bytes, 10), '}')
		shown++
	}
	if shown == 0 {
		return dst
	}
	return append(dst, ']')
}

// appendIndexStatus appends the state of an index in this region: it is CREATING
// until it is filled.
func (c *call) appendIndexStatus(dst []byte, t table.Table, x table.Index, status table.State) []byte {
	switch {
	case status == table.Creating || status == table.Deleting:
	case c.server.removed(t, x):
		status = table.Deleting
	case c.server.fills(t, x):
		status = table.Creating
		dst = append(member(dst, "Backfilling"), "true"...)
	default:
		status = table.Active
	}
	return item.AppendQuoted(member(dst, "IndexStatus"), string(status))
}

// fills reports whether an index is not whole here yet.
func (s *Server) fills(t table.Table, x table.Index) bool {
	whole, err := s.config.Store.IndexWhole(t.ID, x)
	return err != nil || !whole
}

// stillFilled refuses to read from an index that lacks entries.
func stillFilled(x table.Index) error {
	kind := "global"
	if x.Local {
		kind = "local"
	}
	return invalid("Cannot read from backfilling %s secondary index: %s", kind, x.Name)
}

// fillsAny reports whether any index of the table is not whole here yet.
func (s *Server) fillsAny(t table.Table) bool {
	return slices.ContainsFunc(t.Indexes, func(x table.Index) bool { return s.fills(t, x) })
}

// removed reports whether the table does not have the index any more.
func (s *Server) removed(t table.Table, x table.Index) bool {
	now, ok := s.config.Catalog.Table(t.Name)
	return ok && !slices.ContainsFunc(now.Indexes, x.Is)
}

// withRemoved is the table with the indexes that the request has just removed.
func (c *call) withRemoved(t, before table.Table) table.Table {
	list := c.request.Get("GlobalSecondaryIndexUpdates")
	for n, ok := list.First(); ok; n, ok = n.Next() {
		if x, there := before.Index(n.Get("Delete").Get("IndexName").Text()); there {
			t.Indexes = append(slices.Clone(t.Indexes), x)
		}
	}
	return t
}

func appendIndexSchema(dst []byte, x table.Index) []byte {
	dst = append(member(dst, "KeySchema"), '[')
	for i, a := range slices.Concat(x.Partition(), x.Sorted()) {
		kind := "HASH"
		if i >= len(x.Partition()) {
			kind = "RANGE"
		}
		dst = append(comma(dst, i), `{"AttributeName":`...)
		dst = item.AppendQuoted(dst, a.Name)
		dst = append(item.AppendQuoted(member(dst, "KeyType"), kind), '}')
	}
	return append(dst, ']')
}

func appendProjection(dst []byte, x table.Index) []byte {
	kind := x.Projection
	if kind == "" {
		kind = "ALL"
	}
	dst = append(member(dst, "Projection"), `{"ProjectionType":`...)
	dst = item.AppendQuoted(dst, kind)
	if len(x.Include) > 0 {
		dst = append(member(dst, "NonKeyAttributes"), '[')
		for i, name := range x.Include {
			dst = item.AppendQuoted(comma(dst, i), name)
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}
