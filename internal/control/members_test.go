package control_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/meridian-run/meridian/internal/control"
	"github.com/meridian-run/meridian/internal/table"
)

// relay forwards a fixed address to wherever a member listens now, as dev's
// simulated network does: what members advertise is not where they listen, and
// a restarted one keeps its URL.
type relay struct {
	listener net.Listener
	target   atomic.Pointer[string]
	wg       sync.WaitGroup
	mu       sync.Mutex
	conns    map[net.Conn]bool
}

func newRelay(t *testing.T) *relay {
	r := &relay{listener: listen(t), conns: map[net.Conn]bool{}}
	r.wg.Go(func() {
		for {
			in, err := r.listener.Accept()
			if err != nil {
				return
			}
			r.wg.Go(func() { r.forward(in) })
		}
	})
	t.Cleanup(func() { r.listener.Close(); r.drop(); r.wg.Wait() })
	return r
}

func (r *relay) hold(c net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns[c] = true
}

// drop closes all connections.
func (r *relay) drop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.conns {
		c.Close()
	}
	clear(r.conns)
}

func (r *relay) forward(in net.Conn) {
	defer in.Close()
	target := r.target.Load()
	if target == nil {
		return
	}
	out, err := net.Dial("tcp", *target)
	if err != nil {
		return
	}
	defer out.Close()
	r.hold(in)
	r.hold(out)
	var both sync.WaitGroup
	both.Go(func() { io.Copy(out, in); out.Close() })
	both.Go(func() { io.Copy(in, out); in.Close() })
	both.Wait()
}

func (r *relay) url() string { return "http://" + r.listener.Addr().String() }

// cluster is a world whose members can be stopped and started again.
type cluster struct {
	t       *testing.T
	names   []string
	relays  map[string]*relay
	dirs    map[string]string
	members map[string]string
	nodes   map[string]node
	seed    func(name string) *control.Seed
	// joining starts nodes as such that come to a running world.
	joining   bool
	votersMax int
}

func newCluster(t *testing.T, names ...string) *cluster {
	c := &cluster{
		t: t, names: names, relays: map[string]*relay{}, dirs: map[string]string{},
		members: map[string]string{}, nodes: map[string]node{},
		seed: func(string) *control.Seed { return seedOf(names...) },
	}
	for _, name := range names {
		c.relays[name] = newRelay(t)
		c.dirs[name] = t.TempDir()
		c.members[name] = c.relays[name].url()
	}
	return c
}

func (c *cluster) start(names ...string) {
	for _, name := range names {
		l := listen(c.t)
		addr := l.Addr().String()
		c.relays[name].target.Store(&addr)
		c.nodes[name] = start(c.t, control.Config{
			World: "notes", Region: name, Dir: c.dirs[name], Seed: c.seed(name),
			Embedded: &control.Embedded{Listen: l, Members: maps.Clone(c.members), Join: c.joining, VotersMax: c.votersMax},
		})
	}
}

// voters counts the members with a vote, as a node sees them.
func (c *cluster) voters(at string) (n int) {
	for _, m := range c.nodes[at].Cluster() {
		if !m.Learner {
			n++
		}
	}
	return n
}

func (c *cluster) stop(names ...string) {
	for _, name := range names {
		c.relays[name].target.Store(nil)
		c.relays[name].drop()
		c.nodes[name].stop()
	}
}

func (c *cluster) ready(ctx context.Context, names ...string) {
	c.t.Helper()
	for _, name := range names {
		if err := c.nodes[name].Ready(ctx); err != nil {
			c.t.Fatalf("%s: %v", name, err)
		}
	}
}

// until waits for a state that fn accepts.
func until(t *testing.T, ctx context.Context, c *control.Control, what string, fn func(*control.State) bool) *control.State {
	t.Helper()
	for {
		changed := c.Changed()
		if s := c.State(); s != nil && fn(s) {
			return s
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatalf("waiting for %s: state is %+v", what, c.State())
		}
	}
}

// untilQuorum waits for the quorum to be there, or gone.
func untilQuorum(t *testing.T, ctx context.Context, c *control.Control, want bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if ok, _ := c.QuorumOK(); ok == want {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("quorum is not %v in time", want)
		}
	}
}

func keyed(name string) table.Table {
	return table.Table{Name: name, Key: table.Attribute{Name: "pk", Type: "S"}}
}

