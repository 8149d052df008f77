package replica_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

// place gives the table notes replicas, by a control revision.
func (w *world) place(revision uint64, t table.Table) {
	w.t.Helper()
	w.control.Revision = revision
	w.control.Tables = []table.Table{t}
	for _, n := range w.nodes {
		n.set(w.control)
	}
}

// leaving moves a region's replica to those that leave.
func leaving(t table.Table, region string) table.Table {
	i := slices.IndexFunc(t.Replicas, func(r table.Replica) bool { return r.Region == region })
	t.Leaving = append(t.Leaving, t.Replicas[i])
	t.Replicas = slices.Delete(slices.Clone(t.Replicas), i, i+1)
	return t
}

// D2, DATA 18: c's replica is removed and added again; what the others deleted,
// and forgot that they did, stays deleted, in the next life too.
func TestD2_DATA18_ReplicaRemovedAndAddedAgain(t *testing.T) {
	w := newWorld(t, 0, "a", "b", "c").start()
	a, b, c := w.nodes["a"], w.nodes["b"], w.nodes["c"]
	a.put(notes, "gone", "v")
	a.put(notes, "stays", "v")
	w.equal(notes, 2)
	w.place(2, w.table(notes, "notes", 2, "a", "b"))
	a.remove(notes, "gone")
	w.eventually("the tombstone is collected in a and b", func() bool {
		for _, n := range []*node{a, b} {
			if _, err := n.store.Collect(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		return len(a.dump(notes)) == 1 && len(b.dump(notes)) == 1
	})
	w.place(3, w.given(w.table(notes, "notes", 3, "a", "b", "c"), "c", 3))
	a.put(notes, "new", "v")
	w.eventually("c has copied the table", func() bool { whole, _ := c.store.Whole(notes); return whole == 3 })
	w.equal(notes, 2)
	if _, there := c.dump(notes)["gone"]; there {
		t.Errorf("the deleted item is back in c: %v", c.dump(notes))
	}
	c.restart(c.engine)
	c.put(notes, "more", "v")
	w.equal(notes, 3)
}

// D1: writes that c had acknowledged when its replica was removed, and had not
// shipped, and those that it takes until it knows, reach the others; it takes
// none from then on.
func TestD1_ALeavingReplicaShipsWhatItTook(t *testing.T) {
	w := newWorld(t, 0, "a", "b", "c").start()
	a, b, c := w.nodes["a"], w.nodes["b"], w.nodes["c"]
	a.put(notes, "x", "v")
	w.equal(notes, 1)
	for _, peer := range []string{"a", "b"} {
		w.net.Cut(peer, "c")
	}
	c.put(notes, "unshipped", "v")
	removed := leaving(w.table(notes, "notes", 2, "a", "b", "c"), "c")
	next := w.control
	next.Revision, next.Tables = 2, []table.Table{removed}
	a.set(next)
	b.set(next)
	c.put(notes, "unaware", "v")
	c.set(next)
	_, err := c.store.Update(t.Context(), []record.Key{key(notes, "late")}, func(tx *store.Tx) error {
		return tx.Put(key(notes, "late"), []byte("v"), store.PutOptions{})
	})
	if !errors.Is(err, store.ErrNoTable) {
		t.Errorf("a write after the removal: %v", err)
	}
	end, err := c.store.Closed(t.Context(), notes)
	if err != nil {
		t.Fatal(err)
	}
	both := []string{"a", "b"}
	if got := c.replica.Lacking(end, both); !slices.Equal(got, both) {
		t.Errorf("while it is cut off, %v lack its log, want %v", got, both)
	}
	w.net.Heal("a", "c")
	w.eventually("a has it, b does not", func() bool { return slices.Equal(c.replica.Lacking(end, both), []string{"b"}) })
	w.net.Heal("b", "c")
	w.eventually("all have it", func() bool { return len(c.replica.Lacking(end, both)) == 0 })
	for _, n := range []*node{a, b} {
		if got := n.dump(notes); len(got) != 3 {
			t.Errorf("%s has %v, want x and both of c's writes", n.name, got)
		}
	}
}

// A region that does not hold a table need not be there when another copies it.
func TestD2_ACopyNeedsOnlyThoseThatHoldTheTable(t *testing.T) {
	w := newWorld(t, 0, "a", "b", "c")
	w.control.Tables = []table.Table{w.table(notes, "notes", 1, "a")}
	w.start("a", "b")
	w.nodes["a"].put(notes, "k", "v")
	next := w.control
	next.Revision, next.Tables = 2, []table.Table{w.given(w.given(w.table(notes, "notes", 2, "a", "b", "c"), "b", 2), "c", 2)}
	w.nodes["a"].set(next)
	w.nodes["b"].set(next)
	w.eventually("b has copied the table", func() bool { whole, _ := w.nodes["b"].store.Whole(notes); return whole == 2 })
	w.equal(notes, 1, "a", "b")
}
