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
	partition, sort, err := splitKeyCondition(p.keySchema(), b.key)
	if err != nil {
		return err
	}
	if err := c.mayQuery(p.table, p.index, partition); err != nil {
		return err
	}
	key, err := p.startKey(start)
	if err != nil {
		return err
	}
	if err := checkStart(p.keySchema(), partition, sort, start); err != nil {
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
	return p.read(ctx, stretch{partition: partition, sort: sort, start: start, key: key, reverse: reverse})
}

// stretch is a part of one partition.
type stretch struct {
	partition item.Value
	sort      *expr.KeyTerm // nil is all of it
	start     item.Item     // behind which it begins; nil is none
	key       record.Key    // of start
	reverse   bool
}

// read fills the page with a part of one partition.
func (p *page) read(ctx context.Context, of stretch) error {
	if p.index != nil {
		return p.queryIndex(ctx, of.partition, of.sort, of.start, of.reverse)
	}
	q := store.Scan{Table: p.table.ID, Partition: item.AppendOrdered(nil, of.partition), Reverse: of.reverse}
	q.From, q.To = bounds(of.sort)
	if of.start != nil {
		q.After = &of.key
	}
	return p.records(ctx, q)
}

// bindQuery reads what a Query says without its table: expressions and where to
// start.
func (c *call) bindQuery() (b bound, start item.Item, err error) {
	takes := []string{"ProjectionExpression", "FilterExpression", "KeyConditionExpression"}
	if err := c.checkForms(c.request, takes); err != nil {
		return b, nil, err
	}
	if start, err = c.readStart(); err != nil {
		return b, nil, err
	}
	legacy := c.request.Get("KeyConditions")
	if !legacy.Exists() && !c.request.Get("KeyConditionExpression").Exists() {
		return b, nil, invalid("Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.")
	}
	if b, err = c.bound(c.request, takes); err != nil || b.key != nil {
		return b, start, err
	}
	b.key, err = readKeyConditions(legacy)
	return b, start, err
}

// splitKeyCondition finds the partition key's value and, if there is one, the
// sort key's comparison.
func splitKeyCondition(t table.Table, terms []expr.KeyTerm) (partition item.Value, sort *expr.KeyTerm, err error) {
	if len(terms) > 2 || t.Sort == nil && len(terms) > 1 {
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

// checkStart refuses a start that the query could not have ended at.
func checkStart(t table.Table, partition item.Value, sort *expr.KeyTerm, start item.Item) error {
	if start == nil {
		return nil
	}
	elsewhere := !item.Equal(start.Get(t.Key.Name), partition)
	switch {
	case sort == nil && elsewhere:
		return invalid("The provided starting key is outside query boundaries based on provided conditions")
	case sort != nil && !matches(sort, start.Get(t.Sort.Name)):
		return invalid("The provided starting key does not match the range key predicate")
	case elsewhere:
		return invalid("The query can return at most one row and cannot be restarted")
	}
	return nil
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
	for a := range attributes(p.keySchema()) {
		if p.filter.Uses(a.Name) {
			return invalid("%s can only contain non-primary key attributes: Primary key attribute: %s", name, a.Name)
		}
	}
	return nil
}

// queryIndex reads a part of one partition of an index.
func (p *page) queryIndex(ctx context.Context, partition item.Value, sort *expr.KeyTerm, start item.Item, reverse bool) error {
	prefix := indexPartition(*p.index, item.Item(nil).Set(p.index.Key.Name, partition))
	low, high := prefix, successor(prefix)
	from, to := bounds(sort)
	// Sort keys are closed by 0 1 in entries: a key's entries begin with its
	// escaped bytes and 0 1, those of longer keys with 0 255 or anything higher.
	if from.Key != nil {
		low = appendClosed(slices.Clone(prefix), from.Key)
		if from.Exclude {
			low = successor(low)
		}
	}
	if to.Key != nil {
		high = appendClosed(slices.Clone(prefix), to.Key)
		if !to.Exclude {
			high = successor(high)
		}
	}
	if start != nil {
		entry := indexEntry(&p.table, *p.index, start)
		if reverse {
			high = entry
		} else {
			low = append(entry, 0)
		}
	}
	if slices.Compare(low, high) > 0 {
		high = low
	}
	return p.entries(ctx, indexRange(p.table.ID, low, high, reverse))
}
