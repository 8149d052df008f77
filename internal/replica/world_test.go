package replica_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-run/meridian/internal/kv/memkv"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/replica"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
	"github.com/meridian-run/meridian/internal/wan"
)

// world is some regions, each a store over memkv and a replica, joined by TCP
// over a simulated WAN.
type world struct {
	t       *testing.T
	net     *wan.Network
	control replica.Control // Peers are filled in for each region
	names   []string
	nodes   map[string]*node
	changed chan struct{} // a token after each applied batch
}

type node struct {
	world   *world
	name    string
	id      record.RegionID
	engine  *memkv.Engine
	address string
	skew    atomic.Int64 // of the wall clock, ns
	config  func(*replica.Config)

	store   *store.Store
	replica *replica.Replica
	stop    func()

	mu       sync.Mutex // guards what follows
	lines    []string   // events
	received [][]byte   // messages that peers sent
}

const notes = record.TableID(0x6e6f746573)

func newWorld(t *testing.T, roundTrip time.Duration, names ...string) *world {
	t.Helper()
	w := &world{
		t: t, names: names, nodes: map[string]*node{}, changed: make(chan struct{}, 1),
		net: wan.New(wan.Config{RoundTrip: func(a, b string) time.Duration { return roundTrip }, DialTimeout: 200 * time.Millisecond}),
	}
	t.Cleanup(func() { w.net.Close() })
	for i, name := range names {
		w.nodes[name] = &node{world: w, name: name, id: record.RegionID(i + 1), engine: memkv.New(memkv.Config{})}
	}
	w.control = replica.Control{Revision: 1, Tables: []table.Table{w.table(notes, "notes", 1, names...)}}
	return w
}

func (w *world) table(id record.TableID, name string, revision uint64, regions ...string) table.Table {
	t := table.Table{ID: id, Name: name, Revision: revision, State: table.Active}
	for _, r := range regions {
		t.Replicas = append(t.Replicas, table.Replica{Region: r, ID: w.nodes[r].id})
	}
	return t
}

// given says that a region has got the table by a later revision.
func (w *world) given(t table.Table, region string, revision uint64) table.Table {
	for i := range t.Replicas {
		if t.Replicas[i].Region == region {
			t.Replicas[i].Since = revision
		}
	}
	return t
}

// start starts the named regions, or all.
func (w *world) start(names ...string) *world {
	w.t.Helper()
	if len(names) == 0 {
		names = w.names
	}
	for _, name := range names {
		w.nodes[name].start()
	}
	return w
}

func (w *world) controlFor(n *node, c replica.Control) replica.Control {
	c.Peers = nil
	closing := func(name string) bool {
		return slices.ContainsFunc(c.Closing, func(x replica.Closing) bool { return x.Name == name })
	}
	for _, name := range w.names {
		if name != n.name && !closing(name) {
			c.Peers = append(c.Peers, replica.Peer{Name: name, ID: w.nodes[name].id})
		}
	}
	return c
}

// set gives a region a control state, as region does it: the store first.
func (n *node) set(c replica.Control) {
	if err := n.store.Renew(n.world.t.Context(), c.Tables); err != nil {
		n.world.t.Error(err)
	}
	n.store.SetTables(c.Tables)
	n.replica.SetControl(n.world.controlFor(n, c))
}

func (n *node) start() {
	n.world.t.Helper()
	wall := func() time.Time { return time.Now().Add(time.Duration(n.skew.Load())) }
	var err error
	n.store, err = store.Open(n.world.t.Context(), store.Config{
		Engine: n.engine, Region: n.id, World: "w", RegionName: n.name, Wall: wall,
	})
	if err != nil {
		n.world.t.Fatal(err)
	}
	config := replica.Config{
		Store: n.store, World: "w", Region: n.name, Open: n.open, Now: wall, Events: n.events(),
		Beat: 30 * time.Millisecond, Silence: time.Second, ReadyGrace: 300 * time.Millisecond,
	}
	if n.config != nil {
		n.config(&config)
	}
	n.replica = replica.New(config)
	n.set(n.world.control)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		n.world.t.Fatal(err)
	}
	at := listener.Addr().(*net.TCPAddr).AddrPort()
	n.world.net.Place(n.name, netip.PrefixFrom(at.Addr(), 32), at.Port(), at.Port())
	n.mu.Lock()
	n.address = at.String()
	n.mu.Unlock()

	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { n.replica.Run(ctx) })
	running.Go(func() { n.accept(ctx, &running, listener) })
	n.stop = sync.OnceFunc(func() {
		cancel()
		listener.Close()
		running.Wait()
		n.store.Close()
	})
	n.world.t.Cleanup(n.stop)
}

// restart starts a stopped region on what an engine had made durable.
func (n *node) restart(from *memkv.Engine) {
	n.world.t.Helper()
	n.stop()
	n.engine = from.Reopen(memkv.Config{})
	n.start()
}

func (n *node) accept(ctx context.Context, running *sync.WaitGroup, l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		running.Go(func() {
			s := &stream{conn: c}
			defer context.AfterFunc(ctx, func() { s.Close() })()
			if name, err := s.Receive(); err == nil {
				n.replica.Serve(ctx, string(name), s)
			}
			s.Close()
		})
	}
}

