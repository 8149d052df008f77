package dynamo

import (
	"context"

	"github.com/meridian-run/meridian/internal/dynamo/expr"
	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/table"
)

// get is one read of a transaction.
type get struct {
	table      table.Table
	key        record.Key
	projection *expr.Projection // nil is all of the item

	stored []byte // what was read; nil is no item
	size   int
}

// transactGetItems reads up to 100 items as they are at one moment.
func transactGetItems(ctx context.Context, c *call) error {
	parts, err := c.parts(readKinds)
	if err != nil {
		return err
	}
	gets := make([]get, len(parts))
	for i, p := range parts {
		gets[i] = get{table: p.table, key: p.key, projection: p.bound.projection}
	}
	return c.answerGets(ctx, gets)
}

// answerGets answers the items of a transaction that reads.
func (c *call) answerGets(ctx context.Context, gets []get) (err error) {
	if err := c.transactGet(ctx, gets); err != nil {
		return err
	}
	c.out = append(c.out, `{"Responses":[`...)
	for i, g := range gets {
		if c.out, err = g.append(comma(c.out, i)); err != nil {
			return err
		}
	}
	c.out = append(c.out, ']')
	c.appendCost(readCost(gets))
	c.out = append(c.out, '}')
	return nil
}

// append appends one response: an item, or none.
func (g get) append(dst []byte) (_ []byte, err error) {
	dst = append(dst, '{')
	if g.stored != nil {
		shown := len(dst)
		if dst, err = appendProjected(append(dst, `"Item":`...), g.stored, g.projection); err != nil {
			return dst, err
		}
		if string(dst[shown:]) == `"Item":{}` { // the projection finds nothing
			dst = dst[:shown]
		}
	}
	return append(dst, '}'), nil
}

// transactGet reads the items of all gets as they are at one moment, once that is
// durable.
func (c *call) transactGet(ctx context.Context, gets []get) error {
	keys := make([]record.Key, len(gets))
	for i, g := range gets {
		keys[i] = g.key
	}
	if err := distinct(keys); err != nil {
		return err
	}
	if err := c.look(ctx, gets, keys); err != nil {
		return err
	}
	size := 0
	for _, g := range gets {
		if size += g.size; size > transactBytesMax {
			return tooMuch()
		}
	}
	return nil
}

// look is transactGet without its limits.
func (c *call) look(ctx context.Context, gets []get, keys []record.Key) error {
	all, err := c.server.config.Store.GetAll(ctx, keys)
	if err != nil {
		return err
	}
	for i, r := range all {
		if !r.Found {
			continue
		}
		gets[i].stored = r.Record.Value
		if gets[i].size, err = item.StoredSize(r.Record.Value); err != nil {
			return err
		}
	}
	return nil
}