func TestThreeMembersAgree(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "a1", "b2", "c3")
	// Each brings another file: one wins, the others report theirs.
	c.seed = func(name string) *control.Seed {
		s := seedOf(c.names...)
		s.Spec = []byte("world: notes # by " + name)
		return s
	}
	began := time.Now()
	c.start(c.names...)
	ctx := within(t, 60*time.Second)
	c.ready(ctx, c.names...)
	t.Log("three members ready after", time.Since(began))
	differ, first := 0, c.nodes["a1"].State()
	for _, name := range c.names {
		s := c.nodes[name].State()
		if s.ID != first.ID || string(s.Spec) != string(first.Spec) {
			t.Errorf("%s sees world %s with spec %q, a1 sees %s with %q", name, s.ID, s.Spec, first.ID, first.Spec)
		}
		if c.nodes[name].SpecDiffers() {
			differ++
		}
	}
	if differ != 2 {
		t.Errorf("%d nodes report a differing spec, 2 started with another than the applied one", differ)
	}

	const each = 4
	var made sync.WaitGroup
	for _, name := range c.names {
		for i := range each {
			made.Go(func() {
				if _, err := c.nodes[name].CreateTable(ctx, keyed(fmt.Sprintf("t-%s-%d", name, i))); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			})
		}
	}
	made.Wait()
	ids := map[string]bool{}
	for _, name := range c.names {
		s := until(t, ctx, c.nodes[name].Control, "all tables", func(s *control.State) bool { return len(s.Tables) == 3*each+1 })
		if s.Revision != 3*each+1 {
			t.Errorf("%s is at revision %d after %d changes", name, s.Revision, 3*each+1)
		}
		for _, x := range s.Tables {
			ids[fmt.Sprint(x.ID)] = true
			if got := x.Regions(); !slices.Equal(got, c.names) {
				t.Errorf("replicas of %s: %v", x.Name, got)
			}
		}
	}
	if len(ids) != 3*each+1 {
		t.Errorf("%d ids for %d tables", len(ids), 3*each+1)
	}
}

func TestU3QuorumLossAndReturn(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "a1", "b2", "witness")
	c.seed = func(name string) *control.Seed {
		if name == "witness" {
			return nil
		}
		return seedOf("a1", "b2")
	}
	c.start(c.names...)
	ctx := within(t, 120*time.Second)
	c.ready(ctx, c.names...)

	// One region gone: the other and the witness go on.
	c.stop("a1")
	survivor := c.nodes["b2"]
	if _, err := survivor.Drain(ctx, control.Drain{Region: "a1", Why: "gone"}); err != nil {
		t.Fatal(err)
	}
	// The witness too: what is known is served, changes are refused with reasons.
	before := survivor.State()
	c.stop("witness")
	untilQuorum(t, ctx, survivor.Control, false)
	if got := survivor.State(); got != before {
		t.Errorf("state changed without a quorum: %+v", got)
	}
	_, err := survivor.CreateTable(within(t, 500*time.Millisecond), keyed("later"))
	if !errors.Is(err, control.ErrNoQuorum) || !strings.Contains(err.Error(), "go on") {
		t.Errorf("a change without a quorum: %v", err)
	}

	// A node that restarts without a quorum serves from its disk at once.
	c.stop("b2")
	c.start("b2")
	survivor = c.nodes["b2"]
	if err := survivor.Ready(within(t, time.Second)); err != nil {
		t.Fatal(err)
	}
	if got := survivor.State(); got.Revision != before.Revision || len(got.Drains) != 1 {
		t.Errorf("from disk: %+v, before the restart: %+v", got, before)
	}

	// The first region returns with its old directory: it catches up.
	c.start("a1")
	if err := c.nodes["a1"].Ready(within(t, time.Second)); err != nil {
		t.Fatal(err)
	}
	until(t, ctx, c.nodes["a1"].Control, "the drain", func(s *control.State) bool { return len(s.Drains) == 1 })
	untilQuorum(t, ctx, c.nodes["a1"].Control, true)
	if _, was, err := c.nodes["a1"].Undrain(ctx, "a1", ""); err != nil || !was {
		t.Fatal(was, err)
	}
	until(t, ctx, survivor.Control, "no drain", func(s *control.State) bool { return len(s.Drains) == 0 })
}

func TestLateMembersAreWaitedFor(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "a1", "b2", "c3")
	c.start("a1")
	err := c.nodes["a1"].Ready(within(t, time.Second))
	if !errors.Is(err, control.ErrNoQuorum) {
		t.Fatalf("alone of three, nothing on disk: %v", err)
	}
	ctx := within(t, 60*time.Second)
	// It finds out who is missing before anyone else is there.
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !slices.Equal(c.nodes["a1"].Missing(), []string{"b2", "c3"}) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("missing: %v", c.nodes["a1"].Missing())
		}
	}
	c.start("c3")
	c.ready(ctx, "a1", "c3")
	c.start("b2")
	c.ready(ctx, "b2")
	if a, b := c.nodes["a1"].State().ID, c.nodes["b2"].State().ID; a != b {
		t.Errorf("worlds %s and %s", a, b)
	}
}

