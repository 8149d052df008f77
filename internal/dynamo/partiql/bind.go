package partiql

import (
	"errors"
	"strconv"
	"strings"

	"github.com/meridian-run/meridian/internal/dynamo/expr"
	"github.com/meridian-run/meridian/internal/item"
)

// Bound is a statement with its parameters. Its methods' errors are *Error,
// *expr.Error and *item.InvalidError.
type Bound struct {
	*Statement
	values []item.Value
}

// Bind gives a statement its parameters, one for each question mark.
func (s *Statement) Bind(parameters []item.Value) (*Bound, error) {
	if len(parameters) != s.parameters {
		return nil, refusal(Place{}, "Number of parameters in request and statement don't match.")
	}
	return &Bound{s, parameters}, nil
}

// Item is the item of an Insert.
func (b *Bound) Item() (item.Item, error) {
	attributes, err := b.members(b.item, "root", func(string) string { return "root" })
	if err != nil {
		return nil, err
	}
	it := item.Make(attributes...)
	return it, it.CheckDepth()
}

// members are the members of a struct, or of a parameter that is a map; under
// names the path to each.
func (b *Bound) members(n *node, at string, under func(name string) string) ([]item.Attribute, error) {
	if n.op != opStruct {
		v, err := b.value(n, at)
		if err == nil && v.Kind != item.M {
			err = refusal(n.at, "Unsupported data type: %s under key root at %s", v.Kind, n.at)
		}
		return v.Map, err
	}
	members := make([]item.Attribute, len(n.kids))
	for i, kid := range n.kids {
		v, err := b.value(kid, under(n.names[i]))
		if err != nil {
			return nil, err
		}
		members[i] = item.Attribute{Name: n.names[i], Value: v}
	}
	return members, nil
}

// literal reports whether a node is a value.
func (n *node) literal() bool { return n.op <= opStruct && n.op != opPath }

// scalars are the values without content.
var scalars = map[op]item.Value{opTrue: {Kind: item.Bool, Bool: true}, opFalse: {Kind: item.Bool}, opNull: {Kind: item.Null}}

// value is what a literal or a parameter means; under is the path to it within
// its value, for messages.
func (b *Bound) value(n *node, under string) (item.Value, error) {
	switch n.op {
	case opString:
		return item.Text(n.text), nil
	case opNumber:
		v, err := item.Number(n.text)
		if wrong := (*item.InvalidError)(nil); errors.As(err, &wrong) {
			err = refusal(n.at, "%s under %s", wrong.Message, under)
		}
		return v, err
	case opTrue, opFalse, opNull:
		return scalars[n.op], nil
	case opParameter:
		return b.values[n.index], nil
	case opBag:
		return b.bag(n)
	case opList:
		list := make([]item.Value, len(n.kids))
		for i, kid := range n.kids {
			var err error
			if list[i], err = b.value(kid, under+"["+strconv.Itoa(i)+"]"); err != nil {
				return item.Value{}, err
			}
		}
		return item.Value{Kind: item.L, List: list}, nil
	case opStruct:
		members, err := b.members(n, under, func(name string) string { return under + "." + name })
		if err != nil {
			return item.Value{}, err
		}
		return item.Value{Kind: item.M, Map: item.Make(members...)}, nil
	}
	return item.Value{}, refusal(n.at, "Unsupported data type: %s under key %s at %s", n.name(), under, n.at)
}

// name is what messages call a node that is no value.
func (n *node) name() string {
	switch n.op {
	case opPath:
		return columnName(n.path)
	case opPlus:
		return "Plus"
	case opMinus:
		return "Minus"
	case opAnd:
		return "And"
	case opOr:
		return "Or"
	case opNot:
		return "Not"
	case opIs:
		return "IsType"
	}
	return n.text
}

// bag is a set of strings or of numbers.
func (b *Bound) bag(n *node) (item.Value, error) {
	if len(n.kids) == 0 {
		return item.Value{}, refusal(n.at, "Empty bags are not supported")
	}
	list := make([]item.Value, len(n.kids))
	texts := make([]string, len(n.kids))
	for i, kid := range n.kids {
		if kid.op != opString && kid.op != opNumber || kid.op != n.kids[0].op {
			return item.Value{}, refusal(kid.at, "Unsupported data type in Bag. DynamoDB only supports either numbers or strings in bags")
		}
		var err error
		if list[i], err = b.value(kid, "root"); err != nil {
			return item.Value{}, err
		}
		texts[i] = list[i].Text
	}
	kind := item.SS
	if list[0].Kind == item.N {
		kind = item.NS
	}
	set := item.Union(item.Value{Kind: kind}, item.Value{Kind: kind, List: list})
	if len(set.List) < len(list) {
		return set, refusal(n.at, "One or more parameter values were invalid: Input collection [%s] contains duplicates.", strings.Join(texts, ", "))
	}
	return set, nil
}

