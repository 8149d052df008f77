package dynamo

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/meridian-run/meridian/internal/dynamo/expr"
	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

// pageMax is how many bytes of items one Query or Scan looks at.
const pageMax = 1 << 20

// page collects one answer of Query or Scan: items go straight into c.out.
type page struct {
	call       *call
	table      table.Table
	index      *table.Index // nil for the table itself
	filter     *expr.Condition
	filterName string // of the legacy parameter that it is from
	projection *expr.Projection
	limit      int // of items looked at; 0 is none
	countOnly  bool
	// parts says that the answer is of several reads, and begun and ended by who
	// does them.
	parts bool

	// fetches says that items are read from the table for the entries of a local
	// index, which lack what is asked for; fetched is what that costs.
	fetches bool
	fetched fetched

	size, count, scanned int
	last                 []byte // stored item at which the page ended early
}

// newPage reads what Query and Scan have in common.
func newPage(c *call, b bound) (*page, error) {
	if err := c.checkSelect(); err != nil {
		return nil, err
	}
	t, err := c.table()
	if err != nil {
		return nil, err
	}
	p := &page{call: c, table: t, filter: b.filter, filterName: b.filterName, projection: b.projection, limit: integer(c.request.Get("Limit"))}
	if name := c.text("IndexName"); name != "" {
		x, ok := t.Index(name)
		if !ok {
			return nil, invalid("The table does not have the specified index: %s", name)
		}
		if c.server.fills(t, x) {
			return nil, stillFilled(x)
		}
		if c.flag("ConsistentRead") && !x.Local {
			return nil, invalid("Consistent reads are not supported on global secondary indexes")
		}
		p.index = &x
	}
	p.countOnly = c.text("Select") == "COUNT"
	return p, nil
}

// checkSelect checks Select against what else the request asks for.
func (c *call) checkSelect() error {
	what, projected := c.text("Select"), ""
	for _, name := range []string{"AttributesToGet", "ProjectionExpression"} {
		if c.request.Get(name).Exists() {
			projected = name
		}
	}
	prefix := "" // AWS's Scan says it without
	if c.operation == "Query" {
		prefix = "1 validation error detected: "
	}
	switch {
	case what == "" || what == "SPECIFIC_ATTRIBUTES" && projected != "":
	case projected != "" && what == "COUNT":
		return invalid("%sCannot specify the %s when choosing to get only the Count", prefix, projected)
	case projected != "":
		return invalid("%sCannot specify the %s when choosing to get %s", prefix, projected, what)
	case what == "SPECIFIC_ATTRIBUTES":
		return invalid("%sMust specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES", prefix)
	case what == "ALL_PROJECTED_ATTRIBUTES" && c.text("IndexName") == "":
		return invalid("%sALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName", prefix)
	}
	return nil
}

// checkProjected refuses to read from a global index what it does not hold. What a
// local one does not is fetched from the table.
func (p *page) checkProjected() error {
	if p.index == nil || p.index.Projection == "" || p.index.Projection == "ALL" {
		return nil
	}
	held := slices.Concat(pageAttributes(p.table, p.index), p.index.Include)
	if p.index.Local {
		p.fetches = p.call.text("Select") == "ALL_ATTRIBUTES" ||
			p.projection != nil && !holdsAll(held, p.projection.Names()) || p.filter != nil && !holdsAll(held, p.filter.Names())
		return nil
	}
	if p.call.text("Select") == "ALL_ATTRIBUTES" {
		return invalidValues("Select type ALL_ATTRIBUTES is not supported for global secondary index %s because its projection type is not ALL", p.index.Name)
	}
	if p.projection == nil {
		return nil
	}
	missing := slices.DeleteFunc(p.projection.Names(), func(name string) bool { return slices.Contains(held, name) })
	if len(missing) > 0 {
		return invalidValues("Global secondary index %s does not project [%s]", p.index.Name, strings.Join(missing, ", "))
	}
	return nil
}

// keySchema is the schema of what is read: the index's or the table's.
func (p *page) keySchema() table.Table {
	if p.index == nil {
		return p.table
	}
	return table.Table{Key: p.index.Key, Sort: p.index.Sort}
}

// readStart reads ExclusiveStartKey; nil if there is none.
func (c *call) readStart() (item.Item, error) {
	n := c.request.Get("ExclusiveStartKey")
	if !n.Exists() {
		return nil, nil
	}
	it, err := item.FromJSON(n)
	if wrong, ok := err.(*item.InvalidError); ok && !wrong.Content {
		return nil, invalid("The provided starting key is invalid: %s", wrong.Message)
	}
	return it, err
}

