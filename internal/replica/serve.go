package replica

import (
	"context"
	"errors"
	"fmt"
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
	// acksMax bounds the acks that wait for the sender; more of them wait in the
	// stream.
	acksMax = 256
	// returnMax is how long a peer whose stream has ended may take to pull again:
	// longer than the longest pause between two attempts.
	returnMax = 3 * time.Second
)

// session is one peer that pulls from us; Replica.mu guards it.
type session struct {
	peer    string
	cancel  context.CancelFunc
	serving bool
	left    time.Time // when serving ended
	applied replicate.Cursor
	waits   chan struct{} // closed and replaced when applied or serving changes
}

// Serve serves our log to a peer over a stream until ctx or the stream ends.
// peer is who the link has proven the other end to be. A newer stream of the
// same peer ends an older one.
func (r *Replica) Serve(ctx context.Context, peer string, stream Stream) error {
	ctx, cancel := context.WithCancel(ctx)
	s := &sender{
		replica: r, peer: peer, stream: stream,
		acks: make(chan inbound, acksMax), done: make(chan struct{}),
	}
	stop := context.AfterFunc(ctx, func() { stream.Close() })
	defer func() {
		stop()
		cancel()
		stream.Close()
		if s.receiving {
			<-s.done
		}
	}()
	if err := s.greet(ctx); err != nil {
		return fmt.Errorf("serve %s: %w", peer, err)
	}
	s.session = r.join(peer, cancel, s.source.Applied())
	defer r.leave(s.session)
	err := s.run(ctx)
	var refused *replicate.Refuse
	if errors.As(err, &refused) {
		s.refuse(refused)
		return nil
	}
	return fmt.Errorf("serve %s: %w", peer, err)
}

// join registers a session in place of an older one of the same peer.
func (r *Replica) join(peer string, cancel context.CancelFunc, at replicate.Cursor) *session {
	r.mu.Lock()
	defer r.mu.Unlock()
	if old := r.sessions[peer]; old != nil {
		old.cancel()
		old.wake()
	}
	s := &session{peer: peer, cancel: cancel, serving: true, applied: at, waits: make(chan struct{})}
	r.sessions[peer] = s
	return s
}

func (r *Replica) leave(s *session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.serving, s.left = false, r.config.Now()
	s.wake()
}

func (s *session) wake() {
	close(s.waits)
	s.waits = make(chan struct{})
}

// Flush waits until every peer that pulls from us has applied all that our log
// holds now, durably. One whose stream has just ended may be about to pull again,
// and is waited for as long as that may take; one that is gone is not.
func (r *Replica) Flush(ctx context.Context) error {
	r.publishBeat(ctx) // entries that ship nothing are covered by the next beat
	end := r.config.Store.Position().Cursor.Sequence
	for {
		waits, peer := r.unflushed(end)
		if waits == nil {
			return nil
		}
		again := time.NewTimer(returnMax)
		select {
		case <-waits:
		case <-again.C:
		case <-ctx.Done():
			return fmt.Errorf("flush: %s has not applied all of the log: %w", peer, ctx.Err())
		}
		again.Stop()
	}
}

// Lacking answers those of the peers that have not told, over a stream that
// stands, that they have applied our log up to end.
func (r *Replica) Lacking(end store.Cursor, peers []string) (names []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, name := range peers {
		if s := r.sessions[name]; s == nil || !s.serving || s.applied.Sequence < end.Sequence {
			names = append(names, name)
		}
	}
	return names
}

// unflushed answers a session that has not applied the log up to end, and may
// yet.
func (r *Replica) unflushed(end uint64) (<-chan struct{}, string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.sessions {
		there := s.serving || r.peers[s.peer] != nil && r.config.Now().Sub(s.left) < returnMax
		if there && s.applied.Sequence < end {
			return s.waits, s.peer
		}
	}
	return nil, ""
}

// sender is the sending end of one pull; one goroutine owns it.
type sender struct {
	replica   *Replica
	peer      string
	stream    Stream
	session   *session
	source    *replicate.Source
	acks      chan inbound
	receiving bool
	done      chan struct{} // closed when acks are no longer received
	scan      scan
	out       []byte
}

