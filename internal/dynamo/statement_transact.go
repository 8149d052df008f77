package dynamo

import (
	"context"
	"errors"

	"github.com/meridian-run/meridian/internal/dynamo/partiql"
	"github.com/meridian-run/meridian/internal/item"
)

// executeTransaction runs up to 100 statements, all or none: all of them read one
// item each, or all write, or check one that is written by none.
func executeTransaction(ctx context.Context, c *call) error {
	if err := checkStatements(c.request.Get(statementTogether.name), "transactStatements"); err != nil {
		return err
	}
	list := c.statements()
	for i, s := range list {
		if err := s.transactable(); err != nil {
			return inTransaction(i, err)
		}
	}
	if err := oneKind(list, "ExecuteTransaction"); err != nil {
		return err
	}
	if list[0].reads() {
		return c.transactSelect(ctx, list)
	}
	actions := make([]action, len(list))
	err := c.eachStatement(list, func(i int, s statement) (err error) {
		actions[i], err = c.statementAction(s)
		return err
	})
	if err != nil {
		return err
	}
	return c.transactWrite(ctx, actions, func(of cost) error {
		c.out = append(c.out, `{"Responses":[]`...)
		c.appendCost(of)
		c.out = append(c.out, '}')
		return nil
	})
}

// transactable is what is wrong with a statement in a transaction, whatever its
// table is.
func (s statement) transactable() error {
	switch {
	case s.err != nil:
		return s.err
	case s.bound.Returning != "":
		return mistake("RETURNING clause is not supported in ExecuteTransaction.")
	case s.reads() && s.bound.Index != "":
		return mistake("Reads on indices are not supported within transactions.")
	}
	return nil
}

// mistake is a mistake in a statement that shows by what the request is.
func mistake(message string) error { return &partiql.Error{Message: message} }

// inTransaction says in which statement a mistake is. What is wrong with a
// parameter's value is not told so.
func inTransaction(i int, err error) error {
	var wrong *item.InvalidError
	if errors.As(err, &wrong) {
		return err
	}
	return invalid("Validation failed in TransactStatements[%d]: %s", i, err)
}

// transactSelect answers the items of a transaction that reads.
func (c *call) transactSelect(ctx context.Context, list []statement) error {
	gets := make([]get, len(list))
	err := c.eachStatement(list, func(i int, s statement) (err error) {
		gets[i], err = c.statementGet(s, "ExecuteTransaction")
		return err
	})
	if err != nil {
		return err
	}
	return c.answerGets(ctx, gets)
}

// eachStatement finds the tables and items of the statements: mistakes in a statement are
// answered as such, those that lie in values cancel the transaction.
func (c *call) eachStatement(list []statement, do func(int, statement) error) error {
	reasons := make([]*apiError, len(list))
	cancelled := false
	for i, s := range list {
		err := do(i, s)
		if err == nil {
			continue
		}
		if isStatement(err) {
			return inTransaction(i, err)
		}
		if errors.Is(err, errNotWhole) {
			err = invalid(schemaMismatch)
		}
		known := c.server.known(err)
		if known == nil || known.code() != "ValidationException" && known != errNotFound {
			return err
		}
		reasons[i], cancelled = known, true
	}
	if cancelled {
		return transactionCancelled(reasons)
	}
	return nil
}

// statementAction is the action that a statement of a transaction is.
func (c *call) statementAction(s statement) (action, error) {
	if s.bound.Kind != partiql.Exists {
		w, err := c.statementWrite(s)
		return action{write: w}, err
	}
	w := &write{call: c, showOld: s.node.Get(returnOnFailed.name).Text() == "ALL_OLD"}
	var err error
	if w.table, err = c.tableOf(s); err != nil {
		return action{}, err
	}
	key, whole, err := s.bound.Key(schemaOf(w.table, nil))
	switch {
	case err != nil:
		return action{}, err
	case !whole || key.Alone():
		return action{}, mistake("EXISTS() must contain a single item read with additional condition")
	}
	if w.bound.condition, err = s.bound.Condition(key); err != nil {
		return action{}, err
	}
	return action{write: w, check: true}, w.look(key.Item)
}
