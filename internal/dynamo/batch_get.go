package dynamo

import (
	"context"
	"fmt"

	"github.com/meridian-run/meridian/internal/dynamo/expr"
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
	projection *expr.Projection
	consistent bool
	keys       []record.Key
	asked      []item.Node
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
	if c.wantsCapacity() {
		c.out = append(member(c.out, "ConsumedCapacity"), '[')
		for i, g := range tables {
			c.out = comma(c.out, i)
			c.out = c.appendCapacity(c.out, g.table.Name, consumed{table: g.units})
		}
		c.out = append(c.out, ']')
	}
	c.out = append(c.out, '}')
	return nil
}

func comma(dst []byte, i int) []byte {
	if i > 0 {
		dst = append(dst, ',')
	}
	return dst
}

// readGets reads and checks the whole request before anything is answered.
func (c *call) readGets() ([]gotten, error) {
	var tables []gotten
	total := 0
	items := c.request.Get("RequestItems")
	for n, ok := items.First(); ok; n, ok = n.Next() {
		if err := checkBatchName(n.Key()); err != nil {
			return nil, err
		}
		if n.Form() != item.Object {
			return nil, shape()
		}
		if total += n.Get("Keys").Len(); total > batchGetMax {
			return nil, invalid("Too many items requested for the BatchGetItem call")
		}
		if keys := n.Get("Keys"); keys.Form() != item.Array || keys.Len() == 0 {
			return nil, invalid("1 validation error detected: Value '%s' at 'requestItems.%s.member.keys' failed to satisfy constraint: Member must have length greater than or equal to 1", describe(n), n.Key())
		}
	}
	for n, ok := items.First(); ok; n, ok = n.Next() {
		g, err := c.readGet(n)
		if err != nil {
			return nil, err
		}
		tables = append(tables, g)
	}
	return tables, nil
}

func (c *call) readGet(n item.Node) (g gotten, err error) {
	g.name, g.request = n.Key(), n
	b, err := c.bind(n, "ProjectionExpression")
	if err != nil {
		return g, err
	}
	g.projection = b.projection
	if cr := n.Get("ConsistentRead"); cr.Exists() {
		if g.consistent, err = item.BoolFrom(cr); err != nil {
			return g, err
		}
	}
	if g.table, err = c.tableNamed(tableFrom(g.name)); err != nil {
		return g, err
	}
	seen := map[string]bool{}
	for child, ok := n.Get("Keys").First(); ok; child, ok = child.Next() {
		it, err := item.FromJSON(child)
		if err != nil {
			return g, err
		}
		key, err := c.keyFrom(g.table, it)
		if err != nil {
			return g, err
		}
		if id := identity(key); seen[id] {
			return g, invalid(duplicateKeys)
		} else {
			seen[id] = true
		}
		g.keys = append(g.keys, key)
		g.asked = append(g.asked, child)
	}
	return g, b.checkPaths(g.table)
}

// identity is a key as a map's key.
func identity(k record.Key) string {
	return fmt.Sprintf("%x/%x/%x", uint64(k.Table), k.Partition, k.Sort)
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
			if c.out, err = appendProjected(c.out, r.Value, g.projection); err != nil {
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
			it, _ := item.FromJSON(key) // it was read before
			c.out = it.AppendJSON(c.out)
		}
		c.out = append(c.out, ']')
		if text := g.request.Get("ProjectionExpression"); text.Exists() {
			c.out = item.AppendQuoted(member(c.out, "ProjectionExpression"), text.Text())
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

func checkBatchName(name string) error {
	if name = tableFrom(name); len(name) < 3 || len(name) > 255 || !isName(name) {
		return invalid("1 validation error detected: Value '[%s]' at 'requestItems' failed to satisfy constraint: Map keys must satisfy constraint: [Member must have length less than or equal to 255, Member must have length greater than or equal to 3, Member must satisfy regular expression pattern: %s]", name, namePattern)
	}
	return nil
}