// greet reads the Hello and answers it.
func (s *sender) greet(ctx context.Context) error {
	timer := time.AfterFunc(timeoutOpen, func() { s.stream.Close() })
	defer timer.Stop()
	raw, err := s.stream.Receive()
	if err != nil {
		return fmt.Errorf("wait for its hello: %w", ended(err))
	}
	m, err := replicate.Parse(raw)
	if err != nil {
		s.refuse(&replicate.Refuse{Reason: replicate.RefusedMalformed, Text: err.Error()})
		return err
	}
	view, id := s.view()
	s.source = replicate.NewSource(replicate.SourceConfig{
		World: s.replica.config.World, Region: s.replica.config.Region, ID: s.replica.self,
		Peer: s.peer, PeerID: id,
	})
	welcome, refused := s.source.Hello(m, view)
	if refused != nil {
		s.refuse(refused)
		return refused
	}
	if h := m.(*replicate.Hello); !h.Resend {
		if refused := s.try(ctx, h.Cursor); refused != nil {
			s.refuse(refused)
			return refused
		}
	}
	timer.Stop()
	s.receiving = true
	go func() {
		defer close(s.done)
		receive(ctx, s.stream, s.acks)
	}()
	return s.stream.Send(replicate.Append(nil, welcome))
}

// try reads at a cursor, so that one that cannot be followed is refused at once.
func (s *sender) try(ctx context.Context, at replicate.Cursor) *replicate.Refuse {
	_, err := s.replica.config.Store.ReadLog(ctx, storeCursor(at), store.Limit{Bytes: 1, Entries: 1}, func(record.TableID) bool { return false })
	return s.refusal(err)
}

// refusal translates what the store says of a cursor. A cursor that is not on
// our chain says that we have lost history which the peer holds: we want it back
// (DATA 5).
func (s *sender) refusal(err error) *replicate.Refuse {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrCursorUnknown):
		s.replica.restore(s.peer, err)
		return &replicate.Refuse{Reason: replicate.RefusedCursorUnknown, Text: err.Error()}
	case errors.Is(err, store.ErrCursorTrimmed):
		return &replicate.Refuse{Reason: replicate.RefusedCursorTrimmed, Text: err.Error()}
	}
	return &replicate.Refuse{Reason: replicate.RefusedUnready, Text: err.Error()}
}

// restore begins to get back from a peer what we have lost.
func (r *Replica) restore(name string, why error) {
	r.mu.Lock()
	p := r.peers[name]
	if p != nil && !p.restoring {
		p.restoring = true
		p.askResend("this region has lost a part of its log: " + why.Error())
		r.wake()
	}
	r.mu.Unlock()
}

func (s *sender) refuse(refused *replicate.Refuse) {
	// The stream is over either way; a peer that misses the reason tries again.
	_ = s.stream.Send(replicate.Append(nil, refused))
}

// view collects what the source decides on, and the peer's id.
func (s *sender) view() (replicate.View, record.RegionID) {
	r := s.replica
	end := replicate.Cursor(r.config.Store.Position().Cursor)
	r.mu.Lock()
	defer r.mu.Unlock()
	v := replicate.View{Now: r.config.Now(), End: end, Beat: r.beat, Revision: r.control.Revision}
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

// run does what the source says until something ends the stream.
func (s *sender) run(ctx context.Context) error {
	for {
		if err := s.takeAcks(); err != nil {
			return err
		}
		// The channels come before the view, so that no change slips between.
		appended, changed := s.replica.config.Store.Appended(), s.replica.changes()
		view, id := s.view()
		if id == 0 {
			return &replicate.Refuse{Reason: replicate.RefusedRegion, Text: s.peer + " is no longer a region of this world"}
		}
		action := s.source.Next(view)
		if action.Do == replicate.DoWait {
			if err := s.wait(ctx, action.Until, appended, changed); err != nil {
				return err
			}
			continue
		}
		if err := s.act(ctx, action, id); err != nil {
			return err
		}
	}
}

func (r *Replica) changes() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.changed
}

