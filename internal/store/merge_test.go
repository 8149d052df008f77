package store_test

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-run/meridian/internal/hlc"
	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/kv/memkv"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

// mergingWorld is three regions with a table that merges by attribute.
func mergingWorld(t *testing.T) []*region {
	t.Helper()
	var regions []*region
	for id := record.RegionID(1); id <= 3; id++ {
		r := newRegion(t, id, nil, nil)
		r.tables[0].Merge, r.tables[0].Counters = table.MergeAttributes, []string{"n"}
		r.SetTables(r.tables)
		regions = append(regions, r)
	}
	return regions
}

// set updates one attribute of an item, as the tables API does.
func (r *region) set(k record.Key, name, value string) {
	r.t.Helper()
	_, err := r.Update(r.t.Context(), []record.Key{k}, func(tx *store.Tx) error {
		it := item.Make(item.Attribute{Name: "pk", Value: item.Text(string(k.Partition))})
		current, found, err := tx.Get(k)
		if err == nil && found {
			it, err = item.Decode(current.Value)
		}
		if err != nil {
			return err
		}
		change := &record.Change{Attributes: []string{name}}
		if value == "" {
			it = it.Remove(name)
		} else {
			it, change.Attributes = it.Set(name, item.Text(value)), append(change.Attributes, "pk")
		}
		return tx.Put(k, item.Encode(nil, it), store.PutOptions{Changed: change})
	})
	if err != nil {
		r.t.Fatalf("region %d: set: %v", r.id, err)
	}
}

// DATA 14: what was removed, and what was deleted, is forgotten behind the
// frontier; regions stay equal.
func TestDATA14_RemovedAttributesAreForgotten(t *testing.T) {
	regions := mergingWorld(t)
	a, b := regions[0], regions[1]
	k, l := key("k"), key("l")
	a.set(k, "x", "1")
	a.set(l, "x", "1")
	settle(regions...)
	a.set(k, "y", "2")
	b.advance(100 * time.Millisecond)
	b.set(k, "x", "")
	b.remove(l)
	settle(regions...)
	for _, r := range regions {
		r.advance(300 * time.Millisecond)
	}
	settle(regions...)
	a.set(k, "y", "3") // trims what the frontier has passed
	settle(regions...)
	for _, r := range regions[1:] {
		if d := cmp.Diff(records(t, r), records(t, a)); d != "" {
			t.Errorf("region %d differs:\n%s", r.id, d)
		}
	}
	held := records(t, a)
	if len(held) != 1 {
		t.Fatalf("%d records are held", len(held))
	}
	for _, r := range held {
		if again, err := record.Trim(r, record.Frontiers{Current: ^hlc.Time(0), Reached: ^hlc.Time(0)}); err != nil || len(again.Cells) != len(r.Cells) {
			t.Errorf("%d bytes of cells, trimmed %d, %v", len(r.Cells), len(again.Cells), err)
		}
	}
}

// D8, and "contexts cost at most 16 bytes a record in steady state": three regions
// write the same 2,000 items, and hear of each other's writes and reports after
// every hundred of them.
func TestD8_ContextsStaySmall(t *testing.T) {
	for _, mode := range []string{"", table.MergeAttributes} {
		t.Run("merge="+mode, func(t *testing.T) {
			regions := mergingWorld(t)
			for _, r := range regions {
				r.tables[0].Merge = mode
				r.SetTables(r.tables)
			}
			random := rand.New(rand.NewPCG(1, 2))
			const items, rounds, perRound = 2000, 150, 100
			for range rounds {
				for range perRound {
					r := regions[random.IntN(len(regions))]
					k := key(fmt.Sprint(random.IntN(items)))
					r.set(k, fmt.Sprint("attribute", random.IntN(5)), "value")
				}
				for _, r := range regions {
					r.advance(100 * time.Millisecond)
				}
				settle(regions...)
			}
			contexts, cells, held := 0, 0, records(t, regions[0])
			for _, r := range held {
				bare, err := record.Trim(r, record.Frontiers{Current: ^hlc.Time(0)})
				if err != nil {
					t.Fatal(err)
				}
				contexts += len(record.Append(nil, r, true)) - len(record.Append(nil, bare, true))
				cells += len(bare.Cells)
			}
			each := float64(contexts) / float64(len(held))
			t.Logf("%d records: contexts %.1f bytes a record, cells %.1f", len(held), each, float64(cells)/float64(len(held)))
			if each > 16 {
				t.Errorf("contexts cost %.1f bytes a record, at most 16 are allowed", each)
			}
		})
	}
}

