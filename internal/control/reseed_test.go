package control_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/meridian-run/meridian/internal/control"
)

// loseEtcd does what ErrMembers tells: the state on disk stays.
func (c *cluster) loseEtcd() {
	for _, n := range c.names {
		os.RemoveAll(filepath.Join(c.dirs[n], "etcd"))
		os.Remove(filepath.Join(c.dirs[n], "members.json"))
	}
}

// behind makes a world whose node c3 is down during two changes; it stops all.
func behind(t *testing.T, ctx context.Context) (c *cluster, last *control.State) {
	t.Helper()
	c = newCluster(t, "a1", "b2", "c3")
	c.start(c.names...)
	c.ready(ctx, c.names...)
	c.stop("c3")
	for _, name := range []string{"first", "second"} {
		if _, err := c.nodes["a1"].CreateTable(ctx, keyed(name)); err != nil {
			t.Fatal(err)
		}
	}
	last = c.nodes["a1"].State()
	until(t, ctx, c.nodes["b2"].Control, "both tables", func(s *control.State) bool { return s.Revision == last.Revision })
	c.stop("a1", "b2")
	return c, last
}

// agree waits until every node has one state, which has these tables.
func (c *cluster) agree(ctx context.Context, tables ...string) {
	c.t.Helper()
	want := c.nodes["a1"].State()
	for _, name := range c.names {
		got := until(c.t, ctx, c.nodes[name].Control, "what a1 has", func(s *control.State) bool {
			return s.Revision == want.Revision && bytes.Equal(s.Lineage, want.Lineage)
		})
		for _, table := range tables {
			was, _ := want.Table(table)
			if x, ok := got.Table(table); !ok || x.ID != was.ID {
				c.t.Errorf("%s has %+v as table %s, a1 has %+v", name, x, table, was)
			}
		}
		if err := c.nodes[name].Conflict(); err != nil {
			c.t.Errorf("%s: %v", name, err)
		}
	}
}

// Every node gives the new etcd what it knows; whoever is first, the newest
// state is in force at last, with the tables under the ids of their data.
func TestU3EtcdLostEverywhereIsGivenTheNewestState(t *testing.T) {
	t.Parallel()
	ctx := within(t, 90*time.Second)
	c, last := behind(t, ctx)
	c.loseEtcd()
	c.start("c3", "a1", "b2")
	until(t, ctx, c.nodes["c3"].Control, "the newest state", func(s *control.State) bool { return s.Revision >= last.Revision })
	if _, err := c.nodes["c3"].CreateTable(ctx, keyed("third")); err != nil {
		t.Fatal(err)
	}
	until(t, ctx, c.nodes["a1"].Control, "the third table", func(s *control.State) bool { return s.Revision == last.Revision+1 })
	c.agree(ctx, "notes", "first", "second", "third")
	for _, name := range []string{"notes", "first", "second"} {
		was, _ := last.Table(name)
		if x, ok := c.nodes["c3"].State().Table(name); !ok || x.ID != was.ID {
			t.Errorf("table %s is %+v, was %+v", name, x, was)
		}
	}
}

// The older state came first, for as long as only nodes that know no better were
// there.
func TestAnOlderStateInEtcdIsReplaced(t *testing.T) {
	t.Parallel()
	ctx := within(t, 90*time.Second)
	c, last := behind(t, ctx)
	c.loseEtcd()
	c.forget("b2", "c3")
	c.start("b2", "c3")
	// Ending a drain that is not there changes nothing, but waits for etcd to hold
	// the state.
	if _, _, err := c.nodes["c3"].Undrain(ctx, "a1", ""); err != nil {
		t.Fatal(err)
	}
	if got := c.nodes["c3"].State().Revision; got >= last.Revision {
		t.Fatalf("c3 is at %d, not behind %d", got, last.Revision)
	}
	c.start("a1")
	until(t, ctx, c.nodes["c3"].Control, "the newest state", func(s *control.State) bool { return s.Revision == last.Revision })
	c.agree(ctx, "notes", "first", "second")
}

// forget puts the state on the disk of one node in place of another's.
func (c *cluster) forget(to, from string) {
	c.t.Helper()
	b, err := os.ReadFile(filepath.Join(c.dirs[from], "state.json"))
	if err == nil {
		err = os.WriteFile(filepath.Join(c.dirs[to], "state.json"), b, 0o600)
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

// Changes were made on the older state: two states have one revision. Neither is
// taken for the other, and it is said what to do.
func TestTwoStatesOfOneWorldAreNotMixed(t *testing.T) {
	t.Parallel()
	ctx := within(t, 90*time.Second)
	c, last := behind(t, ctx)
	c.loseEtcd()
	c.forget("b2", "c3")
	c.start("b2", "c3")
	for _, name := range []string{"other", "another", "yet-another"} {
		if _, err := c.nodes["c3"].CreateTable(ctx, keyed(name)); err != nil {
			t.Fatal(err)
		}
	}
	c.start("a1")
	a1 := c.nodes["a1"]
	untilConflict(t, ctx, a1.Control)
	err := a1.Conflict()
	if !errors.Is(err, control.ErrApart) || !strings.Contains(err.Error(), "state.json") {
		t.Errorf("conflict: %v", err)
	}
	if _, err := a1.CreateTable(ctx, keyed("more")); !errors.Is(err, control.ErrApart) {
		t.Errorf("a change on the node that is apart: %v", err)
	}
	if a1.Adopt(c.nodes["c3"].State()) || c.nodes["c3"].Adopt(a1.State()) || a1.State().Revision != last.Revision {
		t.Errorf("one was taken for the other: a1 is at %d", a1.State().Revision)
	}

	// What the error tells: a1's goes.
	c.stop("a1")
	if err := os.Remove(filepath.Join(c.dirs["a1"], "state.json")); err != nil {
		t.Fatal(err)
	}
	c.start("a1")
	c.ready(ctx, "a1")
	if err := c.nodes["c3"].Conflict(); !errors.Is(err, control.ErrApart) { // a1 passed its own along
		t.Errorf("c3: %v", err)
	}
	if _, err := c.nodes["a1"].CreateTable(ctx, keyed("more")); err != nil {
		t.Fatal(err)
	}
	until(t, ctx, c.nodes["c3"].Control, "the table", func(s *control.State) bool { _, ok := s.Table("more"); return ok })
	c.agree(ctx, "notes", "other", "more")
}

func untilConflict(t *testing.T, ctx context.Context, c *control.Control) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for c.Conflict() == nil {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("no conflict is told; state is %+v", c.State())
		}
	}
}
