package model

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
)

const wrongType = "Incorrect operand type for operator or function; operator or function: %s, operand type: %s"

// check notes what is wrong with a condition whose grammar is right.
func (s *scope) check(r *reader, n *node) {
	for _, k := range n.kids {
		s.check(r, k)
	}
	switch n.op {
	case "attribute_exists", "attribute_not_exists":
		if n.kids[0].op != "path" {
			r.mistake("type", "Operator or function requires a document path; operator or function: %s", n.op)
		}
	case "begins_with":
		s.checkTypes(r, n, "S", "B")
	case "size":
		s.checkTypes(r, n, "S", "B", "M", "L", "SS", "NS", "BS")
	case "attribute_type":
		s.checkTypeName(r, n)
	case "<", "<=", ">", ">=":
		s.checkTypes(r, n, "S", "N", "B")
	case "BETWEEN":
		s.checkTypes(r, n, "S", "N", "B")
		s.checkBounds(r, s.literal(n.kids[1]), s.literal(n.kids[2]))
	}
	pairs := []string{"=", "<>", "<", "<=", ">", ">=", "BETWEEN", "IN", "begins_with", "contains", "attribute_type"}
	if !slices.Contains(pairs, n.op) || n.kids[0].op != "path" {
		return
	}
	for _, k := range n.kids[1:] {
		if k.op == "path" && k.path.text() == n.kids[0].path.text() {
			r.mistake("distinct", "The first operand must be distinct from the remaining operands for this operator or function; operator: %s, first operand: %s", n.op, k.path.text())
		}
	}
}

func (s *scope) literal(n *node) value {
	if n.op == "value" {
		return s.values[n.value]
	}
	return value{}
}

func (s *scope) checkTypes(r *reader, n *node, allowed ...string) {
	for _, k := range n.kids {
		kind := s.literal(k).kind
		if k.op == "size" {
			kind = "N"
		}
		if kind != "" && !slices.Contains(allowed, kind) {
			r.mistake("type", wrongType, n.op, kind)
		}
	}
}

func (s *scope) checkTypeName(r *reader, n *node) {
	name := s.literal(n.kids[1])
	switch {
	case n.kids[1].op == "size":
		r.mistake("type", wrongType, n.op, "N")
	case !name.exists():
		r.mistake("type", wrongType, n.op, "{NS,SS,L,BS,N,M,B,BOOL,NULL,S}")
	case name.kind != "S":
		r.mistake("type", wrongType, n.op, name.kind)
	case !slices.Contains(kinds, name.text):
		r.mistake("type", "Invalid attribute type name found; type: %s, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}", name.text)
	}
}

func (s *scope) checkBounds(r *reader, low, high value) {
	if !low.exists() || !high.exists() {
		return
	}
	what := ""
	if low.kind != high.kind {
		what = "requires same data type for lower and upper bounds"
	} else if order, ok := compare(low, high); ok && order > 0 {
		what = "requires upper bound to be greater than or equal to lower bound"
	}
	if what != "" {
		r.mistake("type", "The BETWEEN operator %s; lower bound operand: AttributeValue: %s, upper bound operand: AttributeValue: %s", what, low.brief(), high.brief())
	}
}

func (v value) brief() string {
	text := v.text
	if v.kind == "B" {
		text = base64.StdEncoding.EncodeToString([]byte(text))
	}
	return "{" + v.kind + ":" + text + "}"
}

// text is a path as errors have it: [a, [1], b].
func (p path) text() string {
	var parts []string
	for _, st := range p {
		parts = append(parts, st.text())
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

func (st step) text() string {
	if st.isIndex() {
		return fmt.Sprintf("[%d]", st.index)
	}
	return st.name
}

// checkOverlap notes paths of which one lies within another, or that take one
// attribute for a map and for a list.
func checkOverlap(r *reader, paths []path) {
	for i, later := range paths {
		for _, earlier := range paths[:i] {
			shared := 0
			for shared < len(earlier) && shared < len(later) && earlier[shared] == later[shared] {
				shared++
			}
			switch {
			case shared == len(earlier) || shared == len(later):
				r.mistake("overlap", "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: %s, path two: %s", earlier.text(), later.text())
			case earlier[shared].isIndex() != later[shared].isIndex():
				r.mistake("conflict", "Two document paths conflict with each other; must remove or rewrite one of these paths; path one: %s, path two: %s", earlier.text(), later.text())
			}
		}
	}
}

var longKinds = map[string]string{"S": "STRING", "N": "NUMBER", "B": "BINARY", "BOOL": "BOOLEAN", "NULL": "NULL", "L": "LIST", "M": "MAP"}

// checkOperand notes what is wrong with the operand of a change.
func (s *scope) checkOperand(r *reader, a action) {
	if a.section == "SET" {
		s.checkTerm(r, a.operand)
		return
	}
	v := s.literal(a.operand)
	if v.exists() && !v.isSet() && (a.section != "ADD" || v.kind != "N") {
		r.mistake("type", "Incorrect operand type for operator or function; operator: %s, operand type: %s, typeSet: ALLOWED_FOR_%s_OPERAND", a.section, longKinds[v.kind], a.section)
	}
}

func (s *scope) checkTerm(r *reader, n *node) {
	for _, k := range n.kids {
		s.checkTerm(r, k)
	}
	switch n.op {
	case "+", "-":
		s.checkTypes(r, n, "N")
	case "list_append":
		s.checkTypes(r, n, "L")
	case "if_not_exists":
		if n.kids[0].op != "path" {
			r.mistake("type", "Operator or function requires a document path; operator or function: if_not_exists")
		}
	}
}
