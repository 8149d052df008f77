package partiql

import (
	"github.com/meridian-run/meridian/internal/dynamo/expr"
	"github.com/meridian-run/meridian/internal/item"
)

// branch is one of the reads that a condition comes to: those of one partition,
// between bounds of the sort key.
type branch struct {
	hash []item.Value    // by the schema's attributes; kind None where there is no condition
	sort []*expr.KeyTerm // nil where there is no condition
	// exact says that nothing is left of the condition for a filter.
	exact bool
	// loose says that there is a condition on the sort key that is no bound.
	loose bool
}

// planner finds the branches of a condition.
type planner struct {
	bound *Bound
	keys  Schema
}

// branchesMax is DynamoDB's limit of reads that one statement comes to.
const branchesMax = 50

// pins reports whether the condition holds the hash key to values.
func (p planner) pins(n *node) bool {
	for i := range p.keys.Hash {
		if !p.pinsOne(n, i) {
			return false
		}
	}
	return n != nil
}

func (p planner) pinsOne(n *node, hash int) bool {
	if n == nil {
		return false
	}
	switch n.op {
	case opAnd:
		for _, kid := range n.kids {
			if p.pinsOne(kid, hash) {
				return true
			}
		}
		return false
	case opOr:
		for _, kid := range n.kids {
			if !p.pinsOne(kid, hash) {
				return false
			}
		}
		return true
	case opCompare:
		if n.text == "IN" {
			return find(p.keys.Hash, n.kids[0].path) == hash && n.kids[1].literal()
		}
		path, _ := equality(n, false)
		return find(p.keys.Hash, path) == hash
	}
	return false
}

// mentions reports whether the condition looks at attributes of the list.
func (n *node) mentions(list []Attribute) bool {
	if n.op == opPath && find(list, n.path) >= 0 {
		return true
	}
	for _, kid := range n.kids {
		if kid.mentions(list) {
			return true
		}
	}
	return false
}

func (p planner) nothing(loose bool) branch {
	return branch{hash: make([]item.Value, len(p.keys.Hash)), sort: make([]*expr.KeyTerm, len(p.keys.Sort)), loose: loose}
}

// branches are the reads that a condition comes to.
func (p planner) branches(n *node) ([]branch, error) {
	switch {
	case n.op == opAnd:
		list := []branch{p.nothing(false)}
		list[0].exact = true
		for _, kid := range n.kids {
			more, err := p.branches(kid)
			if err != nil {
				return nil, err
			}
			if len(list)*len(more) > branchesMax {
				return nil, tooMany(n)
			}
			list = cross(list, more)
		}
		return list, nil
	case n.op == opOr && (n.mentions(p.keys.Hash) || n.mentions(p.keys.Sort)):
		var list []branch
		for _, kid := range n.kids {
			more, err := p.branches(kid)
			if err != nil {
				return nil, err
			}
			if list = append(list, more...); len(list) > branchesMax {
				return nil, tooMany(n)
			}
		}
		return list, nil
	}
	return p.leaf(n)
}

func tooMany(n *node) error {
	return refusal(n.at, "Too many decomposed read operations for a given query.")
}

// cross is what holds where one of each list does.
func cross(left, right []branch) []branch {
	list := make([]branch, 0, len(left)*len(right))
	for _, a := range left {
		for _, b := range right {
			list = append(list, a.and(b))
		}
	}
	return list
}

// and is both conditions. Of two on one attribute the first bounds the read, or
// the one for equality.
func (b branch) and(c branch) branch {
	both := branch{hash: append([]item.Value(nil), b.hash...), sort: append([]*expr.KeyTerm(nil), b.sort...), exact: b.exact && c.exact, loose: b.loose || c.loose}
	for i, v := range c.hash {
		switch {
		case !v.Exists():
		case both.hash[i].Exists():
			both.exact = false
		default:
			both.hash[i] = v
		}
	}
	for i, term := range c.sort {
		switch {
		case term == nil:
		case both.sort[i] == nil:
			both.sort[i] = term
		default:
			both.exact = false
			if both.sort[i].Comparison != expr.Equal && term.Comparison == expr.Equal {
				both.sort[i] = term
			}
		}
	}
	return both
}

