package control_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/meridian-run/meridian/internal/control"
	"github.com/meridian-run/meridian/internal/wan"
)

// distant is a cluster whose members reach each other only over a simulated
// network, as in dev.
func distant(t *testing.T, network *wan.Network, names ...string) map[string]node {
	t.Helper()
	members, listeners := map[string]string{}, map[string]*wan.Forwarder{}
	inner := map[string]control.Embedded{}
	for _, name := range names {
		outside, inside := listen(t), listen(t)
		members[name] = "http://" + outside.Addr().String()
		listeners[name] = &wan.Forwarder{Network: network, Listen: outside, To: name, Target: inside.Addr().String()}
		inner[name] = control.Embedded{Listen: inside}
	}
	ids, err := control.MemberIDs("notes", members)
	if err != nil {
		t.Fatal(err)
	}
	byID := map[string]string{}
	for name, id := range ids {
		byID[id] = name
	}
	ctx, cancel := context.WithCancel(context.Background())
	var forwarders sync.WaitGroup
	for _, f := range listeners {
		f.Source = wan.HTTPHeader("X-Server-From", func(id string) string { return byID[id] })
		forwarders.Go(func() {
			if err := f.Run(ctx); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(func() { cancel(); forwarders.Wait() })
	nodes := map[string]node{}
	for _, name := range names {
		embedded := inner[name]
		embedded.Members = maps.Clone(members)
		nodes[name] = start(t, control.Config{
			World: "notes", Region: name, Dir: t.TempDir(), Seed: seedOf(names...),
			Embedded: &embedded, RoundTripMax: 100 * time.Millisecond,
		})
	}
	return nodes
}

// One line of three is cut. The member that no longer hears the leader says who
// does, and that the change was not made; the others make changes.
func TestU3OneCutLine(t *testing.T) {
	t.Parallel()
	network := wan.New(wan.Config{RoundTrip: func(a, b string) time.Duration { return 20 * time.Millisecond }})
	t.Cleanup(func() { network.Close() })
	names := []string{"a1", "b2", "c3"}
	nodes := distant(t, network, names...)
	ctx := within(t, 90*time.Second)
	for _, name := range names {
		if err := nodes[name].Ready(ctx); err != nil {
			t.Fatal(err)
		}
		untilQuorum(t, ctx, nodes[name].Control, true)
	}
	for !oneCutLine(t, ctx, network, nodes) {
		t.Log("another member leads: once more") // a busy machine
	}
}

// oneCutLine cuts the line between the leader and another member; false if the
// leader changes meanwhile.
func oneCutLine(t *testing.T, ctx context.Context, network *wan.Network, nodes map[string]node) (proven bool) {
	t.Helper()
	leader := nodes["a1"].Leader()
	others := slices.DeleteFunc(slices.Sorted(maps.Keys(nodes)), func(name string) bool { return name == leader })
	if len(others) != 2 {
		return false
	}
	apart, between := nodes[others[0]], others[1]
	network.Cut(leader, others[0])
	defer network.Heal(leader, others[0])
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if nodes[between].Leader() != leader {
			return false
		}
		_, err := apart.CreateTable(ctx, keyed("refused"))
		if err != nil && strings.Contains(err.Error(), between+" follows "+leader) { // the others have been asked
			if text := err.Error(); !errors.Is(err, control.ErrNoQuorum) || strings.Contains(text, "no quorum") || !strings.Contains(text, "another region") {
				t.Errorf("misleading: %s", text)
			}
			break
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("a change without a leader: %v", err)
		}
	}
	for _, name := range []string{leader, between} {
		if _, err := nodes[name].CreateTable(ctx, keyed("by-"+name)); err != nil {
			t.Errorf("a change in %s: %v", name, err)
		}
	}
	if _, told := apart.State().Table("by-" + between); told {
		t.Errorf("%s has heard of it", others[0])
	}
	network.Heal(leader, others[0])
	until(t, ctx, apart.Control, "both tables", func(s *control.State) bool {
		_, one := s.Table("by-" + leader)
		_, other := s.Table("by-" + between)
		return one && other
	})
	return true
}

func TestMembersOverACutNetwork(t *testing.T) {
	t.Parallel()
	network := wan.New(wan.Config{RoundTrip: func(a, b string) time.Duration { return 100 * time.Millisecond }})
	t.Cleanup(func() { network.Close() })
	names := []string{"a1", "b2", "c3"}
	nodes := distant(t, network, names...)
	ctx := within(t, 90*time.Second)
	for _, name := range names {
		if err := nodes[name].Ready(ctx); err != nil {
			t.Fatal(err)
		}
	}
	network.Isolate("c3")
	untilQuorum(t, ctx, nodes["c3"].Control, false)
	untilQuorum(t, ctx, nodes["a1"].Control, true)
	before := network.Bytes("a1", "c3") + network.Bytes("b2", "c3") + network.Bytes("c3", "a1") + network.Bytes("c3", "b2")
	made, err := nodes["a1"].CreateTable(ctx, keyed("more"))
	if err != nil {
		t.Fatal(err)
	}
	until(t, ctx, nodes["b2"].Control, "the table", func(s *control.State) bool { _, ok := s.Table("more"); return ok })
	if _, ok := nodes["c3"].State().Table("more"); ok {
		t.Error("the table reached a region that was cut off")
	}
	after := network.Bytes("a1", "c3") + network.Bytes("b2", "c3") + network.Bytes("c3", "a1") + network.Bytes("c3", "b2")
	if after != before {
		t.Errorf("%d bytes passed the cut", after-before)
	}
	// A peer passes the newer state along by another way (DATA 25).
	if !nodes["c3"].Adopt(nodes["a1"].State()) {
		t.Error("a newer state from a peer was not taken")
	}
	network.Rejoin("c3")
	untilQuorum(t, ctx, nodes["c3"].Control, true)
	if _, err := nodes["c3"].DeleteTable(ctx, "more"); err != nil {
		t.Fatal(err)
	}
	until(t, ctx, nodes["a1"].Control, "no table", func(s *control.State) bool { _, ok := s.Table("more"); return !ok })
	if made.ID == 0 {
		t.Error("a table without an id")
	}
}
