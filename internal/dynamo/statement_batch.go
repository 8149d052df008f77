package dynamo

import (
	"context"
	"slices"

	"github.com/meridian-run/meridian/internal/dynamo/partiql"
	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
)

// slot is one statement of a batch and how it ended.
type slot struct {
	statement
	get   get    // of a Select
	write *write // of any other
	// ran says that the statement has come to its table.
	ran  bool
	fail *apiError
}

// batchExecuteStatement runs up to 25 statements, each for itself: all of them
// read one item each, or all write. What is wrong with one is its own answer.
func batchExecuteStatement(ctx context.Context, c *call) error {
	if err := checkStatements(c.request.Get(statementListed.name), "statements"); err != nil {
		return err
	}
	if err := oneKind(c.statements(), "BatchExecuteStatement"); err != nil {
		return err
	}
	slots := make([]slot, len(c.statements()))
	for i, s := range c.statements() {
		slots[i].statement = s
		if err := slots[i].failed(c, c.aimStatement(&slots[i])); err != nil {
			return err
		}
	}
	if i := slices.IndexFunc(slots, func(s slot) bool { return s.fail == nil }); i < 0 || slots[i].reads() {
		if err := c.readSlots(ctx, slots); err != nil {
			return err
		}
		return c.answerSlots(slots)
	}
	return c.writeSlots(ctx, slots)
}

// aimStatement finds the item that a statement of a batch is for.
func (c *call) aimStatement(s *slot) (err error) {
	switch {
	case s.err != nil:
		return s.err
	case s.bound.Kind == partiql.Exists:
		return existsAlone()
	case s.reads():
		s.get, err = c.statementGet(s.statement, "BatchExecuteStatement")
		return err
	}
	s.write, err = c.statementWrite(s.statement)
	return err
}

// statementGet is the read of one item that a Select among several is.
func (c *call) statementGet(s statement, operation string) (g get, err error) {
	if g.table, err = c.tableOf(s); err != nil {
		return g, err
	}
	keys := schemaOf(g.table, nil)
	read, err := s.bound.Read(keys)
	if err != nil {
		return g, err
	}
	key, whole, err := s.bound.Key(keys)
	if err != nil {
		return g, err
	}
	if !whole || !key.Alone() || s.bound.Index != "" {
		return g, mistake("Select statements within " + operation + " must specify the primary key in the where clause.")
	}
	g.projection = read.Projection
	g.key, err = c.keyFrom(g.table, key.Item)
	return g, err
}

// failed keeps an error that is the statement's own, and answers others.
func (s *slot) failed(c *call, err error) error {
	if err == nil {
		return nil
	}
	if s.fail = c.server.known(err); s.fail == nil {
		return err
	}
	return nil
}

// readSlots reads the items of a batch.
func (c *call) readSlots(ctx context.Context, slots []slot) error {
	for i := range slots {
		s := &slots[i]
		if s.fail != nil {
			continue
		}
		one := []get{s.get}
		if err := c.look(ctx, one, []record.Key{s.get.key}); err != nil {
			return err
		}
		s.get, s.ran = one[0], true
	}
	return nil
}

// writeSlots does the writes of a batch: in one commit, so that a request that is
// tried again is done once, and each on its own conditions.
func (c *call) writeSlots(ctx context.Context, slots []slot) error {
	var keys []record.Key
	for _, s := range slots {
		if s.fail == nil && !slices.ContainsFunc(keys, func(k record.Key) bool { return identity(k) == identity(s.write.key) }) {
			keys = append(keys, s.write.key)
		}
	}
	return c.update(ctx, keys, func(tx *store.Tx) (wrote bool, err error) {
		for i := range slots {
			s := &slots[i]
			if s.fail != nil {
				continue
			}
			s.ran = true
			err := action{write: s.write}.act(tx)
			wrote = wrote || err == nil && !s.write.kept
			if err := s.failed(c, err); err != nil {
				return false, err
			}
		}
		return wrote, nil
	}, func() error { return c.answerSlots(slots) })
}

// answerSlots appends the answer to a batch.
func (c *call) answerSlots(slots []slot) (err error) {
	c.out = append(c.out, `{"Responses":[`...)
	for i := range slots {
		if c.out, err = slots[i].append(comma(c.out, i)); err != nil {
			return err
		}
	}
	c.out = append(c.out, ']')
	if c.measures() {
		c.appendCost(slotCost(slots))
	}
	c.out = append(c.out, '}')
	return nil
}

// append appends what became of a statement.
func (s *slot) append(dst []byte) (_ []byte, err error) {
	if s.fail == nil && s.reads() {
		if dst, err = s.get.append(dst); err != nil {
			return dst, err
		}
		dst = item.AppendQuoted(member(dst[:len(dst)-1], "TableName"), s.get.table.Name)
		return append(dst, '}'), nil
	}
	dst = append(dst, '{')
	if s.fail != nil {
		dst = append(member(dst, "Error"), '{')
		dst = item.AppendQuoted(member(dst, "Code"), s.fail.reasonCode())
		dst = item.AppendQuoted(member(dst, "Message"), s.fail.message)
		if s.fail.item != nil {
			dst = s.fail.item.AppendJSON(member(dst, "Item"))
		}
		dst = append(dst, '}')
	} else if it := s.write.returned(s.bound.Returning); len(it) > 0 {
		dst = it.AppendJSON(member(dst, "Item"))
	}
	if s.ran {
		dst = item.AppendQuoted(member(dst, "TableName"), s.write.table.Name)
	}
	return append(dst, '}'), nil
}

// slotCost is what the statements that ran have consumed.
func slotCost(slots []slot) (c cost) {
	for i := range slots {
		s := &slots[i]
		switch {
		case !s.ran || s.fail != nil:
		case s.write == nil:
			c.of(&s.get.table, "").table += readUnits(s.get.size, readsAs(s.node) == readsStrongly)
		default:
			into, units := c.of(&s.write.table, ""), s.write.consumed()
			into.table += units.table
			for _, x := range units.indexes {
				into.addIndex(x.index, x.units)
			}
		}
	}
	return c
}
