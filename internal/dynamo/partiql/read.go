package partiql

import (
	"slices"

	"github.com/meridian-run/meridian/internal/dynamo/expr"
	"github.com/meridian-run/meridian/internal/item"
)

// Read is how to answer a Select.
type Read struct {
	// Queries are the key conditions to read by, one after the other: no item
	// fulfils two of them. Nil reads everything.
	Queries [][]expr.KeyTerm
	// Reverse says to read each from its end.
	Reverse bool
	// Filter is what is left to ask of each item; nil is nothing.
	Filter *expr.Condition
	// Filtered are the attributes beside keys that all items are asked for, if
	// there are queries.
	Filtered []string
	// Projection is what to show; nil is all.
	Projection *expr.Projection
}

// Read finds out how to answer a Select, by the keys of the table or index that it
// reads.
func (b *Bound) Read(keys Schema) (Read, error) {
	r := Read{Projection: b.projection()}
	if b.where == nil {
		if b.order != nil {
			return r, refusal(Place{}, "Must have WHERE clause in the statement when using ORDER BY clause.")
		}
		return r, nil
	}
	var err error
	if r.Filter, err = b.filter(); err != nil {
		return r, err
	}
	p := planner{bound: b, keys: keys}
	if !p.pins(b.where) {
		if b.order != nil {
			return r, refusal(b.where.at, "Must have at least one non-optional hash key condition in WHERE clause when using ORDER BY clause.")
		}
		return r, nil
	}
	return r, p.plan(&r)
}

// filter is all of the conditions as one.
func (b *Bound) filter() (*expr.Condition, error) {
	var to expr.Builder
	root, err := b.condition(&to, b.where)
	if err != nil {
		return nil, err
	}
	return to.Condition(root)
}

// Mistake is what is wrong with the conditions whatever the table is, if anything.
func (b *Bound) Mistake() error {
	if b.where == nil {
		return nil
	}
	_, err := b.filter()
	return err
}

// plan fills in the queries.
func (p planner) plan(r *Read) error {
	list, err := p.branches(p.bound.where)
	if err != nil {
		return err
	}
	if list, err = p.disjoint(list); err != nil {
		return err
	}
	if err := p.sorted(list, r); err != nil {
		return err
	}
	exact := true
	for _, b := range list {
		terms := p.terms(b)
		exact = exact && b.exact && len(terms) == len(b.hash)+b.bounds()
		r.Queries = append(r.Queries, terms)
	}
	if exact {
		r.Filter = nil
		return nil
	}
	for _, n := range conjuncts(p.bound.where) {
		if n.op != opOr {
			r.Filtered = p.others(n, r.Filtered)
		}
	}
	return nil
}

// others adds the attributes that a condition looks at and that are no keys.
func (p planner) others(n *node, list []string) []string {
	if n.op == opPath && find(p.keys.Hash, n.path[:1]) < 0 && find(p.keys.Sort, n.path[:1]) < 0 && !slices.Contains(list, n.path[0].Name) {
		return append(list, n.path[0].Name)
	}
	for _, kid := range n.kids {
		list = p.others(kid, list)
	}
	return list
}

// disjoint refuses branches that could find an item twice, as AWS does, or joins
// them where AWS takes them.
func (p planner) disjoint(list []branch) ([]branch, error) {
	var apart []branch
	for _, b := range list {
		i := slices.IndexFunc(apart, func(a branch) bool { return a.samePartition(b) && a.overlaps(b) })
		switch {
		case i < 0:
			apart = append(apart, b)
		case len(p.keys.Sort) > 0 && !p.anyLoose(list, b):
			return nil, refusal(p.bound.where.at, "Overlapping conditions with range keys are not supported in where clause")
		default:
			apart = slices.DeleteFunc(apart, b.samePartition)
			whole := p.nothing(true)
			whole.hash = b.hash
			apart = append(apart, whole)
		}
	}
	return apart, nil
}

// anyLoose reports whether one of the branches of a partition has a condition on
// the sort key that is no bound.
func (p planner) anyLoose(list []branch, of branch) bool {
	return slices.ContainsFunc(list, func(b branch) bool { return b.loose && b.samePartition(of) })
}

func (b branch) samePartition(c branch) bool { return slices.EqualFunc(b.hash, c.hash, item.Equal) }

// bounds counts the conditions on sort keys.
func (b branch) bounds() int {
	n := 0
	for _, t := range b.sort {
		if t != nil {
			n++
		}
	}
	return n
}

// terms are a branch as a key condition. A condition on a sort key counts only
// where those before it are held to a value.
func (p planner) terms(b branch) []expr.KeyTerm {
	var terms []expr.KeyTerm
	for i, v := range b.hash {
		terms = append(terms, expr.KeyTerm{Attribute: p.keys.Hash[i].Name, Values: []item.Value{v}})
	}
	for _, t := range b.sort {
		if t == nil {
			break
		}
		if terms = append(terms, *t); t.Comparison != expr.Equal {
			break
		}
	}
	return terms
}

// sorted brings the branches into the order of ORDER BY.
func (p planner) sorted(list []branch, r *Read) error {
	order := p.bound.order
	if order == nil {
		return nil
	}
	var hash, sort *ordering
	for i, o := range order {
		path := []expr.Step{{Name: o.name, Index: -1}}
		switch {
		case find(p.keys.Hash, path) >= 0:
			hash = &order[i]
		case find(p.keys.Sort, path) >= 0:
			sort = &order[i]
		default:
			return refusal(p.bound.where.at, "Attribute %s in ORDER BY clause must be part of the primary key", o.name)
		}
	}
	several := slices.ContainsFunc(list, func(b branch) bool { return !b.samePartition(list[0]) })
	if several && hash == nil {
		return refusal(p.bound.where.at, "Must have hash key in ORDER BY clause when more than one hash key condition specified in WHERE clause.")
	}
	r.Reverse = sort != nil && sort.descending || sort == nil && hash.descending
	slices.SortStableFunc(list, func(a, b branch) int {
		if by := compareAll(a.hash, b.hash); by != 0 {
			if hash.descending {
				return -by
			}
			return by
		}
		by := a.compareStart(b)
		if r.Reverse {
			return -by
		}
		return by
	})
	return nil
}

func compareAll(a, b []item.Value) int {
	for i := range a {
		if by, _ := item.Compare(a[i], b[i]); by != 0 {
			return by
		}
	}
	return 0
}

// compareStart orders branches of one partition, which have nothing in common.
func (b branch) compareStart(c branch) int {
	for i := range b.sort {
		x, y := intervalOf(b.sort[i]), intervalOf(c.sort[i])
		switch {
		case x.before(y):
			return -1
		case y.before(x):
			return 1
		}
	}
	return 0
}