func (n *node) open(ctx context.Context, peer string) (replica.Stream, error) {
	p := n.world.nodes[peer]
	p.mu.Lock()
	address := p.address
	p.mu.Unlock()
	if address == "" {
		return nil, errors.New("not started yet")
	}
	c, err := n.world.net.Dialer(n.name).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	s := &stream{conn: c, node: n}
	return s, s.Send([]byte(n.name))
}

// stream is replica.Stream with a length before each message.
type stream struct {
	conn net.Conn
	node *node // who keeps what is received; may be nil
}

func (s *stream) Send(m []byte) error {
	_, err := s.conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(m))), m...))
	return err
}

func (s *stream) Receive() ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(s.conn, head[:]); err != nil {
		return nil, err
	}
	m := make([]byte, binary.BigEndian.Uint32(head[:]))
	if _, err := io.ReadFull(s.conn, m); err != nil {
		return nil, err
	}
	if s.node != nil {
		s.node.mu.Lock()
		s.node.received = append(s.node.received, m)
		s.node.mu.Unlock()
	}
	return m, nil
}

func (s *stream) Close() error { return s.conn.Close() }

func (n *node) events() replica.Events {
	say := func(format string, args ...any) {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.lines = append(n.lines, fmt.Sprintf(format, args...))
	}
	return replica.Events{
		Connected:    func(peer string) { say("connected %s", peer) },
		Disconnected: func(peer string, err error) { say("disconnected %s: %v", peer, err) },
		Skew:         func(peer string, err error) { say("skew %s: %t", peer, err != nil) },
		Resend:       func(peer string, why string) { say("resend %s: %s", peer, why) },
		Relayed:      func(peer, origin string, records int) { say("relayed %s from %s: %d", origin, peer, records) },
		Join:         func(table, text string) { say("join %s %s", table, text) },
		Outdated:     func(peer string, records int) { say("outdated %s: %d", peer, records) },
		Applied: func(replica.Batch) {
			select {
			case n.world.changed <- struct{}{}:
			default:
			}
		},
	}
}

func (n *node) said() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]string(nil), n.lines...)
}

func key(id record.TableID, name string) record.Key {
	return record.Key{Table: id, Partition: []byte(name)}
}

func (n *node) put(id record.TableID, name, value string) {
	n.world.t.Helper()
	k := key(id, name)
	_, err := n.store.Update(n.world.t.Context(), []record.Key{k}, func(tx *store.Tx) error {
		return tx.Put(k, []byte(value), store.PutOptions{})
	})
	if err != nil {
		n.world.t.Errorf("put %s in %s: %v", name, n.name, err)
	}
}

func (n *node) remove(id record.TableID, name string) {
	n.world.t.Helper()
	k := key(id, name)
	if _, err := n.store.Update(n.world.t.Context(), []record.Key{k}, func(tx *store.Tx) error { return tx.Delete(k) }); err != nil {
		n.world.t.Errorf("delete %s in %s: %v", name, n.name, err)
	}
}

// dump answers a table as text by key: version and value, tombstones too.
func (n *node) dump(id record.TableID) map[string]string {
	n.world.t.Helper()
	out := map[string]string{}
	for from := []byte(nil); ; {
		chunk, err := n.store.ReadTable(n.world.t.Context(), id, from, 1<<20)
		if err != nil {
			n.world.t.Fatalf("dump %s: %v", n.name, err)
		}
		for _, x := range chunk.Records {
			r, err := record.Parse(x.Record)
			if err != nil {
				n.world.t.Fatal(err)
			}
			out[string(x.Key.Partition)] = fmt.Sprintf("%v %q %t", r.Version, r.Value, r.Tombstone || r.Expired)
		}
		if from = chunk.Next; from == nil {
			return out
		}
	}
}

// collected waits until all regions have collected so much that a table has count
// records in each.
func (w *world) collected(id record.TableID, count int) {
	w.t.Helper()
	w.eventually(fmt.Sprintf("%d records are left", count), func() bool {
		left := true
		for _, name := range w.names {
			if _, err := w.nodes[name].store.Collect(w.t.Context()); err != nil {
				w.t.Fatal(err)
			}
			left = left && len(w.nodes[name].dump(id)) == count
		}
		return left
	})
}

// eventually waits until a condition holds.
func (w *world) eventually(what string, holds func() bool) {
	w.t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-w.changed:
		case <-tick.C:
		case <-deadline:
			for _, name := range w.names {
				w.t.Logf("%s: %q", name, w.nodes[name].said())
			}
			w.t.Fatalf("did not come true: %s", what)
		}
	}
}

// equal waits until regions hold the same records of a table, at least count.
func (w *world) equal(id record.TableID, count int, names ...string) {
	w.t.Helper()
	if len(names) == 0 {
		names = w.names
	}
	var diff string
	defer func() {
		if diff != "" {
			w.t.Log(diff)
		}
	}()
	w.eventually(fmt.Sprintf("%v hold the same %d records", names, count), func() bool {
		first := w.nodes[names[0]].dump(id)
		if len(first) < count {
			diff = fmt.Sprintf("%s holds %d records", names[0], len(first))
			return false
		}
		for _, name := range names[1:] {
			if diff = cmp.Diff(first, w.nodes[name].dump(id)); diff != "" {
				return false
			}
		}
		return true
	})
}

// memEmpty answers an engine to restart from that holds nothing.
func memEmpty() *memkv.Engine {
	e := memkv.New(memkv.Config{})
	e.Close()
	return e
}
