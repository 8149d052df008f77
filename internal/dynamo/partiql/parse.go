package partiql

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/meridian-run/meridian/internal/dynamo/expr"
)

const (
	// TextMax is DynamoDB's limit of a statement's length in characters.
	TextMax = 8192
	// depthMax bounds how deep expressions nest; values nest to item.DepthMax.
	depthMax = 100
)

// parser reads one statement. Mistakes stop it by way of a panic, which Parse
// catches.
type parser struct {
	tokens     []token
	at         int
	depth      int
	parameters int
}

// Parse reads a statement. Its errors are *Error.
func Parse(source string) (s *Statement, err error) {
	defer caught(&err)
	if n := utf8.RuneCountInString(source); n > TextMax {
		return nil, refusal(Place{}, "The statement has %d characters, more than %d", n, TextMax)
	}
	p := &parser{tokens: tokens(source)}
	s = p.statement()
	p.take(";")
	if p.peek().kind != endToken {
		malformed(p.peek().at, leftOver)
	}
	s.parameters = p.parameters
	return s, nil
}

func (p *parser) statement() *Statement {
	s := new(Statement)
	first := p.next()
	switch {
	case first.is("select"):
		p.selection(s)
	case first.is("insert"):
		p.insert(s)
	case first.is("update"):
		s.Kind = Update
		p.target(s)
		p.changes(s)
		p.conditions(s)
		p.returning(s)
	case first.is("delete"):
		p.remove(s)
	case first.is("from"):
		s.Kind = Update
		p.target(s)
		p.conditions(s)
		p.changes(s)
		p.returning(s)
	case first.is("exists") && p.peek().is("("):
		p.exists(s)
	default:
		malformed(first.at, expectedStatement)
	}
	return s
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
func (p *parser) take(s string) bool {
	if p.peek().is(s) {
		p.at++
		return true
	}
	return false
}

// closes are the names of what must close something.
var closes = map[string]string{")": "RIGHT_PAREN", "]": "RIGHT_BRACKET", "}": "RIGHT_CURLY", ">>": "RIGHT_DOUBLE_ANGLE_BRACKET"}

func (p *parser) close(s string) {
	if !p.take(s) {
		malformed(p.peek().at, "Expected "+closes[s])
	}
}

func (p *parser) expect(s, otherwise string) {
	if !p.take(s) {
		malformed(p.peek().at, otherwise)
	}
}

// selection reads what follows SELECT.
func (p *parser) selection(s *Statement) {
	p.projection(s)
	p.expect("from", unexpectedTerm)
	if p.peek().kind != name {
		p.noSource()
	}
	p.table(s)
	if p.peek().is(",") || p.peek().is("join") || p.peek().is("inner") || p.peek().is("left") || p.peek().is("cross") {
		refuse(p.peek().at, "Unexpected from source")
	}
	p.noAlias()
	p.conditions(s)
	p.orderBy(s)
	p.noClause()
}

// noSource refuses a source that is no name.
func (p *parser) noSource() {
	t := p.peek()
	switch {
	case t.kind == keyword && typeNames[t.text] == "":
		malformed(t.at, unexpectedKeyword)
	case t.kind == endToken || t.is(";") || t.is(")"):
		malformed(t.at, unexpectedTerm)
	}
	refuse(t.at, "Unexpected from source")
}

// projection reads the list of what to select.
func (p *parser) projection(s *Statement) {
	if p.take("*") {
		if p.peek().is(",") {
			refuse(p.peek().at, "Other attributes should not be present in the projection when '*' is used.")
		}
		return
	}
	for first := true; first || p.take(","); first = false {
		if p.peek().is("*") {
			refuse(p.peek().at, "Other attributes should not be present in the projection when '*' is used.")
		}
		n := p.sum()
		if n.op != opPath {
			refuse(n.at, "Unexpected path component at %s", n.at)
		}
		if p.peek().is("as") || p.peek().kind == name {
			refuse(p.peek().at, aliasing)
		}
		if same := columnName(n.path); slices.ContainsFunc(s.columns, func(c []expr.Step) bool { return columnName(c) == same }) {
			refuse(n.at, "Duplicate identifiers in select clause: %s", same)
		}
		s.columns = append(s.columns, n.path)
	}
}

const aliasing = "Aliasing is not supported"

// noAlias refuses another name for a table.
func (p *parser) noAlias() {
	if p.peek().kind == name || p.peek().is("as") {
		refuse(p.peek().at, aliasing)
	}
}

// noClause refuses the clauses of SQL that DynamoDB has not. AWS says where their
// argument is.
func (p *parser) noClause() {
	t := p.peek()
	if t.kind != keyword || !slices.Contains([]string{"group", "having", "limit"}, t.text) {
		return
	}
	p.at++
	if t.text == "group" {
		p.take("by")
		t.text = "group by"
	}
	refuse(p.peek().at, "Unsupported clause: %s at %s", strings.ToUpper(t.text), p.peek().at)
}

// table reads a table's name, and an index's.
func (p *parser) table(s *Statement) {
	var parts []string
	for first := true; first || p.take("."); first = false {
		t := p.next()
		switch {
		case t.kind != name && first:
			malformed(t.at, expectedPath)
		case t.kind != name:
			malformed(t.at, wrongComponent)
		case t.text == "":
			refuse(t.at, "Path component cannot be an empty string")
		case len(parts) == 2:
			refuse(t.at, "A path may contain at most 2 components in the FROM clause")
		}
		parts = append(parts, t.text)
	}
	if p.peek().is("[") {
		refuse(p.peek().at, "Unexpected from source")
	}
	s.Table = parts[0]
	if len(parts) == 2 {
		s.Index = parts[1]
	}
}

// target reads the table that an UPDATE or DELETE changes.
func (p *parser) target(s *Statement) {
	at := p.peek().at
	p.table(s)
	p.noAlias()
	if s.Index != "" {
		refuse(at, "This operation is not supported on an index")
	}
}

func (p *parser) insert(s *Statement) {
	s.Kind = Insert
	p.expect("into", unexpectedTerm)
	at := p.peek().at
	p.table(s)
	if s.Index != "" {
		refuse(at, "FROM clause may only contain a single table name")
	}
	switch t := p.next(); {
	case t.is("value"):
	case t.kind == name:
		malformed(t.at, leftOver)
	case t.kind == endToken:
		malformed(t.at, unexpectedTerm)
	default:
		malformed(t.at, unexpectedKeyword)
	}
	s.item = p.sum()
}

func (p *parser) remove(s *Statement) {
	s.Kind = Delete
	p.expect("from", expectedStatement)
	p.target(s)
	p.conditions(s)
	p.returning(s)
	if s.Returning != "" && s.Returning != "ALL OLD" {
		refuse(p.peek().at, "Invalid returning clause: RETURNING %s *. Only RETURNING ALL OLD * is allowed in DELETE statements.", s.Returning)
	}
}

// exists reads EXISTS( SELECT … ).
func (p *parser) exists(s *Statement) {
	p.at++ // the parenthesis
	p.expect("select", unexpectedTerm)
	p.selection(s)
	s.Kind = Exists
	p.close(")")
}

// conditions reads WHERE, if it is there.
func (p *parser) conditions(s *Statement) {
	if p.take("where") {
		s.where = p.or()
	}
}

func (p *parser) orderBy(s *Statement) {
	if !p.take("order") {
		return
	}
	p.expect("by", unexpectedTerm)
	for first := true; first || p.take(","); first = false {
		n := p.sum()
		if n.op != opPath {
			refuse(n.at, "Argument to ORDER BY must be of type VariableReference")
		}
		o := ordering{name: columnName(n.path), descending: p.take("desc")}
		if !o.descending {
			p.take("asc")
		}
		s.order = append(s.order, o)
	}
}

// changes reads SET and REMOVE, each as often as it comes.
func (p *parser) changes(s *Statement) {
	for {
		switch {
		case p.take("set"):
			for first := true; first || p.take(","); first = false {
				path := p.path()
				p.expect("=", "Expected EQ")
				s.actions = append(s.actions, action{path, p.sum()})
			}
		case p.take("remove"):
			for first := true; first || p.take(","); first = false {
				s.actions = append(s.actions, action{path: p.path()})
			}
		default:
			if s.actions == nil {
				malformed(p.peek().at, expectedStatement)
			}
			return
		}
	}
}

func (p *parser) returning(s *Statement) {
	if !p.take("returning") {
		return
	}
	which := p.next()
	when := p.next()
	s.Returning = strings.ToUpper(which.text + " " + when.text)
	if !slices.Contains([]string{"ALL OLD", "MODIFIED OLD", "ALL NEW", "MODIFIED NEW"}, s.Returning) || !p.take("*") {
		malformed(which.at, unexpectedTerm)
	}
}
