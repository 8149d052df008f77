package replica

import (
	"cmp"
	"errors"
	"slices"

	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/replicate"
	"github.com/meridian-run/meridian/internal/store"
)

// copyGiving gives all that this region holds of one table (DATA 16).
type copyGiving struct {
	replica  *Replica
	asker    record.RegionID
	table    record.TableID
	revision uint64
	from     []byte
}

// asked implements giving. The vector is fixed here, before anything is scanned:
// what is applied later may be missing from the chunks, and is pulled from there
// on. One that goes on where it broke off keeps the first vector.
func (g *copyGiving) asked(a *replicate.Ask) ([]replicate.Message, error) {
	x, err := one(a)
	if err != nil {
		return nil, err
	}
	if g.revision, err = g.replica.shares(g.asker, x); err != nil {
		return nil, err
	}
	if !g.replica.complete(x.Table) {
		return nil, unready(errors.New(g.replica.config.Region + " copies the table itself"))
	}
	g.table, g.from = x.Table, x.From
	if x.From != nil {
		return nil, nil
	}
	v := &replicate.Vector{}
	for origin, c := range g.replica.config.Store.DonorVector() {
		v.Origins = append(v.Origins, replicate.OriginCursor{Origin: origin, Cursor: replicate.Cursor(c)})
	}
	slices.SortFunc(v.Origins, func(x, y replicate.OriginCursor) int { return cmp.Compare(x.Origin, y.Origin) })
	return []replicate.Message{v}, nil
}

// complete reports whether this region has all of a table.
func (r *Replica) complete(id record.TableID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	own, _, held := r.tables[id].Holder(r.self)
	return held && own.Complete() && (r.isReady || !r.config.Store.Unsettled())
}

// read implements giving.
func (g *copyGiving) read() (reading, error) {
	p, err := g.replica.config.Store.BeginReadTable(g.table, g.from, frameBytes)
	if err != nil {
		return nil, err
	}
	return pieceOf[store.Chunk]{p, g.piece}, nil
}

func (g *copyGiving) piece(c store.Chunk) *replicate.Piece {
	p := &replicate.Piece{
		Table: g.table, Final: c.Next == nil, Next: c.Next, Revision: g.revision, Frontier: c.Frontier,
		Records: make([]replicate.Shipped, len(c.Records)),
	}
	for i, x := range c.Records {
		p.Records[i] = replicate.Shipped(x)
	}
	g.from = c.Next
	return p
}

// tailGiving gives what this region's log has for one table, from a cursor on up
// to where the log ended when it was asked: from then on the asker's pull brings
// the table, too (DATA 16). An Ask for any number of tables that is only to know
// whether this region counts the asker for them gets an empty piece.
type tailGiving struct {
	replica  *Replica
	peer     string
	asker    record.RegionID
	after    store.Cursor
	end      store.Cursor
	table    record.TableID
	revision uint64
	known    bool
}

// asked implements giving.
func (g *tailGiving) asked(a *replicate.Ask) ([]replicate.Message, error) {
	for _, x := range a.Tables {
		revision, err := g.replica.shares(g.asker, x)
		if err != nil {
			return nil, err
		}
		g.table, g.revision, g.known = x.Table, revision, g.known || x.Known
	}
	if g.known {
		return nil, nil
	}
	if _, err := one(a); err != nil {
		return nil, err
	}
	g.end = g.replica.config.Store.Position().Cursor
	return nil, nil
}

// read implements giving.
func (g *tailGiving) read() (reading, error) {
	if g.known {
		return given{&replicate.Piece{Final: true}}, nil
	}
	limit := store.Limit{Bytes: frameBytes, Entries: frameEntries}
	p, err := g.replica.config.Store.BeginReadLog(g.after, limit, func(t record.TableID) bool { return t == g.table })
	if err != nil {
		return nil, (&sender{replica: g.replica, peer: g.peer}).refusal(err)
	}
	return pieceOf[store.Batch]{p, g.piece}, nil
}

func (g *tailGiving) piece(b store.Batch) *replicate.Piece {
	p := &replicate.Piece{
		Table: g.table, To: replicate.Cursor(b.To), Final: b.To.Sequence >= g.end.Sequence || b.To == b.From && !b.More,
		Revision: g.revision, Frontier: b.Frontiers[g.table], Records: make([]replicate.Shipped, len(b.Records)),
	}
	for i, x := range b.Records {
		p.Records[i] = replicate.Shipped(x)
	}
	g.after = b.To
	return p
}
