package expr

import (
	"strings"
	"unicode/utf8"

	"github.com/meridian-run/meridian/internal/item"
)

// Condition is a condition or filter, bound to its placeholders.
type Condition struct {
	root *node
	env  env
}

// Test reports whether the condition holds for the item; nil is no item.
func (c *Condition) Test(it item.Item) bool { return c.env.test(c.root, it) }

// Uses reports whether the condition looks at the top-level attribute.
func (c *Condition) Uses(attribute string) bool { return c.env.uses(c.root, attribute, 1) }

// Names are the top-level attributes that the condition looks at, each as often as
// it does.
func (c *Condition) Names() []string { return c.env.attributes(c.root, nil) }

func (e env) attributes(n *node, all []string) []string {
	if n.op == opPath {
		return append(all, e.name(n.path[0]))
	}
	for _, k := range n.kids {
		all = e.attributes(k, all)
	}
	return all
}

// UsesInside reports whether the condition looks inside of the attribute, as in
// a.b or a[0].
func (c *Condition) UsesInside(attribute string) bool { return c.env.uses(c.root, attribute, 2) }

func (e env) uses(n *node, attribute string, steps int) bool {
	if n.op == opPath {
		return len(n.path) >= steps && e.name(n.path[0]) == attribute
	}
	for _, k := range n.kids {
		if e.uses(k, attribute, steps) {
			return true
		}
	}
	return false
}

func (e env) test(n *node, it item.Item) bool {
	switch n.op {
	case opAnd:
		for _, k := range n.kids {
			if !e.test(k, it) {
				return false
			}
		}
		return true
	case opOr:
		for _, k := range n.kids {
			if e.test(k, it) {
				return true
			}
		}
		return false
	case opNot:
		return !e.test(n.kids[0], it)
	case opCall:
		return e.testCall(n, it)
	case opIn:
		return e.testIn(n, it)
	case opBetween:
		v := e.value(n.kids[0], it)
		low, ok1 := item.Compare(v, e.value(n.kids[1], it))
		high, ok2 := item.Compare(v, e.value(n.kids[2], it))
		return ok1 && ok2 && low >= 0 && high <= 0
	}
	return compare(n.op, e.value(n.kids[0], it), e.value(n.kids[1], it))
}

func (e env) testIn(n *node, it item.Item) bool {
	v := e.value(n.kids[0], it)
	for _, k := range n.kids[1:] {
		if compare(opEqual, v, e.value(k, it)) {
			return true
		}
	}
	return false
}

func compare(op operator, a, b item.Value) bool {
	switch op {
	case opEqual:
		return a.Exists() && item.Equal(a, b)
	case opNotEqual:
		return !a.Exists() || !item.Equal(a, b)
	}
	order, ok := item.Compare(a, b)
	if !ok {
		return false
	}
	switch op {
	case opLess:
		return order < 0
	case opLessEqual:
		return order <= 0
	case opGreater:
		return order > 0
	}
	return order >= 0
}

func (e env) testCall(n *node, it item.Item) bool {
	v := e.value(n.kids[0], it)
	switch n.name {
	case "attribute_exists":
		return v.Exists()
	case "attribute_not_exists":
		return !v.Exists()
	case "attribute_type":
		return v.Exists() && v.Kind.String() == e.value(n.kids[1], it).Text
	case "begins_with":
		prefix := e.value(n.kids[1], it)
		return (v.Kind == item.S || v.Kind == item.B) && v.Kind == prefix.Kind && strings.HasPrefix(v.Text, prefix.Text)
	}
	return contains(v, e.value(n.kids[1], it))
}

func contains(v, part item.Value) bool {
	switch v.Kind {
	case item.S, item.B:
		return v.Kind == part.Kind && strings.Contains(v.Text, part.Text)
	case item.L, item.SS, item.NS, item.BS:
		return part.Exists() && item.Contains(v, part)
	}
	return false
}

// value is an operand's value; kind None if there is none.
func (e env) value(n *node, it item.Item) item.Value {
	switch n.op {
	case opPath:
		return e.lookup(n.path, it)
	case opValue:
		return e.values[n.value]
	case opCall: // size: every other function is a condition
		return size(e.value(n.kids[0], it))
	case opTruth:
		return item.Value{Kind: item.Bool, Bool: e.test(n.kids[0], it)}
	}
	return item.Value{}
}

// size is a number value, or none where DynamoDB knows no size.
func size(v item.Value) item.Value {
	switch v.Kind {
	case item.S:
		return item.Int(int64(utf8.RuneCountInString(v.Text)))
	case item.B:
		return item.Int(int64(len(v.Text)))
	case item.M:
		return item.Int(int64(len(v.Map)))
	case item.L, item.SS, item.NS, item.BS:
		return item.Int(int64(len(v.List)))
	}
	return item.Value{}
}

// lookup follows a path; kind None if it leads nowhere.
func (e env) lookup(p path, it item.Item) item.Value {
	v := it.Get(e.name(p[0]))
	for _, s := range p[1:] {
		switch {
		case s.index < 0 && v.Kind == item.M:
			v = v.Map.Get(e.name(s))
		case s.index >= 0 && v.Kind == item.L && s.index < len(v.List):
			v = v.List[s.index]
		default:
			return item.Value{}
		}
	}
	return v
}
