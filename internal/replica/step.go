package replica

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/meridian-run/meridian/internal/replicate"
	"github.com/meridian-run/meridian/internal/store"
)

// Step does what is due for the region as a whole: beats, dials, readiness. One
// caller at a time.
func (r *Replica) Step(now time.Time) Work {
	r.mu.Lock()
	r.meet(now)
	var w Work
	w.Dial, w.Until = r.dials(now)
	w.Until = sooner(w.Until, r.decideReadiness(now))
	r.mu.Unlock()
	r.tellNews()
	durable, next := r.takeBeat(now)
	w.Durable, w.Until = durable, sooner(w.Until, next)
	return w
}

// meet brings the peers in line with the control state; the caller holds mu.
func (r *Replica) meet(now time.Time) {
	for name, p := range r.peers {
		if !slices.Contains(r.control.Peers, p.Peer) {
			delete(r.peers, name)
		}
	}
	for _, c := range r.control.Peers {
		if r.peers[c.Name] == nil {
			r.peers[c.Name] = newPeer(c, now)
		}
	}
}

// beating is a beat that is being taken.
type beating struct {
	report  replicate.Report
	pending *store.Pending[store.Position]
	next    time.Time
}

// takeBeat takes a beat for all sources at every tick: the report first and then a
// time under the sequencer, so that all that precedes the report in the log is at
// or before the beat's cursor (DATA 14). It answers what the beat under way waits
// for, or when the next one is due.
func (r *Replica) takeBeat(now time.Time) (durable uint64, next time.Time) {
	b := &r.beating
	if b.pending != nil && b.pending.Ready() {
		p, err := b.pending.Finish()
		b.pending = nil
		r.publish(beatOf(p, b.report, err))
	}
	if b.pending == nil && !now.Before(b.next) {
		r.beginBeat(now)
	}
	if b.pending != nil {
		return b.pending.Sequence, time.Time{}
	}
	return 0, b.next
}

func (r *Replica) beginBeat(now time.Time) {
	b := &r.beating
	if b.next = b.next.Add(r.config.Beat); !now.Before(b.next) {
		b.next = now.Add(r.config.Beat)
	}
	b.report = r.report()
	var err error
	if b.pending, err = r.config.Store.BeginHeartbeat(); err != nil {
		b.pending = nil
		r.publish(replicate.Beat{})
	}
}

// beatNow takes a beat at once.
func (r *Replica) beatNow(ctx context.Context) {
	report := r.report()
	p, err := r.config.Store.Heartbeat(ctx)
	r.publish(beatOf(p, report, err))
}

// beatOf makes a beat. Storage that failed gives one that says only that we are
// alive.
func beatOf(p store.Position, report replicate.Report, err error) replicate.Beat {
	if err != nil {
		return replicate.Beat{}
	}
	return replicate.Beat{Cursor: replicate.Cursor(p.Cursor), Time: p.Time, Report: report}
}

func (r *Replica) publish(b replicate.Beat) {
	r.mu.Lock()
	defer r.mu.Unlock()
	b.Number = r.beat.Number + 1
	r.beat = b
	r.wake()
}

// report is what this region has applied, durably.
func (r *Replica) report() (report replicate.Report) {
	for origin, t := range r.config.Store.Report().Applied {
		report = append(report, replicate.Applied{Origin: origin, Time: t})
	}
	slices.SortFunc(report, func(a, b replicate.Applied) int { return cmp.Compare(a.Origin, b.Origin) })
	return report
}
