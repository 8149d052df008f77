package dynamo

import (
	"context"
	"iter"
	"slices"

	"github.com/meridian-run/meridian/internal/dynamo/expr"
	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/table"
)

// keyCondition is a key condition held against the keys of what is queried.
type keyCondition struct {
	partition item.Item // the values of the partition key's attributes
	// equal are the values of the sort key's first attributes; sort compares the
	// one behind them, nil if none is.
	equal item.Item
	sort  *expr.KeyTerm
	// sorted is sort's attribute.
	sorted table.Attribute
}

// keyCondition reads the key condition's terms.
func (p *page) keyCondition(terms []expr.KeyTerm) (keyCondition, error) {
	if p.index != nil && len(p.index.MoreKeys)+len(p.index.MoreSorts) > 0 {
		return severalTerms(*p.index, terms)
	}
	schema := p.keySchema()
	partition, sort, err := splitKeyCondition(schema, terms)
	if err != nil {
		return keyCondition{}, err
	}
	k := keyCondition{partition: item.Item(nil).Set(schema.Key.Name, partition), sort: sort}
	if sort != nil {
		k.sorted = *schema.Sort
	}
	return k, nil
}

// severalTerms reads the condition on a key of several attributes: equality for
// all of the partition key's, then the sort key's from the left, all but the last
// of them with equality.
func severalTerms(x table.Index, terms []expr.KeyTerm) (k keyCondition, err error) {
	find := func(a table.Attribute) (*expr.KeyTerm, error) {
		i := slices.IndexFunc(terms, func(t expr.KeyTerm) bool { return t.Attribute == a.Name })
		if i < 0 {
			return nil, nil
		}
		return &terms[i], checkTerm(&terms[i], a)
	}
	used := 0
	for _, a := range x.Partition() {
		term, err := find(a)
		switch {
		case err != nil:
			return k, err
		case term == nil:
			return k, invalid("Query condition missed key schema element: %s", a.Name)
		case term.Comparison != expr.Equal:
			return k, invalid("Query key condition not supported")
		}
		k.partition = k.partition.Set(a.Name, term.Values[0])
		used++
	}
	for _, a := range x.Sorted() {
		term, err := find(a)
		if err != nil {
			return k, err
		}
		if term == nil {
			break
		}
		if k.sort != nil { // after a range nothing is contiguous
			return k, invalid("Query key condition not supported")
		}
		used++
		if term.Comparison == expr.Equal {
			k.equal = k.equal.Set(a.Name, term.Values[0])
			continue
		}
		k.sort, k.sorted = term, a
	}
	if used < len(terms) {
		return k, invalid("Query key condition not supported")
	}
	return k, nil
}

// checkStart refuses a start that the query could not have ended at.
func (k keyCondition) checkStart(start item.Item) error {
	if start == nil {
		return nil
	}
	other := func(a item.Attribute) bool { return !item.Equal(start.Get(a.Name), a.Value) }
	elsewhere, sorted := slices.ContainsFunc(k.partition, other), k.sort != nil || len(k.equal) > 0
	switch {
	case !sorted && elsewhere:
		return invalid("The provided starting key is outside query boundaries based on provided conditions")
	case slices.ContainsFunc(k.equal, other), k.sort != nil && !matches(k.sort, start.Get(k.sorted.Name)):
		return invalid("The provided starting key does not match the range key predicate")
	case elsewhere:
		return invalid("The query can return at most one row and cannot be restarted")
	}
	return nil
}

// keyAttributes are the key attributes of what is read.
func (p *page) keyAttributes() iter.Seq[table.Attribute] {
	if p.index != nil {
		return p.index.Attributes()
	}
	return attributes(p.table)
}

// queryIndex reads a part of one partition of an index.
func (p *page) queryIndex(ctx context.Context, of stretch) error {
	k := of.on
	prefix := indexPartition(*p.index, k.partition)
	for _, a := range p.index.Sorted()[:len(k.equal)] {
		prefix = appendClosed(prefix, item.AppendOrdered(nil, k.equal.Get(a.Name)))
	}
	low, high := prefix, successor(prefix)
	from, to := bounds(k.sort)
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
	if of.start != nil {
		entry := indexEntry(&p.table, *p.index, of.start)
		if of.reverse {
			high = entry
		} else {
			low = append(entry, 0)
		}
	}
	if slices.Compare(low, high) > 0 {
		high = low
	}
	return p.entries(ctx, indexRange(p.table.ID, low, high, of.reverse))
}
