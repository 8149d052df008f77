package store_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

// promoted makes a region the primary, as those that are given know it.
func promoted(to *region, epoch uint32, who ...*region) {
	for _, r := range who {
		t := tableIn(notes, 1, 2, 3)
		t.Epoch = epoch
		for _, x := range t.Replicas {
			if x.ID == to.id {
				t.Primary = x.Region
			}
		}
		r.tables = []table.Table{t}
		r.SetTables(r.tables)
	}
	if err := to.TakeTerm(to.t.Context(), epoch, notes); err != nil {
		to.t.Fatal(err)
	}
}

// three are regions of a table whose primary is the first, with k=old everywhere.
func three(t *testing.T) (a, b, c *region) {
	a, b, c = newRegion(t, 1, nil, nil), newRegion(t, 2, nil, nil), newRegion(t, 3, nil, nil)
	promoted(a, 0, a, b, c)
	a.at(10).put(key("k"), "old")
	b.at(10).pull(a)
	c.at(10).pull(a)
	return a, b, c
}

// same checks that all regions hold the same of a key, and as many receipts.
func same(t *testing.T, k record.Key, value string, receipts int, who ...*region) {
	t.Helper()
	for _, r := range who {
		if got := r.value(k); got != value {
			t.Errorf("region %d has %q, want %q", r.id, got, value)
		}
		if n := countKeys(t, r, 'r'); n != receipts {
			t.Errorf("region %d has %d receipts, want %d", r.id, n, receipts)
		}
		if diff := cmp.Diff(records(t, who[0]), records(t, r)); diff != "" {
			t.Errorf("regions %d (-) and %d (+) differ:\n%s", who[0].id, r.id, diff)
		}
	}
}

func pullAll(who ...*region) {
	for range 3 {
		for _, r := range who {
			for _, from := range who {
				if r != from {
					r.pull(from)
				}
			}
		}
	}
}

// DATA 20: what the old primary shipped to some, and not to the new one before
// it was promoted, is adopted by nobody for good: the new one restates what it
// has, under its epoch, and every region returns to that.
func TestD4_DATA20_NotIncluded(t *testing.T) {
	for _, h := range []struct {
		name     string
		lost     func(a *region)
		receipts int
	}{
		{"a new value", func(a *region) { a.put(key("k"), "lost") }, 1},
		{"two new values", func(a *region) { a.put(key("k"), "lost"); a.put(key("k"), "lost, too") }, 1},
		{"a delete", func(a *region) { a.remove(key("k")) }, 1},
		{"a value written again", func(a *region) { a.put(key("k"), "old") }, 0}, // nothing was lost
	} {
		t.Run(h.name, func(t *testing.T) {
			a, b, c := three(t)
			h.lost(a.at(20))
			c.at(20).pull(a) // and b does not
			promoted(b, 1, b, c)
			b.at(30)
			c.at(30)
			c.pull(b)
			b.pull(c)
			if got := b.value(key("k")); got != "old" {
				t.Fatalf("the new primary has %q before it has met the old one", got)
			}
			promoted(b, 1, a) // the old one is back
			a.at(40)
			pullAll(a, b, c)
			same(t, key("k"), "old", h.receipts, a, b, c)
		})
	}
}

// DATA 20: where the new primary holds nothing, it states that: the key is
// deleted in every region, also in those that took the write.
func TestD4_DATA20_NothingIsRestatedAsATombstone(t *testing.T) {
	a, b, c := three(t)
	a.at(20).put(key("new"), "lost")
	c.at(20).pull(a)
	promoted(b, 1, b, c)
	b.at(30)
	c.at(30)
	promoted(b, 1, a)
	a.at(40)
	pullAll(a, b, c)
	same(t, key("new"), "", 1, a, b, c)
	same(t, key("k"), "old", 1, a, b, c)
}

// DATA 2, 20: the new primary's write beats a later one of the old one, which it
// had not seen; there is nothing to restate.
func TestD4_DATA20_TheNewEpochBeats(t *testing.T) {
	a, b, c := three(t)
	a.at(500).put(key("k"), "lost")
	c.at(500).pull(a)
	promoted(b, 1, b, c)
	b.at(30).put(key("k"), "new")
	was := version(b, key("k"))
	b.pull(a)
	promoted(b, 1, a)
	pullAll(a, b, c)
	same(t, key("k"), "new", 1, a, b, c)
	if now := version(b, key("k")); now != was {
		t.Errorf("the new primary restated its write: %v, was %v", now, was)
	}
}

// DATA 20: what the promotion included is included, however late it comes again;
// and so is what was adopted before the term began.
func TestD4_DATA20_Included(t *testing.T) {
	a, b, c := three(t)
	a.at(20).put(key("k"), "shipped")
	b.at(20).pull(a)
	promoted(b, 1, a, b, c)
	end := b.Position().Cursor
	c.at(30).pull(a)
	for range 2 { // from the log's beginning, and as a resend
		b.take(a, a.read(store.Cursor{Log: a.Position().Cursor.Log}, store.Limit{}))
		resend(b, a)
		resend(b, c)
	}
	pullAll(a, b, c)
	same(t, key("k"), "shipped", 0, a, b, c)
	if now := b.Position().Cursor; now != end {
		t.Errorf("the new primary wrote something: %v, was %v", now, end)
	}
}