// leaf is the branches of a condition on one attribute, or of one that bounds
// nothing.
func (p planner) leaf(n *node) ([]branch, error) {
	other := []branch{p.nothing(n.mentions(p.keys.Sort))}
	term, choices, err := p.term(n)
	if err != nil || term == nil {
		return other, err
	}
	path := []expr.Step{{Name: term.Attribute, Index: -1}}
	hash, sort := find(p.keys.Hash, path), find(p.keys.Sort, path)
	if hash >= 0 && term.Comparison != expr.Equal {
		return other, nil
	}
	var a Attribute
	if hash >= 0 {
		a = p.keys.Hash[hash]
	} else {
		a = p.keys.Sort[sort]
	}
	for _, v := range choices {
		if v.Kind != a.Kind {
			return nil, refusal(n.at, "Key attribute's data type should match its data type in table's schema: Key %s", a.Name)
		}
	}
	if term.Comparison != expr.Equal { // not a choice of values
		one := p.nothing(false)
		one.exact, one.sort[sort] = true, term
		return []branch{one}, nil
	}
	if len(choices) > branchesMax {
		return nil, tooMany(n)
	}
	list := make([]branch, 0, len(choices))
	for _, v := range choices {
		one := p.nothing(false)
		one.exact = true
		if hash >= 0 {
			one.hash[hash] = v
		} else {
			one.sort[sort] = &expr.KeyTerm{Attribute: term.Attribute, Comparison: expr.Equal, Values: []item.Value{v}}
		}
		list = append(list, one)
	}
	return list, nil
}

var comparisons = map[string]expr.Comparison{
	"=": expr.Equal, "IN": expr.Equal, "<": expr.Less, "<=": expr.LessEqual, ">": expr.Greater, ">=": expr.GreaterEqual, "BETWEEN": expr.Between,
}

// mirrored is a comparison with its operands exchanged.
var mirrored = map[string]string{"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}

// term is a condition on a key attribute that can bound a read: nil if it is none.
// values are the term's, or for equality those to choose from.
func (p planner) term(n *node) (term *expr.KeyTerm, values []item.Value, err error) {
	comparison, ok := comparisons[n.text]
	kids := n.kids
	switch {
	case n.op == opCall && n.text == "begins_with" && len(kids) == 2:
		comparison = expr.BeginsWith
	case n.op != opCompare || !ok:
		return nil, nil, nil
	case kids[0].op != opPath && mirrored[n.text] != "":
		kids, comparison = []*node{kids[1], kids[0]}, comparisons[mirrored[n.text]]
	}
	left := kids[0]
	if left.op != opPath || find(p.keys.Hash, left.path) < 0 && find(p.keys.Sort, left.path) < 0 {
		return nil, nil, nil
	}
	for _, kid := range kids[1:] {
		if !kid.literal() {
			return nil, nil, nil
		}
		v, err := p.bound.value(kid, "root")
		if err != nil {
			return nil, nil, err
		}
		values = append(values, v)
	}
	if n.text == "IN" {
		if values = values[0].List; len(values) == 0 {
			return nil, nil, nil
		}
	}
	return &expr.KeyTerm{Attribute: left.path[0].Name, Comparison: comparison, Values: values}, values, nil
}

// interval is what a term lets through; kind None is no bound.
type interval struct {
	low, high         item.Value
	lowOpen, highOpen bool
}

func intervalOf(t *expr.KeyTerm) (i interval) {
	if t == nil {
		return i
	}
	v := t.Values[0]
	switch t.Comparison {
	case expr.Equal:
		i.low, i.high = v, v
	case expr.Less, expr.LessEqual:
		i.high, i.highOpen = v, t.Comparison == expr.Less
	case expr.Greater, expr.GreaterEqual:
		i.low, i.lowOpen = v, t.Comparison == expr.Greater
	case expr.Between:
		i.low, i.high = v, t.Values[1]
	case expr.BeginsWith:
		i.low = v
		i.high, i.highOpen = above(v), true
	}
	return i
}

// above is the lowest value that does not begin with v; kind None if there is
// none.
func above(v item.Value) item.Value {
	end := []byte(v.Text)
	for len(end) > 0 && end[len(end)-1] == 0xff {
		end = end[:len(end)-1]
	}
	if len(end) == 0 {
		return item.Value{}
	}
	end[len(end)-1]++
	v.Text = string(end)
	return v
}

// before reports whether all of i is below all of j.
func (i interval) before(j interval) bool {
	if !i.high.Exists() || !j.low.Exists() {
		return false
	}
	order, _ := item.Compare(i.high, j.low)
	return order < 0 || order == 0 && (i.highOpen || j.lowOpen)
}

// overlaps reports whether two branches of one partition can have an item in
// common.
func (b branch) overlaps(c branch) bool {
	for i := range b.sort {
		x, y := intervalOf(b.sort[i]), intervalOf(c.sort[i])
		if x.before(y) || y.before(x) {
			return false
		}
	}
	return true
}
