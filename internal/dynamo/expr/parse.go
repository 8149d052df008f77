package expr

import (
	"strconv"
	"strings"
)

const (
	// textMax is DynamoDB's limit of an expression's length in bytes.
	textMax = 4096
	// operatorsMax is DynamoDB's limit of an expression's operators and functions.
	operatorsMax = 300
	// pathMax bounds the elements of a path.
	pathMax = 32
	// operandsMax bounds what follows IN.
	operandsMax = 100
	// indexMax bounds list indexes.
	indexMax = 1 << 20
)

// parser reads one expression. Syntax errors stop it by way of a panic with a
// syntaxError, which parse catches; other mistakes are collected in order of
// rank. It goes as deep as the text has parentheses, which textMax bounds, and
// trees as deep as there are operators.
type parser struct {
	text      string
	tokens    []token
	at        int
	operators int
	functions map[string]int
	out       parsed
	problems  problems
}

type syntaxError struct{ message string }

// form says which kind of expression a text is.
type form uint8

const (
	conditionForm form = iota
	updateForm
	projectionForm
)

// parse reads a text as the form says.
func parse(f form, text string) (out *parsed, err error) {
	if text == "" {
		return nil, &Error{"The expression can not be empty;"}
	}
	if len(text) > textMax {
		return nil, errorf("Expression size has exceeded the maximum allowed size; expression size: %d", len(text))
	}
	p := &parser{text: text, tokens: lex(text), functions: conditionFunctions}
	defer func() {
		if r := recover(); r != nil {
			se, ok := r.(syntaxError)
			if !ok {
				panic(r)
			}
			out, err = nil, &Error{se.message}
		}
	}()
	order := conditionOrder
	switch f {
	case conditionForm:
		p.out.condition = p.condition()
	case updateForm:
		p.functions, order = updateFunctions, updateOrder
		p.update()
	case projectionForm:
		p.out.projection = p.paths()
	}
	if p.peek().kind != endToken {
		p.fail()
	}
	if err := p.problems.first(order); err != nil {
		return nil, err
	}
	return &p.out, nil
}

func (p *parser) peek() token { return p.tokens[p.at] }

func (p *parser) next() token {
	t := p.tokens[p.at]
	if t.kind != endToken {
		p.at++
	}
	return t
}

// take moves over the token if it is the symbol or keyword.
func (p *parser) take(text string) bool {
	if p.peek().is(text) {
		p.at++
		return true
	}
	return false
}

func (p *parser) expect(text string) {
	if !p.take(text) {
		p.fail()
	}
}

// fail reports the current token, with its neighbours.
func (p *parser) fail() {
	t := p.peek()
	start, end := t.start, t.end
	if p.at > 0 {
		start = p.tokens[p.at-1].start
	}
	if p.at+1 < len(p.tokens) {
		end = p.tokens[p.at+1].end
	}
	panic(syntaxError{"Syntax error; token: \"" + t.text + "\", near: \"" + p.text[start:end] + "\""})
}

// count counts operators and functions.
func (p *parser) count() {
	if p.operators++; p.operators > operatorsMax {
		p.problems.add(rankOperators, "The expression contains too many operators; operator count: %d", p.operators)
	}
}

// condition is or-conditions; it must be true or false.
func (p *parser) condition() *node {
	n := p.or()
	if !n.isCondition() {
		p.misused(n)
	}
	return n
}

// misused reports an operand that stands where a condition should.
func (p *parser) misused(n *node) {
	if n.op == opCall {
		p.problems.add(rankMisuse, "The function is not allowed to be used this way in an expression; function: %s", n.name)
		return
	}
	p.fail()
}

func (p *parser) or() *node  { return p.chain("OR", opOr, p.and) }
func (p *parser) and() *node { return p.chain("AND", opAnd, p.not) }

func (p *parser) chain(keyword string, op operator, operand func() *node) *node {
	left := operand()
	if !p.peek().is(keyword) {
		return left
	}
	n := &node{op: op, kids: []*node{left}}
	for {
		if last := n.kids[len(n.kids)-1]; !last.isCondition() {
			p.misused(last)
		}
		if !p.take(keyword) {
			return n
		}
		p.count()
		n.kids = append(n.kids, operand())
	}
}

func (p *parser) not() *node {
	if !p.take("NOT") {
		return p.comparison()
	}
	p.count()
	n := p.not()
	if !n.isCondition() {
		p.misused(n)
	}
	return &node{op: opNot, kids: []*node{n}}
}