// DATA 12, 20: the same latecomer from two sides, twice, and after a restart, is
// restated once.
func TestD4_DATA20_OnceOnly(t *testing.T) {
	a, b, c := three(t)
	a.at(20).put(key("k"), "lost")
	c.at(20).pull(a)
	promoted(b, 1, b, c)
	b.at(30).restart()
	if epoch, ok, err := b.Term(notes); epoch != 1 || !ok || err != nil {
		t.Fatalf("the term after a restart: %d, %v, %v", epoch, ok, err)
	}
	c.at(30)
	if got := resend(b, c); got.Conflicts != 1 || got.Applied != 0 {
		t.Errorf("the first time did %+v", got)
	}
	end := b.Position().Cursor
	late := a.read(store.Cursor{Log: a.Position().Cursor.Log}, store.Limit{})
	for range 2 {
		if got := b.take(a, late); got.Conflicts != 0 || got.Applied != 0 {
			t.Errorf("again it did %+v", got)
		}
		b.restart()
	}
	if now := b.Position().Cursor; now.Version != end.Version {
		t.Errorf("it was restated again: %v, was %v", now, end)
	}
	promoted(b, 1, a)
	a.at(40)
	pullAll(a, b, c)
	same(t, key("k"), "old", 1, a, b, c)
}

// DATA 20: a primary that lost its disk knows no term. All that comes is what it
// had, and nothing is held against it.
func TestD4_DATA20_WithoutItsDisk(t *testing.T) {
	a, b, c := three(t)
	promoted(b, 1, a, b, c)
	b.at(20).put(key("new"), "x")
	a.at(20).pull(b)
	c.at(20).pull(b)
	empty := newRegion(t, 2, nil, nil)
	empty.tables = b.tables
	empty.SetTables(b.tables)
	empty.at(30)
	if got := resend(empty, c); got.Applied != 2 {
		t.Errorf("the resend did %+v", got)
	}
	if _, ok, err := empty.Term(notes); ok || err != nil {
		t.Errorf("an empty disk has a term: %v, %v", ok, err)
	}
	if empty.value(key("k")) != "old" || empty.value(key("new")) != "x" {
		t.Errorf("it has %q and %q", empty.value(key("k")), empty.value(key("new")))
	}
}

// DATA 19: only the primary's store takes writes, and none that began in an epoch
// which is over by the time it holds the key.
func TestD4_DATA19_OnlyThePrimaryWrites(t *testing.T) {
	a, b, _ := three(t)
	write := func(r *region, within func()) error {
		_, err := r.Update(t.Context(), []record.Key{key("k")}, func(tx *store.Tx) error {
			if within != nil {
				within()
			}
			return tx.Put(key("k"), []byte("x"), store.PutOptions{})
		})
		return err
	}
	if err := write(b, nil); !errors.Is(err, store.ErrElsewhere) {
		t.Errorf("another region's write: %v", err)
	}
	promoted(b, 1, b)
	b.at(20).put(key("k"), "new")
	a.at(20).pull(b) // it does not know yet that it was deposed
	if err := write(a, nil); !errors.Is(err, store.ErrElsewhere) {
		t.Errorf("a write over a record of a later epoch: %v", err)
	}
	if got := a.value(key("k")); got != "new" {
		t.Errorf("the key holds %q", got)
	}
}

// DATA 21: what a primary remembers goes with the table, and makes no receipts.
func TestD4_DATA21_MemoryMakesNoReceipts(t *testing.T) {
	a, b, c := three(t)
	remember := func(to *region, epoch uint32, who ...*region) {
		promoted(to, epoch, who...)
		for _, r := range who {
			r.tables = table.WithMemories(r.tables)
			r.SetTables(r.tables)
		}
		if err := to.TakeTerm(t.Context(), epoch, notes, r0(to).ID); err != nil {
			t.Fatal(err)
		}
	}
	remember(a, 0, a, b, c)
	slot := record.Key{Table: r0(a).ID, Partition: []byte("0")}
	a.at(20).put(slot, "one")
	b.at(20).pull(a)
	c.at(20).pull(a)
	a.at(30).put(slot, "lost")
	c.at(30).pull(a)
	remember(b, 1, b, c)
	b.at(40)
	remember(b, 1, a)
	a.at(50)
	pullAll(a, b, c)
	same(t, slot, "one", 0, a, b, c)
}

// r0 is the memory of a region's table.
func r0(r *region) table.Table { return r.tables[0].Remembered() }

func version(r *region, k record.Key) record.Version {
	r.t.Helper()
	got, _, err := r.Get(r.t.Context(), k)
	if err != nil {
		r.t.Fatal(err)
	}
	return got.Version
}
