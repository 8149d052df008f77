package region

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/meridian-run/meridian/internal/control"
	"github.com/meridian-run/meridian/internal/dynamo"
	"github.com/meridian-run/meridian/internal/event"
	"github.com/meridian-run/meridian/internal/primary"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

const (
	// holdWait is how long a request waits for a table that is being handed over,
	// or whose lease is late; clients try again.
	holdWait = 5 * time.Second
	// seatSoon is how soon a seat is looked at again that waits for this region.
	seatSoon = 50 * time.Millisecond
)

// primaries are this region's turns as the primary of tables (DATA 19). One
// goroutine, run, takes and renews them.
type primaries struct {
	region *Region
	data   *data
	clock  func() time.Duration
	terms  primary.Terms
	woken  chan struct{} // by a handover that has begun or ended

	mu      sync.Mutex // guards what follows
	seats   map[record.TableID]*seat
	changed chan struct{} // closed and replaced when a seat changes
	known   *control.Hold // what control knows to be held; nil before it was asked
	trouble string        // why the last renewal failed
}

// seat is a table whose primary is this region; primaries.mu guards it.
type seat struct {
	table  table.Table
	turn   primary.Turn
	memory *store.Memory // nil until the term is taken
	lost   bool          // this epoch's term was taken on a disk that is gone
	// handing is whom the table is being handed to; who comes then waits.
	handing string
	// sent is the promotion that control may or may not have taken: it has to be
	// settled before anything else.
	sent  *control.Promotion
	users int // requests that act under the lease
	held  bool
}

func newPrimaries(r *Region, d *data) *primaries {
	clock := r.cfg.BootClock
	if clock == nil {
		clock = primary.Clock
	}
	return &primaries{
		region: r, data: d, clock: clock, terms: primary.TermsFor(r.control.Election()),
		woken: make(chan struct{}, 1), seats: map[record.TableID]*seat{}, changed: make(chan struct{}),
	}
}

// run keeps the seats at what control says, and their leases renewed.
func (p *primaries) run(ctx context.Context) error {
	for {
		changed := p.region.appliedSignal.wait()
		again := time.NewTimer(p.look(ctx))
		select {
		case <-ctx.Done():
			again.Stop()
			return nil
		case <-changed:
		case <-p.woken:
		case <-again.C:
		}
		again.Stop()
	}
}

func (p *primaries) wake() {
	select {
	case p.woken <- struct{}{}:
	default: // it is awake already
	}
}

// stir wakes the requests that wait; the caller holds mu.
func (p *primaries) stir() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// look does what is due and answers when to look again.
func (p *primaries) look(ctx context.Context) time.Duration {
	a := p.region.applied.Load()
	if !p.sit(ctx, a) {
		return time.Minute
	}
	p.settleSent(ctx)
	if !p.region.Ready() {
		return seatSoon
	}
	claimed := p.claim(ctx)
	if len(claimed) > 0 {
		p.renew(ctx, a, claimed)
	}
	return p.soon()
}

// sit brings the seats in line with the state; false if there are none.
func (p *primaries) sit(ctx context.Context, a *applied) bool {
	self := p.data.store.Region()
	var mine []table.Table
	for _, t := range a.state.Tables {
		if own, leaving, held := t.Holder(self); held && !leaving && own.Complete() && t.Primary == p.region.cfg.Name {
			mine = append(mine, t)
		}
	}
	if len(mine) > 0 {
		p.askControl(ctx)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, s := range p.seats {
		if i := slices.IndexFunc(mine, func(t table.Table) bool { return t.ID == id && t.Epoch == s.table.Epoch }); i < 0 {
			delete(p.seats, id)
		}
	}
	for _, t := range mine {
		if s := p.seats[t.ID]; s != nil {
			s.table = t
		} else if p.known != nil {
			p.seats[t.ID] = p.begin(t)
		}
	}
	p.stir()
	return len(mine) > 0
}

// askControl asks, once in this life, what this region has held before.
func (p *primaries) askControl(ctx context.Context) {
	p.mu.Lock()
	known := p.known != nil
	p.mu.Unlock()
	if known {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, p.terms.TTL)
	defer cancel()
	h, err := p.region.control.Held(ctx, p.region.cfg.Name)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		p.trouble = err.Error()
		return
	}
	p.known = &h
}

// begin is a new turn; the caller holds mu.
func (p *primaries) begin(t table.Table) *seat {
	s := &seat{table: t}
	held := p.known.Has(t.ID, t.Epoch)
	if held {
		epoch, ok, err := p.data.store.Term(t.ID)
		s.lost = err == nil && (!ok || epoch != t.Epoch)
	}
	s.turn = primary.Begin(primary.Start{Epoch: t.Epoch, Now: p.clock(), Handed: t.Handed, Held: held, Terms: p.terms})
	return s
}

// claim answers the seats that may be held, their terms taken (DATA 20).
func (p *primaries) claim(ctx context.Context) (claimed []*seat) {
	p.mu.Lock()
	var due []*seat
	for _, s := range p.seats {
		if !s.lost && s.turn.Free(p.clock()) {
			due = append(due, s)
		}
	}
	p.mu.Unlock()
	for _, s := range due {
		if err := p.takeTerm(ctx, s); err != nil {
			if ctx.Err() == nil {
				p.fail(fmt.Errorf("take over table %s: %w", s.table.Name, err))
			}
			continue
		}
		claimed = append(claimed, s)
	}
	return claimed
}

