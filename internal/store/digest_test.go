package store_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/meridian-run/meridian/internal/equality"
	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
)

// replicating lets regions hear from each other between two looks.
func replicating(regions ...*region) func() { return func() { settle(regions...) } }

// compare compares what two regions hold of notes; pause is called between two
// looks at what differs.
func compare(t *testing.T, a, b *region, pause func()) equality.Result {
	t.Helper()
	c := equality.Comparison{
		Table: notes, A: a.Side(), B: b.Side(), Now: func() time.Time { return *a.now },
		Pause: func(ctx context.Context, _ time.Duration) error {
			if pause != nil {
				pause()
			}
			return ctx.Err()
		},
	}
	result, err := c.Compare(t.Context(), equality.All)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func named(pairs []equality.Pair) (out []string) {
	for _, p := range pairs {
		out = append(out, string(p.A.Key.Partition))
	}
	return out
}

// inject changes a region's engine behind the store's back.
func inject(t *testing.T, r *region, ops ...kv.Op) {
	t.Helper()
	if _, err := kv.Update(t.Context(), r.engine, nil, func(kv.Reader) (*kv.Batch, error) { return &kv.Batch{Ops: ops}, nil }); err != nil {
		t.Fatal(err)
	}
}

// stored answers the engine's key and value of a record.
func stored(t *testing.T, r *region, partition string) (k, v []byte) {
	t.Helper()
	it := r.engine.Scan(kv.Range{From: []byte{'d'}, To: []byte{'e'}})
	defer it.Close()
	for it.Next() {
		if len(it.Key()) == 1+8+2+len(partition)+2 && string(it.Key()[11:11+len(partition)]) == partition {
			return slices.Clone(it.Key()), slices.Clone(it.Value())
		}
	}
	t.Fatalf("region %d does not hold %s", r.id, partition)
	return nil, nil
}

// Three regions that have had conflicts, deletes and expiries, and have collected
// different amounts of it, are equal; what was injected into one is found, and
// repaired by merging both ways.
func TestDATA7_DigestsFindWhatWasInjected(t *testing.T) {
	a, b, c := newRegion(t, 1, nil, nil), newRegion(t, 2, nil, nil), newRegion(t, 3, nil, nil)
	for i := range 800 {
		k := key(fmt.Sprint("k", i))
		a.put(k, "old")
		if i%7 == 0 {
			b.put(k, "concurrent")
		}
	}
	settle(a, b, c)
	for _, r := range []*region{a, b, c} {
		r.advance(time.Second)
	}
	for i := range 50 {
		a.remove(key(fmt.Sprint("k", i)))
	}
	c.pull(a)
	for _, r := range []*region{a, b, c} {
		r.advance(time.Minute)
	}
	settle(a, b, c)
	a.put(key("k60"), "last")
	b.pull(a)
	c.pull(a)
	for _, other := range []*region{b, c} {
		if got := compare(t, a, other, nil); len(got.Different)+len(got.Unsettled) > 0 {
			t.Fatalf("regions 1 and %d: %v, unsettled %v", other.id, named(got.Different), named(got.Unsettled))
		}
	}

	lost, _ := stored(t, b, "k100")
	older, value := stored(t, b, "k200")
	rec, err := record.Parse(value)
	if err != nil {
		t.Fatal(err)
	}
	rec.Version.Time--
	inject(t, b, kv.Op{Kind: kv.Delete, Key: lost}, kv.Op{Key: older, Value: record.Append(nil, rec, false)})
	if got := compare(t, a, c, replicating(a, b, c)); len(got.Different) > 0 {
		t.Errorf("regions 1 and 3: %v", named(got.Different))
	}
	got := compare(t, a, b, replicating(a, b, c))
	if !slices.Equal(named(got.Different), []string{"k100", "k200"}) || !got.Different[0].B.Version.IsZero() {
		t.Fatalf("regions 1 and 2: %+v", got)
	}

	keys := []record.Key{got.Different[0].A.Key, got.Different[1].A.Key}
	repair(t, b, a, keys)
	repair(t, a, b, keys)
	if got := compare(t, b, c, replicating(a, b, c)); len(got.Different)+len(got.Unsettled) > 0 {
		t.Errorf("after the repair: %v", named(got.Different))
	}
	if b.value(key("k100")) != "old" || b.value(key("k200")) != "old" {
		t.Errorf("after the repair: %q, %q", b.value(key("k100")), b.value(key("k200")))
	}
}

// repair merges into one region what another holds of some keys.
func repair(t *testing.T, to, from *region, keys []record.Key) {
	t.Helper()
	c, err := from.Current(t.Context(), notes, keys, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := to.Merge(t.Context(), from.id, notes, c.Records, c.Frontier); err != nil {
		t.Fatal(err)
	}
}

// While writes go on, what is on its way is not reported, and what is lost is.
func TestDigestsWhileWritesGoOn(t *testing.T) {
	a, b := newRegion(t, 1, nil, nil), newRegion(t, 2, nil, nil)
	a.tables = append(a.tables[:0:0], tableIn(notes, 1, 2))
	a.SetTables(a.tables)
	b.SetTables(a.tables)
	for i := range 100 {
		a.put(key(fmt.Sprint("k", i)), "old")
	}
	b.pull(a)
	lost, _ := stored(t, b, "k7")
	inject(t, b, kv.Op{Kind: kv.Delete, Key: lost})
	for i := range 40 {
		a.put(key(fmt.Sprint("k", 20+i)), "new")
		b.put(key(fmt.Sprint("n", i)), "b's")
	}
	looks := 0
	got := compare(t, a, b, func() {
		looks++
		a.put(key("k30"), fmt.Sprint(looks)) // goes on
		if looks == 5 {
			b.pull(a)
			a.pull(b)
			b.beat(a)
		}
	})
	if !slices.Equal(named(got.Different), []string{"k7"}) || len(got.Unsettled) > 0 {
		t.Errorf("different %v, unsettled %v", named(got.Different), named(got.Unsettled))
	}
}

// DATA 22: a region answers nothing of a table that it does not hold, and takes
// nothing of it.
func TestDATA22_DigestsOfOwnTablesOnly(t *testing.T) {
	a := newRegion(t, 1, nil, nil)
	a.SetTables(nil)
	basis := equality.Basis{Table: notes}
	_, _, sums := a.Side().Sums(t.Context(), basis, []equality.Hashes{equality.All})
	_, _, list := a.Side().List(t.Context(), basis, equality.All, nil)
	_, look := a.Side().Look(t.Context(), basis, []record.Key{key("k")})
	_, current := a.Current(t.Context(), notes, []record.Key{key("k")}, 1)
	_, merge := a.Merge(t.Context(), 2, notes, []store.Shipped{{Key: key("k")}}, 0)
	for i, err := range []error{sums, list, look, current, merge} {
		if err == nil {
			t.Errorf("answer %d was given", i)
		}
	}
}
