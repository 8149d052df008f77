package replica

import (
	"context"
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

// applier is the receiving end of one pull; one goroutine owns it.
type applier struct {
	replica  *Replica
	peer     *peer
	stream   Stream
	messages <-chan inbound
	receiver *replicate.Receiver
	welcomed bool
	held     *inbound // taken from messages, not yet applied
}

func (a *applier) run(ctx context.Context) error {
	for {
		in, err := a.next(ctx)
		if err != nil {
			return err
		}
		step, err := a.receiver.Receive(in.message)
		switch {
		case err != nil:
			return err
		case step.Welcome != nil:
			a.welcomed = true
			a.replica.connected(a.peer)
		case step.Adopt != nil:
			if err := a.replica.adopt(step.Adopt); err != nil {
				return err
			}
		case step.Apply != nil:
			if err := a.frames(ctx, step.Apply, in.size); err != nil {
				return err
			}
		}
	}
}

// next waits for a message, not longer than a living source may be silent.
func (a *applier) next(ctx context.Context) (inbound, error) {
	if in := a.held; in != nil {
		a.held = nil
		return *in, nil
	}
	patience := a.replica.config.Silence
	if !a.welcomed {
		patience = timeoutOpen
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case in := <-a.messages:
		return in, ended(in.err)
	case <-timer.C:
		return inbound{}, errSilent
	case <-ctx.Done():
		return inbound{}, ctx.Err()
	}
}

// frames applies a frame together with those that have queued up behind it, and
// acknowledges them.
func (a *applier) frames(ctx context.Context, f *replicate.Frame, size int) error {
	b := batch{peer: a.peer, records: f.Records, frontiers: f.Frontiers, last: f, size: size, needs: f.Revision}
	ack := a.receiver.Applied(f, size)
	for !f.Scan && len(b.records) < applyRecordsMax && b.size < applyBytesMax {
		next, ok := a.queued()
		if !ok || !b.fits(next) {
			break
		}
		in := *a.held
		a.held = nil
		step, err := a.receiver.Receive(in.message)
		if err != nil {
			return err
		}
		b.add(step.Apply, in.size)
		ack = a.receiver.Applied(step.Apply, in.size)
	}
	if err := a.replica.apply(ctx, b); err != nil {
		return err
	}
	ack.Bytes = uint64(b.size)
	return a.stream.Send(replicate.Append(nil, ack))
}

// queued looks at the message that comes next, if it is a frame and here.
func (a *applier) queued() (*replicate.Frame, bool) {
	if a.held == nil {
		select {
		case in := <-a.messages:
			a.held = &in
		default:
			return nil, false
		}
	}
	f, ok := a.held.message.(*replicate.Frame)
	return f, ok && a.held.err == nil
}

// batch is one or more frames that are applied at once.
type batch struct {
	peer      *peer
	records   []replicate.Shipped
	frontiers []replicate.Frontier
	last      *replicate.Frame
	size      int
	needs     uint64
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
	b.records = append(b.records, f.Records...)
	b.frontiers = append(b.frontiers, f.Frontiers...)
	b.last, b.size, b.needs = f, b.size+size, max(b.needs, f.Revision)
}

// apply makes a batch durable, with its cursor, and then its report known.
func (r *Replica) apply(ctx context.Context, b batch) error {
	if err := r.waitRevision(ctx, b.needs); err != nil {
		return err
	}
	request, oldest := r.request(b)
	start := r.config.Now()
	result, err := r.applyPatiently(ctx, b.peer, request)
	if err != nil {
		return err
	}
	if len(b.last.Report) > 0 {
		r.config.Store.SetReport(b.peer.ID, storeReport(b.last.Report))
	}
	now := r.config.Now()
	news := r.progress(b, result, now)
	if news.stayed {
		r.tellConnected(b.peer)
	}
	if news.outdated > 0 && r.config.Events.Outdated != nil {
		r.config.Events.Outdated(b.peer.Name, news.outdated)
	}
	if len(news.copied) > 0 {
		if err := r.config.Store.MarkWhole(ctx, news.copied); err != nil {
			return err
		}
	}
	if r.config.Events.Applied != nil && len(request.Records) > 0 {
		told := Batch{Peer: b.peer.Name, Records: len(request.Records), Bytes: b.size, Result: result, Took: now.Sub(start)}
		if oldest > 0 {
			told.Latency = max(0, now.Sub(oldest.Wall()))
		}
		r.config.Events.Applied(told)
	}
	return nil
}

// request translates a batch for the store, without the records of tables that
// are not held here any more, and answers the time of the oldest write of the
// origin in it.
func (r *Replica) request(b batch) (store.Apply, hlc.Time) {
	out := store.Apply{
		Origin: b.peer.ID, Cursor: storeCursor(b.last.To), Time: b.last.Time, Resend: b.last.Scan,
		Records:   make([]store.Shipped, 0, len(b.records)),
		Frontiers: make(map[record.TableID]hlc.Time, len(b.frontiers)),
	}
	var oldest hlc.Time
	for _, x := range b.records {
		if _, held := r.config.Store.Table(x.Key.Table); !held {
			continue
		}
		out.Records = append(out.Records, store.Shipped(x))
		if v, ok := record.VersionOf(x.Record); ok && v.Region == b.peer.ID && (oldest == 0 || v.Time < oldest) {
			oldest = v.Time
		}
	}
	for _, f := range b.frontiers {
		if _, held := r.config.Store.Table(f.Table); held {
			out.Frontiers[f.Table] = f.Time
		}
	}
	if b.last.Scan {
		oldest = 0 // these are not news
	}
	return out, oldest
}

// applyPatiently applies, and while the peer's clock is too far ahead tries
// again: its stream waits (DATA 15).
func (r *Replica) applyPatiently(ctx context.Context, p *peer, request store.Apply) (store.ApplyResult, error) {
	skewed := false
	for {
		result, err := r.config.Store.Apply(ctx, request)
		if !errors.Is(err, store.ErrSkew) {
			if skewed {
				r.skew(p, err)
			}
			return result, err
		}
		if !skewed {
			r.skew(p, err)
		}
		skewed = true
		if !sleep(ctx, skewPause) {
			return store.ApplyResult{}, err
		}
	}
}

func (r *Replica) skew(p *peer, err error) {
	if r.config.Events.Skew != nil {
		r.config.Events.Skew(p.Name, err)
	}
}

// news is what an applied batch has brought about.
type news struct {
	copied   map[record.TableID]uint64 // tables that are whole by it
	stayed   bool                      // to be told now: the peer is connected
	outdated int                       // to be told now: what its resend had of those
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
		p.scanEnded()
		n.copied, n.outdated, p.outdated = r.copied(), p.outdated, 0
	}
	n.stayed = p.stayed(now)
	return n
}

// adopt passes a control state of a peer on, if it is newer than ours.
func (r *Replica) adopt(s *replicate.State) error {
	r.mu.Lock()
	have := r.control.Revision
	r.mu.Unlock()
	if s.Revision <= have {
		return nil
	}
	if err := r.config.Adopt(s.Revision, s.Data); err != nil {
		return fmt.Errorf("adopt control revision %d: %w", s.Revision, err)
	}
	return nil
}

// waitRevision waits until this region knows the control revision that a frame
// needs (DATA 25); a peer has sent it ahead.
func (r *Replica) waitRevision(ctx context.Context, need uint64) error {
	timeout := time.NewTimer(timeoutOpen)
	defer timeout.Stop()
	for {
		r.mu.Lock()
		have, changed := r.control.Revision, r.changed
		r.mu.Unlock()
		if have >= need {
			return nil
		}
		select {
		case <-changed:
		case <-timeout.C:
			return needRevision(have, need)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