// checkStartLength refuses a start that has more or less than the key attributes
// of the table and, on an index, of the index.
func (p *page) checkStartLength(start item.Item) error {
	switch {
	case start == nil || len(start) == len(pageAttributes(p.table, p.index)):
		return nil
	case p.call.operation == "Scan" && p.index == nil:
		return invalid("The provided starting key is invalid: " + schemaMismatch)
	}
	return invalid("The provided starting key is invalid")
}

// startKey is the record's key that a start is for.
func (p *page) startKey(start item.Item) (record.Key, error) {
	if start == nil {
		return record.Key{}, nil
	}
	return p.keyAt(start)
}

// keyAt is startKey of a start.
func (p *page) keyAt(start item.Item) (record.Key, error) {
	for a := range p.keyAttributes() {
		if p.index == nil && p.call.operation == "Scan" {
			break // AWS looks at the key as a whole
		}
		if v := start.Get(a.Name); !v.Exists() {
			return record.Key{}, invalid("The provided starting key is invalid")
		} else if err := checkKeyValue(v, a); err != nil {
			return record.Key{}, err
		}
	}
	key, err := p.call.keyFrom(p.table, start.Pick(pageAttributes(p.table, nil)...))
	if err != nil {
		return key, invalid("The provided starting key is invalid: %s", err.(*apiError).message)
	}
	return key, nil
}

// begin opens the answer.
func (p *page) begin() {
	if p.parts {
		return
	}
	p.call.out = append(p.call.out, '{')
	if !p.countOnly {
		p.call.out = append(member(p.call.out, "Items"), '[')
	}
}

// add takes one stored item into the page and reports whether there is room for
// more.
func (p *page) add(stored []byte) (more bool, err error) {
	size, err := item.StoredSize(stored)
	if err != nil {
		return false, err
	}
	p.scanned++
	p.size += size
	if err := p.show(stored); err != nil {
		return false, err
	}
	if p.size >= pageMax || p.scanned == p.limit {
		p.last = stored
		return false, nil
	}
	return true, nil
}

// show appends the item, unless the filter takes it out.
func (p *page) show(stored []byte) error {
	var it item.Item
	if p.filter != nil || p.projection != nil {
		var err error
		if it, err = item.Decode(stored); err != nil {
			return err
		}
	}
	if p.filter != nil && !p.filter.Test(it) {
		return nil
	}
	p.count++
	if p.countOnly {
		return nil
	}
	c := p.call
	if p.count > 1 {
		c.out = append(c.out, ',')
	}
	if p.projection != nil {
		c.out = p.projection.Apply(it).AppendJSON(c.out)
		return nil
	}
	var err error
	c.out, err = item.AppendStoredJSON(c.out, stored)
	return err
}

// end closes the answer.
func (p *page) end() error {
	if p.parts {
		return nil
	}
	c := p.call
	if !p.countOnly {
		c.out = append(c.out, ']')
	}
	c.out = strconv.AppendInt(member(c.out, "Count"), int64(p.count), 10)
	c.out = strconv.AppendInt(member(c.out, "ScannedCount"), int64(p.scanned), 10)
	if p.last != nil {
		it, err := item.Decode(p.last)
		if err != nil {
			return err
		}
		c.out = it.Pick(pageAttributes(p.table, p.index)...).AppendJSON(member(c.out, "LastEvaluatedKey"))
	}
	c.capacity(p.table.Name, p.consumed())
	c.out = append(c.out, '}')
	return nil
}

// records fills the page from the table.
func (p *page) records(ctx context.Context, q store.Scan) error {
	p.begin()
	err := p.call.server.config.Store.Scan(ctx, q, func(_ record.Key, r record.Record) (bool, error) { return p.add(r.Value) })
	if err != nil {
		return err
	}
	return p.end()
}

// entries fills the page from the index.
func (p *page) entries(ctx context.Context, r kv.Range) error {
	p.begin()
	now := p.call.server.config.Now().Unix()
	err := p.call.server.config.Store.View(ctx, func(reader kv.Reader) error {
		it := reader.Scan(r)
		defer func() { _ = it.Close() }() // it only read
		for it.Next() {
			if err := ctx.Err(); err != nil {
				return err
			}
			expires, stored, err := splitIndexValue(it.Value())
			if err != nil {
				return err
			}
			if expires != 0 && expires <= now {
				continue
			}
			stored = append([]byte(nil), stored...)
			if p.fetches {
				if stored, err = p.fetch(reader, stored); err != nil {
					return err
				}
			}
			more, err := p.add(stored)
			if err != nil || !more {
				return err
			}
		}
		return it.Err()
	})
	if err != nil {
		return err
	}
	return p.end()
}