func (s *sender) wait(ctx context.Context, until time.Time, appended, changed <-chan struct{}) error {
	var due <-chan time.Time
	if !until.IsZero() {
		timer := time.NewTimer(until.Sub(s.replica.config.Now()))
		defer timer.Stop()
		due = timer.C
		appended = nil // that more is there is known; it is the pace that is waited for
	}
	select {
	case in := <-s.acks:
		return s.ack(in)
	case <-appended:
	case <-changed:
	case <-due:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

func (s *sender) takeAcks() error {
	for {
		select {
		case in := <-s.acks:
			if err := s.ack(in); err != nil {
				return err
			}
		default:
			return nil
		}
	}
}

func (s *sender) ack(in inbound) error {
	if in.err != nil {
		return ended(in.err)
	}
	a, ok := in.message.(*replicate.Ack)
	if !ok {
		return &replicate.Refuse{Reason: replicate.RefusedMalformed, Text: fmt.Sprintf("%T where an ack was due", in.message)}
	}
	if err := s.source.Acked(a); err != nil {
		return &replicate.Refuse{Reason: replicate.RefusedMalformed, Text: err.Error()}
	}
	s.replica.mu.Lock()
	defer s.replica.mu.Unlock()
	s.session.applied = a.Cursor
	s.session.wake()
	return nil
}

// act does one step of the source.
func (s *sender) act(ctx context.Context, a replicate.Action, id record.RegionID) error {
	switch a.Do {
	case replicate.DoState:
		s.replica.mu.Lock()
		c := s.replica.control
		s.replica.mu.Unlock()
		s.source.StateSent(c.Revision)
		return s.stream.Send(replicate.Append(nil, &replicate.State{Revision: c.Revision, Data: c.Encoded}))
	case replicate.DoRead:
		return s.read(ctx, a.After, id)
	case replicate.DoBeat:
		return s.send(s.source.Beat())
	case replicate.DoScan:
		f, last, err := s.scan.next(ctx, s.replica, id)
		if err != nil {
			return &replicate.Refuse{Reason: replicate.RefusedUnready, Text: err.Error()}
		}
		return s.send(s.source.Scanned(f, last))
	case replicate.DoScanWait:
		return s.send(s.source.ScanWait())
	case replicate.DoScanEnd:
		return s.send(s.source.ScanEnd())
	}
	return fmt.Errorf("source wants to %v", a.Do)
}

// read reads on in the log and sends what is in it for this peer (DATA 22), once
// it is durable (DATA 3).
func (s *sender) read(ctx context.Context, after replicate.Cursor, id record.RegionID) error {
	r := s.replica
	shared := r.sharedWith(id)
	limit := store.Limit{Bytes: frameBytes, Entries: frameEntries}
	b, err := r.config.Store.ReadLog(ctx, storeCursor(after), limit, func(t record.TableID) bool { _, ok := shared[t]; return ok })
	if err != nil {
		return errors.Join(ctx.Err(), asError(s.refusal(err)))
	}
	if err := r.config.Store.WaitDurable(ctx, b.Sequence); err != nil {
		return errors.Join(ctx.Err(), asError(s.refusal(err)))
	}
	f := &replicate.Frame{To: replicate.Cursor(b.To), Records: make([]replicate.Shipped, len(b.Records))}
	for i, x := range b.Records {
		f.Records[i] = replicate.Shipped(x)
		f.Revision = max(f.Revision, shared[x.Key.Table])
	}
	for t, at := range b.Frontiers {
		f.Frontiers = append(f.Frontiers, replicate.Frontier{Table: t, Time: at})
	}
	return s.send(s.source.Read(f, b.More))
}

// asError keeps a nil *Refuse from becoming an error.
func asError(r *replicate.Refuse) error {
	if r == nil {
		return nil
	}
	return r
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

// send sends a frame of the source; nil is nothing to send.
func (s *sender) send(f *replicate.Frame) error {
	if f == nil {
		return nil
	}
	now := s.replica.config.Now()
	f.Sent = now.UnixNano()
	if !f.Scan {
		f.Backlog = s.replica.config.Store.Behind(storeCursor(f.To))
	}
	s.out = replicate.Append(s.out[:0], f)
	if err := s.stream.Send(s.out); err != nil {
		return err
	}
	s.source.Sent(len(s.out), now)
	return nil
}
