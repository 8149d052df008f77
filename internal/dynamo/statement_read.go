package dynamo

import (
	"context"
	"slices"
	"strings"

	"github.com/meridian-run/meridian/internal/dynamo/expr"
	"github.com/meridian-run/meridian/internal/dynamo/partiql"
	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

// selection is a Select on its way: the page that it fills, by one read after the
// other.
type selection struct {
	*page
	statement
	read  partiql.Read
	units consumed
}

// selectItems answers a page of a Select.
func (c *call) selectItems(ctx context.Context, s statement) error {
	sel, err := c.newSelection(s)
	if err != nil {
		return err
	}
	from, err := sel.resume(c.text("NextToken"))
	if err != nil {
		return err
	}
	c.out = append(c.out, `{"Items":[`...)
	if from, err = sel.fill(ctx, from); err != nil {
		return err
	}
	c.out = append(c.out, ']')
	if sel.last != nil {
		if err := sel.appendNext(from); err != nil {
			return err
		}
	}
	c.capacity(sel.table.Name, sel.units)
	c.out = append(c.out, '}')
	return nil
}

// newSelection finds the table and the index, and how to read them.
func (c *call) newSelection(s statement) (*selection, error) {
	t, err := c.tableOf(s)
	if err != nil {
		return nil, err
	}
	p := &page{call: c, table: t, limit: integer(c.request.Get(limit.name)), parts: true}
	if s.bound.Index != "" {
		x, ok := t.Index(s.bound.Index)
		switch {
		case !ok:
			return nil, invalid("The table does not have the specified index")
		case c.server.fills(t, x):
			return nil, stillFilled(x)
		case !x.Local && c.flag(consistentRead.name):
			return nil, invalid("Strongly consistent read is not supported on Global Secondary Indexes")
		}
		p.index = &x
	}
	sel := &selection{page: p, statement: s}
	if sel.read, err = s.bound.Read(schemaOf(t, p.index)); err != nil {
		return nil, err
	}
	p.projection = sel.read.Projection
	if err := sel.check(); err != nil {
		return nil, err
	}
	p.filter = sel.read.Filter // of entries as they are, also where a projection fetches more
	return sel, nil
}

// check refuses what the table or the index cannot answer.
func (s *selection) check() error {
	b := bound{projection: s.projection, filter: s.read.Filter}
	if err := b.checkPaths(s.table); err != nil {
		return err
	}
	if s.index == nil || s.index.Projection == "" || s.index.Projection == "ALL" {
		return nil
	}
	held := slices.Concat(pageAttributes(s.table, s.index), s.index.Include)
	missing := slices.DeleteFunc(s.read.Filtered, func(name string) bool { return slices.Contains(held, name) })
	if len(missing) > 0 {
		return invalidValues("Secondary index %s does not project one or more filter attributes: [%s]", s.index.Name, strings.Join(missing, ", "))
	}
	return s.checkProjected()
}

// position is where in its reads a Select is: in which of them, and behind which
// item; nil is its begin.
type position struct {
	read  int
	start item.Item
}

// fill reads until the page is full or nothing is left, and answers in which read
// it ended.
func (s *selection) fill(ctx context.Context, from position) (position, error) {
	if s.read.Queries == nil {
		return position{}, s.charged(func() error { return s.scan(ctx, from.start) })
	}
	for ; from.read < len(s.read.Queries); from = (position{read: from.read + 1}) {
		err := s.charged(func() error { return s.query(ctx, s.read.Queries[from.read], from.start) })
		if err != nil || s.last != nil {
			return from, err
		}
	}
	return from, nil
}

// charged adds up what a read costs.
func (s *selection) charged(read func() error) error {
	size, was := s.size, s.fetched
	err := read()
	part := page{call: s.call, index: s.index, size: s.size - size}
	part.fetched = fetched{size: s.fetched.size - was.size, entries: s.fetched.entries - was.entries, units: s.fetched.units - was.units}
	units := part.consumed()
	s.units.table += units.table
	for _, x := range units.indexes {
		s.units.addIndex(x.index, x.units)
	}
	return err
}

// query reads one part of one partition.
func (s *selection) query(ctx context.Context, terms []expr.KeyTerm, start item.Item) error {
	on, err := s.keyCondition(terms)
	if err != nil {
		return err
	}
	if err := s.call.mayQuery(s.table, s.index, on.partition.Get(s.keySchema().Key.Name)); err != nil {
		return err
	}
	key, err := s.startKey(start)
	if err != nil {
		return err
	}
	if err := on.checkStart(start); err != nil {
		return err
	}
	return s.page.read(ctx, stretch{on: on, start: start, key: key, reverse: s.read.Reverse})
}

// scan reads the table or the index, which a key for some of its items may not.
func (s *selection) scan(ctx context.Context, start item.Item) error {
	if !s.call.key.MayAll(s.call.need.action, s.table.Name) {
		return s.call.denied(s.table.Name)
	}
	if s.index != nil {
		return s.scanIndex(ctx, 0, 0, start)
	}
	q := store.Scan{Table: s.table.ID}
	if start != nil {
		key, err := s.startKey(start)
		if err != nil {
			return err
		}
		q.After = &key
	}
	return s.records(ctx, q)
}

// isStart reports whether an item has exactly the keys that a page can end at.
func isStart(t table.Table, x *table.Index, it item.Item) bool {
	names := pageAttributes(t, x)
	if len(it) != len(names) {
		return false
	}
	keys := schemaOf(t, nil)
	if x != nil {
		of := schemaOf(t, x)
		keys.Hash, keys.Sort = append(keys.Hash, of.Hash...), append(keys.Sort, of.Sort...)
	}
	return !slices.ContainsFunc(slices.Concat(keys.Hash, keys.Sort), func(a partiql.Attribute) bool { return it.Get(a.Name).Kind != a.Kind })
}
