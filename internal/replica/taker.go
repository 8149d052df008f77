package replica

import (
	"errors"
	"fmt"
	"time"

	"github.com/meridian-run/meridian/internal/hlc"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/replicate"
	"github.com/meridian-run/meridian/internal/store"
)

// taking is what a taker takes; the counterpart of giving.
type taking interface {
	// ask is the Ask to send.
	ask() *replicate.Ask
	// vector takes a donor's.
	vector(*replicate.Vector) error
	// request is what a piece makes of the store's batch.
	request(p *replicate.Piece, a *store.Apply)
	// applied takes note of a piece that is durable. What it answers, if not nil, is
	// to be durable before the stream is over.
	applied(p *replicate.Piece, result store.ApplyResult) (*store.Pending[store.None], error)
	// over takes note of the end.
	over(err error, now time.Time) end
}

// taker is the receiving end of a relay, a copy or a tail.
type taker struct {
	replica *Replica
	peer    Peer
	hello   replicate.Hello
	taking  taking

	greeted, welcomed, finished bool
	heard                       time.Time
	held                        []inbound
	heldBytes                   int
	// under are the pieces on their way into the store, in order. The next one is
	// begun before those ahead of it are durable: an acknowledgement, which is of
	// what is durable, is what waits.
	under []*taken
}

// underMax bounds the pieces that are begun and not yet durable.
const underMax = 4

var _ ender = (*taker)(nil)

// newTaker makes the receiving end of a stream; the caller holds mu.
func (r *Replica) newTaker(d Dial, p Peer, at replicate.Cursor, t taking, now time.Time) *taker {
	origin := p.ID
	if d.Kind == replicate.KindRelay {
		origin = d.Origin
	}
	return &taker{replica: r, peer: p, taking: t, heard: now, hello: replicate.Hello{
		Min: replicate.ProtocolMin, Max: replicate.ProtocolMax,
		World: r.config.World, Region: r.config.Region, ID: r.self,
		Origin: origin, Cursor: at, Kind: d.Kind, Revision: r.control.Revision,
	}}
}

// taken is a piece on its way into the store.
type taken struct {
	piece   *replicate.Piece
	size    int
	began   time.Time
	retry   time.Time // after it was refused for the peer's clock
	skewed  bool
	pending *store.Pending[store.ApplyResult]
	after   *store.Pending[store.None]
	applied bool
}

// Step implements Session.
func (t *taker) Step(now time.Time, in [][]byte) (Out, error) {
	if !t.replica.linked(t) {
		return Out{}, errUnwanted
	}
	if err := t.hold(in, now); err != nil {
		return Out{}, err
	}
	if !t.greeted {
		t.greeted, t.heard = true, now
		hello, ask := replicate.Append(nil, &t.hello), replicate.Append(nil, t.taking.ask())
		return Out{Send: [][]byte{hello, ask}, Until: now.Add(timeoutOpen)}, nil
	}
	for {
		out, done, err := t.apply(now)
		if err != nil || done {
			return out, err
		}
		if !t.mayTake() {
			return out, nil
		}
		next := t.held[0]
		t.held = t.held[1:]
		t.heldBytes -= next.size
		if err := t.receive(next, now); err != nil {
			return Out{}, err
		}
	}
}

// mayTake reports whether the next message may be taken. A piece may while not too
// many wait for the disk and the last is committed; others, and what cannot be read,
// when all that came before is durable.
func (t *taker) mayTake() bool {
	n := len(t.under)
	if n == 0 || len(t.held) == 0 {
		return len(t.held) > 0
	}
	_, piece := t.held[0].message.(*replicate.Piece)
	return piece && t.held[0].err == nil && n < underMax && t.under[n-1].pending != nil
}

// linked reports whether a session is still wanted.
func (r *Replica) linked(s ender) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.links {
		if l.session == s {
			return true
		}
	}
	return false
}

func (t *taker) hold(in [][]byte, now time.Time) error {
	for _, raw := range in {
		m, err := replicate.Parse(raw)
		t.held = append(t.held, inbound{m, len(raw), err})
		t.heldBytes += len(raw)
		t.heard = now
	}
	if t.heldBytes > heldMax {
		return fmt.Errorf("%w: %d bytes without an acknowledgement", replicate.ErrOutOfTurn, t.heldBytes)
	}
	return nil
}

func (t *taker) listen(now time.Time) (Out, error) {
	until := t.heard.Add(timeoutOpen)
	if !now.Before(until) {
		return Out{}, errSilent
	}
	return Out{Until: until}, nil
}

