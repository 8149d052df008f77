package sim

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/meridian-run/meridian/internal/primary"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/table"
)

const (
	// seatEvery is how often a region looks after the tables whose primary it is.
	seatEvery = 200 * time.Millisecond
	// renewalDelay is what a renewal takes to control, at most, and its answer back.
	renewalDelay = 300 * time.Millisecond
	// handoverPause bounds the time without writes before a handover is given up.
	handoverPause = 4 * time.Second
)

// seat is a table whose primary is this region, as package region has it; the
// lease is production's (DATA 19).
type seat struct {
	epoch   uint32
	turn    primary.Turn
	taking  bool // the term is on its way to the disk
	taken   bool
	lost    bool      // this epoch's term was taken on a disk that is gone
	handing bool      // it is being handed over: takes no writes
	asked   time.Time // when the last renewal was sent
}

var terms = primary.TermsFor(0)

// boot is a clock that is never stepped, but may run too fast or too slow.
func (n *node) boot() time.Duration { return n.clock.steady(n.world.now) }

// sits looks after the tables whose primary this region is.
func (n *node) sits() {
	if !n.world.primaries {
		return
	}
	n.after(seatEvery+time.Duration(n.id)*time.Millisecond, func() {
		n.lookAtSeats()
		n.touch()
		n.sits()
	})
}

func (n *node) lookAtSeats() {
	s := n.world.control.states[n.applied]
	if n.frozen || s == nil {
		return
	}
	for _, t := range s.tables {
		own, leaving, held := t.Holder(n.id)
		if t.Primary != n.name || !held || leaving || !own.Complete() {
			delete(n.seats, t.ID)
			continue
		}
		if x := n.seats[t.ID]; x == nil || x.epoch != t.Epoch {
			n.sit(t)
		}
		if x := n.seats[t.ID]; x != nil {
			n.renew(t.ID, x)
		}
	}
}

// sit begins a turn; control says whether this region has held it before.
func (n *node) sit(t table.Table) {
	delete(n.seats, t.ID)
	if n.world.apart[n.name] {
		return
	}
	epoch, any := n.world.control.holds[held2{t.ID, n.id}]
	x := &seat{epoch: t.Epoch}
	before := any && epoch == t.Epoch
	if before {
		term, ok, err := n.store.Term(t.ID)
		x.lost, x.taken = err == nil && (!ok || term != t.Epoch), true
	}
	x.turn = primary.Begin(primary.Start{Epoch: t.Epoch, Now: n.boot(), Handed: t.Handed, Held: before, Terms: terms})
	n.seats[t.ID] = x
}

// renew takes the term, once the table is free, and asks control for the lease.
func (n *node) renew(id record.TableID, x *seat) {
	if x.lost || x.taking || !x.turn.Free(n.boot()) || !n.serves() {
		return
	}
	if !x.taken {
		p, err := n.store.BeginTakeTerm(x.epoch, id)
		if err != nil {
			n.line("take over table %d: %v", id, err)
			return
		}
		x.taking = true
		n.await(p.Ready, func() {
			_, err := p.Finish()
			x.taking, x.taken = false, err == nil
		})
		return
	}
	if now := n.steady(); now.Sub(x.asked) >= terms.Every {
		x.asked = now
		n.ask(id, x)
	}
}

// ask sends a renewal to control.
func (n *node) ask(id record.TableID, x *seat) {
	sent, a := n.boot(), n.world.control
	n.after(time.Duration(n.rand.Int64N(int64(renewalDelay))), func() {
		t, there := a.last.table(id)
		if n.world.apart[n.name] || !there || t.Primary != n.name || t.Epoch != x.epoch {
			return
		}
		a.holds[held2{id, n.id}] = x.epoch
		n.after(time.Duration(n.rand.Int64N(int64(renewalDelay))), func() {
			if x.turn.Renewed(sent); n.seats[id] == x && x.turn.Holds(n.boot()) {
				n.world.count("leases")
			}
		})
	})
}

// primaryOf answers the region that takes a table's writes, as far as this one
// knows; empty if each of them does.
func (n *node) primaryOf(id record.TableID) string {
	t, _ := n.world.control.states[n.applied].table(id)
	return t.Primary
}

// leased answers a check that this region was the primary of all these tables all
// the time; a reason if it is not now.
func (n *node) leased(keys []record.Key) (still func() bool, why string) {
	held := map[record.TableID]*seat{}
	for _, k := range keys {
		if n.primaryOf(k.Table) == "" {
			continue
		}
		x := n.seats[k.Table]
		if x == nil || x.handing || !x.turn.Holds(n.boot()) {
			return nil, fmt.Sprintf("has no lease for table %d", k.Table)
		}
		held[k.Table] = x
	}
	return func() bool {
		for _, id := range slices.Sorted(maps.Keys(held)) {
			if !held[id].turn.Holds(n.boot()) {
				n.line("has lost the lease for table %d meanwhile", id)
				return false
			}
			n.acts(id, held[id].epoch)
		}
		return true
	}, ""
}

// acts judges that nobody acts as the primary of an epoch that is over (DATA 19).
func (n *node) acts(id record.TableID, epoch uint32) {
	w := n.world
	if last := w.acted[id]; epoch < last {
		w.fail("primary", "%s answers as the primary of table %d in epoch %d, and epoch %d has begun", n.name, id, epoch, last)
	}
	w.acted[id] = epoch
	w.count("as primary")
}

