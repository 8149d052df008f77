package replica

import (
	"fmt"
	"strings"
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
	if r.waiting = r.lacksAll(); r.waiting != "" {
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

// lacksAll names a table of which nothing can be here: this region has lost its
// disk, and none of those that have the table has been heard since. Empty if there
// is none. The caller holds mu.
func (r *Replica) lacksAll() string {
	if r.config.Lost == nil || !r.config.Store.Unsettled() || !r.config.Lost() {
		return ""
	}
	for _, t := range r.control.Tables {
		own, leaving, held := t.Holder(r.self)
		if !held || leaving || own.Since != 0 {
			continue // one that was added later is copied
		}
		var silent []string
		for _, h := range r.holdersOf(t) {
			if p := r.peers[h.Region]; p != nil && p.connected && p.heard {
				silent = nil
				break
			}
			silent = append(silent, h.Region)
		}
		if len(silent) > 0 {
			return fmt.Sprintf("the records of table %s, which are not here any more: it needs %s", t.Name, strings.Join(silent, " or "))
		}
	}
	return ""
}
