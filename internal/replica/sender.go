package replica

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/replicate"
	"github.com/meridian-run/meridian/internal/store"
)

const (
	// frameBytes and frameEntries bound a frame. A frame is one message, applied
	// in one batch: large enough to share a sync, small beside the window.
	frameBytes   = 1 << 20
	frameEntries = 4096
)

var errReplaced = errors.New("a newer stream of the same region has taken its place")

// sender is the sending end of one pull.
type sender struct {
	replica *Replica
	peer    string
	served  *served
	source  *replicate.Source
	scan    scan
	kind    replicate.Kind
	// holdings are what this region has before it reads anything; nil once told.
	holdings *store.Pending[store.Holdings]

	// What was read and waits until everything in it is durable (DATA 3): a stretch
	// of the log, or a chunk of a table.
	log   *store.Pending[store.Batch]
	chunk *store.Pending[store.Chunk]
	// shared are the tables of both regions when it was read, with the revisions that
	// last changed them: it is for the replicas of then.
	shared map[record.TableID]uint64
}

var _ ender = (*sender)(nil)

// newSender judges a Hello. An error that is a Refuse is to be sent.
func (r *Replica) newSender(peer string, h *replicate.Hello, now time.Time) (*sender, *replicate.Welcome, error) {
	s := &sender{replica: r, peer: peer}
	view, id := s.view(now)
	s.source = replicate.NewSource(replicate.SourceConfig{
		World: r.config.World, Region: r.config.Region, ID: r.self, Peer: peer, PeerID: id,
	})
	welcome, refuse := s.source.Hello(h, view)
	if refuse != nil {
		return nil, nil, refuse
	}
	if err := s.greet(h, id); err != nil {
		return nil, nil, err
	}
	// One that asks for all was refused before, maybe by a life of ours that has been
	// lost since: its cursor may be the only proof of that (DATA 5).
	if h.Kind == replicate.KindLog || !r.proven(peer, h.Cursor) {
		if err := s.try(h.Cursor); err != nil && h.Kind == replicate.KindLog {
			return nil, nil, err
		}
	}
	s.served = r.serve(peer, s.source.Applied())
	return s, welcome, nil
}

// try reads at a cursor, so that one that cannot be followed is refused at once.
// One whose next entries are collected is of a peer that was away for too long, or
// whose directory is older than what it had told: it may hold what we have deleted
// and forgotten, so we judge its records as it does ours (DATA 17, 18). The zero
// cursor is of one that has nothing of ours yet.
func (s *sender) try(at replicate.Cursor) error {
	s.replica.proven(s.peer, at)
	none := func(record.TableID) bool { return false }
	_, err := s.replica.config.Store.ReadLog(context.Background(), storeCursor(at), store.Limit{Bytes: 1, Entries: 1}, none)
	if errors.Is(err, store.ErrCursorTrimmed) && at != (replicate.Cursor{}) {
		s.replica.restore(s.peer, "it was away for longer than the log is kept: "+err.Error(), false)
	}
	return s.refusal(err)
}

// proven reports whether this life of ours has looked at a peer's cursor before,
// and notes it.
func (r *Replica) proven(name string, at replicate.Cursor) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.peers[name]
	if p == nil || p.proof == at {
		return true
	}
	p.proof = at
	return false
}

// refusal translates what the store says of a cursor. A cursor that is not on
// our chain says that we have lost history which the peer holds: we want it back
// (DATA 5).
func (s *sender) refusal(err error) error {
	reason := replicate.RefusedUnready
	switch {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrCursorUnknown):
		s.replica.restore(s.peer, "this region has lost a part of its log: "+err.Error(), true)
		reason = replicate.RefusedCursorUnknown
	case errors.Is(err, store.ErrCursorTrimmed):
		reason = replicate.RefusedCursorTrimmed
	}
	return &replicate.Refuse{Reason: reason, Text: err.Error()}
}

// restore begins to get from a peer all that it holds; lost says that it is this
// region that has lost history.
func (r *Replica) restore(name, why string, lost bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.peers[name]
	if p != nil && !p.restoring {
		p.restoring, p.lacking = true, p.lacking || lost
		p.askResend(why)
		r.wake()
	}
}

// view collects what the source decides on, and the peer's id.
func (s *sender) view(now time.Time) (replicate.View, record.RegionID) {
	r := s.replica
	end := replicate.Cursor(r.config.Store.Position().Cursor)
	r.mu.Lock()
	defer r.mu.Unlock()
	v := replicate.View{Now: now, End: end, Beat: r.beat, Revision: r.control.Revision}
	if v.Beat.Cursor.Sequence > v.End.Sequence {
		v.End = v.Beat.Cursor
	}
	if p := r.peers[s.peer]; p != nil {
		v.Restoring = p.restoring
	}
	for _, p := range r.control.Peers {
		if p.Name == s.peer {
			return v, p.ID
		}
	}
	return v, 0
}

// Step implements Session. It sends one message at a time, so that acks are taken
// between two.
func (s *sender) Step(now time.Time, in [][]byte) (Out, error) {
	out, err := s.step(now, in)
	if err != nil {
		return refused(err), err
	}
	return out, nil
}

