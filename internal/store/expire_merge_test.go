package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
)

// die puts, or gives an item that is there, a time to die, seconds behind start.
func (r *region) die(k record.Key, at int64) {
	r.t.Helper()
	_, err := r.Update(r.t.Context(), []record.Key{k}, func(tx *store.Tx) error {
		it := item.Make(item.Attribute{Name: "pk", Value: item.Text(string(k.Partition))})
		o := store.PutOptions{Expires: start.Unix() + at}
		current, found, err := tx.Get(k)
		if err == nil && found {
			it, err = item.Decode(current.Value)
			o.Changed = &record.Change{Attributes: []string{"dies", "pk"}, Expires: true}
		}
		if err != nil {
			return err
		}
		return tx.Put(k, item.Encode(nil, it.Set("dies", item.Int(at))), o)
	})
	if err != nil {
		r.t.Fatalf("region %d: die: %v", r.id, err)
	}
}

// DATA 9, 10: in a table that merges by attribute a concurrent extension wins
// too, whole, whether the other region has forgotten the item or keeps its
// tombstone; without one the item is gone everywhere, whatever else was written.
func TestDATA9_ExpiryByAttribute(t *testing.T) {
	for _, forgotten := range []bool{true, false} {
		for _, extended := range []bool{true, false} {
			t.Run(fmt.Sprintf("forgotten %t, extended %t", forgotten, extended), func(t *testing.T) {
				regions := mergingWorld(t)
				a, b, c := regions[0], regions[1], regions[2]
				k := key("k")
				a.die(k, 10)
				a.set(k, "x", "1")
				if b.pull(a); forgotten {
					settle(regions...)
				}
				*a.now = start.Add(10_100 * time.Millisecond)
				*b.now, *c.now = start.Add(9_800*time.Millisecond), start.Add(9_800*time.Millisecond)
				if done, err := a.Expire(t.Context()); err != nil || done.Records != 1 {
					t.Fatalf("%+v, %v", done, err)
				}
				b.set(k, "y", "2")
				if extended {
					b.die(k, 30)
				}
				c.pull(a)
				settle(regions...)
				for _, r := range regions {
					*r.now = start.Add(11 * time.Second)
				}
				settle(regions...)
				for range 2 {
					for _, r := range regions {
						if _, err := r.Expire(t.Context()); err != nil {
							t.Fatal(err)
						}
					}
					settle(regions...)
				}
				for _, r := range regions {
					if d := cmp.Diff(records(t, r), records(t, a)); d != "" {
						t.Errorf("region %d differs:\n%s", r.id, d)
					}
					want := map[bool]string{true: `{"dies":{"N":"30"},"pk":{"S":"k"},"x":{"S":"1"},"y":{"S":"2"}}`, false: ""}[extended]
					if got := r.json(k); got != want {
						t.Errorf("region %d reads %s, want %s", r.id, got, want)
					}
				}
			})
		}
	}
}

// json is the item that readers see; empty if there is none.
func (r *region) json(k record.Key) string {
	r.t.Helper()
	got, found, err := r.Get(r.t.Context(), k)
	if err != nil || !found {
		return ""
	}
	it, err := item.Decode(got.Value)
	if err != nil {
		r.t.Fatal(err)
	}
	return string(it.AppendJSON(nil))
}