// BenchmarkUpdateAttribute is durable updates of one attribute of 1 KB items, with
// and without merge: attributes.
func BenchmarkUpdateAttribute(b *testing.B) {
	it := item.Make()
	for i := range 10 {
		it = it.Set(fmt.Sprint("attribute", i), item.Text(string(make([]byte, 100))))
	}
	stored := item.Encode(nil, it)
	for _, mode := range []string{"", table.MergeAttributes} {
		b.Run("merge="+mode, func(b *testing.B) {
			s := onDisk(b, 1)
			one := tableIn(notes, 1, 2)
			one.Merge = mode
			s.SetTables([]table.Table{one})
			var writer atomic.Int64
			b.SetParallelism(32)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for i := int(writer.Add(1)) * 1_000_003; pb.Next(); i++ {
					at := key(fmt.Sprint(i % 1000))
					_, err := s.Update(b.Context(), []record.Key{at}, func(tx *store.Tx) error {
						if _, _, err := tx.Get(at); err != nil {
							return err
						}
						return tx.Put(at, stored, store.PutOptions{Changed: &record.Change{Attributes: []string{"attribute3"}}})
					})
					if err != nil {
						b.Fatal(err)
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "writes/s")
		})
	}
}

// DATA 18: an attribute that was removed, and whose removal is forgotten, does
// not rise from a directory that was restored from a copy; what was written there
// since is kept.
func TestDATA18_RemovedAttributesDoNotRise(t *testing.T) {
	regions := mergingWorld(t)
	a, b, c := regions[0], regions[1], regions[2]
	k := key("k")
	a.at(10).set(k, "x", "1")
	a.set(k, "y", "1")
	copied := a.engine.(*memkv.Engine)
	a.restart()
	b.pull(a)
	c.at(20).pull(a)
	c.set(k, "x", "")
	for _, r := range regions {
		r.at(30)
	}
	settle(regions...)
	c.at(40).set(k, "y", "2") // trims what the frontier has passed
	settle(regions...)

	old := newRegion(t, 1, reopenSynced(copied), nil)
	old.tables = a.tables
	old.SetTables(old.tables)
	old.at(50).set(k, "z", "3")
	resend(b, old)
	resend(c, old)
	if got, want := b.item(k), "pk=k y=2 z=3 "; got != want {
		t.Errorf("b has %q, want %q", got, want)
	}
	resend(old, b)
	resend(old, c)
	for _, r := range []*region{b, c, old} {
		if got, want := r.item(k), "pk=k y=2 z=3 "; got != want {
			t.Errorf("region %d has %q, want %q", r.id, got, want)
		}
		if n := countKeys(t, r, 'r'); n != 0 {
			t.Errorf("region %d: %d receipts", r.id, n)
		}
	}
}

// item shows what readers see of an item.
func (r *region) item(k record.Key) (out string) {
	r.t.Helper()
	got, found, err := r.Get(r.t.Context(), k)
	if err != nil || !found {
		r.t.Fatalf("region %d: found %t, %v", r.id, found, err)
	}
	it, err := item.Decode(got.Value)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, a := range it {
		out += a.Name + "=" + a.Value.Text + " "
	}
	return out
}
