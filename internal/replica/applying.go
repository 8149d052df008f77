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

const (
	// applyRecordsMax and applyBytesMax bound what is applied in one batch: small
	// frames that have queued up during a sync go together, so that the pace of
	// syncs does not bound the number of frames.
	applyRecordsMax = 4096
	applyBytesMax   = 2 << 20
	// skewPause is how long a stream waits before it tries a frame again that was
	// refused for its clock (DATA 15).
	skewPause = time.Second
)

// batch is one or more frames that are applied at once.
type batch struct {
	peer      *peer
	frames    []*replicate.Frame
	records   int
	frontiers []replicate.Frontier // of all frames
	last      *replicate.Frame
	size      int
	needs     uint64
	given     store.Holdings // what the peer had before the resend
}

// fits reports whether a frame may join the batch: its sender must have trimmed
// to the same frontiers, because they say what every record of a batch has seen
// (DATA 7). A batch is of one life of the log, so that the applied vector names
// the end of each (DATA 18).
func (b *batch) fits(f *replicate.Frame) bool {
	if f.Scan || len(b.last.Report) > 0 || f.To.Log != b.last.To.Log {
		return false
	}
	for _, x := range f.Frontiers {
		for _, y := range b.frontiers {
			if x.Table == y.Table && x.Time != y.Time {
				return false
			}
		}
	}
	return true
}

func (b *batch) add(f *replicate.Frame, size int) {
	b.frames = append(b.frames, f)
	b.records += len(f.Records)
	b.frontiers = append(b.frontiers, f.Frontiers...)
	b.last, b.size, b.needs = f, b.size+size, max(b.needs, f.Revision)
}

// applying is a batch on its way into the store: it waits for the control
// revision that it needs, for a clock that may be followed, for durability.
type applying struct {
	batch batch
	ack   *replicate.Ack
	began time.Time

	skewed  bool
	retry   time.Time // after it was refused for the peer's clock
	started time.Time
	records int
	oldest  map[record.TableID]hlc.Time // of the origin's writes in it
	pending *store.Pending[store.ApplyResult]
}

// step goes on as far as it can without waiting.
func (a *applying) step(r *Replica, now time.Time) (wait Out, done bool, err error) {
	if wait, started, err := a.start(r, now); err != nil || !started {
		return wait, false, err
	}
	if !a.pending.Ready() {
		return Out{Durable: a.pending.Sequence}, false, nil
	}
	result, err := a.pending.Finish()
	if err != nil {
		return Out{}, false, err
	}
	a.applied(r, result, now)
	return Out{}, true, nil
}

// start commits the batch, once this region knows the control revision that it
// needs, which a peer has sent ahead (DATA 25). While the peer's clock is too far
// ahead it is tried again and again: its stream waits (DATA 15).
func (a *applying) start(r *Replica, now time.Time) (wait Out, started bool, err error) {
	if a.pending != nil {
		return Out{}, true, nil
	}
	if have := r.Control().Revision; have < a.batch.needs {
		until := a.began.Add(timeoutOpen)
		if !now.Before(until) {
			return Out{}, false, fmt.Errorf("a frame needs control revision %d, this region has %d", a.batch.needs, have)
		}
		return Out{Until: until}, false, nil
	}
	if now.Before(a.retry) {
		return Out{Until: a.retry}, false, nil
	}
	request, oldest := r.request(a.batch)
	a.started, a.oldest, a.records = now, oldest, len(request.Records)
	a.pending, err = r.config.Store.BeginApply(request)
	if errors.Is(err, store.ErrSkew) {
		if !a.skewed {
			r.skew(a.batch.peer, err)
		}
		a.skewed, a.retry = true, now.Add(skewPause)
		return Out{Until: a.retry}, false, nil
	}
	if a.skewed {
		r.skew(a.batch.peer, nil)
	}
	return Out{}, err == nil, err
}

// applied takes effect of a batch that is durable, with its cursor: its report,
// what it says of the peer, the tables that it makes whole.
func (a *applying) applied(r *Replica, result store.ApplyResult, now time.Time) (err error) {
	b := a.batch
	if len(b.last.Report) > 0 {
		r.config.Store.SetReport(b.peer.ID, storeReport(b.last.Report))
	}
	news := r.progress(b, result, now)
	if news.stayed {
		r.tellConnected(b.peer)
	}
	if news.outdated > 0 && r.config.Events.Outdated != nil {
		r.config.Events.Outdated(b.peer.Name, news.outdated)
	}
	if r.config.Events.Applied != nil && a.records > 0 {
		told := Batch{Peer: b.peer.Name, Records: a.records, Bytes: b.size, Result: result, Took: now.Sub(a.started)}
		if len(a.oldest) > 0 {
			told.Latency = make(map[record.TableID]time.Duration, len(a.oldest))
		}
		for id, t := range a.oldest {
			told.Latency[id] = max(0, now.Sub(t.Wall()))
		}
		r.config.Events.Applied(told)
	}
	return nil
}

