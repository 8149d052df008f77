package sim

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/kv/memkv"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/replica"
	"github.com/meridian-run/meridian/internal/store"
)

const (
	// lookEvery is how often a region collects, and looks at replicas that come
	// and go, as package region does.
	lookEvery = time.Second
	// stepsMax bounds the steps that one session takes at one moment: more is a
	// session that never rests.
	stepsMax = 10_000
	// restartAfter is how long a region whose storage has failed takes to start
	// anew.
	restartAfter = 2 * time.Second
)

// node is one region: the store and the replica of production, over a simulated
// disk and clock.
type node struct {
	world *World
	name  string
	id    record.RegionID
	rand  *rand.Rand
	clock clock
	disk  *disk

	// life counts starts; what was set in motion in an earlier one is void.
	life     int
	up       bool
	frozen   bool
	dead     bool // for good
	opening  *store.Pending[*store.Store]
	state    uint64 // the control revision that it knows, on disk
	applied  uint64 // the one that it has applied in this life
	applying bool
	sweeping bool
	indexing bool
	store    *store.Store
	replica  *replica.Replica
	ends     []*end
	waiting  []pending
	due      time.Duration // of the timer of the replica's own step
	seats    map[record.TableID]*seat
	replicas
	watcher
}

// pending is a call that waits for durability.
type pending struct {
	ready  func() bool
	finish func()
}

// end is one end of a stream, with the session that production runs there.
type end struct {
	node    *node
	stream  *stream
	side    int
	session replica.Session
	inbox   [][]byte
	again   time.Duration // when it is stepped next
}

func (n *node) wall() time.Time { return n.clock.read(n.world.now) }

// steady is a clock that is never stepped, as Go's monotonic one.
func (n *node) steady() time.Time { return epoch.Add(n.world.now) }

func (n *node) line(format string, args ...any) {
	n.world.trace.line(n.world.now, n.name, format, args...)
}

// after does something later, if the region still lives the same life.
func (n *node) after(d time.Duration, do func()) {
	life := n.life
	n.world.after(d, func() {
		if n.life == life && n.up {
			do()
		}
	})
}

// start opens the store on the directory, and then the replica.
func (n *node) start() {
	if n.up || n.opening != nil || n.dead {
		return
	}
	n.life++
	n.frozen = false
	n.disk.engine = n.disk.engine.Reopen(memkv.Config{Hold: true})
	p, err := store.BeginOpen(store.Config{
		Engine: n.disk.engine, World: "sim", RegionName: n.name, Region: n.id, Wall: n.wall,
		NewLogID: func() record.LogID { return record.LogID(n.rand.Uint64() | 1) }, SkewMax: n.world.skewMax,
		Retention: n.world.retention, Observers: []store.Observer{n}, IndexStep: indexStep,
		Events: store.Events{Frozen: n.freeze, Conflict: n.conflict, Retention: n.backlog},
	})
	if err != nil {
		n.world.fail("start", "%s does not start: %v", n.name, err)
		return
	}
	n.line("starts")
	n.opening = p
	n.disk.sync()
}

// opened goes on with a start once the new log is durable.
func (n *node) opened() {
	p := n.opening
	n.opening = nil
	s, err := p.Finish()
	if err != nil {
		n.line("does not start: %v", err)
		n.disk.crash()
		n.life++
		n.retryStart()
		return
	}
	n.store, n.up = s, true
	n.world.count("starts")
	n.reopened()
	n.replica = replica.New(replica.Config{
		Store: s, World: "sim", Region: n.name, Adopt: n.adopt, Now: n.steady,
		Rand: rand.New(rand.NewPCG(n.rand.Uint64(), n.rand.Uint64())), Beat: n.world.beat,
		Events: n.events(),
	})
	n.apply()
	n.looks()
	n.sweeps()
	n.sits()
	n.closes()
	n.after(time.Duration(n.rand.Int64N(int64(controlDelay))), func() { n.world.control.tell(n) })
	n.touch()
}

func (n *node) events() replica.Events {
	return replica.Events{
		Disconnected: func(peer string, err error) { n.line("no longer pulls from %s: %v", peer, err) },
		Connected:    func(peer string) { n.line("pulls from %s", peer) },
		Resend:       func(peer, why string) { n.line("gets all records of %s: %s", peer, why); n.world.count("resends") },
		Outdated:     func(peer string, records int) { n.line("%d records of %s are outdated", records, peer) },
		Skew:         func(peer string, err error) { n.line("clock of %s: %v", peer, err); n.world.count("skew") },
	}
}