func (s *sender) step(now time.Time, in [][]byte) (Out, error) {
	for _, raw := range in {
		if err := s.ack(raw); err != nil {
			return Out{}, err
		}
	}
	if s.replica.replaced(s.served) {
		return Out{}, errReplaced
	}
	for {
		if s.kind == replicate.KindLog && s.replica.refuses(s.peer) {
			return Out{}, errJudge
		}
		view, id := s.view(now)
		if id == 0 {
			return Out{}, &replicate.Refuse{Reason: replicate.RefusedRegion, Text: s.peer + " is no longer a region of this world"}
		}
		out, waits, err := s.goOn(now, view, id)
		if err != nil || waits || len(out.Send) > 0 {
			return out, err
		}
	}
}

// goOn does one thing: it sends what was read, or does what the source says next.
func (s *sender) goOn(now time.Time, view replicate.View, id record.RegionID) (out Out, waits bool, err error) {
	switch {
	case s.holdings != nil:
		return s.sendHoldings(now)
	case s.log != nil:
		return s.sendLog(now, id)
	case s.chunk != nil:
		return s.sendChunk(now, id)
	}
	a := s.source.Next(view)
	if a.Do == replicate.DoWait {
		// Where there is a moment to wait for, that more is there is known: it is the
		// pace that is waited for.
		return Out{Until: a.Until, Appended: a.Until.IsZero() && !a.Full}, true, nil
	}
	out, err = s.act(a, now, id)
	return out, false, err
}

func (s *sender) ack(raw []byte) error {
	m, err := replicate.Parse(raw)
	if err != nil {
		return malformed("%v", err)
	}
	a, ok := m.(*replicate.Ack)
	if !ok {
		return malformed("%T where an ack was due", m)
	}
	if err := s.source.Acked(a); err != nil {
		return malformed("%v", err)
	}
	s.replica.acknowledged(s.served, a.Cursor)
	return nil
}

// act does one step of the source.
func (s *sender) act(a replicate.Action, now time.Time, id record.RegionID) (Out, error) {
	switch a.Do {
	case replicate.DoState:
		c := s.replica.Control()
		s.source.StateSent(c.Revision)
		return Out{Send: [][]byte{replicate.Append(nil, &replicate.State{Revision: c.Revision, Data: c.Encoded})}, Again: true}, nil
	case replicate.DoRead:
		return Out{}, s.read(a.After, id)
	case replicate.DoScan:
		return s.readTable(now, id)
	case replicate.DoBeat:
		return s.send(s.source.Beat(), now), nil
	case replicate.DoScanWait:
		return s.send(s.source.ScanWait(), now), nil
	case replicate.DoScanEnd:
		return s.send(s.source.ScanEnd(), now), nil
	}
	return Out{}, malformed("source wants to %v", a.Do)
}

// read reads on in the log what is for this peer (DATA 22).
func (s *sender) read(after replicate.Cursor, id record.RegionID) (err error) {
	s.shared = s.replica.sharedWith(id)
	limit := store.Limit{Bytes: frameBytes, Entries: frameEntries}
	s.log, err = s.replica.config.Store.BeginReadLog(storeCursor(after), limit, func(t record.TableID) bool { _, ok := s.shared[t]; return ok })
	return s.refusal(err)
}

// sendLog sends what was read of the log, once it is durable.
func (s *sender) sendLog(now time.Time, id record.RegionID) (out Out, waits bool, err error) {
	if !s.log.Ready() {
		return Out{Durable: s.log.Sequence}, true, nil
	}
	b, err := s.log.Finish()
	s.log = nil
	if err != nil {
		return Out{}, false, s.refusal(err)
	}
	shared := s.replica.sharedWith(id)
	f := &replicate.Frame{To: replicate.Cursor(b.To), Records: make([]replicate.Shipped, 0, len(b.Records))}
	for _, x := range b.Records {
		if _, still := shared[x.Key.Table]; still && s.source.Carries(x.Kind) {
			f.Records = append(f.Records, replicate.Shipped(x))
			f.Revision = max(f.Revision, s.shared[x.Key.Table])
		}
	}
	for t, at := range b.Frontiers {
		if _, still := shared[t]; !still {
			continue
		}
		f.Frontiers = append(f.Frontiers, replicate.Frontier{Table: t, Time: at})
	}
	slices.SortFunc(f.Frontiers, func(x, y replicate.Frontier) int { return cmp.Compare(x.Table, y.Table) })
	return s.send(s.source.Read(f, b.More), now), false, nil
}

// send encodes a frame of the source; nil is nothing to send.
func (s *sender) send(f *replicate.Frame, now time.Time) Out {
	if f == nil {
		return Out{}
	}
	f.Sent = now.UnixNano()
	if !f.Scan {
		f.Backlog = s.replica.config.Store.Behind(storeCursor(f.To))
	}
	message := replicate.Append(make([]byte, 0, f.Size()), f)
	s.source.Sent(len(message), now)
	return Out{Send: [][]byte{message}, Again: true}
}

// ended implements ender.
func (s *sender) ended(_ error, now time.Time) end {
	s.replica.unserve(s.served, now)
	return end{}
}

// sharedWith answers the tables that a peer holds too, with the control revision
// that last changed each.
func (r *Replica) sharedWith(id record.RegionID) map[record.TableID]uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make(map[record.TableID]uint64, len(r.tables))
	for _, t := range r.tables {
		if holds(t, id) && holds(t, r.self) {
			out[t.ID] = t.Revision
		}
	}
	return out
}