// takes reports whether what a sender says of a table, at a control revision that
// it knew, is for this replica of it: not for one that was taken away since, even
// if the table was given back. That one begins empty, and what waited here since
// then may have been deleted and forgotten by all who counted (DATA 16).
func (r *Replica) takes(id record.TableID, revision uint64) bool {
	t, held := r.config.Store.Table(id)
	return held && givenBy(t, r.self) <= revision
}

// request translates a batch for the store, without the records of tables that
// are not held here any more, or were not when they were sent, and answers the time
// of the oldest write of the origin in it, by table.
func (r *Replica) request(b batch) (store.Apply, map[record.TableID]hlc.Time) {
	out := store.Apply{
		Origin: b.peer.ID, Cursor: storeCursor(b.last.To), Time: b.last.Time, Resend: b.last.Scan, Lost: b.last.Scan && r.lost(),
		Records:   make([]store.Shipped, 0, b.records),
		Frontiers: make(map[record.TableID]hlc.Time, len(b.frontiers)),
	}
	if b.last.ScanEnd {
		out.Given = b.given
	}
	oldest := map[record.TableID]hlc.Time{}
	for _, f := range b.frames {
		for _, x := range f.Records {
			if !r.takes(x.Key.Table, f.Revision) {
				continue
			}
			out.Records = append(out.Records, store.Shipped(x))
			if x.Kind != record.KindRecord {
				continue
			}
			if v, ok := record.VersionOf(x.Record); ok && v.Region == b.peer.ID {
				if before := oldest[x.Key.Table]; before == 0 || v.Time < before {
					oldest[x.Key.Table] = v.Time
				}
			}
		}
		for _, t := range f.Frontiers {
			if r.takes(t.Table, f.Revision) {
				out.Frontiers[t.Table] = t.Time
			}
		}
	}
	if b.last.Scan {
		clear(oldest) // these are not news
	}
	return out, oldest
}

func (r *Replica) skew(p *peer, err error) {
	if r.config.Events.Skew != nil {
		r.config.Events.Skew(p.Name, err)
	}
}

// news is what an applied batch has brought about.
type news struct {
	stayed   bool // to be told now: the peer is connected
	outdated int  // to be told now: what its resend had of those
}

// progress notes what an applied batch says of its peer.
func (r *Replica) progress(b batch, result store.ApplyResult, now time.Time) (n news) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p, f := b.peer, b.last
	p.heard, p.live, p.frameAt, p.backlog = true, !f.Scan, now, f.Backlog
	if at := f.Time.Wall(); f.Time > 0 && at.After(p.sourceAt) {
		p.sourceAt = at
	}
	p.latency = max(0, now.Sub(time.Unix(0, f.Sent)))
	if f.ScanDone && p.restoring {
		p.restoring = false
		r.wake()
	}
	p.outdated += result.Outdated
	if f.ScanEnd {
		if len(b.given.Tables) > 0 {
			r.answered(p, b.given)
		}
		p.scanEnded()
		n.outdated, p.outdated = p.outdated, 0
	}
	n.stayed = p.stayed(now)
	return n
}

// lost reports whether some peer has shown that we lack history which it holds.
func (r *Replica) lost() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.peers {
		if p.lacking {
			return true
		}
	}
	return false
}

// adopt passes a control state of a peer on, if it is newer than ours.
func (r *Replica) adopt(s *replicate.State) error {
	if s.Revision <= r.Control().Revision {
		return nil
	}
	if err := r.config.Adopt(s.Revision, s.Data); err != nil {
		return fmt.Errorf("adopt control revision %d: %w", s.Revision, err)
	}
	return nil
}

// storeReport turns a report of the wire into the store's.
func storeReport(r replicate.Report) store.Report {
	out := store.Report{Applied: make(map[record.RegionID]hlc.Time, len(r))}
	for _, a := range r {
		out.Applied[a.Origin] = a.Time
	}
	return out
}

func storeCursor(c replicate.Cursor) store.Cursor { return store.Cursor(c) }
