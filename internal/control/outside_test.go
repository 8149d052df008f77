package control_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/meridian-run/meridian/internal/certificate"
	"github.com/meridian-run/meridian/internal/control"
	"github.com/meridian-run/meridian/internal/table"
)

// secured is a world whose members speak mutual TLS.
func secured(t *testing.T, names ...string) map[string]control.Config {
	t.Helper()
	dirs, err := certificate.Init(t.TempDir(), certificate.Plan{World: "notes", Nodes: names, Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	members := map[string]string{}
	configs := map[string]control.Config{}
	for i, name := range names {
		b, err := certificate.OpenBundle(dirs[i])
		if err != nil {
			t.Fatal(err)
		}
		l := listen(t)
		members[name] = "https://" + l.Addr().String()
		configs[name] = control.Config{
			World: "notes", Region: name, Dir: filepath.Join(t.TempDir(), "control"), Seed: seedOf(names...),
			Embedded: &control.Embedded{Listen: l, Members: members, Identity: b.Identity},
		}
	}
	return configs
}

func TestMembersSpeakMutualTLS(t *testing.T) {
	t.Parallel()
	configs := secured(t, "a1", "b2", "c3")
	ctx := within(t, 60*time.Second)
	var nodes []node
	for _, name := range []string{"a1", "b2", "c3"} {
		nodes = append(nodes, start(t, configs[name]))
	}
	for _, n := range nodes {
		if err := n.Ready(ctx); err != nil {
			t.Fatal(err)
		}
	}
	made, err := nodes[0].CreateTable(ctx, keyed("more"))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes {
		until(t, ctx, n.Control, "the table", func(s *control.State) bool { x, ok := s.Table("more"); return ok && x.ID == made.ID })
	}

	// A stranger with another world's certificate gets no answer from a member.
	strangers, err := certificate.Init(t.TempDir(), certificate.Plan{World: "notes", Nodes: []string{"a1"}, Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := certificate.Open(certificate.FilesIn(strangers[0]))
	if err != nil {
		t.Fatal(err)
	}
	url := configs["a1"].Embedded.Members["a1"] + "/version"
	for _, c := range []struct {
		who string
		id  *certificate.Identity
		ok  bool
	}{{"a stranger", stranger, false}, {"a member", configs["b2"].Embedded.Identity, true}} {
		config := c.id.Client("")
		if !c.ok {
			config.VerifyConnection = nil
		}
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}, Timeout: 5 * time.Second}
		resp, err := client.Get(url)
		if (err == nil) != c.ok {
			t.Errorf("%s asks a member: %v", c.who, err)
		}
		if err == nil {
			resp.Body.Close()
		}
	}
}

func TestExternalEtcd(t *testing.T) {
	t.Parallel()
	inside := alone(t, t.TempDir())
	inside.Embedded.Client = listen(t)
	url := "http://" + inside.Embedded.Client.Addr().String()
	host := start(t, inside)
	ctx := within(t, 60*time.Second)
	if err := host.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	// Two nodes of another world use that etcd; it keeps the worlds apart.
	var nodes []node
	for _, name := range []string{"us", "eu"} {
		nodes = append(nodes, start(t, control.Config{
			World: "shop", Region: name, Dir: t.TempDir(), Seed: seedOf("us", "eu"),
			External: &control.External{URLs: []string{url}},
		}))
	}
	for _, n := range nodes {
		if err := n.Ready(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if nodes[0].State().ID != nodes[1].State().ID || nodes[0].State().ID == host.State().ID {
		t.Errorf("worlds %s, %s and %s", nodes[0].State().ID, nodes[1].State().ID, host.State().ID)
	}
	if _, err := nodes[0].Drain(ctx, control.Drain{Region: "eu"}); err != nil {
		t.Fatal(err)
	}
	until(t, ctx, nodes[1].Control, "the drain", func(s *control.State) bool { return len(s.Drains) == 1 })
	if got := len(host.State().Drains); got != 0 {
		t.Errorf("the other world has %d drains", got)
	}
	untilQuorum(t, ctx, nodes[1].Control, true)

	// Without etcd they go on.
	host.stop()
	untilQuorum(t, ctx, nodes[1].Control, false)
	if _, err := nodes[1].CreateTable(within(t, 200*time.Millisecond), keyed("later")); !errors.Is(err, control.ErrNoQuorum) {
		t.Errorf("a change without etcd: %v", err)
	}
	if s := nodes[1].State(); len(s.Drains) != 1 {
		t.Errorf("state without etcd: %+v", s)
	}
}

func TestAdoptTakesNewerStatesOfTheSameWorld(t *testing.T) {
	seed := seedOf("us", "eu")
	first, err := control.Found("notes", *seed, time.Now(), strings.NewReader(strings.Repeat("abcdefgh", 20)))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cfg := control.Config{World: "notes", Region: "us", Dir: dir, Seed: seed, External: &control.External{URLs: []string{"http://127.0.0.1:1"}}}
	c, err := control.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	changed := c.Changed()
	if !c.Adopt(first) {
		t.Fatal("the first state was not taken")
	}
	<-changed
	if err := c.Ready(context.Background()); err != nil {
		t.Error(err)
	}
	other := *first
	other.ID, other.Revision = "another", 9
	elsewhere := *first
	elsewhere.World, elsewhere.Revision = "shop", 9
	newer := *first
	newer.Revision = 3
	for _, x := range []struct {
		what string
		s    *control.State
		want bool
	}{{"nothing", nil, false}, {"the same", first, false}, {"another world of the name", &other, false}, {"another world", &elsewhere, false}, {"a newer one", &newer, true}, {"an older one", first, false}} {
		if got := c.Adopt(x.s); got != x.want {
			t.Errorf("%s: adopted %v", x.what, got)
		}
	}
	// It is on disk: another life of the node starts with it.
	again, err := control.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if got := again.State(); got == nil || got.Revision != 3 {
		t.Errorf("after a restart: %+v", got)
	}
	cfg.World = "shop"
	if _, err := control.New(cfg); !errors.Is(err, control.ErrWorld) {
		t.Errorf("another world's directory: %v", err)
	}
}

// A state that was founded by one hand and given to all serves before there is
// a quorum, and is what etcd then holds.
func TestFoundedStateIsPlanted(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "a1", "b2", "c3")
	first, err := control.Found("notes", *seedOf("a1", "b2", "c3"), time.Now(), strings.NewReader(strings.Repeat("abcdefgh", 20)))
	if err != nil {
		t.Fatal(err)
	}
	c.start(c.names...)
	for _, name := range c.names {
		c.nodes[name].Adopt(first)
		if err := c.nodes[name].Ready(within(t, time.Millisecond)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	ctx := within(t, 60*time.Second)
	if _, err := c.nodes["b2"].CreateTable(ctx, keyed("more")); err != nil {
		t.Fatal(err)
	}
	for _, name := range c.names {
		s := until(t, ctx, c.nodes[name].Control, "what etcd holds", func(s *control.State) bool { return s.Revision > 1 })
		was, _ := first.Table("notes")
		if now, _ := s.Table("notes"); s.ID != first.ID || now.ID != was.ID {
			t.Errorf("%s: world %s with table %d, founded was %s with %d", name, s.ID, now.ID, first.ID, was.ID)
		}
	}
}

func TestLeaseHasOneOwner(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "a1", "b2", "c3")
	c.start(c.names...)
	ctx := within(t, 60*time.Second)
	c.ready(ctx, c.names...)
	lease, err := c.nodes["a1"].Lease(ctx, "drill", time.Second)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.nodes["b2"].Lease(ctx, "drill", time.Second)
	if !errors.Is(err, control.ErrLeaseHeld) || !strings.Contains(err.Error(), "a1") {
		t.Errorf("a second owner: %v", err)
	}
	held, err := c.nodes["c3"].Leases(ctx)
	if err != nil || len(held) != 1 || held[0].Owner != "a1" || held[0].Name != "drill" {
		t.Errorf("held: %+v, %v", held, err)
	}
	if err := lease.Release(ctx); err != nil {
		t.Error(err)
	}
	<-lease.Done()
	second, err := c.nodes["b2"].Lease(ctx, "drill", time.Second)
	if err != nil {
		t.Fatal(err)
	}
	// An owner that stops loses it; another has it when the time is over.
	c.stop("b2")
	<-second.Done()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		_, err := c.nodes["a1"].Lease(ctx, "drill", time.Second)
		if err == nil {
			break
		}
		if !errors.Is(err, control.ErrLeaseHeld) && !errors.Is(err, control.ErrNoQuorum) {
			t.Fatal(err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal(err)
		}
	}
}

// Applying and changing through a running node, as the CLI and the tables API do.
func TestChangesThroughANode(t *testing.T) {
	t.Parallel()
	c := start(t, alone(t, t.TempDir()))
	ctx := within(t, 30*time.Second)
	if err := c.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := c.CreateTable(ctx, keyed("mine")); err != nil {
		t.Fatal(err)
	}
	next := control.ApplySpec{Seed: *seedOf("here", "there"), IfRevision: 1}
	next.Spec = []byte("world: notes # wider")
	s, err := c.Apply(ctx, next)
	if err != nil {
		t.Fatal(err)
	}
	if notes, _ := s.Table("notes"); s.SpecRevision != 3 || !notes.In("there") || notes.SchemaVersion != 2 {
		t.Errorf("applied: %+v", s)
	}
	if !c.SpecDiffers() {
		t.Error("the node's file is not the applied spec any more, and it does not say so")
	}
	if _, err := c.Apply(ctx, next); !errors.Is(err, control.ErrRevision) {
		t.Errorf("applying on top of an old revision: %v", err)
	}
	updated, err := c.UpdateTable(ctx, "mine", func(x *table.Table) error {
		x.Replicas = append(x.Replicas, table.Replica{Region: "there"})
		return nil
	})
	if err != nil || updated.SchemaVersion != 2 || updated.Revision != 4 || len(updated.Replicas) != 2 {
		t.Errorf("adding a replica: %+v, %v", updated, err)
	}
	reason := errors.New("no such thing")
	if _, err := c.UpdateTable(ctx, "mine", func(*table.Table) error { return reason }); !errors.Is(err, reason) {
		t.Error(err)
	}
	if was, err := c.DeleteTable(ctx, "mine"); err != nil || was.ID != updated.ID {
		t.Errorf("deleted %+v, %v", was, err)
	}
	again, err := c.CreateTable(ctx, keyed("mine"))
	if err != nil || again.ID == updated.ID {
		t.Errorf("a table of a name that was there before is another table: %+v, %v", again, err)
	}
	c.stop()
	if _, err := c.CreateTable(ctx, keyed("after")); !errors.Is(err, control.ErrClosed) {
		t.Errorf("a change after the end: %v", err)
	}
}

func TestNothingIsLeftRunning(t *testing.T) {
	run := func() {
		cfg := alone(t, t.TempDir())
		cfg.Embedded.Client = listen(t)
		cfg.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
		c := start(t, cfg)
		if err := c.Ready(within(t, 30*time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Lease(context.Background(), "drill", time.Second); err != nil {
			t.Fatal(err)
		}
		c.stop()
	}
	run() // what starts once and stays (package-level workers) starts here
	before := stacks()
	run()
	deadline := within(t, 10*time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		after := stacks()
		if len(after) <= len(before) {
			return
		}
		select {
		case <-tick.C:
		case <-deadline.Done():
			t.Fatalf("%d goroutines before, %d after:\n%s", len(before), len(after), strings.Join(after, "\n\n"))
		}
	}
}

func stacks() []string {
	buf := make([]byte, 1<<20)
	return strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n")
}

func TestBadConfigurations(t *testing.T) {
	members := map[string]string{"here": "http://127.0.0.1:1"}
	for what, cfg := range map[string]control.Config{
		"no backend":      {World: "notes", Region: "here", Dir: t.TempDir()},
		"two backends":    {World: "notes", Region: "here", Dir: t.TempDir(), Embedded: &control.Embedded{Members: members}, External: &control.External{}},
		"no world":        {Region: "here", Dir: t.TempDir(), Embedded: &control.Embedded{Members: members}},
		"not a member":    {World: "notes", Region: "there", Dir: t.TempDir(), Embedded: &control.Embedded{Members: members}},
		"https, no TLS":   {World: "notes", Region: "here", Dir: t.TempDir(), Embedded: &control.Embedded{Members: map[string]string{"here": "https://127.0.0.1:1"}}},
		"URL with a path": {World: "notes", Region: "here", Dir: t.TempDir(), Embedded: &control.Embedded{Members: map[string]string{"here": "http://127.0.0.1:1/x"}}},
		"no URL":          {World: "notes", Region: "here", Dir: t.TempDir(), External: &control.External{}},
	} {
		if _, err := control.New(cfg); err == nil {
			t.Errorf("%s: accepted", what)
		}
	}
}

// Other addresses than those that the directory was made with.
func TestChangedMembersAreNoticed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := start(t, alone(t, dir))
	ctx := within(t, 30*time.Second)
	if err := first.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	before := first.State()
	first.stop()

	moved := alone(t, t.TempDir())
	moved.Dir = dir
	c, err := control.New(moved)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Run(ctx); !errors.Is(err, control.ErrMembers) {
		t.Fatalf("moved without saying so: %v", err)
	}
	// dev starts over from the state on disk.
	again := start(t, alone(t, dir))
	if _, err := again.CreateTable(ctx, keyed("more")); err != nil {
		t.Fatal(err)
	}
	s := again.State()
	if s.Revision != before.Revision+1 {
		t.Errorf("one change led from revision %d to %d", before.Revision, s.Revision)
	}
	was, _ := before.Table("notes")
	if now, _ := s.Table("notes"); s.ID != before.ID || now.ID != was.ID {
		t.Errorf("started over as %+v, was %+v", s, before)
	}
}
