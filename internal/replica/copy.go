package replica

import (
	"errors"
	"fmt"
	"time"

	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/replicate"
	"github.com/meridian-run/meridian/internal/store"
)

// newCopy makes the receiving end of a copy; the caller holds mu.
func (r *Replica) newCopy(d Dial, now time.Time) (*taker, error) {
	p, j := r.peers[d.Peer], r.copying[d.Table]
	if p == nil || j == nil {
		return nil, errUnwanted
	}
	t := &copyTaking{replica: r, peer: p.Peer, name: r.tables[d.Table].Name, since: j.since}
	for _, h := range r.holdersOf(r.tables[d.Table]) {
		t.holders = append(t.holders, h.ID)
	}
	state, begun := r.config.Store.Join(d.Table)
	t.state = store.Join{Table: d.Table, Since: j.since, Donor: p.ID, Restarts: state.Restarts}
	switch {
	case begun && state.Since == j.since && state.Donor == p.ID && state.Mark != nil:
		t.state, t.resumed = state, true
	case begun && state.Since == j.since && state.Donor != 0 && state.Donor != p.ID:
		t.state.Restarts++
		r.joinNews = append(r.joinNews, joinNews{t.name, "begins anew from " + p.Name + ": " + r.nameOf(state.Donor) + " cannot be reached"})
	}
	if j.began.IsZero() {
		j.began, j.before = now, t.state.Records
	}
	j.donor, j.records = p.Name, t.state.Records
	return r.newTaker(d, p.Peer, replicate.Cursor{}, t, now), nil
}

// copyTaking takes all that a donor has of a table.
type copyTaking struct {
	replica *Replica
	peer    Peer
	name    string
	since   uint64
	holders []record.RegionID
	resumed bool
	started bool // the vector is here
	state   store.Join
}

// ask implements taking.
func (t *copyTaking) ask() *replicate.Ask {
	return &replicate.Ask{Tables: []replicate.AskTable{{Table: t.state.Table, Since: t.since, From: t.state.Mark}}}
}

// vector implements taking. Each region that has the table is to be pulled from
// where the donor was before its scan; one that the donor knows nothing of, from
// the beginning.
func (t *copyTaking) vector(v *replicate.Vector) error {
	if t.resumed || t.started {
		return fmt.Errorf("%w: a second vector", replicate.ErrOutOfTurn)
	}
	t.started = true
	t.state.Tails = map[record.RegionID]store.Cursor{}
	for _, id := range t.holders {
		t.state.Tails[id] = store.Cursor{}
	}
	for _, o := range v.Origins {
		if _, wanted := t.state.Tails[o.Origin]; wanted {
			t.state.Tails[o.Origin] = store.Cursor(o.Cursor)
		}
	}
	return nil
}

// request implements taking.
func (t *copyTaking) request(p *replicate.Piece, a *store.Apply) {
	t.state.Mark, t.state.Scanned = p.Next, p.Final
	t.state.Records += uint64(len(p.Records))
	next := t.state.Clone()
	a.Resend, a.Join = true, &next
}

// applied implements taking.
func (t *copyTaking) applied(p *replicate.Piece, _ store.ApplyResult) (*store.Pending[store.None], error) {
	if !t.resumed && !t.started {
		return nil, fmt.Errorf("%w: a copy without a vector", replicate.ErrOutOfTurn)
	}
	r := t.replica
	r.mu.Lock()
	defer r.mu.Unlock()
	if j := r.copying[t.state.Table]; j != nil && j.since == t.since {
		j.records = t.state.Records
		if j.done = 1; !p.Final {
			j.done = store.Fraction(p.Next)
		}
	}
	return nil, nil
}

// over implements taking.
func (t *copyTaking) over(err error, now time.Time) end {
	t.replica.wakeJoins()
	return end{again: err == nil}
}

func (r *Replica) wakeJoins() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wake()
}

