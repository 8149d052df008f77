package dynamo

import (
	"context"
	"encoding/binary"

	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/table"
)

// DynamoDB's limits on batches.
const (
	batchGetMax      = 100
	batchWriteMax    = 25
	batchGetBytesMax = 16 << 20
	duplicateKeys    = "Provided list of item keys contains duplicates"
)

// gotten is one table's part of a BatchGetItem.
type gotten struct {
	name       string // as the request names the table
	table      table.Table
	bound      bound
	consistent bool
	asked      []item.Item // the keys as the request has them
	keys       []record.Key
	request    item.Node
	done       int
	units      float64
}

// batchGetItem reads up to 100 items by their keys, up to 16 MB of them.
func batchGetItem(ctx context.Context, c *call) error {
	tables, err := c.readGets()
	if err != nil {
		return err
	}
	c.out = append(c.out, `{"Responses":{`...)
	size := 0
	for i := range tables {
		g := &tables[i]
		if i > 0 {
			c.out = append(c.out, ',')
		}
		c.out = append(item.AppendQuoted(c.out, g.name), ':', '[')
		if err := g.read(ctx, c, &size); err != nil {
			return err
		}
		c.out = append(c.out, ']')
	}
	c.out = append(c.out, '}')
	c.appendUnprocessedKeys(tables)
	var of cost
	for _, g := range tables {
		of.of(&g.table, "").table += g.units
	}
	c.appendCost(of)
	c.out = append(c.out, '}')
	return nil
}

func comma(dst []byte, i int) []byte {
	if i > 0 {
		dst = append(dst, ',')
	}
	return dst
}

// readGets reads and checks the whole request before anything is answered: first
// what does not depend on tables.
func (c *call) readGets() ([]gotten, error) {
	var tables []gotten
	total := 0
	old, new := false, false // one of the tables has the parameter of before expressions, or a projection
	items := c.request.Get("RequestItems")
	for n, ok := items.First(); ok; n, ok = n.Next() {
		g, err := c.readGet(n)
		if err != nil {
			return nil, err
		}
		if total += len(g.asked); total > batchGetMax {
			return nil, invalid("Too many items requested for the BatchGetItem call")
		}
		old = old || n.Get("AttributesToGet").Exists()
		if new = new || n.Get("ProjectionExpression").Exists(); old && new {
			return nil, mixed([]string{"AttributesToGet"}, []string{"ProjectionExpression"})
		}
		tables = append(tables, g)
	}
	for i := range tables {
		if err := tables[i].locate(c); err != nil {
			return nil, err
		}
	}
	return tables, nil
}

func (c *call) readGet(n item.Node) (g gotten, err error) {
	g.name, g.request = n.Key(), n
	if g.bound, err = c.bind(n, "ProjectionExpression"); err != nil {
		return g, err
	}
	if cr := n.Get("ConsistentRead"); cr.Exists() {
		g.consistent, _ = item.BoolFrom(cr) // its form is checked
	}
	keys := n.Get("Keys")
	g.asked = make([]item.Item, 0, keys.Len())
	seen := make(map[string]bool, keys.Len())
	for child, ok := keys.First(); ok; child, ok = child.Next() {
		it, err := item.FromJSON(child)
		if err != nil {
			return g, err
		}
		id := string(item.Encode(nil, it))
		if seen[id] {
			return g, invalid(duplicateKeys)
		}
		seen[id] = true
		g.asked = append(g.asked, it)
	}
	return g, nil
}

// locate finds the table and where its items are.
func (g *gotten) locate(c *call) (err error) {
	if g.table, err = c.tableNamed(tableFrom(g.name)); err != nil {
		return err
	}
	for _, it := range g.asked {
		key, err := c.keyFrom(g.table, it)
		if err != nil {
			return err
		}
		g.keys = append(g.keys, key)
	}
	return g.bound.checkPaths(g.table)
}

// identity is a key as a map's key.
func identity(k record.Key) string {
	b := make([]byte, 0, 12+len(k.Partition)+len(k.Sort))
	b = binary.BigEndian.AppendUint64(b, uint64(k.Table))
	b = binary.BigEndian.AppendUint32(b, uint32(len(k.Partition)))
	return string(append(append(b, k.Partition...), k.Sort...))
}

// read appends the table's items until the answer is full.
func (g *gotten) read(ctx context.Context, c *call, total *int) error {
	shown := 0
	for _, key := range g.keys {
		if *total >= batchGetBytesMax {
			return nil
		}
		r, found, err := c.server.config.Store.Get(ctx, key)
		if err != nil {
			return err
		}
		g.done++
		size := 0
		if found {
			if size, err = item.StoredSize(r.Value); err != nil {
				return err
			}
			c.out = comma(c.out, shown)
			if c.out, err = appendProjected(c.out, r.Value, g.bound.projection); err != nil {
				return err
			}
			shown++
		}
		*total += size
		g.units += readUnits(size, g.consistent)
	}
	return nil
}

// appendUnprocessedKeys appends what did not fit, as the request had it.
func (c *call) appendUnprocessedKeys(tables []gotten) {
	c.out = append(member(c.out, "UnprocessedKeys"), '{')
	shown := 0
	for _, g := range tables {
		if g.done == len(g.keys) {
			continue
		}
		c.out = comma(c.out, shown)
		shown++
		c.out = append(item.AppendQuoted(c.out, g.name), `:{"Keys":[`...)
		for i, key := range g.asked[g.done:] {
			c.out = comma(c.out, i)
			c.out = key.AppendJSON(c.out)
		}
		c.out = append(c.out, ']')
		if text := g.request.Get("ProjectionExpression"); text.Exists() {
			c.out = item.AppendQuoted(member(c.out, "ProjectionExpression"), text.Text())
		}
		if attributes := g.request.Get("AttributesToGet"); attributes.Exists() {
			c.out = append(member(c.out, "AttributesToGet"), '[')
			i := 0
			for n, ok := attributes.First(); ok; n, ok = n.Next() {
				c.out = item.AppendQuoted(comma(c.out, i), n.Text())
				i++
			}
			c.out = append(c.out, ']')
		}
		if names := g.request.Get("ExpressionAttributeNames"); names.Exists() {
			c.out = append(member(c.out, "ExpressionAttributeNames"), '{')
			i := 0
			for n, ok := names.First(); ok; n, ok = n.Next() {
				c.out = comma(c.out, i)
				c.out = append(item.AppendQuoted(c.out, n.Key()), ':')
				c.out = item.AppendQuoted(c.out, n.Text())
				i++
			}
			c.out = append(c.out, '}')
		}
		if g.consistent {
			c.out = append(member(c.out, "ConsistentRead"), "true"...)
		}
		c.out = append(c.out, '}')
	}
	c.out = append(c.out, '}')
}
