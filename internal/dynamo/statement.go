package dynamo

import (
	"errors"
	"fmt"

	"github.com/meridian-run/meridian/internal/dynamo/expr"
	"github.com/meridian-run/meridian/internal/dynamo/partiql"
	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/table"
)

// statement is one PartiQL statement of a request: the node that has its text,
// parameters and options, and what that means.
type statement struct {
	node  item.Node
	bound *partiql.Bound
	err   error // why it means nothing
}

// Parameters of PartiQL's operations, and of a statement among several.
var (
	statementText      = parameter{name: "Statement", required: true, min: 1, max: partiql.TextMax}
	statementValues    = parameter{name: "Parameters", form: listForm, min: 1}
	statementListed    = parameter{name: "Statements", form: listForm, required: true, min: 1, max: statementsMax}
	statementTogether  = parameter{name: "TransactStatements", form: listForm, required: true, min: 1, max: transactMax}
	batchParameters    = []parameter{statementListed, returnCapacity}
	transactParameters = []parameter{statementTogether, clientToken, returnCapacity}
	executeParameters  = []parameter{statementText, statementValues, consistentRead, {name: "NextToken", min: 1, max: 32768}, returnCapacity, limit, returnOnFailed}
)

// statementsMax is DynamoDB's limit of statements in a batch.
const statementsMax = 25

// statements are the statements of the request, which are parsed once.
func (c *call) statements() []statement {
	if c.parsed != nil {
		return c.parsed
	}
	list := c.request.Get(statementListed.name)
	if c.operation == "ExecuteTransaction" {
		list = c.request.Get(statementTogether.name)
	}
	if c.operation == "ExecuteStatement" {
		c.parsed = append(c.parsed, parseStatement(c.request))
		return c.parsed
	}
	for n, ok := list.First(); ok; n, ok = n.Next() {
		c.parsed = append(c.parsed, parseStatement(n))
	}
	return c.parsed
}

func parseStatement(n item.Node) statement {
	s := statement{node: n}
	parsed, err := partiql.Parse(n.Get(statementText.name).Text())
	if err != nil {
		s.err = err
		return s
	}
	var values []item.Value
	for child, ok := n.Get(statementValues.name).First(); ok; child, ok = child.Next() {
		v, err := item.ValueFromJSON(child)
		if err != nil {
			s.err = err
			return s
		}
		values = append(values, v)
	}
	s.bound, s.err = parsed.Bind(values)
	return s
}

// tableOf finds the table of a statement. As on AWS a mistake in its conditions is
// told rather than that there is no such table.
func (c *call) tableOf(s statement) (table.Table, error) {
	t, err := c.tableNamed(tableFrom(s.bound.Table))
	if err == errNotFound {
		if wrong := s.bound.Mistake(); wrong != nil {
			return t, wrong
		}
	}
	return t, err
}

// reads reports whether the statement only reads.
func (s statement) reads() bool { return s.bound.Kind == partiql.Select }

// touchesStatements is of requests that are statements.
func touchesStatements(c *call, dst []touched) []touched {
	for _, s := range c.statements() {
		if s.err != nil {
			continue
		}
		what := writes
		switch {
		case s.bound.Kind == partiql.Exists, s.reads() && c.operation == "ExecuteTransaction":
			what = readsStrongly
		case s.reads():
			what = readsAs(s.node)
		}
		dst = append(dst, touched{s.bound.Table, what})
	}
	return dst
}

// checkStatements holds the statements of a list against what each takes.
func checkStatements(list item.Node, name string) error {
	i := 0
	for n, ok := list.First(); ok; n, ok = n.Next() {
		i++
		if n.Form() != item.Object {
			return shape()
		}
		inside := []parameter{statementText, statementValues, consistentRead, returnOnFailed}
		for k := range inside {
			inside[k].path = fmt.Sprintf("%s.%d.member.", name, i)
		}
		if err := check(n, inside); err != nil {
			return err
		}
	}
	return nil
}

// oneKind refuses reads and writes in one request.
func oneKind(list []statement, operation string) error {
	reading, writing := false, false
	for _, s := range list {
		if s.err == nil {
			reading, writing = reading || s.reads(), writing || !s.reads()
		}
	}
	if reading && writing {
		return invalid("%s API does not support both read and write operations in the same request.", operation)
	}
	return nil
}

// isStatement reports whether an error is a mistake in a statement's text.
func isStatement(err error) bool {
	var wrong *partiql.Error
	var expression *expr.Error
	return errors.As(err, &wrong) || errors.As(err, &expression)
}

// schemaOf are the keys of a table, or of its index if there is one.
func schemaOf(t table.Table, x *table.Index) partiql.Schema {
	var keys partiql.Schema
	add := func(to *[]partiql.Attribute, list ...table.Attribute) {
		for _, a := range list {
			*to = append(*to, partiql.Attribute{Name: a.Name, Kind: item.KindOf(a.Type)})
		}
	}
	if x != nil {
		add(&keys.Hash, x.Partition()...)
		add(&keys.Sort, x.Sorted()...)
		return keys
	}
	add(&keys.Hash, t.Key)
	if t.Sort != nil {
		add(&keys.Sort, *t.Sort)
	}
	return keys
}
