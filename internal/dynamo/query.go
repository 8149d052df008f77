package dynamo

import (
	"context"
	"slices"

	"github.com/meridian-run/meridian/internal/dynamo/expr"
	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

// query reads a part of one partition, in the order of its sort keys.
func query(ctx context.Context, c *call) error {
	b, start, err := c.bindQuery()
	if err != nil {
		return err
	}
	p, err := newPage(c, b)
	if err != nil {
		return err
	}
	if err := p.checkStartLength(start); err != nil {
		return err
	}
	on, err := p.keyCondition(b.key)
	if err != nil {
		return err
	}
	if err := c.mayQuery(p.table, p.index, on.partition.Get(p.keySchema().Key.Name)); err != nil {
		return err
	}
	key, err := p.startKey(start)
	if err != nil {
		return err
	}
	if err := on.checkStart(start); err != nil {
		return err
	}
	if err := p.checkFilter(); err != nil {
		return err
	}
	if err := p.checkProjected(); err != nil {
		return err
	}
	if err := b.checkPaths(p.table); err != nil {
		return err
	}
	n := c.request.Get("ScanIndexForward")
	reverse := n.Exists() && !c.flag("ScanIndexForward")
	return p.read(ctx, stretch{on: on, start: start, key: key, reverse: reverse})
}

// stretch is a part of one partition.
type stretch struct {
	on      keyCondition
	start   item.Item  // behind which it begins; nil is none
	key     record.Key // of start
	reverse bool
}

// read fills the page with a part of one partition.
func (p *page) read(ctx context.Context, of stretch) error {
	if p.index != nil {
		return p.queryIndex(ctx, of)
	}
	q := store.Scan{Table: p.table.ID, Partition: item.AppendOrdered(nil, of.on.partition.Get(p.table.Key.Name)), Reverse: of.reverse}
	q.From, q.To = bounds(of.on.sort)
	if of.start != nil {
		q.After = &of.key
	}
	return p.records(ctx, q)
}

// bindQuery reads what a Query says without its table: expressions and where to
// start.
func (c *call) bindQuery() (b bound, start item.Item, err error) {
	takes := []string{"ProjectionExpression", "FilterExpression", "KeyConditionExpression"}
	if err := c.checkGiven(c.request, takes); err != nil {
		return b, nil, err
	}
	if start, err = c.readStart(); err != nil {
		return b, nil, err
	}
	legacy := c.request.Get("KeyConditions")
	if !legacy.Exists() && !c.request.Get("KeyConditionExpression").Exists() {
		return b, nil, invalid("Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.")
	}
	if b, err = c.bound(c.request, takes); err == nil && b.key == nil {
		b.key, err = readKeyConditions(legacy)
	}
	if err == nil && len(b.key) == 0 {
		err = errConditions
	}
	return b, start, err
}

// errConditions refuses a key condition on none or many attributes; an index with
// a key of several has its own words.
var errConditions = invalid("Conditions can be of length 1 or 2 only")

// splitKeyCondition finds the partition key's value and, if there is one, the
// sort key's comparison.
func splitKeyCondition(t table.Table, terms []expr.KeyTerm) (partition item.Value, sort *expr.KeyTerm, err error) {
	if len(terms) > 2 {
		return partition, nil, errConditions
	}
	if t.Sort == nil && len(terms) > 1 {
		return partition, nil, invalid("Query key condition not supported")
	}
	find := func(name string) *expr.KeyTerm {
		for i := range terms {
			if terms[i].Attribute == name {
				return &terms[i]
			}
		}
		return nil
	}
	hash := find(t.Key.Name)
	if hash == nil {
		return partition, nil, invalid("Query condition missed key schema element: %s", t.Key.Name)
	}
	if err := checkTerm(hash, t.Key); err != nil {
		return partition, nil, err
	}
	if hash.Comparison != expr.Equal {
		return partition, nil, invalid("Query key condition not supported")
	}
	if len(terms) == 1 {
		return hash.Values[0], nil, nil
	}
	if sort = find(t.Sort.Name); sort == nil {
		return partition, nil, invalid("Query condition missed key schema element: %s", t.Sort.Name)
	}
	return hash.Values[0], sort, checkTerm(sort, *t.Sort)
}

func checkTerm(term *expr.KeyTerm, a table.Attribute) error {
	if term.Comparison == expr.NotIndexable {
		return invalid("Attempted conditional constraint is not an indexable operation")
	}
	for _, v := range term.Values {
		if v.Kind.String() != a.Type {
			return invalidValues("Condition parameter type does not match schema type")
		}
		if empty(v) {
			return invalidValues("The AttributeValue for a key attribute cannot contain an empty %s value. Key: %s", kindWord(v.Kind), a.Name)
		}
		if size := len(v.Text); v.Kind != item.N && size > partitionMax {
			return invalidValues("Size of key values has exceeded the maximum size limit of %d bytes", partitionMax)
		}
	}
	return nil
}

// bounds are the sort keys that a comparison lets through.
func bounds(term *expr.KeyTerm) (from, to store.Bound) {
	if term == nil {
		return from, to
	}
	key := item.AppendOrdered([]byte{}, term.Values[0])
	switch term.Comparison {
	case expr.Equal:
		return store.Bound{Key: key}, store.Bound{Key: key}
	case expr.Less:
		return from, store.Bound{Key: key, Exclude: true}
	case expr.LessEqual:
		return from, store.Bound{Key: key}
	case expr.Greater:
		return store.Bound{Key: key, Exclude: true}, to
	case expr.GreaterEqual:
		return store.Bound{Key: key}, to
	case expr.Between:
		return store.Bound{Key: key}, store.Bound{Key: item.AppendOrdered([]byte{}, term.Values[1])}
	}
	return store.Bound{Key: key}, store.Bound{Key: successor(key), Exclude: true}
}

// matches reports whether a sort key's value fulfils the comparison.
func matches(term *expr.KeyTerm, v item.Value) bool {
	key := item.AppendOrdered(nil, v)
	from, to := bounds(term)
	if from.Key != nil {
		if order := slices.Compare(key, from.Key); order < 0 || order == 0 && from.Exclude {
			return false
		}
	}
	if to.Key != nil {
		if order := slices.Compare(key, to.Key); order > 0 || order == 0 && to.Exclude {
			return false
		}
	}
	return true
}

// checkFilter refuses a filter on key attributes: those belong into the key
// condition.
func (p *page) checkFilter() error {
	if p.filter == nil {
		return nil
	}
	name := p.filterName
	if name == "" {
		name = "Filter Expression"
	}
	for a := range p.keyAttributes() {
		if p.filter.Uses(a.Name) {
			return invalid("%s can only contain non-primary key attributes: Primary key attribute: %s", name, a.Name)
		}
	}
	return nil
}
