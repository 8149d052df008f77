package replicate

import (
	"fmt"
	"time"
)

// Defaults of Readiness (DATA 24).
const (
	ReadyGrace = 5 * time.Second
	ReadyLag   = 2 * time.Second
)

// PeerState is what readiness asks of a peer.
type PeerState struct {
	Region string
	// Answers says that it sends now, Lag how far behind it we are.
	Answers bool
	Lag     time.Duration
	// Copying says that records which this region lacks are still to come from it
	// in a resend.
	Copying bool
	// Heard is when it last sent something, or the start. Connections that bring
	// nothing do not count, however many there are.
	Heard time.Time
}

// Readiness decides once for each start whether a region may serve (DATA 24).
// The zero value has the default limits.
type Readiness struct {
	// Grace is how long a silent peer is waited for, LagMax what an answering peer
	// may be ahead by.
	Grace, LagMax time.Duration
	ready         bool
}

// Decide answers whether the region is ready, and if not, what it waits for.
// Once ready it stays so: afterwards lag is an alarm, never a 503.
func (r *Readiness) Decide(now time.Time, peers []PeerState) (ready bool, waiting string) {
	if r.ready {
		return true, ""
	}
	grace, lag := r.Grace, r.LagMax
	if grace == 0 {
		grace = ReadyGrace
	}
	if lag == 0 {
		lag = ReadyLag
	}
	for _, p := range peers {
		switch {
		case p.Answers && p.Copying:
			return false, fmt.Sprintf("tables are not complete, %s is sending its records", p.Region)
		case p.Answers && p.Lag >= lag:
			return false, fmt.Sprintf("%s is ahead by %v, want below %v", p.Region, p.Lag.Round(time.Millisecond), lag)
		case !p.Answers && now.Before(p.Heard.Add(grace)):
			return false, fmt.Sprintf("%s has not answered yet, waiting %v for it", p.Region, grace)
		}
	}
	r.ready = true
	return true, ""
}
