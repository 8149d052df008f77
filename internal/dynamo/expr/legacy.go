package expr

import (
	"slices"

	"github.com/meridian-run/meridian/internal/item"
)

// LegacyCondition is a condition on one attribute, as the parameters had it that
// expressions replaced: Expected, QueryFilter, ScanFilter and KeyConditions.
type LegacyCondition struct {
	Attribute string
	// Operator is one of LegacyOperators.
	Operator string
	Values   []item.Value
}

// LegacyOperators are the operators of legacy conditions, in AWS's order.
var LegacyOperators = []string{"IN", "NULL", "BETWEEN", "LT", "NOT_CONTAINS", "EQ", "GT", "NOT_NULL", "NE", "LE", "BEGINS_WITH", "GE", "CONTAINS"}

// legacyOperator says what an operator takes: how many values (most 0: any number
// from least), and which kinds of them; no kinds: any.
type legacyOperator struct {
	least, most int
	kinds       []item.Kind
	node        operator
	function    string
}

var (
	scalars         = []item.Kind{item.S, item.N, item.B}
	legacyOperators = map[string]legacyOperator{
		"NULL":         {function: "attribute_not_exists"},
		"NOT_NULL":     {function: "attribute_exists"},
		"EQ":           {least: 1, most: 1, node: opEqual},
		"NE":           {least: 1, most: 1, node: opNotEqual},
		"LE":           {least: 1, most: 1, kinds: scalars, node: opLessEqual},
		"LT":           {least: 1, most: 1, kinds: scalars, node: opLess},
		"GE":           {least: 1, most: 1, kinds: scalars, node: opGreaterEqual},
		"GT":           {least: 1, most: 1, kinds: scalars, node: opGreater},
		"CONTAINS":     {least: 1, most: 1, kinds: scalars, function: "contains"},
		"NOT_CONTAINS": {least: 1, most: 1, kinds: scalars, node: opNot, function: "contains"},
		"BEGINS_WITH":  {least: 1, most: 1, kinds: []item.Kind{item.S, item.B}, function: "begins_with"},
		"IN":           {least: 1, kinds: scalars, node: opIn},
		"BETWEEN":      {least: 2, most: 2, kinds: scalars, node: opBetween},
	}
)

const invalidValues = "One or more parameter values were invalid: "

// Check finds the mistakes of a condition that do not depend on a table.
func (c LegacyCondition) Check() error {
	op := legacyOperators[c.Operator]
	n := len(c.Values)
	if n < op.least || n > op.most && (op.most > 0 || op.least == 0) {
		return errorf(invalidValues+"Invalid number of argument(s) for the %s ComparisonOperator", c.Operator)
	}
	for _, v := range c.Values {
		if v.Kind != c.Values[0].Kind {
			return &Error{invalidValues + "AttributeValues inside AttributeValueList must be of same type"}
		}
	}
	for _, v := range c.Values {
		if op.kinds != nil && !slices.Contains(op.kinds, v.Kind) {
			return errorf(invalidValues+"ComparisonOperator %s is not valid for %s AttributeValue type", c.Operator, v.Kind)
		}
	}
	if c.Operator == "BETWEEN" {
		if order, _ := item.Compare(c.Values[0], c.Values[1]); order > 0 {
			return &Error{"The BETWEEN condition was provided a range where the lower bound is greater than the upper bound"}
		}
	}
	return nil
}

func attributePath(name string) path { return path{{name: name, slot: -1, index: -1}} }

// legacy is the tree of a legacy condition.
func (b *Builder) legacy(c LegacyCondition) *node {
	op := legacyOperators[c.Operator]
	attribute := &node{op: opPath, path: attributePath(c.Attribute)}
	kids := []*node{attribute}
	for _, v := range c.Values {
		kids = append(kids, b.Value(v).node)
	}
	if op.function == "" {
		return &node{op: op.node, kids: kids}
	}
	call := &node{op: opCall, name: op.function, kids: kids}
	if op.node != opNot {
		return call
	}
	// An attribute that is not there contains nothing, and does not "not contain".
	return &node{op: opAnd, kids: []*node{
		{op: opCall, name: "attribute_exists", kids: []*node{attribute}},
		{op: opNot, kids: []*node{call}},
	}}
}

// FromConditions is the condition that all of the list hold, or any of it; nil if
// there are none. They must have been checked.
func FromConditions(list []LegacyCondition, anyOf bool) *Condition {
	if len(list) == 0 {
		return nil
	}
	var b Builder
	root := &node{op: opAnd}
	if anyOf {
		root.op = opOr
	}
	for _, c := range list {
		root.kids = append(root.kids, b.legacy(c))
	}
	return &Condition{root: root, env: b.env}
}

var legacyComparisons = map[string]Comparison{
	"EQ": Equal, "LT": Less, "LE": LessEqual, "GT": Greater, "GE": GreaterEqual, "BETWEEN": Between, "BEGINS_WITH": BeginsWith,
}

// KeyTerm is the condition as one of a key.
func (c LegacyCondition) KeyTerm() KeyTerm {
	comparison, ok := legacyComparisons[c.Operator]
	if !ok {
		comparison = NotIndexable
	}
	return KeyTerm{Attribute: c.Attribute, Comparison: comparison, Values: c.Values}
}

// LegacyUpdate is what AttributeUpdates says of one attribute.
type LegacyUpdate struct {
	Attribute string
	// Action is PUT, ADD or DELETE.
	Action string
	Value  item.Value // kind None if there is none
}

// Check finds the mistakes of an update that do not depend on the item.
func (u LegacyUpdate) Check() error {
	kind := u.Value.Kind
	switch {
	case kind == item.None && u.Action != "DELETE":
		return &Error{invalidValues + "Only DELETE action is allowed when no attribute value is specified"}
	case kind == item.None:
		return nil
	case u.Action == "DELETE" && !kind.IsSet():
		return errorf(invalidValues+"DELETE action with value is not supported for the type %s", kind)
	case u.Action == "ADD" && !kind.IsSet() && kind != item.N && kind != item.L:
		return errorf(invalidValues+"ADD action is not supported for the type %s", kind)
	}
	return nil
}

// FromUpdates is the update that does all of the list; nil if it is empty. They
// must have been checked.
func FromUpdates(list []LegacyUpdate) *Update {
	if len(list) == 0 {
		return nil
	}
	var b Builder
	u := &Update{legacy: true}
	for _, l := range list {
		a := action{path: attributePath(l.Attribute)}
		switch {
		case !l.Value.Exists():
			a.section = removeSection
		case l.Action == "DELETE":
			a.section = deleteSection
		case l.Action == "ADD":
			a.section = addSection
		}
		if l.Value.Exists() {
			a.operand = b.Value(l.Value).node
		}
		u.actions = append(u.actions, a)
	}
	u.env = b.env
	return u
}

// FromNames is the projection to top-level attributes.
func FromNames(names []string) *Projection {
	paths := make([]path, len(names))
	for i, name := range names {
		paths[i] = attributePath(name)
	}
	return env{}.projection(paths)
}
