package replica

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/replicate"
	"github.com/meridian-run/meridian/internal/store"
)

const (
	// timeoutOpen bounds the opening of a stream, the wait for the Welcome and for
	// a control revision that a frame needs.
	timeoutOpen = 10 * time.Second
	// heldMax bounds the bytes that wait to be applied: the window that a source
	// keeps to, and as much again for its last frame and for control states.
	heldMax = 2*replicate.WindowBytes + 16<<20
)

var (
	errSilent  = errors.New("it has said nothing for too long")
	errRestart = fmt.Errorf("to be pulled from anew: %w", context.Canceled)
)

// inbound is a message that waits to be taken.
type inbound struct {
	message replicate.Message
	size    int
	err     error
}

// puller is the receiving end of one pull.
type puller struct {
	replica  *Replica
	peer     *peer
	receiver *replicate.Receiver

	greeted, welcomed bool
	heard             time.Time // when the peer last sent something, or was waited for
	held              []inbound // not yet taken, in order
	heldBytes         int
	applying          *applying // the batch under way
	// given is what the peer had before the resend under way.
	given store.Holdings
}

var _ ender = (*puller)(nil)

// newPuller begins a pull; the caller holds mu.
func (r *Replica) newPuller(name string, cursor replicate.Cursor, now time.Time) (*puller, error) {
	p := r.peers[name]
	if p == nil || r.control.Revision == 0 {
		return nil, errUnwanted
	}
	p.restart, p.heard, p.live = false, false, false
	p.scanBegins()
	if p.sourceAt.IsZero() && cursor.Sequence > 0 {
		p.sourceAt = cursor.Version.Time.Wall()
	}
	kind := replicate.KindLog
	switch {
	case p.scanning:
		kind = replicate.KindResend
	case cursor == replicate.Cursor{} && r.copiesAll(p.ID):
		kind = replicate.KindEnd
	}
	return &puller{replica: r, peer: p, heard: now, receiver: replicate.NewReceiver(replicate.ReceiverConfig{
		World: r.config.World, Region: r.config.Region, ID: r.self,
		Peer: p.Name, PeerID: p.ID, Cursor: cursor, Kind: kind, Revision: r.control.Revision,
	})}, nil
}

// cursorOf is how far a peer's log is applied, durably.
func (r *Replica) cursorOf(name string) replicate.Cursor {
	for _, p := range r.Control().Peers {
		if p.Name == name {
			c, _ := r.config.Store.Cursor(p.ID)
			return replicate.Cursor(c)
		}
	}
	return replicate.Cursor{}
}

// Step implements Session.
func (p *puller) Step(now time.Time, in [][]byte) (Out, error) {
	if err := p.replica.stillPulls(p.peer); err != nil {
		return Out{}, err
	}
	if err := p.hold(in, now); err != nil {
		return Out{}, err
	}
	if !p.greeted {
		p.greeted, p.heard = true, now
		return Out{Send: [][]byte{replicate.Append(nil, p.receiver.Hello())}, Until: now.Add(timeoutOpen)}, nil
	}
	for {
		if p.applying != nil {
			out, err := p.apply(now)
			if err != nil || p.applying != nil || len(out.Send) > 0 {
				return out, err
			}
		}
		next, ok := p.take()
		if !ok {
			return p.listen(now)
		}
		if err := p.receive(next, now); err != nil {
			return Out{}, err
		}
	}
}

// stillPulls answers why a pull is to end.
func (r *Replica) stillPulls(p *peer) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.peers[p.Name] != p:
		return errUnwanted
	case p.restart:
		return errRestart
	}
	return nil
}

// hold takes messages in. One that cannot be read ends the pull, after what came
// before it.
func (p *puller) hold(in [][]byte, now time.Time) error {
	for _, raw := range in {
		m, err := replicate.Parse(raw)
		p.held = append(p.held, inbound{m, len(raw), err})
		p.heldBytes += len(raw)
		p.heard = now
	}
	if p.heldBytes > heldMax {
		return fmt.Errorf("%w: %d bytes without an acknowledgement", replicate.ErrOutOfTurn, p.heldBytes)
	}
	return nil
}

func (p *puller) take() (inbound, bool) {
	if len(p.held) == 0 {
		p.held = nil
		return inbound{}, false
	}
	next := p.held[0]
	p.held = p.held[1:]
	p.heldBytes -= next.size
	return next, true
}

// listen waits for a message, not longer than a living source may be silent.
func (p *puller) listen(now time.Time) (Out, error) {
	patience := p.replica.config.Silence
	if !p.welcomed {
		patience = timeoutOpen
	}
	until := p.heard.Add(patience)
	if !now.Before(until) {
		return Out{}, errSilent
	}
	return Out{Until: until}, nil
}

