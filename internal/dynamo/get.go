package dynamo

import (
	"context"

	"github.com/meridian-run/meridian/internal/dynamo/expr"
	"github.com/meridian-run/meridian/internal/item"
)

// getItem answers one item. A consistent read is the same as any: this region's
// newest durable state.
func getItem(ctx context.Context, c *call) error {
	takes := []string{"ProjectionExpression"}
	if err := c.checkGiven(c.request, takes); err != nil {
		return err
	}
	it, err := item.FromJSON(c.request.Get("Key"))
	if err != nil {
		return err
	}
	b, err := c.bound(c.request, takes)
	if err != nil {
		return err
	}
	t, err := c.table()
	if err != nil {
		return err
	}
	key, err := c.keyFrom(t, it)
	if err != nil {
		return err
	}
	if err := b.checkPaths(t); err != nil {
		return err
	}
	r, found, err := c.server.config.Store.Get(ctx, key)
	if err != nil {
		return err
	}
	c.out = append(c.out, '{')
	size := 0
	if found {
		if size, err = item.StoredSize(r.Value); err != nil {
			return err
		}
		if c.out, err = appendProjected(member(c.out, "Item"), r.Value, b.projection); err != nil {
			return err
		}
	}
	c.capacity(t.Name, consumed{table: readUnits(size, c.flag("ConsistentRead"))})
	c.out = append(c.out, '}')
	return nil
}

// appendProjected appends a stored item, or the part of it that p picks.
func appendProjected(dst, stored []byte, p *expr.Projection) ([]byte, error) {
	if p == nil {
		return item.AppendStoredJSON(dst, stored)
	}
	it, err := item.Decode(stored)
	if err != nil {
		return dst, err
	}
	return p.Apply(it).AppendJSON(dst), nil
}
