package replica

import (
	"time"

	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/replicate"
)

// Session is one end of one stream between two regions: a step function without
// goroutine, clock or socket. One caller at a time steps it; the sessions of a
// Replica share what it knows, under its lock.
type Session interface {
	// Step takes the messages that came since the last step, in order, and answers
	// what to send and what to wait for; it never waits itself. An error ends the
	// session: what is in Out.Send is sent before (a Refuse), then comes
	// Replica.Ended. The session keeps the messages of in.
	Step(now time.Time, in [][]byte) (Out, error)
}

// Out is what a step asks of its driver. Of what to wait for, whichever comes
// first; a message or a change (Replica.Changed) is always a reason to step.
type Out struct {
	// Send are messages, in order; everything in them is durable. They belong to
	// the driver.
	Send [][]byte
	// Durable asks for a step once the store's engine has made this commit durable,
	// or has failed; until then messages need not be given. Zero: no.
	Durable uint64
	// Until asks for a step then. Zero: no.
	Until time.Time
	// Appended asks for a step at the next durable entry of the own log
	// (store.Appended).
	Appended bool
	// Again asks for a step at once, when Send is sent.
	Again bool
	// Finished says that the session has done all that it was for: the stream is to
	// be closed.
	Finished bool
}

// Dial is a stream that a region wants to have to a peer.
type Dial struct {
	Peer string
	Kind replicate.Kind
	// Origin is the region that a stream is about, Table the table; zero where the
	// kind has none.
	Origin record.RegionID
	Table  record.TableID
}

// Work is what Replica.Step asks of its driver.
type Work struct {
	// Dial are the streams to open now; then comes Dialed or DialFailed for each.
	Dial []Dial
	// Durable and Until are as in Out.
	Durable uint64
	Until   time.Time
}

// end is what a session makes of its own end.
type end struct {
	// answered says that the peer took us in: failures are counted anew.
	answered bool
	// again asks for the next dial at once, at for one then.
	again bool
	at    time.Time
}

// ender is a session that takes note of its own end.
type ender interface {
	Session
	ended(err error, now time.Time) end
}