func (p *puller) receive(in inbound, now time.Time) error {
	if in.err != nil {
		return in.err
	}
	step, err := p.receiver.Receive(in.message)
	switch {
	case err != nil:
		return err
	case step.Welcome != nil:
		p.welcomed = true
		p.replica.connected(p.peer, now)
	case step.Holdings != nil:
		return p.told(storeHoldings(step.Holdings))
	case step.Adopt != nil:
		return p.replica.adopt(step.Adopt)
	case step.Apply != nil:
		p.applying, err = p.gather(step.Apply, in.size, now)
	}
	return err
}

// gather begins a batch of a frame and of those that have queued up behind it.
func (p *puller) gather(f *replicate.Frame, size int, now time.Time) (*applying, error) {
	b := batch{peer: p.peer, given: p.given}
	b.add(f, size)
	ack := p.receiver.Applied(f, size)
	for !f.Scan && b.records < applyRecordsMax && b.size < applyBytesMax && p.fits(&b) {
		in, _ := p.take()
		step, err := p.receiver.Receive(in.message)
		if err != nil {
			return nil, err
		}
		b.add(step.Apply, in.size)
		ack = p.receiver.Applied(step.Apply, in.size)
	}
	ack.Bytes = uint64(b.size)
	return &applying{batch: b, ack: ack, began: now}, nil
}

// fits reports whether the message that comes next is a frame for the batch.
func (p *puller) fits(b *batch) bool {
	if len(p.held) == 0 || p.held[0].err != nil {
		return false
	}
	f, ok := p.held[0].message.(*replicate.Frame)
	return ok && b.fits(f)
}

// apply moves the batch under way on, and acknowledges it when it is durable.
// While this region is slow, nothing counts against the peer.
func (p *puller) apply(now time.Time) (Out, error) {
	out, done, err := p.applying.step(p.replica, now)
	if err != nil || !done {
		return out, err
	}
	ack := p.applying.ack
	p.applying, p.heard = nil, now
	return Out{Send: [][]byte{replicate.Append(nil, ack)}, Again: true}, nil
}

// ended implements ender.
func (p *puller) ended(err error, now time.Time) end {
	again := p.replica.disconnected(p.peer.Name, p.peer, err, now)
	return end{answered: p.welcomed, again: again}
}

// connected notes that a peer took us in.
func (r *Replica) connected(p *peer, now time.Time) {
	r.mu.Lock()
	news := p.begun(now)
	r.mu.Unlock()
	if news {
		r.tellConnected(p)
	}
}

func (r *Replica) tellConnected(p *peer) {
	if r.config.Events.Connected != nil {
		r.config.Events.Connected(p.Name)
	}
}

// connectedReason stands for "no reason"; the empty string for "nothing said".
const connectedReason = "connected"

// disconnected notes why a pull ended, and answers whether to try again at once:
// when the remedy is a resend. A nil pulled is an attempt that came to no stream.
func (r *Replica) disconnected(name string, pulled *peer, err error, now time.Time) (again bool) {
	r.mu.Lock()
	p := r.peers[name]
	if p == nil || pulled != nil && p != pulled {
		r.mu.Unlock()
		return false
	}
	was := p.connected
	p.restart, p.err = false, err
	var refused *replicate.Refuse
	resend := errors.As(err, &refused) && refused.Resend() && p.resend == ""
	if resend {
		p.resend = refused.Error()
		p.lacking = p.lacking || refused.Reason == replicate.RefusedCursorTrimmed
	}
	again = pulled != nil && (resend || p.resend != "" && !p.scanning)
	why := p.resend
	if was {
		if !again {
			p.ended(now)
		}
		p.connected, p.since = false, now
	}
	news := !again && p.told(reason(err))
	r.mu.Unlock()
	if again && r.config.Events.Resend != nil {
		r.config.Events.Resend(p.Name, why)
	}
	if news && !errors.Is(err, context.Canceled) && r.config.Events.Disconnected != nil {
		r.config.Events.Disconnected(p.Name, err)
	}
	return again
}

// reason sorts errors, so that each kind is told once and not once for each
// local port. Why a peer cannot be reached is the link's to tell.
func reason(err error) string {
	var refused *replicate.Refuse
	switch {
	case errors.As(err, &refused):
		return refused.Reason.String()
	case errors.Is(err, replicate.ErrOutOfTurn) || errors.Is(err, replicate.ErrMalformed):
		return "protocol"
	case errors.Is(err, kv.ErrFrozen):
		return "own storage"
	}
	return "unreachable"
}
