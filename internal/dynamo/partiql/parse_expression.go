package partiql

import (
	"strconv"
	"strings"

	"github.com/meridian-run/meridian/internal/dynamo/expr"
)

// enter bounds the depth of what is read until leave.
func (p *parser) enter() {
	if p.depth++; p.depth > depthMax {
		malformed(p.peek().at, "")
	}
}

func (p *parser) leave() { p.depth-- }

func (p *parser) or() *node  { return p.chain("or", opOr, p.and) }
func (p *parser) and() *node { return p.chain("and", opAnd, p.not) }

func (p *parser) chain(word string, o op, operand func() *node) *node {
	left := operand()
	if !p.peek().is(word) {
		return left
	}
	n := &node{op: o, at: left.at, kids: []*node{left}}
	for p.take(word) {
		p.rightHand()
		n.kids = append(n.kids, operand())
	}
	return n
}

// rightHand refuses an end where an operator needs another operand.
func (p *parser) rightHand() {
	if t := p.peek(); t.kind == endToken || t.is(";") || t.is(")") {
		malformed(t.at, missingOperand)
	}
}

func (p *parser) not() *node {
	t := p.peek()
	if !p.take("not") {
		return p.comparison()
	}
	p.enter()
	defer p.leave()
	return negated(t.at, p.not())
}

func negated(at Place, n *node) *node { return &node{op: opNot, at: at, kids: []*node{n}} }

// comparison reads operands with comparisons between them, from the left.
func (p *parser) comparison() *node {
	left := p.sum()
	for {
		t := p.peek()
		not := false
		if t.is("not") && p.at+1 < len(p.tokens) {
			if after := p.tokens[p.at+1]; after.is("in") || after.is("between") || after.is("like") {
				p.at++
				not, t = true, after
			}
		}
		n := p.compared(left, t)
		if n == nil {
			return left
		}
		if not {
			n = negated(t.at, n)
		}
		left = n
	}
}

// compared reads one comparison of left; nil if none follows.
func (p *parser) compared(left *node, t token) *node {
	n := &node{op: opCompare, at: t.at, text: strings.ToUpper(t.text), kids: []*node{left}}
	switch {
	case t.kind == symbol && (t.text == "=" || t.text == "<>" || t.text == "<" || t.text == "<=" || t.text == ">" || t.text == ">="):
		p.at++
		p.rightHand()
		n.kids = append(n.kids, p.sum())
	case t.is("between"):
		p.at++
		p.rightHand()
		n.kids = append(n.kids, p.sum())
		p.expect("and", "Expected AND")
		p.rightHand()
		n.kids = append(n.kids, p.sum())
	case t.is("in"):
		p.at++
		p.rightHand()
		n.kids = append(n.kids, p.choices())
	case t.is("is"):
		p.at++
		return p.is(left, t.at)
	case t.is("like"):
		refuse(t.at, "Unsupported operation: Like")
	default:
		return nil
	}
	return n
}

// choices reads what follows IN: a list in brackets or parentheses, or a
// parameter that is one.
func (p *parser) choices() *node {
	t := p.peek()
	if !p.take("(") {
		return p.sum()
	}
	n := &node{op: opList, at: t.at}
	p.elements(n, ")")
	return n
}

// is reads what follows IS.
func (p *parser) is(left *node, at Place) *node {
	not := p.take("not")
	t := p.next()
	word := strings.ToLower(t.text)
	kind, known := typeNames[word]
	switch {
	case t.quoted || t.kind != name && t.kind != keyword || !known && !otherTypes[word]:
		malformed(t.at, expectedType)
	case !known:
		refuse(t.at, "Unsupported data type for IS operator: %s. Supported data types are [MISSING, NULL, BOOLEAN, BLOB, STRING, NUMERIC, STRUCT, TUPLE, LIST]", strings.ToUpper(word))
	}
	n := &node{op: opIs, at: at, text: kind, kids: []*node{left}}
	if not {
		return negated(at, n)
	}
	return n
}

// sum reads terms with + and - between them.
func (p *parser) sum() *node {
	left := p.term()
	for {
		t := p.peek()
		o := opPlus
		switch {
		case t.is("+"):
		case t.is("-"):
			o = opMinus
		default:
			return left
		}
		p.at++
		p.rightHand()
		left = &node{op: o, at: t.at, kids: []*node{left, p.term()}}
	}
}

