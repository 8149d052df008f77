package expr

import (
	"strconv"
	"strings"

	"github.com/meridian-run/meridian/internal/item"
)

// checkLeaves finds the first comparison or function of a condition that has a
// mistake, and of its mistakes the one that AWS reports.
func (e env) checkLeaves(p *parsed, n *node) error {
	switch n.op {
	case opAnd, opOr, opNot:
		for _, k := range n.kids {
			if err := e.checkLeaves(p, k); err != nil {
				return err
			}
		}
		return nil
	}
	var found problems
	e.checkDefined(p, n, &found)
	e.check(n, &found)
	return found.first(conditionOrder)
}

// checkDefined finds the first placeholder that means nothing: no name is empty.
func (e env) checkDefined(p *parsed, n *node, found *problems) {
	switch n.op {
	case opPath:
		for _, s := range n.path {
			if s.slot >= 0 && e.names[s.slot] == "" {
				found.add(rankName, undefinedName, p.names[s.slot])
			}
		}
	case opValue:
		if !e.values[n.value].Exists() {
			found.add(rankName, undefinedValue, p.values[n.value])
		}
	}
	for _, k := range n.kids {
		e.checkDefined(p, k, found)
	}
}

// check finds the mistakes of a condition that depend on the placeholders'
// meaning.
func (e env) check(n *node, found *problems) {
	for _, k := range n.kids {
		e.check(k, found)
	}
	switch n.op {
	case opCall:
		e.checkCall(n, found)
	case opEqual, opNotEqual, opLess, opLessEqual, opGreater, opGreaterEqual:
		e.checkDistinct(operatorNames[n.op], n, found)
		if n.op != opEqual && n.op != opNotEqual {
			e.checkOrdered(n, found)
		}
	case opIn:
		e.checkDistinct(operatorNames[n.op], n, found)
	case opBetween:
		e.checkDistinct(operatorNames[n.op], n, found)
		e.checkOrdered(n, found)
		e.checkBounds(n.kids[1], n.kids[2], found)
	}
}

// literal is the value of an operand that is one; kind None for others.
func (e env) literal(n *node) item.Value {
	switch n.op {
	case opValue:
		return e.values[n.value]
	case opTruth:
		return item.Value{Kind: item.Bool}
	}
	return item.Value{}
}

// kind is the kind of value that an operand has for certain; None if it depends
// on the item.
func (e env) kind(n *node) item.Kind {
	switch {
	case n.op == opAdd, n.op == opSubtract, n.op == opCall && n.name == "size":
		return item.N
	case n.op == opCall && n.name == "list_append":
		return item.L
	case n.op == opCall && n.name == "if_not_exists":
		return e.kind(n.kids[1])
	}
	return e.literal(n).Kind
}

func (e env) checkCall(n *node, found *problems) {
	if len(n.kids) == 2 {
		e.checkDistinct(n.name, n, found)
	}
	wrong := func(kind string) {
		found.add(rankType, "Incorrect operand type for operator or function; operator or function: %s, operand type: %s", n.name, kind)
	}
	switch n.name {
	case "attribute_exists", "attribute_not_exists":
		if n.kids[0].op != opPath {
			found.add(rankType, "Operator or function requires a document path; operator or function: %s", n.name)
		}
	case "begins_with":
		for _, k := range n.kids {
			if kind := e.kind(k); kind != item.None && kind != item.S && kind != item.B {
				wrong(kind.String())
			}
		}
	case "attribute_type":
		e.checkTypeName(n, found, wrong)
	case "size":
		if kind := e.kind(n.kids[0]); kind == item.N || kind == item.Bool || kind == item.Null {
			wrong(kind.String())
		}
	}
}

func (e env) checkTypeName(n *node, found *problems, wrong func(string)) {
	name := e.literal(n.kids[1])
	switch {
	case e.kind(n.kids[1]) == item.N:
		wrong("N")
	case name.Kind == item.None:
		wrong("{NS,SS,L,BS,N,M,B,BOOL,NULL,S}")
	case name.Kind != item.S:
		wrong(name.Kind.String())
	case item.KindOf(name.Text) == item.None:
		found.add(rankType, "Invalid attribute type name found; type: %s, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}", name.Text)
	}
}

// checkDistinct refuses a path compared with itself.
func (e env) checkDistinct(name string, n *node, found *problems) {
	a := n.kids[0]
	if a.op != opPath {
		return
	}
	for _, b := range n.kids[1:] {
		if b.op == opPath && e.samePath(a.path, b.path) {
			found.add(rankDistinct, "The first operand must be distinct from the remaining operands for this operator or function; operator: %s, first operand: %s", name, e.pathText(a.path))
		}
	}
}

// checkOrdered refuses literals that have no order.
func (e env) checkOrdered(n *node, found *problems) {
	for _, k := range n.kids {
		if kind := e.literal(k).Kind; kind != item.None && !kind.IsScalar() {
			found.add(rankType, "Incorrect operand type for operator or function; operator or function: %s, operand type: %s", operatorNames[n.op], kind)
		}
	}
}

func (e env) checkBounds(low, high *node, found *problems) {
	a, b := e.literal(low), e.literal(high)
	if !a.Exists() || !b.Exists() {
		return
	}
	order, ok := item.Compare(a, b)
	what := ""
	switch {
	case a.Kind != b.Kind:
		what = "requires same data type for lower and upper bounds"
	case ok && order > 0:
		what = "requires upper bound to be greater than or equal to lower bound"
	default:
		return
	}
	found.add(rankType, "The BETWEEN operator %s; lower bound operand: AttributeValue: %s, upper bound operand: AttributeValue: %s", what, literalText(a), literalText(b))
}

func literalText(v item.Value) string {
	text := v.Text
	if v.Kind == item.B {
		json := string(v.AppendJSON(nil))
		text = strings.TrimSuffix(strings.TrimPrefix(json, `{"B":"`), `"}`)
	}
	return "{" + v.Kind.String() + ":" + text + "}"
}

// step name after placeholders.
func (e env) name(s step) string {
	if s.slot >= 0 {
		return e.names[s.slot]
	}
	return s.name
}

func (e env) sameStep(a, b step) bool {
	return a.index == b.index && (a.index >= 0 || e.name(a) == e.name(b))
}

func (e env) samePath(a, b path) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !e.sameStep(a[i], b[i]) {
			return false
		}
	}
	return true
}

// pathText is the path as errors have it: [a, [1], b].
func (e env) pathText(p path) string {
	parts := make([]string, len(p))
	for i, s := range p {
		parts[i] = e.name(s)
		if s.index >= 0 {
			parts[i] = "[" + strconv.Itoa(s.index) + "]"
		}
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

// checkOverlap refuses paths of which one lies within the other, or that take
// one attribute for a map and a list.
func (e env) checkOverlap(paths []path, found *problems) {
	const remedy = "must remove or rewrite one of these paths; path one: %s, path two: %s"
	for i, a := range paths {
		for _, b := range paths[:i] {
			shared := 0
			for shared < min(len(a), len(b)) && e.sameStep(a[shared], b[shared]) {
				shared++
			}
			switch {
			case shared == min(len(a), len(b)):
				found.add(rankOverlap, "Two document paths overlap with each other; "+remedy, e.pathText(b), e.pathText(a))
			case (a[shared].index >= 0) != (b[shared].index >= 0):
				found.add(rankConflict, "Two document paths conflict with each other; "+remedy, e.pathText(b), e.pathText(a))
			}
		}
	}
}
