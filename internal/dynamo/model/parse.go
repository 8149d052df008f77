package model

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// node is a part of an expression. op is a comparison's sign, AND, OR, NOT,
// BETWEEN, IN, +, -, a function's name, "path" or "value".
type node struct {
	op     string
	call   bool // op is a function's name
	path   path
	value  string // the placeholder
	kids   []*node
	parens bool
}

// step is a name, a name's placeholder, or an index; index is -1 for names.
type step struct {
	name  string
	index int
}

func (st step) isIndex() bool { return st.index >= 0 }

type path []step

// action is one change of an update expression.
type action struct {
	section string
	path    path
	operand *node // nil of REMOVE
}

// reader reads one expression's tokens. Beside the tree it notes what is wrong
// with it though its grammar is right, by kind of mistake.
type reader struct {
	text     string
	tokens   []token
	at       int
	mistakes map[string]string
	update   bool
}

type token struct {
	text       string
	start, end int
}

var tokens = regexp.MustCompile(`[#:][A-Za-z0-9_]*|[A-Za-z0-9_]+|<>|<=|>=|[^\s]`)

const end = "<EOF>"

// read reads a whole text with one of the reader's rules.
func read(what, text string, rule func(*reader)) *reader {
	invalid := "Invalid " + what + ": "
	switch {
	case text == "":
		refuse(invalid + "The expression can not be empty;")
	case len(text) > 4096:
		refuse(fmt.Sprintf("%sExpression size has exceeded the maximum allowed size; expression size: %d", invalid, len(text)))
	}
	r := &reader{text: text, mistakes: map[string]string{}, update: what == "UpdateExpression"}
	for _, at := range tokens.FindAllStringIndex(text, -1) {
		r.tokens = append(r.tokens, token{text[at[0]:at[1]], at[0], at[1]})
	}
	r.tokens = append(r.tokens, token{end, len(text), len(text)})
	defer func() {
		stopped := recover()
		if message, ok := stopped.(syntax); ok {
			refuse(invalid + string(message))
		}
		if stopped != nil {
			panic(stopped)
		}
	}()
	rule(r)
	if r.peek() != end {
		r.fail()
	}
	return r
}

// syntax is what stops a reader.
type syntax string

func (r *reader) fail() {
	t := r.tokens[r.at]
	start, stop := t.start, t.end
	if r.at > 0 {
		start = r.tokens[r.at-1].start
	}
	if r.at+1 < len(r.tokens) {
		stop = r.tokens[r.at+1].end
	}
	panic(syntax(fmt.Sprintf("Syntax error; token: \"%s\", near: \"%s\"", t.text, r.text[start:stop])))
}

func (r *reader) mistake(kind, format string, args ...any) {
	if r.mistakes[kind] == "" {
		r.mistakes[kind] = fmt.Sprintf(format, args...)
	}
}

func (r *reader) peek() string { return r.tokens[r.at].text }

func (r *reader) take(text string) bool {
	if strings.EqualFold(r.peek(), text) {
		r.at++
		return true
	}
	return false
}

func (r *reader) expect(text string) {
	if !r.take(text) {
		r.fail()
	}
}