// operand is a value or a path in a condition, or what is true or false in it.
func (b *Bound) operand(to *expr.Builder, n *node) (expr.Operand, error) {
	switch {
	case n.literal():
		v, err := b.value(n, "root")
		if err == nil {
			err = item.Make(item.Attribute{Value: v}).CheckDepth()
		}
		return to.Value(v), err
	case n.op == opPath:
		return to.Path(n.path), nil
	case n.op == opCall && n.text == "size":
		return b.call(to, n)
	case n.op == opPlus || n.op == opMinus:
		return expr.Operand{}, refusal(n.at, "Unsupported operation: %s", n.name())
	}
	condition, err := b.condition(to, n)
	if err != nil {
		return condition, err
	}
	return to.Truth(condition), nil
}

// operands are the operands of a list of nodes.
func (b *Bound) operands(to *expr.Builder, nodes []*node) ([]expr.Operand, error) {
	list := make([]expr.Operand, len(nodes))
	for i, n := range nodes {
		var err error
		if list[i], err = b.operand(to, n); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// condition is what is true or false.
func (b *Bound) condition(to *expr.Builder, n *node) (expr.Operand, error) {
	switch n.op {
	case opAnd:
		return b.joined(to, "AND", n.kids)
	case opOr:
		return b.joined(to, "OR", n.kids)
	case opNot:
		return b.joined(to, "NOT", n.kids)
	case opCompare:
		kids := n.kids
		if n.text == "IN" {
			choices, err := b.choices(to, n.kids[1])
			if err != nil {
				return expr.Operand{}, err
			}
			left, err := b.operand(to, n.kids[0])
			return to.Join("IN", append([]expr.Operand{left}, choices...)...), err
		}
		list, err := b.operands(to, kids)
		return to.Join(n.text, list...), err
	case opIs:
		subject, err := b.operand(to, n.kids[0])
		if n.text == "" {
			return to.Call("attribute_not_exists", subject), err
		}
		return to.Call("attribute_type", subject, to.Value(item.Text(n.text))), err
	case opCall:
		if n.text != "size" {
			return b.call(to, n)
		}
	case opPath:
		return expr.Operand{}, refusal(n.at, "Unexpected path component at %s", n.at)
	}
	return expr.Operand{}, refusal(n.at, "Unsupported operation: %s at %s", n.name(), n.at)
}

func (b *Bound) joined(to *expr.Builder, operator string, nodes []*node) (expr.Operand, error) {
	list := make([]expr.Operand, len(nodes))
	for i, n := range nodes {
		var err error
		if list[i], err = b.condition(to, n); err != nil {
			return expr.Operand{}, err
		}
	}
	return to.Join(operator, list...), nil
}

// choices are the operands behind IN: a list's elements, of a literal or a
// parameter.
func (b *Bound) choices(to *expr.Builder, n *node) ([]expr.Operand, error) {
	if n.op == opList {
		return b.operands(to, n.kids)
	}
	if !n.literal() {
		return nil, refusal(n.at, "Unexpected path component at %s", n.at)
	}
	v, err := b.value(n, "root")
	if err != nil {
		return nil, err
	}
	if v.Kind != item.L && !v.Kind.IsSet() {
		return nil, refusal(n.at, "Incorrect operand type for operator or function; operator or function: IN, operand type: %s", v.Kind)
	}
	list := make([]expr.Operand, len(v.List))
	for i, element := range v.List {
		list[i] = to.Value(element)
	}
	return list, nil
}

// conditionFunctions are the functions of WHERE.
var conditionFunctions = map[string]bool{
	"attribute_exists": true, "attribute_not_exists": true, "attribute_type": true, "begins_with": true, "contains": true, "size": true,
}

func (b *Bound) call(to *expr.Builder, n *node) (expr.Operand, error) {
	if !conditionFunctions[n.text] {
		return expr.Operand{}, refusal(n.at, "Unrecognized function: %s at %s", n.text, n.at)
	}
	list, err := b.operands(to, n.kids)
	return to.Call(n.text, list...), err
}

// Projection is what a Select shows; nil is all.
func (b *Bound) projection() *expr.Projection {
	if b.columns == nil {
		return nil
	}
	list := make([]expr.Column, len(b.columns))
	for i, path := range b.columns {
		list[i] = expr.Column{Name: columnName(path), Path: path}
	}
	return expr.Columns(list)
}
