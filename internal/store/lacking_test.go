package store_test

import (
	"testing"

	"github.com/meridian-run/meridian/internal/hlc"
	"github.com/meridian-run/meridian/internal/kv/memkv"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

// resend lets to take all that from holds of the table, as a resend does, and the
// position that it was fixed at.
func resend(to, from *region) store.ApplyResult {
	to.t.Helper()
	end := from.Position().Cursor
	chunk, err := from.ReadTable(to.t.Context(), notes, nil, 1<<20)
	if err != nil {
		to.t.Fatal(err)
	}
	result, err := to.Apply(to.t.Context(), store.Apply{
		Origin: from.id, Cursor: end, Records: chunk.Records, Resend: true,
		Frontiers: map[record.TableID]hlc.Time{notes: chunk.Frontier},
	})
	if err != nil {
		to.t.Fatal(err)
	}
	return result
}

// DATA 18: what one side lacks is judged by its applied vector.
func TestDATA18_LackedRecordsAreJudged(t *testing.T) {
	a, b, c := newRegion(t, 1, nil, nil), newRegion(t, 2, nil, nil), newRegion(t, 3, nil, nil)
	a.at(10).put(key("deleted"), "x")
	copied := a.engine.(*memkv.Engine)
	a.restart() // on a copy of it
	b.pull(a)
	c.at(20).pull(a)
	c.remove(key("deleted"))
	for _, r := range []*region{a, b, c} {
		r.at(30)
	}
	settle(a, b, c)
	settle(a, b, c)
	if n := countKeys(t, b, 'd'); n != 0 {
		t.Fatalf("b holds %d records, want none after collection", n)
	}

	old := newRegion(t, 1, reopenSynced(copied), nil) // a, restored from the copy
	old.at(40).put(key("new"), "y")
	if got, want := resend(b, old), (store.ApplyResult{Applied: 1, Stale: 1, Outdated: 1}); got != want {
		t.Errorf("the resend did %+v, want %+v", got, want)
	}
	if b.value(key("deleted")) != "" || b.value(key("new")) != "y" {
		t.Errorf("b has %q and %q", b.value(key("deleted")), b.value(key("new")))
	}
	if n := countKeys(t, b, 'r'); n != 0 {
		t.Errorf("%d receipts for what had been superseded", n)
	}
	if got := resend(b, old); got.Outdated != 0 {
		t.Errorf("the second resend did %+v", got)
	}
	old.take(b, b.read(store.Cursor{Log: b.Position().Cursor.Log}, store.Limit{})) // b's log says so
	if got := old.value(key("deleted")); got != "" {
		t.Errorf("it is still where it came from: %q", got)
	}
}

// DATA 18: a record of a life of its origin that this region has never seen, of a
// time that all regions have passed, may have been deleted and forgotten: it
// leaves a receipt.
func TestDATA18_LateRecordsAreReceipts(t *testing.T) {
	a, b, c := newRegion(t, 1, nil, nil), newRegion(t, 2, nil, nil), newRegion(t, 3, nil, nil)
	other := newRegion(t, 1, nil, nil) // a life of region 1 that never met b
	other.at(20).put(key("late"), "x")
	other.at(5000).put(key("new"), "y")
	a.at(10).put(key("k"), "x")
	for _, r := range []*region{a, b, c} {
		r.at(1000)
	}
	settle(a, b, c)
	settle(a, b, c)
	if b.Frontier(notes) < timeAt(20) {
		t.Fatalf("frontier %d", b.Frontier(notes))
	}
	b.at(5000)
	if got, want := resend(b, other), (store.ApplyResult{Applied: 1, Stale: 1, Outdated: 1, Conflicts: 1}); got != want {
		t.Errorf("the resend did %+v, want %+v", got, want)
	}
	if b.value(key("late")) != "" || b.value(key("new")) != "y" || countKeys(t, b, 'r') != 1 {
		t.Errorf("b has %q and %q, %d receipts", b.value(key("late")), b.value(key("new")), countKeys(t, b, 'r'))
	}
	if b.Stats().Conflicts != 1 {
		t.Errorf("%d conflicts counted, want 1", b.Stats().Conflicts)
	}
}

// DATA 17, 18: a replica that never held the table whole lacks records because
// they have not come yet; and a region's own writes that it has lost are news to
// it, whatever their time.
func TestDATA18_WhoeverCannotJudgeApplies(t *testing.T) {
	a, b, c := newRegion(t, 1, nil, nil), newRegion(t, 2, nil, nil), newRegion(t, 3, nil, nil)
	joined := tableIn(notes, 1, 2, 3)
	joined.Replicas[2].Since = 5
	c.SetTables(nil) // the table is not here yet
	a.at(10).put(key("k"), "x")
	batch := a.read(store.Cursor{}, store.Limit{})
	batch.Records = nil
	c.take(a, batch) // the vector covers what was not for this region
	c.SetTables([]table.Table{joined})
	if got := resend(c, a); got.Applied != 1 || got.Outdated != 0 {
		t.Errorf("the joiner's copy did %+v", got)
	}

	b.pull(a)
	a.at(20).put(key("lost"), "y")
	b.pull(a)
	again := newRegion(t, 1, nil, nil) // a without its directory
	again.at(100).pull(b)
	if got := resend(again, b); got.Outdated != 0 || again.value(key("lost")) != "y" {
		t.Errorf("what was lost came back as %q: %+v", again.value(key("lost")), got)
	}
}
