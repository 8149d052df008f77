package partiql

import (
	"slices"
	"strings"

	"github.com/meridian-run/meridian/internal/dynamo/expr"
)

// Changes is what an Update does to its item.
func (b *Bound) Changes() (*expr.Update, error) {
	var to expr.Builder
	for _, a := range b.actions {
		if err := b.change(&to, a); err != nil {
			return nil, err
		}
	}
	return to.Update()
}

func (b *Bound) change(to *expr.Builder, a action) error {
	n := a.operand
	switch {
	case n == nil:
		to.Remove(a.path)
		return nil
	case n.op == opCall && (n.text == "set_add" || n.text == "set_delete"):
		return b.changeSet(to, a)
	}
	operand, err := b.assigned(to, n)
	if err == nil {
		to.Set(a.path, operand)
	}
	return err
}

// changeSet is SET a = set_add(a, set) or set_delete.
func (b *Bound) changeSet(to *expr.Builder, a action) error {
	n, name := a.operand, strings.ToUpper(a.operand.text)
	switch {
	case len(n.kids) != 2:
		return refusal(n.at, "%s must have exactly two arguments at %s", name, n.at)
	case n.kids[0].op != opPath || !slices.Equal(n.kids[0].path, a.path):
		return refusal(n.at, "The first argument to %s must equal the assignment value at %s", name, n.at)
	case !n.kids[1].literal():
		return refusal(n.at, "The second argument to %s must be a value with type SET at %s", name, n.kids[0].at)
	}
	v, err := b.value(n.kids[1], "root")
	switch {
	case err != nil:
		return err
	case !v.Kind.IsSet():
		return refusal(n.at, "The second argument to %s must be a value with type SET at %s", name, n.kids[0].at)
	case n.text == "set_add":
		to.Add(a.path, to.Value(v))
	default:
		to.Delete(a.path, to.Value(v))
	}
	return nil
}

// assigned is the operand of an assignment.
func (b *Bound) assigned(to *expr.Builder, n *node) (expr.Operand, error) {
	switch n.op {
	case opPlus, opMinus:
		list, err := b.assignedAll(to, n.kids)
		sign := "+"
		if n.op == opMinus {
			sign = "-"
		}
		return to.Join(sign, list...), err
	case opCall:
		if n.text != "list_append" && n.text != "if_not_exists" {
			return expr.Operand{}, refusal(n.at, "Unrecognized function: %s at %s", n.text, n.at)
		}
		list, err := b.assignedAll(to, n.kids)
		return to.Call(n.text, list...), err
	}
	if !n.literal() && n.op != opPath {
		return expr.Operand{}, refusal(n.at, "Unsupported operation: %s at %s", n.name(), n.at)
	}
	return b.operand(to, n)
}

func (b *Bound) assignedAll(to *expr.Builder, nodes []*node) ([]expr.Operand, error) {
	list := make([]expr.Operand, len(nodes))
	for i, n := range nodes {
		var err error
		if list[i], err = b.assigned(to, n); err != nil {
			return nil, err
		}
	}
	return list, nil
}