var comparators = map[string]operator{
	"=": opEqual, "<>": opNotEqual, "<": opLess, "<=": opLessEqual, ">": opGreater, ">=": opGreaterEqual,
}

func (p *parser) comparison() *node {
	left := p.primary()
	t := p.peek()
	if op, ok := comparators[t.text]; ok && t.kind == symbol {
		p.at++
		return p.compare(op, left, p.primary())
	}
	switch {
	case p.take("BETWEEN"):
		low := p.primary()
		p.expect("AND")
		return p.compare(opBetween, left, low, p.primary())
	case p.take("IN"):
		p.expect("(")
		operands := []*node{left, p.primary()}
		for p.take(",") {
			operands = append(operands, p.primary())
		}
		p.expect(")")
		return p.compare(opIn, operands...)
	}
	return left
}

// compare builds a comparison; its operands must be values, not conditions.
func (p *parser) compare(op operator, operands ...*node) *node {
	p.count()
	for _, n := range operands {
		switch {
		case n.op == opCall && n.name != "size":
			p.problems.add(rankMisuse, "The function is not allowed to be used this way in an expression; function: %s", n.name)
		case n.isCondition():
			p.fail()
		}
	}
	if op == opIn && len(operands)-1 > operandsMax {
		p.problems.add(rankCount, "The IN operator is provided with too many operands; number of operands: %d", len(operands)-1)
	}
	return &node{op: op, kids: operands}
}

// primary is a condition or operand in parentheses, a function's call, a value
// or a path.
func (p *parser) primary() *node {
	if p.take("(") {
		n := p.or()
		p.expect(")")
		if n.parens {
			p.problems.add(rankParens, "The expression has redundant parentheses;")
		}
		inner := *n
		inner.parens = true
		return &inner
	}
	if p.peek().kind == word && p.tokens[p.at+1].is("(") {
		return p.call(p.primary)
	}
	return p.operand()
}

// call reads a function and its operands.
func (p *parser) call(operand func() *node) *node {
	p.count()
	n := &node{op: opCall, name: p.next().text}
	p.expect("(")
	n.kids = append(n.kids, operand())
	for p.take(",") {
		n.kids = append(n.kids, operand())
	}
	p.expect(")")
	want, ok := p.functions[n.name]
	if !ok {
		p.problems.add(rankFunction, "Invalid function name; function: %s", n.name)
	} else if len(n.kids) != want {
		p.problems.add(rankCount, "Incorrect number of operands for operator or function; operator or function: %s, number of operands: %d", n.name, len(n.kids))
	}
	for _, k := range n.kids {
		if k.isCondition() && p.functions["size"] > 0 {
			if k.op != opCall {
				p.fail()
			}
			p.problems.add(rankMisuse, "The function is not allowed to be used this way in an expression; function: %s", k.name)
		}
	}
	return n
}

// operand is a value or a path.
func (p *parser) operand() *node {
	if t := p.peek(); t.kind == valueToken {
		p.at++
		return &node{op: opValue, value: p.out.values.of(t.text)}
	}
	return &node{op: opPath, path: p.path()}
}

func (p *parser) paths() []path {
	list := []path{p.path()}
	for p.take(",") {
		list = append(list, p.path())
	}
	return list
}

// path is a name, then .name and [index].
func (p *parser) path() path {
	steps := path{p.name()}
	for {
		switch {
		case p.take("."):
			steps = append(steps, p.name())
		case p.take("["):
			steps = append(steps, step{slot: -1, index: p.index()})
		default:
			if len(steps) > pathMax {
				p.problems.add(rankPath, "The document path has too many nesting levels; nesting levels: %d", len(steps))
			}
			return steps
		}
	}
}

// index reads a list index and the bracket behind it.
func (p *parser) index() int {
	t := p.peek()
	if t.kind != number {
		p.fail()
	}
	index, err := strconv.Atoi(t.text)
	if err != nil || index > indexMax {
		p.problems.add(rankPath, "List index is not within the allowable range; index: [%s]", t.text)
	}
	p.at++
	p.expect("]")
	return index
}

func (p *parser) name() step {
	t := p.peek()
	switch t.kind {
	case word:
		p.at++
		if reserved[strings.ToUpper(t.text)] {
			p.problems.add(rankReserved, "Attribute name is a reserved keyword; reserved keyword: %s", t.text)
		}
		return step{name: t.text, slot: -1, index: -1}
	case nameToken:
		p.at++
		return step{name: t.text, slot: p.out.names.of(t.text), index: -1}
	}
	p.fail()
	return step{}
}