func (r *reader) isWord() bool {
	c := r.peek()[0]
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func (r *reader) isCall() bool {
	return r.isWord() && r.tokens[r.at+1].text == "("
}

// condition is a whole condition.
func (r *reader) condition() *node { return r.mustDecide(r.or()) }

func (r *reader) or() *node  { return r.joined("OR", r.and) }
func (r *reader) and() *node { return r.joined("AND", r.not) }

func (r *reader) joined(word string, operand func() *node) *node {
	left := operand()
	if !strings.EqualFold(r.peek(), word) {
		return left
	}
	n := &node{op: word, kids: []*node{r.mustDecide(left)}}
	for r.take(word) {
		n.kids = append(n.kids, r.mustDecide(operand()))
	}
	return n
}

func (r *reader) not() *node {
	if r.take("NOT") {
		return &node{op: "NOT", kids: []*node{r.mustDecide(r.not())}}
	}
	return r.comparison()
}

func (r *reader) comparison() *node {
	left := r.primary()
	op := strings.ToUpper(r.peek())
	switch op {
	case "=", "<>", "<", "<=", ">", ">=":
		r.at++
		return r.compared(op, left, r.primary())
	case "BETWEEN":
		r.at++
		low := r.primary()
		r.expect("AND")
		return r.compared(op, left, low, r.primary())
	case "IN":
		r.at++
		r.expect("(")
		kids := []*node{left, r.primary()}
		for r.take(",") {
			kids = append(kids, r.primary())
		}
		r.expect(")")
		if len(kids) > 101 {
			r.mistake("count", "The IN operator is provided with too many operands; number of operands: %d", len(kids)-1)
		}
		return r.compared(op, kids...)
	}
	return left
}

// decides reports whether a node is true or false.
func (n *node) decides() bool {
	return n.op != "path" && n.op != "value" && n.op != "size" && n.op != "+" && n.op != "-"
}

func (r *reader) mustDecide(n *node) *node {
	if n.call && !n.decides() {
		r.misused(n)
	} else if !n.decides() {
		r.fail()
	}
	return n
}

func (r *reader) misused(n *node) {
	r.mistake("misuse", "The function is not allowed to be used this way in an expression; function: %s", n.op)
}

// compared is a comparison: of values, not of truths.
func (r *reader) compared(op string, kids ...*node) *node {
	for _, k := range kids {
		if k.call && k.decides() {
			r.misused(k)
		} else if k.decides() {
			r.fail()
		}
	}
	return &node{op: op, kids: kids}
}

func (r *reader) primary() *node {
	if r.take("(") {
		n := r.or()
		r.expect(")")
		if n.parens {
			r.mistake("parens", "The expression has redundant parentheses;")
		}
		inner := *n
		inner.parens = true
		return &inner
	}
	if r.isCall() {
		return r.called(r.primary)
	}
	return r.operand()
}

var functions = map[string]int{
	"attribute_exists": 1, "attribute_not_exists": 1, "attribute_type": 2, "begins_with": 2, "contains": 2, "size": 1,
}

var updateFunctions = map[string]int{"if_not_exists": 2, "list_append": 2}

func (r *reader) called(operand func() *node) *node {
	n := &node{op: r.peek(), call: true}
	r.at += 2
	n.kids = append(n.kids, operand())
	for r.take(",") {
		n.kids = append(n.kids, operand())
	}
	r.expect(")")
	known := functions
	if r.update {
		known = updateFunctions
	}
	want, ok := known[n.op]
	if !ok {
		r.mistake("function", "Invalid function name; function: %s", n.op)
	} else if want != len(n.kids) {
		r.mistake("count", "Incorrect number of operands for operator or function; operator or function: %s, number of operands: %d", n.op, len(n.kids))
	}
	for _, k := range n.kids {
		if !r.update && k.decides() {
			if !k.call {
				r.fail()
			}
			r.misused(k)
		}
	}
	return n
}

func (r *reader) operand() *node {
	if text := r.peek(); text[0] == ':' && len(text) > 1 {
		r.at++
		return &node{op: "value", value: text}
	}
	return &node{op: "path", path: r.path()}
}

func (r *reader) path() path {
	p := path{r.name()}
	for {
		switch {
		case r.take("."):
			p = append(p, r.name())
		case r.take("["):
			index, err := strconv.Atoi(r.peek())
			if err != nil {
				r.fail()
			}
			r.at++
			r.expect("]")
			p = append(p, step{index: index})
		default:
			return p
		}
	}
}

func (r *reader) name() step {
	text := r.peek()
	switch {
	case r.isWord():
		if reservedWords[strings.ToUpper(text)] {
			r.mistake("reserved", "Attribute name is a reserved keyword; reserved keyword: %s", text)
		}
	case text[0] != '#' || len(text) == 1:
		r.fail()
	}
	r.at++
	return step{name: text, index: -1}
}

func (r *reader) paths() []path {
	list := []path{r.path()}
	for r.take(",") {
		list = append(list, r.path())
	}
	return list
}

// changes is a whole update expression.
func (r *reader) changes() []action {
	var actions []action
	seen := map[string]bool{}
	for first := true; first || r.peek() != end; first = false {
		section := strings.ToUpper(r.peek())
		if section != "SET" && section != "REMOVE" && section != "ADD" && section != "DELETE" {
			r.fail()
		}
		if seen[section] {
			r.mistake("section", "The %q section can only be used once in an update expression;", section)
		}
		seen[section] = true
		r.at++
		actions = append(actions, r.change(section))
		for r.take(",") {
			actions = append(actions, r.change(section))
		}
	}
	return actions
}

func (r *reader) change(section string) action {
	a := action{section: section, path: r.path()}
	switch section {
	case "SET":
		r.expect("=")
		a.operand = r.sum()
	case "ADD", "DELETE":
		if r.peek()[0] != ':' {
			r.fail()
		}
		a.operand = r.operand()
	}
	return a
}

func (r *reader) sum() *node {
	left := r.term()
	if op := r.peek(); op == "+" || op == "-" {
		r.at++
		return &node{op: op, kids: []*node{left, r.term()}}
	}
	return left
}

func (r *reader) term() *node {
	if r.take("(") {
		n := r.sum()
		r.expect(")")
		return n
	}
	if r.isCall() {
		return r.called(r.term)
	}
	return r.operand()
}
