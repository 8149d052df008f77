package expr

import "github.com/meridian-run/meridian/internal/item"

// Increment answers how much the update adds to a top-level attribute of an item
// that it can be applied to: by ADD, or by SET v = v + n, v - n or n + v, where v
// may be written if_not_exists(v, 0). It is false where the attribute is set to a
// value, removed, or changed inside.
func (u *Update) Increment(attribute string, it item.Item) (n item.Value, ok bool) {
	for _, a := range u.actions {
		if len(a.path) != 1 || u.env.name(a.path[0]) != attribute {
			continue
		}
		switch a.section {
		case addSection:
			n = u.env.values[a.operand.value]
			return n, n.Kind == item.N
		case setSection:
			return u.env.increment(a.operand, attribute, it)
		}
	}
	return item.Value{}, false
}

// increment is what an operand adds to the attribute.
func (e env) increment(n *node, attribute string, it item.Item) (item.Value, bool) {
	if n.op != opAdd && n.op != opSubtract {
		return item.Value{}, false
	}
	left, right := n.kids[0], n.kids[1]
	if n.op == opAdd && !e.isSame(left, attribute, it) {
		left, right = right, left
	}
	if !e.isSame(left, attribute, it) {
		return item.Value{}, false
	}
	v, err := e.operand(right, it)
	if err != nil || v.Kind != item.N {
		return item.Value{}, false
	}
	if n.op == opSubtract {
		v, err = item.Sub(item.Int(0), v)
	}
	return v, err == nil
}

// isSame reports whether an operand is the attribute as it is, or 0 where there
// is none.
func (e env) isSame(n *node, attribute string, it item.Item) bool {
	if n.op == opCall && n.name == "if_not_exists" {
		old := e.lookup(n.kids[0].path, it)
		if !e.isAttribute(n.kids[0], attribute) {
			return false
		}
		if old.Exists() {
			return true
		}
		start, err := e.operand(n.kids[1], it)
		return err == nil && item.Equal(start, item.Int(0))
	}
	return e.isAttribute(n, attribute)
}

func (e env) isAttribute(n *node, attribute string) bool {
	return n.op == opPath && len(n.path) == 1 && e.name(n.path[0]) == attribute
}