// term reads a literal, a parameter, a path, a call, or an expression in
// parentheses.
func (p *parser) term() *node {
	p.enter()
	defer p.leave()
	t := p.peek()
	switch {
	case t.kind == name || t.kind == keyword && p.tokens[p.at+1].is("(") && (t.text == "size" || t.text == "exists"):
		if !t.quoted && p.tokens[p.at+1].is("(") {
			return p.call()
		}
		return &node{op: opPath, at: t.at, path: p.path()}
	case t.kind == keyword:
		return p.word()
	case t.kind == endToken:
		malformed(t.at, unexpectedTerm)
	}
	p.at++
	n := &node{at: t.at, text: t.text}
	switch {
	case t.kind == text:
		n.op = opString
	case t.kind == number:
		n.op = opNumber
	case t.text == "-" && p.peek().kind == number:
		n.op, n.text = opNumber, "-"+p.next().text
	case t.text == "?":
		n.op, n.index = opParameter, p.parameters
		p.parameters++
	case t.text == "(":
		inner := p.or()
		p.close(")")
		return inner
	case t.text == "[":
		n.op = opList
		p.elements(n, "]")
	case t.text == "<<":
		n.op = opBag
		p.elements(n, ">>")
	case t.text == "{":
		n.op = opStruct
		p.members(n)
	case strings.Contains("= <> <= >= + - *", t.text) && t.text != "" || t.text == "<" || t.text == ">":
		malformed(t.at, unexpectedSign)
	default:
		malformed(t.at, unexpectedTerm)
	}
	return n
}

// word reads a keyword that is a value.
func (p *parser) word() *node {
	t := p.next()
	n := &node{at: t.at}
	switch t.text {
	case "true":
		n.op = opTrue
	case "false":
		n.op = opFalse
	case "null":
		n.op = opNull
	case "is", "in", "like", "between", "and", "or":
		malformed(t.at, unexpectedSign)
	default:
		malformed(t.at, unexpectedKeyword)
	}
	return n
}

// elements reads a list's elements to the sign that closes it.
func (p *parser) elements(n *node, end string) {
	if p.take(end) {
		return
	}
	n.kids = append(n.kids, p.or())
	for p.take(",") {
		n.kids = append(n.kids, p.or())
	}
	p.close(end)
}

// members reads a struct's members.
func (p *parser) members(n *node) {
	if p.take("}") {
		return
	}
	for first := true; first || p.take(","); first = false {
		t := p.next()
		if t.kind != text {
			malformed(t.at, unexpectedTerm)
		}
		p.expect(":", "Expected COLON")
		n.names = append(n.names, t.text)
		n.kids = append(n.kids, p.sum())
	}
	p.close("}")
}

// call reads a function and its operands.
func (p *parser) call() *node {
	t := p.next()
	p.at++ // the parenthesis
	n := &node{op: opCall, at: t.at, text: strings.ToLower(t.text)}
	p.elements(n, ")")
	return n
}

// path reads a name, then .name, [index] and ['name'].
func (p *parser) path() []expr.Step {
	first := p.next()
	switch {
	case first.kind == keyword:
		malformed(first.at, unexpectedKeyword)
	case first.kind != name:
		malformed(first.at, expectedPath)
	}
	steps := []expr.Step{{Name: first.text, Index: -1}}
	for {
		switch {
		case p.take("."):
			t := p.next()
			if t.kind != name {
				malformed(t.at, wrongComponent)
			}
			steps = append(steps, expr.Step{Name: t.text, Index: -1})
		case p.take("["):
			steps = append(steps, p.element())
			p.close("]")
		default:
			return steps
		}
		if len(steps) > depthMax {
			malformed(p.peek().at, "")
		}
	}
}

func (p *parser) element() expr.Step {
	t := p.next()
	if t.kind == text {
		return expr.Step{Name: t.text, Index: -1}
	}
	index, err := strconv.Atoi(t.text)
	if t.kind != number || err != nil || index > indexMax {
		refuse(t.at, "Unexpected path component at %s", t.at)
	}
	return expr.Step{Index: index}
}

// indexMax bounds list indexes, as in expressions.
const indexMax = 1 << 20

// columnName is what a path's value is called in an answer: the last name of the
// path, with the indexes behind it.
func columnName(path []expr.Step) string {
	last := len(path) - 1
	for path[last].Index >= 0 {
		last--
	}
	column := path[last].Name
	for _, s := range path[last+1:] {
		column += "[" + strconv.Itoa(s.Index) + "]"
	}
	return column
}
