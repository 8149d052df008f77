package model

import (
	"slices"
	"sort"
)

const (
	wrongOperand = "An operand in the update expression has an incorrect data type"
	wrongPath    = "The document path provided in the update expression is invalid for update"
	noAttribute  = "The provided expression refers to an attribute that does not exist in the item"
)

// apply is the item after an update. All operands are of the item as it was.
func (s *scope) apply(actions []action, old item) item {
	type change struct {
		path  path
		value value // none removes
	}
	var changes []change
	for _, a := range actions {
		changes = append(changes, change{a.path, s.result(a, old)})
	}
	// What is appended to a list comes in the order of the indexes, and removals
	// come last, from the end, so that no index moves before its use.
	sort.SliceStable(changes, func(i, j int) bool {
		a, b := changes[i], changes[j]
		if a.value.exists() != b.value.exists() {
			return a.value.exists()
		}
		if a.value.exists() {
			return lessPath(a.path, b.path)
		}
		return lessPath(b.path, a.path)
	})
	next := value{kind: "M", m: old}
	for _, c := range changes {
		next = put(next, c.path, c.value)
	}
	checkDepth(next, 0)
	return next.m
}

func lessPath(a, b path) bool {
	for i := range min(len(a), len(b)) {
		if a[i] == b[i] {
			continue
		}
		if a[i].index != b[i].index {
			return a[i].index < b[i].index
		}
		return a[i].name < b[i].name
	}
	return len(a) < len(b)
}

// result is what an action puts at its path; none to remove what is there.
func (s *scope) result(a action, old item) value {
	current := a.path.in(old)
	var operand value
	if a.operand != nil && a.section != "SET" {
		operand = s.values[a.operand.value]
		if current.exists() && current.kind != operand.kind {
			refuse(wrongOperand)
		}
	}
	switch {
	case a.section == "SET":
		return s.term(a.operand, old)
	case a.section == "ADD" && !current.exists():
		return operand
	case a.section == "ADD" && operand.kind == "N":
		return sum(current, operand, false)
	case a.section == "ADD":
		return union(current, operand)
	case a.section == "DELETE" && current.exists():
		return difference(current, operand)
	}
	return value{}
}

func union(a, b value) value {
	for _, element := range b.list {
		if !contains(value{kind: "L", list: a.list}, element) {
			a.list = append(slices.Clone(a.list), element)
		}
	}
	a.list = sorted(a.list)
	return a
}

// difference is a without b's elements; a set without any is no value.
func difference(a, b value) value {
	var rest []value
	for _, element := range a.list {
		if !contains(value{kind: "L", list: b.list}, element) {
			rest = append(rest, element)
		}
	}
	if rest == nil {
		return value{}
	}
	return value{kind: a.kind, list: rest}
}

// term is what SET assigns.
func (s *scope) term(n *node, old item) value {
	switch n.op {
	case "value":
		return s.values[n.value]
	case "path":
		v := n.path.in(old)
		if !v.exists() {
			refuse(noAttribute)
		}
		return v
	case "if_not_exists":
		if v := n.kids[0].path.in(old); v.exists() {
			return v
		}
		return s.term(n.kids[1], old)
	}
	a, b := s.term(n.kids[0], old), s.term(n.kids[1], old)
	want := "N"
	if n.op == "list_append" {
		want = "L"
	}
	if a.kind != want || b.kind != want {
		refuse(wrongOperand)
	}
	if n.op == "list_append" {
		return value{kind: "L", list: append(slices.Clone(a.list), b.list...)}
	}
	return sum(a, b, n.op == "-")
}

// put is parent with the value at the path; none removes.
func put(parent value, p path, v value) value {
	st := p[0]
	if st.isIndex() != (parent.kind == "L") || parent.kind != "L" && parent.kind != "M" {
		refuse(wrongPath)
	}
	if len(p) > 1 {
		inner := path{st}.inside(parent)
		if !inner.exists() {
			refuse(wrongPath)
		}
		v = put(inner, p[1:], v)
	}
	if parent.kind == "M" {
		m := item{}
		for name, old := range parent.m {
			m[name] = old
		}
		m[st.name] = v
		if !v.exists() {
			delete(m, st.name)
		}
		return value{kind: "M", m: m}
	}
	list := slices.Clone(parent.list)
	switch {
	case st.index >= len(list) && v.exists():
		list = append(list, v)
	case st.index >= len(list):
	case v.exists():
		list[st.index] = v
	default:
		list = slices.Delete(list, st.index, st.index+1)
	}
	return value{kind: "L", list: list}
}

// inside is the element of a map or list at a path of one step.
func (p path) inside(parent value) value {
	if p[0].isIndex() {
		if p[0].index < len(parent.list) {
			return parent.list[p[0].index]
		}
		return value{}
	}
	return parent.m[p[0].name]
}

// checkDepth refuses what an update has nested too deeply.
func checkDepth(v value, depth int) {
	if depth > depthMax && (v.kind == "M" || v.kind == "L") {
		refuse("Nesting Levels have exceeded supported limits")
	}
	for _, inner := range v.m {
		checkDepth(inner, depth+1)
	}
	for _, inner := range v.list {
		checkDepth(inner, depth+1)
	}
}

// creates reports whether an update makes an item where there is none: taking
// away from nothing does not.
func (e expressions) creates() bool {
	if len(e.update) == 0 && len(e.updates) == 0 {
		return true
	}
	return slices.ContainsFunc(e.update, func(a action) bool { return a.section == "SET" || a.section == "ADD" }) ||
		slices.ContainsFunc(e.updates, func(u oldUpdate) bool { return u.action != "DELETE" })
}