// forward sends a client's call to the primary, if that is another region; a call
// that is lost has no answer.
func (n *node) forward(c Command, keys []record.Key) bool {
	for _, k := range keys {
		to := n.world.node(n.primaryOf(k.Table))
		if to == nil || to == n {
			continue
		}
		net := n.world.network
		n.world.count("forwarded")
		n.world.after(net.delay(n.name, to.name), func() {
			if net.cuts[pair{n.name, to.name}] || !to.up || !to.serves() || to.primaryOf(k.Table) != to.name {
				return
			}
			c.Args = append([]string{to.name}, c.Args[1:]...)
			to.line("gets from %s: %s", n.name, c)
			if err := commands[c.Name](n.world, c); err != nil {
				n.world.fail("script", "%s: %v", c, err)
			}
		})
		return true
	}
	return false
}

// promote is "promote TABLE REGION [force]".
func promote(w *World, c Command) error {
	id, err := strconv.ParseUint(c.arg(0), 10, 64)
	to := w.node(c.arg(1))
	if err != nil || to == nil {
		return fmt.Errorf("want a table and a region")
	}
	t, there := w.control.last.table(record.TableID(id))
	if !there || t.Primary == "" {
		return fmt.Errorf("table %d has no primary", id)
	}
	w.count("promote")
	if c.arg(2) == "force" {
		_ = w.control.promote(t, to.name, false) // a refusal is traced
		return nil
	}
	w.node(t.Primary).handOver(t, to.name)
	return nil
}

// handOver gives a table up: no writes, until the next primary has all of them.
func (n *node) handOver(t table.Table, to string) {
	x := n.seats[t.ID]
	if !n.up || x == nil || x.epoch != t.Epoch || x.handing || t.Primary == to || !x.turn.Holds(n.boot()) {
		n.line("cannot hand table %d over", t.ID)
		return
	}
	p, err := n.store.BeginHeartbeat()
	if err != nil {
		n.line("heartbeat: %v", err)
		return
	}
	x.handing = true
	until := n.world.now + handoverPause
	n.await(p.Ready, func() {
		at, err := p.Finish()
		if err != nil {
			x.handing = false
			return
		}
		n.level(t, x, to, func() bool { return len(n.waiting) == 0 && len(n.replica.Lacking(at.Cursor, []string{to})) == 0 }, until)
	})
}

// level waits until all is there, and lets control say who is next.
func (n *node) level(t table.Table, x *seat, to string, there func() bool, until time.Duration) {
	switch {
	case n.seats[t.ID] != x:
	case there() && !n.world.apart[n.name]:
		x.turn.Release()
		if n.world.control.promote(t, to, true) != nil {
			x.turn.Resume()
			x.handing = false
		}
	case n.world.now > until:
		n.line("keeps table %d: %s does not have all of it", t.ID, to)
		x.handing = false
	default:
		n.after(20*time.Millisecond, func() { n.level(t, x, to, there, until) })
	}
}

// promote makes another region the primary of a table, in a new epoch.
func (a *authority) promote(now table.Table, to string, handed bool) error {
	return a.change(fmt.Sprintf("%s is the primary of table %d, handed %v", to, now.ID, handed), func(s *state) error {
		i := s.index(now.ID)
		if i < 0 || s.tables[i].Epoch != now.Epoch {
			return fmt.Errorf("the primary has moved")
		}
		t := &s.tables[i]
		own, leaving, held := t.Holder(a.world.node(to).id)
		if !held || leaving || !own.Complete() {
			return fmt.Errorf("%s does not have all of it", to)
		}
		t.Primary, t.Handed = to, handed
		t.Epoch++
		t.Revision = s.revision
		return nil
	})
}

// restated notes what the primary of a table has stated anew under its epoch
// (DATA 20): no client wrote that.
func (n *node) restated() {
	if !n.world.primaries {
		return
	}
	for _, t := range n.world.control.last.tables {
		if t.Primary == "" {
			continue
		}
		for _, h := range records(n.disk.engine, t.ID) {
			at := name(h.key)
			w := n.world.oracle.of(h.key, h.record)
			if w == nil && h.record.Version.Region == n.id && h.record.Version.Epoch > 0 {
				w = n.world.oracle.wrote(&write{
					key: h.key, region: n.name, version: h.record.Version, log: h.record.Log, over: n.stated(h), restated: true,
					value: string(h.record.Value), tombstone: h.record.Tombstone, expires: h.record.Expires,
				})
				n.line("states anew: %v, after %v", w, w.over)
				n.world.count("restated")
			}
			n.held[at] = w
		}
	}
}

// stated answers the write whose content was stated anew; nil for nothing.
func (n *node) stated(h held) (found *write) {
	at := name(h.key)
	if !h.record.Tombstone {
		for _, w := range n.world.oracle.history(h.key).writes {
			if !w.tombstone && w.value == string(h.record.Value) && w.version.Compare(h.record.Version) < 0 {
				found = w
			}
		}
		return found
	}
	last := n.held[at]
	if _, gone := n.gone[at]; last == nil || gone && last.version.Compare(n.gone[at].version) < 0 {
		return n.gone[at]
	}
	for _, w := range n.world.oracle.history(h.key).writes { // a delete may have come just before
		if w.tombstone && w.saw(last) && w.version.Compare(h.record.Version) < 0 {
			found = w
		}
	}
	return found
}