// retryStart starts a region again whose disk has failed.
func (n *node) retryStart() {
	life := n.life
	n.world.after(restartAfter, func() {
		if n.life == life && !n.up {
			n.start()
		}
	})
}

// looks does every second what package region does then.
func (n *node) looks() {
	n.after(lookEvery/2+time.Duration(n.rand.Int64N(int64(lookEvery))), func() {
		n.look()
		n.touch()
		n.looks()
	})
}

func (n *node) look() {
	if n.frozen || n.applied == 0 {
		return
	}
	before := n.collectable()
	p, err := n.store.BeginCollect()
	n.collected(before)
	if err != nil {
		n.line("collect: %v", err)
		return
	}
	n.await(p.Ready, func() {
		if _, err := p.Finish(); err != nil {
			n.line("collect: %v", err)
		}
	})
	n.lookAtReplicas()
	n.readImages()
	n.index()
}

// freeze is told when storage has failed: the region is started anew (DATA 4).
func (n *node) freeze(cause error) {
	if n.frozen {
		return
	}
	n.frozen = true
	n.line("storage failed: %v", cause)
	n.world.count("frozen")
	n.after(restartAfter, func() {
		n.crash("ends, because its storage has failed")
		n.start()
	})
}

// crash ends the region without warning.
func (n *node) crash(why string) {
	if !n.up && n.opening == nil {
		return
	}
	n.line("%s", why)
	n.disk.crash()
	n.down()
}

// stop ends the region in order.
func (n *node) stop() {
	if !n.up {
		n.crash("stops, as it starts")
		return
	}
	n.line("stops")
	if err := n.store.Close(); err != nil && !errors.Is(err, kv.ErrClosed) {
		n.line("close: %v", err)
	}
	_ = n.disk.engine.Crash() // its content is synced, or lost with a failed disk
	n.disk.syncing = false
	n.down()
}

// down ends the connections and calls of a life that is over.
func (n *node) down() {
	n.up, n.opening, n.applied, n.applying, n.indexing = false, nil, 0, false, false
	n.life++
	ends := n.ends
	n.ends, n.waiting, n.due = nil, nil, 0
	clear(n.seats)
	for _, e := range ends {
		e.stream.stalled[e.side] = nil // nobody is there to send it again
		e.stream.close(e.side)
	}
	n.ended()
}

// apply brings the region to the last control state that it knows, in the order
// of package region.
func (n *node) apply() {
	s := n.world.control.states[n.state]
	if n.applying || n.applied == n.state || s == nil {
		return
	}
	p, err := n.store.BeginRenew(s.tables)
	if err != nil {
		n.line("renew: %v", err)
		return
	}
	n.applying = true
	n.renewed(s)
	n.await(p.Ready, func() {
		n.applying = false
		if _, err := p.Finish(); err != nil {
			n.line("renew: %v", err)
			return
		}
		n.applied = s.revision
		n.store.SetTables(s.tables)
		n.store.CloseOrigins(s.closedOrigins())
		n.replica.SetControl(replica.Control{
			Revision: s.revision, Encoded: encodeRevision(s.revision), Peers: s.peers(n.name), Closing: s.closingPeers(), Tables: s.tables,
		})
		n.dropTables(s)
		n.apply()
	})
}

// adopt takes a control state that a peer has passed along (DATA 25).
func (n *node) adopt(revision uint64, encoded []byte) error {
	if decodeRevision(encoded) != revision {
		return fmt.Errorf("state of revision %d names itself %d", revision, decodeRevision(encoded))
	}
	n.after(0, func() { n.learn(revision) })
	return nil
}

// learn applies a control state if it is news.
func (n *node) learn(revision uint64) {
	if revision > n.state && !n.frozen {
		n.line("learns of control revision %d", revision)
		n.state = revision
		n.apply()
		n.touch()
	}
}

// touch makes the region's machines step at the end of this event.
func (n *node) touch() { n.world.dirty[n.id] = true }

// step steps all that may want to: the replica, its sessions, and calls that
// waited for durability.
func (n *node) step() {
	if n.opening != nil && n.opening.Ready() {
		n.opened()
	}
	if !n.up {
		return
	}
	n.finishReady()
	work := n.replica.Step(n.steady())
	for _, d := range work.Dial {
		n.dial(d)
	}
	n.wake(work.Until)
	for _, e := range slices.Clone(n.ends) {
		e.step()
		if !n.up {
			return
		}
	}
	n.finishReady()
	n.restated()
	n.disk.sync()
}

