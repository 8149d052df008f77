package model

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// holds reports whether a condition is true of an item.
func (s *scope) holds(n *node, it item) bool {
	of := func(i int) value { return s.eval(n.kids[i], it) }
	switch n.op {
	case "AND":
		return !slices.ContainsFunc(n.kids, func(k *node) bool { return !s.holds(k, it) })
	case "OR":
		return slices.ContainsFunc(n.kids, func(k *node) bool { return s.holds(k, it) })
	case "NOT":
		return !s.holds(n.kids[0], it)
	case "=":
		return of(0).exists() && equal(of(0), of(1))
	case "<>":
		return !of(0).exists() || !equal(of(0), of(1))
	case "<", "<=", ">", ">=":
		return ordered(n.op, of(0), of(1))
	case "BETWEEN":
		return ordered(">=", of(0), of(1)) && ordered("<=", of(0), of(2))
	case "IN":
		return slices.ContainsFunc(n.kids[1:], func(k *node) bool { return of(0).exists() && equal(of(0), s.eval(k, it)) })
	case "attribute_exists":
		return of(0).exists()
	case "attribute_not_exists":
		return !of(0).exists()
	case "attribute_type":
		return of(0).exists() && of(0).kind == of(1).text
	case "begins_with":
		return beginsWith(of(0), of(1))
	case "contains":
		return contains(of(0), of(1))
	}
	panic("model: no such condition: " + n.op)
}

func ordered(op string, a, b value) bool {
	order, ok := compare(a, b)
	if !ok {
		return false
	}
	switch op {
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	}
	return order >= 0
}

func beginsWith(v, prefix value) bool {
	return (v.kind == "S" || v.kind == "B") && v.kind == prefix.kind && strings.HasPrefix(v.text, prefix.text)
}

func contains(v, part value) bool {
	if v.kind == "S" || v.kind == "B" {
		return v.kind == part.kind && strings.Contains(v.text, part.text)
	}
	return slices.ContainsFunc(v.list, func(element value) bool { return equal(element, part) })
}

// eval is an operand's value for an item.
func (s *scope) eval(n *node, it item) value {
	switch n.op {
	case "value":
		return s.values[n.value]
	case "path":
		return n.path.in(it)
	case "size":
		return sizeOf(s.eval(n.kids[0], it))
	}
	return value{}
}

func sizeOf(v value) value {
	n := 0
	switch v.kind {
	case "S":
		n = utf8.RuneCountInString(v.text)
	case "B":
		n = len(v.text)
	case "M":
		n = len(v.m)
	case "L", "SS", "NS", "BS":
		n = len(v.list)
	default:
		return value{}
	}
	return value{kind: "N", text: fmt.Sprint(n)}
}

// in follows the path into an item.
func (p path) in(it item) value {
	if len(p) == 0 {
		return value{}
	}
	v := value{kind: "M", m: it}
	for _, st := range p {
		switch {
		case !st.isIndex() && v.kind == "M":
			v = v.m[st.name]
		case st.isIndex() && v.kind == "L" && st.index < len(v.list):
			v = v.list[st.index]
		default:
			return value{}
		}
	}
	return v
}

// project picks the parts of an item that lie on one of the paths.
func project(it item, paths []path) item {
	v, _ := picked(value{kind: "M", m: it}, paths)
	if v.m == nil {
		return item{}
	}
	return v.m
}

// picked is the part of a value on the paths; all of it for an empty path.
func picked(v value, paths []path) (part value, ok bool) {
	if slices.ContainsFunc(paths, func(p path) bool { return len(p) == 0 }) {
		return v, v.exists()
	}
	below := func(st step) []path {
		var rest []path
		for _, p := range paths {
			if p[0] == st {
				rest = append(rest, p[1:])
			}
		}
		return rest
	}
	part = value{kind: v.kind}
	switch v.kind {
	case "M":
		part.m = item{}
		for name, inner := range v.m {
			if p, found := picked(inner, below(step{name: name, index: -1})); found {
				part.m[name] = p
			}
		}
		return part, len(part.m) > 0
	case "L":
		for i, inner := range v.list {
			if p, found := picked(inner, below(step{index: i})); found {
				part.list = append(part.list, p)
			}
		}
		return part, len(part.list) > 0
	}
	return value{}, false
}
