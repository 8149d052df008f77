package dynamo

import (
	"iter"

	"github.com/meridian-run/meridian/internal/item"
)

// touch is what a request does with the items of a table.
type touch uint8

const (
	reads touch = iota
	// readsStrongly sees all that was acknowledged anywhere, if the table has a
	// primary: ConsistentRead, and the conditions of writes.
	readsStrongly
	writes
)

// readsTable is of requests that read the table that they name.
func readsTable(c *call) iter.Seq2[string, touch] {
	return func(yield func(string, touch) bool) { yield(c.text("TableName"), readsAs(c.request)) }
}

// writesTable is of requests that write the table that they name.
func writesTable(c *call) iter.Seq2[string, touch] {
	return func(yield func(string, touch) bool) { yield(c.text("TableName"), writes) }
}

// readsBatch is of requests that read several tables.
func readsBatch(c *call) iter.Seq2[string, touch] { return batch(c, readsAs) }

// writesBatch is of requests that write several tables.
func writesBatch(c *call) iter.Seq2[string, touch] {
	return batch(c, func(item.Node) touch { return writes })
}

// batch yields the names in RequestItems.
func batch(c *call, what func(of item.Node) touch) iter.Seq2[string, touch] {
	return func(yield func(string, touch) bool) {
		items := c.request.Get("RequestItems")
		for n, ok := items.First(); ok; n, ok = n.Next() {
			if !yield(n.Key(), what(n)) {
				return
			}
		}
	}
}

// readsAs is how n, a request or a part of one, asks to read.
func readsAs(n item.Node) touch {
	if n.Form() == item.Object {
		if strong, err := item.BoolFrom(n.Get("ConsistentRead")); err == nil && strong {
			return readsStrongly
		}
	}
	return reads
}
