package partiql

import (
	"slices"

	"github.com/meridian-run/meridian/internal/dynamo/expr"
	"github.com/meridian-run/meridian/internal/item"
)

// Schema is the keys of what a statement reads or writes: a table's, or an
// index's, which may have several of each.
type Schema struct{ Hash, Sort []Attribute }

// Attribute is a key attribute.
type Attribute struct {
	Name string
	Kind item.Kind
}

// find is the key attribute that a path is.
func find(list []Attribute, path []expr.Step) int {
	if len(path) != 1 {
		return -1
	}
	return slices.IndexFunc(list, func(a Attribute) bool { return a.Name == path[0].Name })
}

// conjuncts are the conditions that all must hold.
func conjuncts(n *node) []*node {
	if n == nil {
		return nil
	}
	if n.op != opAnd {
		return []*node{n}
	}
	var list []*node
	for _, kid := range n.kids {
		list = append(list, conjuncts(kid)...)
	}
	return list
}

// equality takes apart a comparison of a path with a value for equality; so is IN
// with one value where one says so.
func equality(n *node, one bool) (path []expr.Step, value *node) {
	if n.op != opCompare || n.text != "=" && !(one && n.text == "IN" && n.kids[1].op == opList && len(n.kids[1].kids) == 1) {
		return nil, nil
	}
	left, right := n.kids[0], n.kids[1]
	if n.text == "IN" {
		right = right.kids[0]
	}
	if right.op == opPath {
		left, right = right, left
	}
	if left.op != opPath || !right.literal() {
		return nil, nil
	}
	return left.path, right
}

// Key is the one item that a statement names by all of its key, and what else it
// asks of that item.
type Key struct {
	Item item.Item
	rest []*node
}

// Key finds the item that a statement names; whole is false if it does not give
// all key attributes one value each.
func (b *Bound) Key(keys Schema) (key Key, whole bool, err error) {
	all := slices.Concat(keys.Hash, keys.Sort)
	for _, n := range conjuncts(b.where) {
		path, literal := equality(n, b.Kind == Select)
		i := find(all, path)
		if i < 0 {
			key.rest = append(key.rest, n)
			continue
		}
		v, err := b.value(literal, "root")
		if err != nil {
			return key, false, err
		}
		switch known := key.Item.Get(all[i].Name); {
		case !known.Exists():
			key.Item = key.Item.Set(all[i].Name, v)
		case item.Equal(known, v):
		case b.Kind == Update || b.Kind == Delete:
			return key, false, refusal(n.at, "Multiple conditions on same key %s. Only single item Update/Insert/Delete are supported", all[i].Name)
		default:
			key.rest = append(key.rest, n)
		}
	}
	return key, len(key.Item) == len(all), nil
}

// Alone reports whether the statement names its item and asks nothing else.
func (k Key) Alone() bool { return len(k.rest) == 0 }

// Condition is what must hold for the statement to write, or for an Exists to be
// true: an Update needs its item to be there, a Delete asks only of an item that is
// there.
func (b *Bound) Condition(k Key) (*expr.Condition, error) {
	var to expr.Builder
	exists := to.Call("attribute_exists", to.Path([]expr.Step{{Name: k.Item[0].Name, Index: -1}}))
	if b.Kind == Delete && k.Alone() {
		return nil, nil
	}
	rest, err := b.joined(&to, "AND", k.rest)
	if err != nil {
		return nil, err
	}
	switch b.Kind {
	case Update:
		rest = to.Join("AND", exists, rest)
	case Delete:
		rest = to.Join("OR", to.Join("NOT", exists), rest)
	}
	return to.Condition(rest)
}

// Missing is the condition of an Insert: that there is no item yet.
func Missing(attribute string) *expr.Condition {
	var to expr.Builder
	c, _ := to.Condition(to.Call("attribute_not_exists", to.Path([]expr.Step{{Name: attribute, Index: -1}}))) // nothing can be wrong
	return c
}