// wake steps the region again at a time, if that is before it will be anyway.
func (n *node) wake(until time.Time) {
	if until.IsZero() {
		return
	}
	at := max(until.Sub(epoch), n.world.now+time.Microsecond)
	if n.due > n.world.now && n.due <= at {
		return
	}
	n.due = at
	n.after(at-n.world.now, n.touch)
}

// finishReady takes the second half of calls whose durability has come.
func (n *node) finishReady() {
	for i := 0; i < len(n.waiting); {
		p := n.waiting[i]
		if !p.ready() {
			i++
			continue
		}
		n.waiting = slices.Delete(n.waiting, i, i+1)
		p.finish()
	}
}

// dial opens a stream as the replica asks.
func (n *node) dial(d replica.Dial) {
	life := n.life
	peer := n.world.node(d.Peer)
	accept := func(s *stream) bool {
		return peer != nil && peer.accept(s, n.name)
	}
	n.world.network.dial(n.name, d.Peer, accept, func(s *stream) {
		if n.life != life || !n.up {
			if s != nil {
				s.close(0)
			}
			return
		}
		if s == nil {
			n.replica.DialFailed(d, errors.New("no answer"), n.steady())
			n.touch()
			return
		}
		session, err := n.replica.Dialed(d, n.steady())
		if err != nil {
			s.close(0)
			n.touch()
			return
		}
		n.join(s, 0, session)
		n.duplicate(s, peer)
	})
}

// duplicate lets an attempt arrive a second time, as a network may.
func (n *node) duplicate(s *stream, peer *node) {
	net := n.world.network
	if !net.restless || net.rand.IntN(20) > 0 {
		return
	}
	net.number++
	g := &stream{network: net, number: net.number, names: s.names, mute: true}
	s.ghost = g
	n.world.count("duplicates")
	n.world.after(net.delay(n.name, peer.name), func() {
		if peer.accept(g, n.name) {
			net.streams = append(net.streams, g)
			n.world.after(time.Duration(net.rand.Int64N(int64(3*time.Second))), g.reset)
		}
	})
}

// accept takes a stream that a peer opened; false if nobody is there.
func (n *node) accept(s *stream, peer string) bool {
	if !n.up {
		return false
	}
	n.join(s, 1, n.replica.Accept(peer))
	return true
}

func (n *node) join(s *stream, side int, session replica.Session) {
	e := &end{node: n, stream: s, side: side, session: session}
	s.ends[side] = e
	n.ends = append(n.ends, e)
	n.touch()
}

func (e *end) peer() string { return e.stream.names[1-e.side] }

// arrived takes a message of the other side.
func (e *end) arrived(data []byte) {
	e.node.line("from %s #%d: %s", e.peer(), e.stream.number, describe(data))
	e.inbox = append(e.inbox, data)
	e.node.touch()
}

// broken is told when the stream has ended, not by this side.
func (e *end) broken() { e.finish(errors.New("the stream has ended"), false) }

// finish ends the session.
func (e *end) finish(err error, own bool) {
	n := e.node
	if i := slices.Index(n.ends, e); i >= 0 {
		n.ends = slices.Delete(n.ends, i, i+1)
	} else {
		return
	}
	n.line("#%d with %s ends: %v", e.stream.number, e.peer(), err)
	if e.stream.ends[e.side] = nil; own {
		e.stream.close(e.side)
	}
	n.replica.Ended(e.session, err, n.steady())
	n.touch()
}

// step steps the session until it waits for something.
func (e *end) step() {
	n := e.node
	for range stepsMax {
		if e.stream.ends[e.side] != e {
			return
		}
		in := e.inbox
		e.inbox = nil
		out, err := e.session.Step(n.steady(), in)
		for _, message := range out.Send {
			n.leaves(e, message)
			e.stream.send(e.side, message)
		}
		switch {
		case err != nil:
			e.finish(err, true)
			return
		case out.Finished:
			e.finish(nil, true)
			return
		case out.Again || len(e.inbox) > 0:
			continue
		}
		e.wake(out.Until)
		return
	}
	n.world.fail("liveness", "a session of %s with %s takes %d steps at one moment", n.name, e.peer(), stepsMax)
}

// wake steps the region again at a time.
func (e *end) wake(until time.Time) {
	n := e.node
	if until.IsZero() {
		return
	}
	at := max(until.Sub(epoch), n.world.now+time.Microsecond)
	if e.again > n.world.now && e.again <= at {
		return
	}
	e.again = at
	n.after(at-n.world.now, n.touch)
}
