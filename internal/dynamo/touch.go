package dynamo

import (
	"strings"

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

// touched is a table whose items a request reads or writes.
type touched struct {
	table string
	what  touch
}

// touches finds what the request touches. The ARN of a table of another region
// or account is refused: what is here under its name is not what was meant.
func (c *call) touches(op operation) error {
	c.touched = c.touched[:0]
	if op.touched == nil {
		return c.ours(c.text("TableName"))
	}
	c.touched = op.touched(c, c.touched)
	for i := range c.touched {
		if err := c.ours(c.touched[i].table); err != nil {
			return err
		}
		c.touched[i].table = tableFrom(c.touched[i].table)
	}
	return nil
}

// ours checks the ARN of a table; any other name is right.
func (c *call) ours(name string) error {
	if strings.HasPrefix(name, "arn:") && !strings.HasPrefix(name, c.server.arn("")) {
		return invalid("Invalid TableArn: Invalid ResourceArn provided as input %s", name)
	}
	return nil
}

// readsTable is of requests that read the table that they name.
func readsTable(c *call, dst []touched) []touched {
	return append(dst, touched{c.text("TableName"), readsAs(c.request)})
}

// writesTable is of requests that write the table that they name.
func writesTable(c *call, dst []touched) []touched {
	return append(dst, touched{c.text("TableName"), writes})
}

// readsBatch is of requests that read several tables.
func readsBatch(c *call, dst []touched) []touched { return batch(c, dst, readsAs) }

// writesBatch is of requests that write several tables.
func writesBatch(c *call, dst []touched) []touched {
	return batch(c, dst, func(item.Node) touch { return writes })
}

// batch appends the names in RequestItems.
func batch(c *call, dst []touched, what func(of item.Node) touch) []touched {
	items := c.request.Get("RequestItems")
	for n, ok := items.First(); ok; n, ok = n.Next() {
		dst = append(dst, touched{n.Key(), what(n)})
	}
	return dst
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