// A node that comes to a running world waits, follows, votes while there are
// votes, and is let go when it has left the world.
func TestMembersComeAndGo_U3(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "a1", "b2", "c3")
	c.votersMax = 4
	c.start(c.names...)
	ctx := within(t, 120*time.Second)
	c.ready(ctx, c.names...)
	for _, name := range []string{"d4", "e5"} {
		c.relays[name], c.dirs[name], c.joining = newRelay(t), t.TempDir(), true
		c.members = maps.Clone(c.members)
		c.members[name] = c.relays[name].url()
		c.start(name)
	}
	if err := c.nodes["d4"].Ready(within(t, 2*time.Second)); err == nil {
		t.Fatal("a node that nobody wants has joined")
	}
	want := func(names, gone []string) {
		cluster := control.Cluster{Wanted: map[string]string{}, Gone: gone}
		for _, name := range names {
			cluster.Wanted[name] = c.members[name]
		}
		for _, n := range c.nodes {
			n.SetCluster(cluster)
		}
	}
	// f6 is wanted, and never comes: nobody waits for it.
	c.relays["f6"] = newRelay(t)
	c.members["f6"] = c.relays["f6"].url()
	all := []string{"a1", "b2", "c3", "d4", "e5", "f6"}
	want(all, nil)
	if _, err := c.nodes["b2"].CreateTable(ctx, keyed("more")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"d4", "e5"} {
		until(t, ctx, c.nodes[name].Control, "the table", func(s *control.State) bool { _, ok := s.Table("more"); return ok })
	}
	c.awaitCluster(ctx, "a1", "a1 b2 c3 d4 e5(learner) f6(learner)", "a1 b2 c3 d4(learner) e5 f6(learner)")
	// A learner's changes count like any other's.
	for _, name := range []string{"d4", "e5"} {
		if _, err := c.nodes[name].CreateTable(ctx, keyed("by-"+name)); err != nil {
			t.Fatalf("a change by %s: %v", name, err)
		}
	}
	// c3 dies and is removed from the world: a vote is free.
	c.stop("c3")
	delete(c.nodes, "c3")
	want([]string{"a1", "b2", "d4", "e5"}, []string{"c3", "f6"})
	c.awaitCluster(ctx, "a1", "a1 b2 d4 e5")
	// Who restarts remembers those who came, not those whom it began with; it looks
	// every two seconds.
	var known map[string]string
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for len(known) != 4 || known["e5"] == "" {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("a1 knows the members %v", known)
		}
		var err error
		if known, err = control.Members(c.dirs["a1"]); err != nil {
			t.Fatal(err)
		}
	}
	c.stop("a1")
	c.members = known
	c.start("a1")
	untilQuorum(t, ctx, c.nodes["a1"].Control, true)
}

// awaitCluster waits until a node sees one of these rosters.
func (c *cluster) awaitCluster(ctx context.Context, at string, rosters ...string) {
	c.t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		var words []string
		for _, m := range c.nodes[at].Cluster() {
			word := m.Name
			if m.Learner {
				word += "(learner)"
			}
			words = append(words, word)
		}
		now := strings.Join(words, " ")
		if slices.Contains(rosters, now) {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			c.t.Fatalf("the members are %s, want one of %q", now, rosters)
		}
	}
}

func TestALostDiskIsReplaced(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "a1", "b2", "c3")
	c.start(c.names...)
	ctx := within(t, 90*time.Second)
	c.ready(ctx, c.names...)
	if _, err := c.nodes["a1"].Replace(ctx, "b2"); err == nil || !strings.Contains(err.Error(), "answers") {
		t.Errorf("replacing a member that is alive: %v", err)
	}
	c.stop("c3")
	c.dirs["c3"] = t.TempDir()
	c.start("c3")
	// It does not come back with its old vote and no memory of it.
	if err := c.nodes["c3"].Ready(within(t, 2*time.Second)); err == nil {
		t.Fatal("a member without its disk took part again")
	}
	// A peer's state serves it meanwhile.
	if !c.nodes["c3"].Adopt(c.nodes["a1"].State()) {
		t.Error("it refuses a peer's state")
	}
	in, err := c.nodes["a1"].Replace(ctx, "c3")
	if err != nil {
		t.Fatal(err)
	}
	// It votes when that is over: whoever then takes another one away counts on it.
	if n := c.voters("a1"); in.Learner || n != 3 {
		t.Fatalf("after the replacement %d members vote, and it is %+v", n, in)
	}
	if _, err := c.nodes["a1"].CreateTable(ctx, keyed("more")); err != nil {
		t.Fatal(err)
	}
	until(t, ctx, c.nodes["c3"].Control, "the table", func(s *control.State) bool { _, ok := s.Table("more"); return ok })
	c.stop("a1")
	if _, err := c.nodes["c3"].CreateTable(ctx, keyed("again")); err != nil {
		t.Fatal(err)
	}
}

// A node that does not run is not waited for: it is let in, and is told so.
func TestALostDiskIsReplacedBeforeItsNodeStarts(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "a1", "b2", "c3")
	c.start(c.names...)
	ctx := within(t, 90*time.Second)
	c.ready(ctx, c.names...)
	c.stop("c3")
	c.dirs["c3"] = t.TempDir()
	in, err := c.nodes["a1"].Replace(ctx, "c3")
	if err != nil || !in.Learner || in.Started {
		t.Fatalf("replaced as %+v: %v", in, err)
	}
	c.start("c3")
	c.awaitCluster(ctx, "b2", "a1 b2 c3")
}
