package replica

import (
	"fmt"
	"time"

	"github.com/meridian-run/meridian/internal/replicate"
)

// Ready is closed once the region may serve (DATA 24).
func (r *Replica) Ready() <-chan struct{} { return r.ready }

// Waiting says what readiness waits for; empty once ready.
func (r *Replica) Waiting() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.waiting
}

// readyPoll is how often readiness looks: well below what a start takes.
const readyPoll = 20 * time.Millisecond

// decideReadiness answers when to look again: never, once ready; the caller holds
// mu.
func (r *Replica) decideReadiness(now time.Time) (until time.Time) {
	if r.isReady {
		return time.Time{}
	}
	if r.control.Revision == 0 {
		return now.Add(readyPoll)
	}
	var states []replicate.PeerState
	for _, c := range r.control.Peers {
		p := r.peers[c.Name]
		states = append(states, replicate.PeerState{
			Region: p.Name, Answers: p.connected && p.heard, Heard: p.frameAt,
			Lag: p.behind(now, r.config.Beat), Copying: p.scanning || p.resend != "" || p.restoring,
		})
	}
	r.isReady, r.waiting = r.readiness.Decide(now, states)
	if what := r.copyUnderWay(); r.isReady && what != "" {
		r.isReady, r.waiting = false, what
	}
	if !r.isReady {
		return now.Add(readyPoll)
	}
	close(r.ready)
	return time.Time{}
}

// copyUnderWay names a table that is being copied; empty if there is none, or only
// those that wait for others. The caller holds mu.
func (r *Replica) copyUnderWay() string {
	for _, t := range r.control.Tables {
		if j := r.copying[t.ID]; j != nil && j.told == "" {
			return fmt.Sprintf("the copy of table %s (%.0f %%)", t.Name, 100*j.done)
		}
	}
	return ""
}