// newTail makes the receiving end of a tail: of one table's, or, without a table,
// of the question whether the peer counts this region for all that it copies. The
// caller holds mu.
func (r *Replica) newTail(d Dial, now time.Time) (*taker, error) {
	p := r.peers[d.Peer]
	if p == nil {
		return nil, errUnwanted
	}
	if d.Table == 0 {
		t := &knownTaking{replica: r, peer: p.Peer}
		for _, x := range r.control.Tables {
			if j := r.copying[x.ID]; j != nil && holds(x, p.ID) {
				t.tables = append(t.tables, replicate.AskTable{Table: x.ID, Since: j.since, Known: true})
			}
		}
		return r.newTaker(d, p.Peer, replicate.Cursor{}, t, now), nil
	}
	state, begun := r.config.Store.Join(d.Table)
	if !begun || !state.Scanned || r.copying[d.Table] == nil {
		return nil, errUnwanted
	}
	t := &tailTaking{replica: r, peer: p.Peer, name: r.tables[d.Table].Name, state: state}
	for origin := range state.Tails {
		if !r.stillHolds(d.Table, origin) {
			delete(t.state.Tails, origin)
		}
	}
	if _, left := t.state.Tails[p.ID]; !left && len(t.state.Tails) > 0 {
		return nil, errUnwanted
	}
	return r.newTaker(d, p.Peer, replicate.Cursor(state.Tails[p.ID]), t, now), nil
}

// stillHolds reports whether a region is among those that a copy is to have the
// logs of; the caller holds mu.
func (r *Replica) stillHolds(id record.TableID, region record.RegionID) bool {
	for _, h := range r.holdersOf(r.tables[id]) {
		if h.ID == region {
			return true
		}
	}
	return false
}

// knownTaking asks whether a peer counts this region for the tables that it copies.
type knownTaking struct {
	replica *Replica
	peer    Peer
	tables  []replicate.AskTable
}

// ask implements taking.
func (t *knownTaking) ask() *replicate.Ask { return &replicate.Ask{Tables: t.tables} }

// vector implements taking.
func (t *knownTaking) vector(*replicate.Vector) error {
	return fmt.Errorf("%w: a vector that was not asked for", replicate.ErrOutOfTurn)
}

// request implements taking.
func (t *knownTaking) request(*replicate.Piece, *store.Apply) {}

// applied implements taking.
func (t *knownTaking) applied(*replicate.Piece, store.ApplyResult) (*store.Pending[store.None], error) {
	t.replica.known(t.peer.ID, t.tables)
	return nil, nil
}

// over implements taking.
func (t *knownTaking) over(err error, now time.Time) end { return end{again: err == nil} }

// tailTaking takes what an origin's log has for one table.
type tailTaking struct {
	replica *Replica
	peer    Peer
	name    string
	state   store.Join
}

// ask implements taking.
func (t *tailTaking) ask() *replicate.Ask {
	return &replicate.Ask{Tables: []replicate.AskTable{{Table: t.state.Table, Since: t.state.Since}}}
}

// vector implements taking.
func (t *tailTaking) vector(*replicate.Vector) error {
	return fmt.Errorf("%w: a vector in a tail", replicate.ErrOutOfTurn)
}

// request implements taking.
func (t *tailTaking) request(p *replicate.Piece, a *store.Apply) {
	if t.state.Tails[t.peer.ID] = store.Cursor(p.To); p.Final {
		delete(t.state.Tails, t.peer.ID)
	}
	next := t.state.Clone()
	a.Join = &next
}

// applied implements taking. The table is whole when no tail is left.
func (t *tailTaking) applied(p *replicate.Piece, _ store.ApplyResult) (*store.Pending[store.None], error) {
	if !p.Final || len(t.state.Tails) > 0 {
		return nil, nil
	}
	return t.replica.config.Store.BeginMarkWhole(map[record.TableID]uint64{t.state.Table: t.state.Since})
}

// over implements taking. If the origin's log no longer reaches back, the copy
// begins anew, and says so.
func (t *tailTaking) over(err error, now time.Time) end {
	r := t.replica
	var refused *replicate.Refuse
	switch {
	case err == nil && len(t.state.Tails) == 0:
		r.whole(t.state.Table, t.state.Since)
	case errors.As(err, &refused) && refused.Resend():
		r.restartJoin(t, refused)
	default:
		r.wakeJoins()
	}
	return end{again: err == nil}
}

// restartJoin makes a copy begin anew.
func (r *Replica) restartJoin(t *tailTaking, why error) {
	next := store.Join{Table: t.state.Table, Since: t.state.Since, Restarts: t.state.Restarts + 1}
	p, err := r.config.Store.BeginJoin(next)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		r.joinNews = append(r.joinNews, joinNews{t.name, "begins anew: " + t.peer.Name + " has " + why.Error()})
		if j := r.copying[t.state.Table]; j != nil {
			j.restart = p
		}
	}
	r.wake()
}
