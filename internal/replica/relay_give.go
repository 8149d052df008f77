package replica

import (
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/replicate"
	"github.com/meridian-run/meridian/internal/store"
)

// relayGiving gives what this region has of a dead region's log (DATA 13).
type relayGiving struct {
	replica *Replica
	asker   record.RegionID
	origin  record.RegionID
	closed  bool
	tables  []relayTable // those not finished; the first is under way
	query   store.TailQuery
}

type relayTable struct {
	id       record.TableID
	revision uint64
	after    []store.Mark
	// claim is what this region had of the origin before anything was read: up to
	// there the lists are complete.
	claim []store.Mark
	// gap says that the lists do not reach back to after: nothing is claimed.
	gap bool
}

// asked implements giving.
func (g *relayGiving) asked(a *replicate.Ask) ([]replicate.Message, error) {
	s := g.replica.config.Store
	g.closed = s.OriginClosed(g.origin)
	for _, x := range a.Tables {
		revision, err := g.replica.shares(g.asker, x)
		if err != nil {
			return nil, err
		}
		t := relayTable{id: x.Table, revision: revision, after: storeMarks(x.Marks)}
		t.claim, _ = s.Has(g.origin, x.Table) // of one that is being copied nothing is claimed
		g.tables = append(g.tables, t)
	}
	return nil, nil
}

// read implements giving.
func (g *relayGiving) read() (reading, error) {
	if len(g.tables) == 0 {
		last := &replicate.Piece{Final: true, Closed: g.closed}
		return given{last}, nil
	}
	t := g.tables[0]
	g.query = store.TailQuery{Origin: g.origin, Table: t.id, After: t.after, From: g.query.From, Bytes: frameBytes}
	p, err := g.replica.config.Store.BeginReadTail(g.query)
	if err != nil {
		return nil, err
	}
	return pieceOf[store.Tail]{p, func(tail store.Tail) *replicate.Piece { return g.piece(t, tail) }}, nil
}

func (g *relayGiving) piece(t relayTable, tail store.Tail) *replicate.Piece {
	gap := t.gap || tail.Gap
	p := &replicate.Piece{
		Table: t.id, Gap: gap, Last: replicate.Mark(tail.Last), Upto: upto(t.claim, tail),
		Revision: t.revision, Frontier: tail.Frontier, Records: make([]replicate.Shipped, len(tail.Records)),
	}
	for i, x := range tail.Records {
		p.Records[i] = replicate.Shipped(x)
	}
	if gap {
		p.Upto = nil
	}
	g.tables[0].gap = gap
	if g.query.From = tail.Next; tail.Next == nil {
		g.tables = g.tables[1:]
	}
	return p
}

// upto is what may be claimed behind a stretch: at its end all that this region
// had, before that what it has read of one life of the log.
func upto(claim []store.Mark, tail store.Tail) (marks []replicate.Mark) {
	for _, m := range claim {
		switch {
		case tail.Next == nil:
			marks = append(marks, replicate.Mark(m))
		case m.Log == tail.Done.Log:
			m.Time = min(m.Time, tail.Done.Time)
			marks = append(marks, replicate.Mark(m))
		}
	}
	return marks
}

// given is a piece that needs no reading.
type given struct{ made *replicate.Piece }

func (g given) Ready() bool                      { return true }
func (g given) sequence() uint64                 { return 0 }
func (g given) piece() (*replicate.Piece, error) { return g.made, nil }

func storeMarks(marks []replicate.Mark) []store.Mark {
	out := make([]store.Mark, len(marks))
	for i, m := range marks {
		out[i] = store.Mark(m)
	}
	return out
}
