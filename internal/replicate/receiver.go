package replicate

import (
	"errors"
	"fmt"

	"github.com/meridian-run/meridian/internal/record"
)

// ErrOutOfTurn is wrapped by the errors of a source that breaks the protocol. A
// new pull from the durable cursor is the remedy.
var ErrOutOfTurn = errors.New("message out of turn")

// ReceiverConfig says who pulls from whom, and from where on.
type ReceiverConfig struct {
	World  string
	Region string
	ID     record.RegionID
	// Peer and PeerID are the source.
	Peer   string
	PeerID record.RegionID
	// Cursor is how far the source's log is applied, durably.
	Cursor Cursor
	// Kind is KindLog or KindResend.
	Kind Kind
	// Revision is the own control revision.
	Revision uint64
}

// Receiver is the receiving end of one pull. One goroutine drives it.
type Receiver struct {
	config  ReceiverConfig
	cursor  Cursor
	welcome *Welcome
	told    bool // Holdings have come
	scan    bool
}

// NewReceiver answers a receiver that has yet to send its Hello.
func NewReceiver(c ReceiverConfig) *Receiver {
	return &Receiver{config: c, cursor: c.Cursor, scan: c.Kind == KindResend}
}

// Hello is the first message to send.
func (r *Receiver) Hello() *Hello {
	c := r.config
	return &Hello{
		Min: ProtocolMin, Max: ProtocolMax,
		World: c.World, Region: c.Region, ID: c.ID, Origin: c.PeerID,
		Cursor: c.Cursor, Kind: c.Kind, Revision: c.Revision,
	}
}

// Step is what a message asks of the driver; at most one field is set.
type Step struct {
	// Welcome says that the pull has begun.
	Welcome *Welcome
	// Adopt is a control state to adopt if it is newer (DATA 25).
	Adopt *State
	// Apply is a frame to apply, once the own control revision has reached the
	// frame's; then comes Applied.
	Apply *Frame
	// Holdings is what the source has.
	Holdings *Holdings
}

// Receive takes a message of the source. A *Refuse comes back as the error.
func (r *Receiver) Receive(m Message) (Step, error) {
	switch m := m.(type) {
	case *Refuse:
		return Step{}, m
	case *Welcome:
		return r.begin(m)
	case *State:
		if r.welcome != nil {
			return Step{Adopt: m}, nil
		}
	case *Holdings:
		if r.welcome != nil && !r.told {
			r.told = true
			return Step{Holdings: m}, nil
		}
	case *Frame:
		if r.welcome != nil {
			return r.frame(m)
		}
	}
	return Step{}, fmt.Errorf("%w: %T", ErrOutOfTurn, m)
}

func (r *Receiver) begin(w *Welcome) (Step, error) {
	c := r.config
	switch {
	case r.welcome != nil:
		return Step{}, fmt.Errorf("%w: a second welcome", ErrOutOfTurn)
	case w.Protocol < ProtocolMin || w.Protocol > ProtocolMax:
		return Step{}, fmt.Errorf("%w: %s chose protocol %d, offered were %d to %d", ErrOutOfTurn, c.Peer, w.Protocol, ProtocolMin, ProtocolMax)
	case w.Region != c.Peer || w.ID != c.PeerID:
		return Step{}, fmt.Errorf("%w: %s (region %d) answers as %s (region %d)", ErrOutOfTurn, c.Peer, c.PeerID, w.Region, w.ID)
	}
	r.welcome = w
	return Step{Welcome: w}, nil
}

func (r *Receiver) frame(f *Frame) (Step, error) {
	if f.Scan != r.scan || (f.ScanEnd || f.ScanDone) && !f.Scan {
		return Step{}, fmt.Errorf("%w: frame with scan=%t while scan=%t", ErrOutOfTurn, f.Scan, r.scan)
	}
	if f.To.Log == 0 && (!f.Scan || f.ScanEnd) {
		return Step{}, fmt.Errorf("%w: a frame that ends in no log", ErrOutOfTurn)
	}
	if f.Scan {
		if !f.ScanEnd && f.To != (Cursor{}) || f.From != (Cursor{}) {
			return Step{}, fmt.Errorf("%w: a chunk of a resend that moves the cursor from %v to %v", ErrOutOfTurn, f.From, f.To)
		}
		return Step{Apply: f}, nil
	}
	if r.config.Kind == KindEnd && r.cursor == (Cursor{}) {
		r.cursor = f.From
	}
	if f.From != r.cursor {
		return Step{}, fmt.Errorf("%w: frame from %v while the cursor is at %v", ErrOutOfTurn, f.From, r.cursor)
	}
	if f.To.Sequence < f.From.Sequence || f.To.Log == f.From.Log && f.To.Version.Time < f.From.Version.Time { // epochs do not order logs (DATA 14)
		return Step{}, fmt.Errorf("%w: frame back from %v to %v", ErrOutOfTurn, f.From, f.To)
	}
	return Step{Apply: f}, nil
}

// Applied takes note that a frame is applied, durably, and answers the Ack to
// send. size is the encoded length of the frame.
func (r *Receiver) Applied(f *Frame, size int) *Ack {
	if !f.Scan || f.ScanEnd {
		r.cursor, r.scan = f.To, false
	}
	return &Ack{Cursor: r.cursor, Bytes: uint64(size)}
}

// Scans reports whether a resend is under way.
func (r *Receiver) Scans() bool { return r.scan }

// Cursor is how far the source's log is applied.
func (r *Receiver) Cursor() Cursor { return r.cursor }