func (t *taker) receive(in inbound, now time.Time) error {
	if in.err != nil {
		return in.err
	}
	switch m := in.message.(type) {
	case *replicate.Refuse:
		return m
	case *replicate.Welcome:
		if !t.welcomed && m.Region == t.peer.Name && m.ID == t.peer.ID {
			t.welcomed = true
			return nil
		}
	case *replicate.Vector:
		if t.welcomed {
			return t.taking.vector(m)
		}
	case *replicate.Piece:
		if t.welcomed {
			t.under = append(t.under, &taken{piece: m, size: in.size, began: now})
			return nil
		}
	}
	return fmt.Errorf("%w: %T", replicate.ErrOutOfTurn, in.message)
}

// apply moves the pieces under way on: the first is acknowledged when it is durable,
// and then the step is over; the last may still have to be begun. Without any it
// listens.
func (t *taker) apply(now time.Time) (out Out, over bool, err error) {
	n := len(t.under)
	if n == 0 {
		out, err = t.listen(now)
		return out, false, err
	}
	var begun bool
	if last := t.under[n-1]; last.pending == nil {
		if out, err = last.start(t, now); err != nil {
			return Out{}, false, err
		}
		begun = last.pending != nil
		if !begun && n == 1 {
			return out, false, nil
		}
	}
	first := t.under[0]
	wait, done, err := first.step(t)
	if err != nil {
		return Out{}, false, err
	}
	if !done {
		// What has come meanwhile is begun before the disk is waited for.
		wait.Again = begun && n < underMax
		return wait, false, nil
	}
	t.under, t.heard = t.under[1:], now
	ack := replicate.Append(nil, &replicate.Ack{Cursor: first.piece.To, Bytes: uint64(first.size)})
	t.finished = first.piece.Final
	return Out{Send: [][]byte{ack}, Again: !t.finished, Finished: t.finished}, true, nil
}

// step goes on with a piece that is committed as far as it can without waiting.
func (p *taken) step(t *taker) (wait Out, done bool, err error) {
	if !p.applied {
		if !p.pending.Ready() {
			return Out{Durable: p.pending.Sequence}, false, nil
		}
		result, err := p.pending.Finish()
		if err != nil {
			return Out{}, false, err
		}
		p.applied = true
		if p.after, err = t.taking.applied(p.piece, result); err != nil {
			return Out{}, false, err
		}
	}
	if p.after == nil {
		return Out{}, true, nil
	}
	if !p.after.Ready() {
		return Out{Durable: p.after.Sequence}, false, nil
	}
	_, err = p.after.Finish()
	return Out{}, err == nil, err
}

// start commits the piece, once this region knows the control revision that it
// needs (DATA 25), and its clock lets it (DATA 15).
func (p *taken) start(t *taker, now time.Time) (wait Out, err error) {
	r := t.replica
	if have := r.Control().Revision; have < p.piece.Revision {
		until := p.began.Add(timeoutOpen)
		if !now.Before(until) {
			return Out{}, fmt.Errorf("a piece needs control revision %d, this region has %d", p.piece.Revision, have)
		}
		return Out{Until: until}, nil
	}
	if now.Before(p.retry) {
		return Out{Until: p.retry}, nil
	}
	if _, held := r.config.Store.Table(p.piece.Table); held && !r.takes(p.piece.Table, p.piece.Revision) {
		return Out{}, errUnwanted
	}
	a := store.Apply{Origin: t.peer.ID, Frontiers: map[record.TableID]hlc.Time{}, Records: make([]store.Shipped, 0, len(p.piece.Records))}
	if _, held := r.config.Store.Table(p.piece.Table); held {
		if p.piece.Frontier > 0 {
			a.Frontiers[p.piece.Table] = p.piece.Frontier
		}
		for _, x := range p.piece.Records {
			a.Records = append(a.Records, store.Shipped(x))
		}
	}
	t.taking.request(p.piece, &a)
	p.pending, err = r.config.Store.BeginApply(a)
	if errors.Is(err, store.ErrSkew) {
		if !p.skewed {
			r.skew(&peer{Peer: t.peer}, err)
		}
		p.skewed, p.retry = true, now.Add(skewPause)
		return Out{Until: p.retry}, nil
	}
	return Out{}, err
}

// ended implements ender. What is durable by now takes effect; of the rest the next
// stream brings some again.
func (t *taker) ended(err error, now time.Time) end {
	for _, p := range t.under {
		if p.pending != nil && !p.applied && p.pending.Ready() {
			_, _ = p.pending.Finish() // the end has its reason already
		}
	}
	if t.finished {
		err = nil
	} else if err == nil {
		err = errSilent
	}
	how := t.taking.over(err, now)
	how.answered = t.welcomed
	return how
}
