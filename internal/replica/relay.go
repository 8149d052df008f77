package replica

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/replicate"
	"github.com/meridian-run/meridian/internal/store"
)

const (
	// RelayAfter is the default of Config.RelayAfter.
	RelayAfter = 3 * time.Second
	// relayEvery is the pace at which survivors ask each other again: what one gets
	// from a second, a third may lack.
	relayEvery = 3 * time.Second
)

// Closing is a region that is being removed (DATA 13).
type Closing struct {
	Peer
	// Revision began the removal: when it begins anew, so do the relays.
	Revision uint64
}

// relayed is what is known of one survivor and one dead origin; Replica.mu guards
// it.
type relayed struct {
	peer   string
	origin record.RegionID
}

// relayState says how a relay stands.
type relayState struct {
	// closed is the removal for which the survivor has given all that it will ever
	// have.
	closed uint64
	// gap says that the survivor's lists did not reach back, and that it was asked
	// for all of its records.
	gap bool
}

// relays lists the relays that are wanted: of every origin that is gone, from every
// other peer that is there. It answers when the next is due at the latest; the
// caller holds mu.
func (r *Replica) relays(now time.Time) (list []Dial, until time.Time) {
	for _, x := range r.control.Peers {
		p := r.peers[x.Name]
		if p == nil || p.connected {
			r.reachable(x)
			continue
		}
		if due := p.since.Add(r.config.RelayAfter); now.Before(due) {
			until = sooner(until, due)
			continue
		}
		list = append(list, r.relaysOf(x)...)
	}
	for _, c := range r.control.Closing {
		for _, d := range r.relaysOf(c.Peer) {
			if r.relayed[relayed{d.Peer, c.ID}].closed != c.Revision {
				list = append(list, d)
			}
		}
	}
	return list, until
}

// reachable forgets how relays of an origin stood; the caller holds mu.
func (r *Replica) reachable(origin Peer) {
	for k := range r.relayed {
		if k.origin == origin.ID {
			delete(r.relayed, k)
		}
	}
}

// relaysOf lists the relays of one origin; the caller holds mu.
func (r *Replica) relaysOf(origin Peer) (list []Dial) {
	for _, x := range r.control.Peers {
		if p := r.peers[x.Name]; x.ID != origin.ID && p != nil && p.connected && len(r.relayable(origin.ID, x.ID)) > 0 {
			list = append(list, Dial{Peer: x.Name, Kind: replicate.KindRelay, Origin: origin.ID})
		}
	}
	return list
}

// relayable are the tables that an origin, a survivor and this region hold; the
// caller holds mu.
func (r *Replica) relayable(origin, survivor record.RegionID) (ids []record.TableID) {
	for _, t := range r.tables {
		if holds(t, origin) && holds(t, survivor) && holds(t, r.self) {
			ids = append(ids, t.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

// HasAll reports whether this region has all that any survivor will ever have of
// a region that is being removed: each has given it after it had ended its pull.
// Tables that this region copies do not count: they are copied anew once the
// region is gone.
func (r *Replica) HasAll(origin record.RegionID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.IndexFunc(r.control.Closing, func(c Closing) bool { return c.ID == origin })
	if i < 0 || !r.config.Store.OriginClosed(origin) {
		return false
	}
	for _, x := range r.control.Peers {
		if len(r.relayable(origin, x.ID)) > 0 && r.relayed[relayed{x.Name, origin}].closed != r.control.Closing[i].Revision {
			return false
		}
	}
	return true
}

// newRelay makes the receiving end of a relay; the caller holds mu.
func (r *Replica) newRelay(d Dial, now time.Time) (*taker, error) {
	p := r.peers[d.Peer]
	if p == nil {
		return nil, errUnwanted
	}
	t := &relayTaking{replica: r, peer: p, origin: d.Origin, tables: r.relayable(d.Origin, p.ID)}
	for _, c := range r.control.Closing {
		if c.ID == d.Origin {
			t.round = c.Revision
		}
	}
	return r.newTaker(d, p.Peer, replicate.Cursor{}, t, now), nil
}

// relayTaking takes what a survivor has of a dead origin.
type relayTaking struct {
	replica *Replica
	peer    *peer
	origin  record.RegionID
	tables  []record.TableID
	round   uint64 // of the origin's removal
	records int
	gap     bool
	closed  bool
}

// ask implements taking. A table that is being copied here is left out.
func (t *relayTaking) ask() *replicate.Ask {
	a := &replicate.Ask{}
	for _, id := range t.tables {
		marks, whole := t.replica.config.Store.Has(t.origin, id)
		if !whole {
			continue
		}
		x := replicate.AskTable{Table: id}
		for _, m := range marks {
			x.Marks = append(x.Marks, replicate.Mark(m))
		}
		a.Tables = append(a.Tables, x)
	}
	slices.SortFunc(a.Tables, func(x, y replicate.AskTable) int { return cmp.Compare(x.Table, y.Table) })
	return a
}

// vector implements taking.
func (t *relayTaking) vector(*replicate.Vector) error {
	return fmt.Errorf("%w: a vector in a relay", replicate.ErrOutOfTurn)
}

// request implements taking.
func (t *relayTaking) request(p *replicate.Piece, a *store.Apply) {
	a.Resend = true // what is not here is judged (DATA 18)
	a.Relayed = store.Relayed{Origin: t.origin, Table: p.Table, Last: store.Mark(p.Last), Upto: storeMarks(p.Upto)}
}

// applied implements taking.
func (t *relayTaking) applied(p *replicate.Piece, result store.ApplyResult) (*store.Pending[store.None], error) {
	t.records += result.Applied
	t.gap = t.gap || p.Gap
	t.closed = p.Closed
	return nil, nil
}

// over implements taking.
func (t *relayTaking) over(err error, now time.Time) end {
	if err != nil {
		return end{}
	}
	r := t.replica
	name := t.note()
	if t.records > 0 && r.config.Events.Relayed != nil {
		r.config.Events.Relayed(t.peer.Name, name, t.records)
	}
	return end{at: now.Add(relayEvery)}
}

// note takes note of a relay that is complete, and answers the origin's name.
func (t *relayTaking) note() string {
	r := t.replica
	r.mu.Lock()
	defer r.mu.Unlock()
	k := relayed{t.peer.Name, t.origin}
	state := r.relayed[k]
	if t.gap && !state.gap {
		state.gap = true
		t.peer.askResend("it no longer knows all that it has of a region that cannot be reached")
	}
	if waits := state.gap && (t.peer.scanning || t.peer.resend != ""); t.closed && !waits {
		state.closed = t.round
	}
	r.relayed[k] = state
	return r.nameOf(t.origin)
}

// nameOf is the name of a region of the world; the caller holds mu.
func (r *Replica) nameOf(id record.RegionID) string {
	for _, p := range r.control.Peers {
		if p.ID == id {
			return p.Name
		}
	}
	for _, c := range r.control.Closing {
		if c.ID == id {
			return c.Name
		}
	}
	return ""
}
