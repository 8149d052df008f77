package dynamo

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/meridian-run/meridian/internal/access"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

// Primaries is how a region acts for the tables that have a primary, and reaches
// those of the others.
type Primaries interface {
	// Hold lets this region act as the primary of tables until Done. It waits
	// while they are being handed over. Errors: store.ErrElsewhere if another
	// region is the primary by now; others say why nobody may act.
	Hold(ctx context.Context, tables []table.Table) (Held, error)
	// Memory is what this region remembers as the primary of a table.
	Memory(t table.Table) (*store.Memory, error)
	// Forward asks a region to act. It tries again, with the same id, as long as
	// ctx allows. Its answer may be that the region is not the primary.
	Forward(ctx context.Context, region string, f Forwarded) (Answer, error)
}

// Held is the right to act as a primary.
type Held interface {
	// Still answers an error if the right has ended (DATA 19).
	Still() error
	Done()
}

// Copies is how a write gets its second copy.
type Copies interface {
	// Before refuses a write that would get none.
	Before(tables []table.Table) error
	// After waits until a second region has what this one has logged up to
	// sequence, durably.
	After(ctx context.Context, tables []table.Table, sequence uint64) error
}

// Forwarded is a request that one region passes on to a table's primary. The
// signature has been verified.
type Forwarded struct {
	Operation string
	Body      []byte
	// Key is the caller's, without the secret.
	Key  access.Key
	Host string
	// ID is the same for all tries of one write, and of no other.
	ID store.RequestID
	// From is the region that passed it on.
	From string
}

// Answer is the answer to a Forwarded: the reply to the client, or that the
// region that was asked is not the primary.
type Answer struct {
	Status    int
	Code      string
	Body      []byte
	Elsewhere bool
}

// answered is an answer of another region that is an error.
type answered Answer

func (a *answered) Error() string { return a.Code }

// unavailable says who is to act, and why that cannot be; clients try it again.
func unavailable(format string, args ...any) error {
	return &apiError{status: 500, kind: database + "InternalServerError", message: fmt.Sprintf(format, args...)}
}

// turnsMax bounds how often a request follows a table from one primary to
// another.
const turnsMax = 4

// dispatch runs a request here, or at the primary of its tables.
func (c *call) dispatch(ctx context.Context, op operation) error {
	for range turnsMax {
		w, err := c.who()
		if err != nil {
			return err
		}
		switch {
		case w.region == "":
			err = c.act(ctx, op, w)
		case w.region == c.server.config.Region:
			err = c.actAsPrimary(ctx, op, w)
		case c.from != "":
			return store.ErrElsewhere
		default:
			err = c.forward(ctx, w)
		}
		if !errors.Is(err, store.ErrElsewhere) {
			return err
		}
	}
	return unavailable("The tables of this request are being moved to another primary: try again")
}

// who is who has to act on a request.
type who struct {
	tables []table.Table // those with a primary, or copies
	region string        // the primary; empty if each region may act
	writes bool
}

// who finds the tables of a request that another region may have to act on. What
// is wrong with the request is the operation's to say.
func (c *call) who() (w who, err error) {
	if c.server.config.Primaries == nil && c.server.config.Copies == nil {
		return who{}, nil
	}
	var others string // a table that has no primary
	for _, x := range c.touched {
		w.writes = w.writes || x.what == writes
		t, err := c.find(x.table)
		if err != nil || !c.visible(t.Name) {
			continue
		}
		if c.from != "" && !t.In(c.from) { // it may not even read what is in it (DATA 22)
			return w, errNotFound
		}
		strict := t.Primary != "" && x.what != reads
		if strict || x.what == writes && t.Copies > 1 {
			w.tables = append(w.tables, t)
		}
		switch {
		case !strict:
			others = t.Name
		case w.region != "" && w.region != t.Primary:
			return w, invalid("The tables of this request have different primaries, %s and %s: use one request for each", w.region, t.Primary)
		default:
			w.region = t.Primary
		}
	}
	if others != "" && w.region != "" && w.region != c.server.config.Region {
		return w, invalid("Table %s is served by this region, other tables of this request only by their primary %s: use one request for each", others, w.region)
	}
	return w, nil
}