// takeTerm begins a term in the store, unless this region is in it already.
func (p *primaries) takeTerm(ctx context.Context, s *seat) error {
	p.mu.Lock()
	t, taken := s.table, s.memory != nil
	before := p.known.Has(t.ID, t.Epoch)
	p.mu.Unlock()
	if taken {
		return nil
	}
	if !before {
		if err := p.data.store.TakeTerm(ctx, t.Epoch, t.ID, t.Remembered().ID); err != nil {
			return err
		}
	}
	memory, err := p.data.store.OpenMemory(ctx, t)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s.memory = memory
	return nil
}

// renew asks control for the seats' leases, on top of the state in which they are
// this region's.
func (p *primaries) renew(ctx context.Context, a *applied, claimed []*seat) {
	hold := control.Hold{Epochs: map[string]uint32{}}
	for _, s := range claimed {
		hold.Epochs[control.HoldKey(s.table.ID)] = s.turn.Epoch()
	}
	ctx, cancel := context.WithTimeout(ctx, p.terms.TTL-p.terms.Skew)
	defer cancel()
	sent := p.clock()
	if err := p.region.control.Renew(ctx, a.state, hold); err != nil {
		p.fail(err)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.known, p.trouble = &hold, ""
	for _, s := range claimed {
		s.turn.Renewed(sent)
		if !s.held && s.turn.Holds(p.clock()) {
			s.held = true
			p.region.happened(event.Event{
				Kind: event.Primary, Region: p.region.cfg.Name,
				Text: fmt.Sprintf("%s is the primary of table %s in epoch %d", p.region.cfg.Name, s.table.Name, s.turn.Epoch()),
			})
		}
	}
	p.stir()
}

// fail notes why the leases could not be renewed.
func (p *primaries) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.trouble == "" && !errors.Is(err, control.ErrPromoted) {
		p.region.log.Warn("lease of primary tables not renewed", "error", err)
	}
	p.trouble = err.Error()
}

// soon is when the next renewal is due, or a table becomes free.
func (p *primaries) soon() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	next := p.terms.Every
	if p.trouble != "" {
		next /= 4
	}
	now := p.clock()
	for _, s := range p.seats {
		if wait := s.turn.Wait(now); wait > 0 {
			next = min(next, wait)
		}
	}
	return max(next, time.Millisecond)
}

// held is the right of one request.
type held struct {
	primaries *primaries
	seats     []*seat
}

// Hold lets a request act as the primary of tables.
func (p *primaries) Hold(ctx context.Context, tables []table.Table) (dynamo.Held, error) {
	ctx, cancel := context.WithTimeout(ctx, holdWait)
	defer cancel()
	for {
		h, why, changed := p.hold(tables)
		switch {
		case h != nil:
			return h, nil
		case why == "":
			return nil, store.ErrElsewhere
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, errors.New(why)
		}
	}
}

// hold answers the right, or why there is none now; an empty why is that another
// region has it.
func (p *primaries) hold(tables []table.Table) (h *held, why string, changed <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	state := p.region.applied.Load().state
	h = &held{primaries: p}
	for _, t := range tables {
		now, ok := state.Table(t.Name)
		switch {
		case t.Primary == "":
			continue
		case !ok || now.ID != t.ID || now.Primary != p.region.cfg.Name:
			return nil, "", nil
		}
		s := p.seats[t.ID]
		if why := p.why(s, t.Name); why != "" {
			return nil, why, p.changed
		}
		h.seats = append(h.seats, s)
	}
	for _, s := range h.seats {
		s.users++
	}
	return h, "", nil
}

// why says why a seat is not held, or is but may not be used; empty if it may.
// The caller holds mu.
func (p *primaries) why(s *seat, name string) string {
	self := p.region.cfg.Name
	now := p.clock()
	switch {
	case s == nil:
		return fmt.Sprintf("%s, the primary of table %s, is starting and does not know yet what it held%s", self, name, p.because())
	case s.lost:
		return fmt.Sprintf("%s, the primary of table %s, has lost its disk, and does not know which of the writes that come to it were its own: choose a region that has them all, by meridian promote %s --to REGION --force", self, name, name)
	case s.handing != "":
		return fmt.Sprintf("table %s is being handed over to %s", name, s.handing)
	case s.turn.Holds(now):
		return ""
	case !p.region.Ready():
		return fmt.Sprintf("%s, the primary of table %s, is starting", self, name)
	case s.turn.Wait(now) > 0:
		return fmt.Sprintf("%s, the primary of table %s, waits until the lease of the one before has run out, in %.1f s", self, name, s.turn.Wait(now).Seconds())
	}
	return fmt.Sprintf("%s, the primary of table %s, has no lease%s", self, name, p.because())
}

// because is the last renewal's error, as the end of a sentence; the caller holds
// mu.
func (p *primaries) because() string {
	if p.trouble == "" {
		return ""
	}
	return ": " + p.trouble
}

// Memory is what is remembered of a table's forwarded writes.
func (p *primaries) Memory(t table.Table) (*store.Memory, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.seats[t.ID]; s != nil && s.memory != nil {
		return s.memory, nil
	}
	return nil, store.ErrElsewhere
}

// Still reports whether the lease holds after the request, as it did before.
func (h *held) Still() error {
	p := h.primaries
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range h.seats {
		if !s.turn.Holds(p.clock()) {
			return fmt.Errorf("the lease of %s as the primary of table %s ran out meanwhile%s", p.region.cfg.Name, s.table.Name, p.because())
		}
	}
	return nil
}

// Done ends the request.
func (h *held) Done() {
	p := h.primaries
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range h.seats {
		if s.users--; s.users == 0 && s.handing != "" {
			p.stir()
		}
	}
}
