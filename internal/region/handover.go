package region

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/meridian-run/meridian/internal/control"
	"github.com/meridian-run/meridian/internal/replica"
)

const (
	// handoverNear bounds the wait until the next primary is about level, while
	// writes go on; handoverPause bounds the time without writes before the
	// handover is given up.
	handoverNear  = 20 * time.Second
	handoverPause = 4 * time.Second
)

// handoverRequest asks a primary to give a table up to the region that asks.
type handoverRequest struct {
	Table string `json:"table"`
	Epoch uint32 `json:"epoch"`
}

// handoverReply says what became of it.
type handoverReply struct {
	Revision uint64 `json:"revision,omitempty"`
	// Pause is how long the table took no writes until control had agreed.
	Pause time.Duration `json:"pause,omitempty"`
	// Refused says why the table was not given up.
	Refused string `json:"refused,omitempty"`
}

// handleHandover gives a table up to a peer.
func (r *Region) handleHandover(ctx context.Context, from string, payload []byte) ([]byte, error) {
	var in handoverRequest
	if err := json.Unmarshal(payload, &in); err != nil {
		return nil, fmt.Errorf("read the handover that %s asks for: %w", from, err)
	}
	d := r.data.Load()
	if d == nil {
		return nil, errors.New("the region is starting")
	}
	reply, err := d.primaries.handOver(ctx, in, from)
	if err != nil {
		reply.Refused = err.Error()
	}
	return json.Marshal(reply)
}

// handOver stops taking writes, waits until the next primary has all of them,
// gives the lease up, and lets control say who is next. Nothing is lost, and
// nobody has to wait for a lease.
func (p *primaries) handOver(ctx context.Context, in handoverRequest, to string) (handoverReply, error) {
	near, cancel := context.WithTimeout(ctx, handoverNear)
	defer cancel()
	if err := p.level(near, to); err != nil {
		return handoverReply{}, err
	}
	began := time.Now()
	s, err := p.pause(in, to)
	if err != nil {
		return handoverReply{}, err
	}
	short, cancel := context.WithTimeout(ctx, handoverPause)
	defer cancel()
	if err := p.drained(short, s); err != nil {
		return handoverReply{}, p.goOn(s, err)
	}
	if err := p.level(short, to); err != nil {
		return handoverReply{}, p.goOn(s, err)
	}
	if err := p.release(s); err != nil {
		return handoverReply{}, p.goOn(s, err)
	}
	promotion := control.Promotion{Table: s.table.Name, From: p.region.cfg.Name, Epoch: in.Epoch, To: to, Handed: true}
	state, err := p.region.control.Promote(context.WithoutCancel(ctx), promotion)
	switch {
	case refusedForSure(err):
		p.resume(s)
		return handoverReply{}, p.goOn(s, err)
	case err != nil:
		p.mu.Lock()
		s.sent = &promotion // nobody may write before this is known
		p.mu.Unlock()
		p.wake()
		return handoverReply{}, err
	}
	p.wake()
	return handoverReply{Revision: state.Revision, Pause: time.Since(began)}, nil
}

// refusedForSure reports whether control has not taken a promotion, and will not.
func refusedForSure(err error) bool {
	for _, sure := range []error{
		control.ErrNoQuorum, control.ErrTableInvalid, control.ErrRegionUnknown, control.ErrTableUnknown, control.ErrNotSeeded,
	} {
		if errors.Is(err, sure) {
			return !errors.Is(err, control.ErrUncertain)
		}
	}
	return false
}

// level waits until a region has applied, durably, all that is in the log now.
func (p *primaries) level(ctx context.Context, to string) error {
	at, err := p.data.store.Heartbeat(ctx)
	if err == nil {
		err = p.data.replica.Copied(ctx, at.Cursor.Sequence, []string{to})
	}
	switch {
	case errors.Is(err, replica.ErrNoCopy):
		return fmt.Errorf("%s does not replicate from %s at the moment", to, p.region.cfg.Name)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s is too far behind %s", to, p.region.cfg.Name)
	}
	return err
}

// pause makes those who come wait.
func (p *primaries) pause(in handoverRequest, to string) (*seat, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.seats {
		if s.table.Name != in.Table || s.turn.Epoch() != in.Epoch {
			continue
		}
		if why := p.why(s, in.Table); why != "" {
			return nil, errors.New(why)
		}
		s.handing = to
		return s, nil
	}
	return nil, fmt.Errorf("%s is not the primary of table %s in epoch %d", p.region.cfg.Name, in.Table, in.Epoch)
}

// drained waits for those who are at work.
func (p *primaries) drained(ctx context.Context, s *seat) error {
	for {
		p.mu.Lock()
		users, changed := s.users, p.changed
		p.mu.Unlock()
		if users == 0 {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%d requests on table %s did not end within %v", users, s.table.Name, handoverPause)
		}
	}
}

// release gives the lease up, which must have held until now: only a primary that
// was one may say that nobody has to wait for its lease.
func (p *primaries) release(s *seat) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !s.turn.Holds(p.clock()) {
		return fmt.Errorf("the lease of table %s ran out meanwhile%s", s.table.Name, p.because())
	}
	s.turn.Release()
	return nil
}

// resume takes a release back, which control has not heard of.
func (p *primaries) resume(s *seat) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s.turn.Resume()
	s.sent = nil
}

// goOn ends a handover that was not to be, and passes its error on.
func (p *primaries) goOn(s *seat, err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	s.handing = ""
	p.stir()
	p.wake()
	return err
}

// settleSent asks control again for the promotions of which it is not known
// whether they took effect.
func (p *primaries) settleSent(ctx context.Context) {
	p.mu.Lock()
	var open []*seat
	for _, s := range p.seats {
		if s.sent != nil {
			open = append(open, s)
		}
	}
	p.mu.Unlock()
	for _, s := range open {
		_, err := p.region.control.Promote(ctx, *s.sent)
		switch {
		case err == nil, errors.Is(err, control.ErrPromoted): // the state says so soon
		case refusedForSure(err) && !errors.Is(err, control.ErrNoQuorum):
			// Refused on top of a newer state: what was sent before comes to nothing.
			p.resume(s)
			_ = p.goOn(s, err)
		default:
			p.fail(err)
		}
	}
}

// awaitSeat waits until this region holds a table in an epoch or a later one.
func (p *primaries) awaitSeat(ctx context.Context, name string, epoch uint32) error {
	for {
		p.mu.Lock()
		why := p.region.cfg.Name + " does not know of it yet"
		for _, s := range p.seats {
			if s.table.Name == name && s.turn.Epoch() >= epoch {
				why = p.why(s, name)
			}
		}
		changed := p.changed
		p.mu.Unlock()
		if why == "" {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return errors.New(why)
		}
	}
}