// actAsPrimary runs a request under the table's lease, which must hold before it
// and still after it (DATA 19): what was read or written then is only answered if
// no other region can have been the primary meanwhile.
func (c *call) actAsPrimary(ctx context.Context, op operation, w who) error {
	held, err := c.server.config.Primaries.Hold(ctx, w.tables)
	switch {
	case errors.Is(err, store.ErrElsewhere):
		return err
	case err != nil:
		return unavailable("%s: try again", err)
	}
	defer held.Done()
	if w.writes && c.token() == "" && c.named() {
		err = c.once(ctx, op, w)
	} else {
		err = c.act(ctx, op, w)
	}
	if errors.Is(err, store.ErrElsewhere) {
		return err
	}
	if lost := held.Still(); lost != nil {
		c.out = c.out[:0]
		return unavailable("%s: whether the request had an effect is not known", lost)
	}
	return err
}

// once runs a write that has an id, or answers what was answered to it (DATA 21):
// its tries may come here directly and through other regions.
func (c *call) once(ctx context.Context, op operation, w who) error {
	i := slices.IndexFunc(w.tables, func(t table.Table) bool { return t.Primary != "" })
	memory, err := c.server.config.Primaries.Memory(w.tables[i])
	if err != nil {
		return err
	}
	remembering, answer, err := memory.Begin(ctx, c.id)
	if err != nil {
		return err
	}
	if remembering == nil {
		c.out = append(c.out[:0], answer...)
		return c.copied(ctx, w, c.server.config.Store.Position().Cursor.Sequence)
	}
	c.remembering = remembering
	defer func() { c.remembering = nil }()
	defer remembering.End()
	return c.act(ctx, op, w)
}

// act runs a request on this region's store, and waits for the copies of what it
// wrote.
func (c *call) act(ctx context.Context, op operation, w who) error {
	c.out, c.written, c.throttled = c.out[:0], 0, c.throttled[:0]
	if copies := c.server.config.Copies; copies != nil && w.writes && len(w.tables) > 0 {
		if err := copies.Before(w.tables); err != nil {
			return unavailable("%s", err)
		}
	}
	if err := op.run(ctx, c); err != nil {
		return err
	}
	c.settle()
	return c.copied(ctx, w, c.written)
}

// copied waits for the copies of what was written up to a sequence; 0 is nothing.
func (c *call) copied(ctx context.Context, w who, sequence uint64) error {
	copies := c.server.config.Copies
	if copies == nil || !w.writes || len(w.tables) == 0 || sequence == 0 {
		return nil
	}
	if err := copies.After(ctx, w.tables, sequence); err != nil {
		return unavailable("The write is done in %[1]s and not yet in a second region (%[2]s). It is kept, and replicated once another region is reached; it is lost only if %[1]s loses its disk before. Read the item before writing it again, or try again if the write has the same effect twice or a condition", c.server.config.Region, err)
	}
	return nil
}

// update is store.Update for what the call writes. It remembers the answer of a
// write that has an id with its effect; answer appends it to c.out.
func (c *call) update(ctx context.Context, keys []record.Key, decide func(*store.Tx) (wrote bool, err error), answer func() error) error {
	if c.remembering != nil {
		keys = append(keys, c.remembering.Keys()...)
	}
	c.stored = c.stored[:0]
	commit, err := c.server.config.Store.Update(ctx, keys, func(tx *store.Tx) error {
		wrote, err := decide(tx)
		if err != nil || !wrote || c.remembering == nil {
			return err
		}
		if err := answer(); err != nil {
			return err
		}
		if c.print != nil {
			return c.remembering.Put(tx, c.print)
		}
		return c.remembering.Put(tx, c.out)
	})
	if err != nil {
		return err
	}
	c.written = max(c.written, commit.Sequence)
	c.out = c.out[:0]
	return answer()
}
