package store_test

import (
	"testing"
	"time"

	"github.com/meridian-run/meridian/internal/equality"
	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

// tell puts an item, or changes what one that is there says of its expiry.
func (h *timing) tell(i int, name string, dies int64) {
	h.t.Helper()
	_, err := h.regions[i].Update(h.t.Context(), []record.Key{key(name)}, func(tx *store.Tx) error {
		it := item.Make(item.Attribute{Name: "pk", Value: item.Text(name)}, item.Attribute{Name: "dies", Value: item.Int(start.Unix() + dies)})
		o := store.PutOptions{}
		if _, found, err := tx.Get(key(name)); err != nil || found {
			o.Changed = &record.Change{Attributes: []string{"dies", "pk"}}
		}
		return tx.Put(key(name), item.Encode(nil, it), o)
	})
	h.must(err)
}

func (h *timing) pass(i int) {
	h.t.Helper()
	for more := true; more; {
		done, err := h.regions[i].Index(h.t.Context())
		h.must(err)
		more = done.More
	}
}

// D1, DATA 9, 10: an item whose extension the pass has not reached is not buried by
// the shorter time that another region's record says.
func TestD1_AnExtensionCountsBeforeThePass(t *testing.T) {
	h := newTiming(t, 1, table.MergeAttributes)
	a, b := h.regions[0], h.regions[1]
	h.tell(0, "k", 500)
	settle(h.regions...)
	b.advance(time.Millisecond)
	h.tell(1, "k", 10)
	a.advance(2 * time.Millisecond)
	h.tell(0, "k", 1000)
	h.adopt(1, true)
	h.pass(1)
	for _, i := range []int{0, 2} { // they know, and have not begun their pass
		h.adopt(i, true)
	}
	a.pull(b)
	settle(h.regions...)
	for _, r := range h.regions {
		r.advance(20 * time.Second)
		if done, err := r.Expire(t.Context()); err != nil || done.Records != 0 {
			t.Errorf("region %d: %+v, %v", r.id, done, err)
		}
	}
	h.settle()
	h.check("extended")
}

// D1: a pass that one region has made and another has not is no difference of the
// two, nor are items that only one of them has buried; one that does not know of the
// ttl is told so.
func TestD1_APassUnderWayIsNoDifference(t *testing.T) {
	h := newTiming(t, 1, "")
	h.tell(0, "dead", 10)
	h.tell(0, "lives", 1000)
	settle(h.regions...)
	h.adopt(0, true)
	h.pass(0)
	for _, r := range h.regions {
		r.advance(20 * time.Second)
	}
	if done, err := h.regions[0].Expire(t.Context()); err != nil || done.Records != 1 {
		t.Fatalf("%+v, %v", done, err)
	}
	between := func(from, to int, ttl string) (equality.Result, error) {
		c := equality.Comparison{
			Table: notes, TTL: ttl, A: h.regions[from].Side(), B: h.regions[to].Side(),
			Now: func() time.Time { return *h.regions[0].now },
		}
		return c.Compare(t.Context(), equality.All)
	}
	if got, err := between(0, 1, "dies"); err != nil || len(got.Different)+len(got.Unsettled) > 0 {
		t.Errorf("while one has not heard of it: %+v, %v", got, err)
	}
	if _, err := between(1, 0, ""); err == nil {
		t.Error("one that has not heard of it compares all the same")
	}
	h.adopt(1, true)
	if got, err := between(1, 0, "dies"); err != nil || len(got.Different)+len(got.Unsettled) > 0 {
		t.Errorf("before its pass: %+v, %v", got, err)
	}
}
