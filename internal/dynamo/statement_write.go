package dynamo

import (
	"context"

	"github.com/meridian-run/meridian/internal/dynamo/partiql"
	"github.com/meridian-run/meridian/internal/item"
)

// executeStatement runs one statement.
func executeStatement(ctx context.Context, c *call) error {
	s := c.statements()[0]
	switch {
	case s.err != nil:
		return s.err
	case s.reads():
		return c.selectItems(ctx, s)
	case s.bound.Kind == partiql.Exists:
		return existsAlone()
	}
	w, err := c.statementWrite(s)
	if err != nil {
		return err
	}
	return w.runFor(ctx, func() error {
		c.out = append(c.out, `{"Items":[`...)
		if it := w.returned(s.bound.Returning); len(it) > 0 {
			c.out = it.AppendJSON(c.out)
		}
		c.out = append(c.out, ']')
		if c.measures() {
			c.capacity(w.table.Name, w.consumed())
		}
		c.out = append(c.out, '}')
		return nil
	})
}

func existsAlone() error {
	return invalid("EXISTS can only be used in ExecuteTransaction write requests.")
}

// errNotWhole refuses a write of no item in particular.
var errNotWhole = invalid("Where clause does not contain a mandatory equality on all key attributes")

// statementWrite is the write that a statement is: an Insert puts an item that is
// not there yet, an Update changes one that is there.
func (c *call) statementWrite(s statement) (w *write, err error) {
	w = &write{call: c, showOld: s.node.Get(returnOnFailed.name).Text() == "ALL_OLD", needsOld: s.bound.Returning != ""}
	if w.table, err = c.tableOf(s); err != nil {
		return nil, err
	}
	if s.bound.Kind == partiql.Insert {
		it, err := s.bound.Item()
		if err != nil {
			return nil, err
		}
		w.inserts, w.bound.condition = true, partiql.Missing(w.table.Key.Name)
		return w, w.put(it)
	}
	key, whole, err := s.bound.Key(schemaOf(w.table, nil))
	switch {
	case err != nil:
		return nil, err
	case !whole:
		return nil, errNotWhole
	}
	if w.bound.condition, err = s.bound.Condition(key); err != nil {
		return nil, err
	}
	if s.bound.Kind == partiql.Delete {
		return w, w.delete(key.Item)
	}
	if w.bound.update, err = s.bound.Changes(); err != nil {
		return nil, err
	}
	return w, w.update(key.Item)
}

// returned is the part of the item that a RETURNING clause asks for; none if
// there is none.
func (w *write) returned(clause string) item.Item {
	switch clause {
	case "ALL OLD":
		return w.old
	case "ALL NEW":
		return w.new
	case "MODIFIED OLD":
		return w.changed(w.old)
	case "MODIFIED NEW":
		return w.changed(w.new)
	}
	return nil
}
