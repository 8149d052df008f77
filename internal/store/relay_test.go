package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-run/meridian/internal/hlc"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

// relay takes from another region what that has of an origin's tail, in pieces of
// about limit bytes, and answers whether its list reaches back far enough.
func (r *region) relay(from *region, origin record.RegionID, limit int) (records int, whole bool) {
	r.t.Helper()
	after, _ := r.Has(origin, notes)
	claim, _ := from.Has(origin, notes)
	q := store.TailQuery{Origin: origin, Table: notes, After: after, Bytes: limit}
	whole = true
	for {
		p, err := from.BeginReadTail(q)
		if err != nil {
			r.t.Fatal(err)
		}
		tail, err := p.Wait(r.t.Context())
		if err != nil {
			r.t.Fatal(err)
		}
		records, whole = records+len(tail.Records), whole && !tail.Gap
		relayed := store.Relayed{Origin: origin, Table: notes, Last: tail.Last}
		for _, m := range claim {
			if tail.Next == nil || m.Log == tail.Done.Log {
				relayed.Upto = append(relayed.Upto, upTo(m, tail))
			}
		}
		_, err = r.Apply(r.t.Context(), store.Apply{
			Origin: from.id, Records: tail.Records, Resend: true, Relayed: relayed,
			Frontiers: map[record.TableID]hlc.Time{notes: tail.Frontier},
		})
		if err != nil {
			r.t.Fatal(err)
		}
		if q.From = tail.Next; q.From == nil {
			return records, whole
		}
	}
}

func upTo(claim store.Mark, tail store.Tail) store.Mark {
	if tail.Next != nil {
		claim.Time = min(claim.Time, tail.Done.Time)
	}
	return claim
}

func wantEqual(t *testing.T, regions ...*region) {
	t.Helper()
	want := records(t, regions[0])
	for _, r := range regions[1:] {
		if diff := cmp.Diff(records(t, r), want); diff != "" {
			t.Errorf("region %d against %d: %s", r.id, regions[0].id, diff)
		}
	}
}

// DATA 13: A ships its last writes to B only and dies. B gives them to C, stale
// and lost ones too, and then there is nothing more to give.
func TestDATA13_ADeadOriginsTailThatOnlyOneSurvivorHas(t *testing.T) {
	for _, limit := range []int{1, 1 << 20} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			a, b, c := newRegion(t, 1, nil, nil), newRegion(t, 2, nil, nil), newRegion(t, 3, nil, nil)
			a.put(key("both"), "1")
			b.pull(a)
			c.pull(a)
			for i := range 20 {
				a.advance(time.Millisecond)
				a.put(key(fmt.Sprint("k", i%7)), fmt.Sprint(i))
			}
			a.remove(key("k3"))
			for _, r := range []*region{a, b, c} {
				r.advance(time.Second)
			}
			b.put(key("k5"), "later") // so that A's k5 is lost in B
			b.pull(a)
			c.pull(b)
			if n, whole := c.relay(b, 1, limit); n != 7 || !whole {
				t.Errorf("relayed %d records, whole %t; want each of 7 keys once", n, whole)
			}
			wantEqual(t, b, c)
			if c.value(key("k6")) != "13" || c.value(key("k3")) != "" || c.value(key("k5")) != "later" {
				t.Error("C lacks a part of the tail")
			}
			if n, _ := c.relay(b, 1, limit); n != 0 {
				t.Errorf("relayed %d records once more", n)
			}
			// Pulling goes on from the ordinary cursor when A is back.
			if got, _ := c.Cursor(1); got.Version.Time >= a.Position().Cursor.Version.Time {
				t.Error("the relay has moved C's cursor of A's log")
			}
			a.put(key("back"), "x")
			if got := c.pull(a); got.Applied != 1 {
				t.Errorf("A's own log brought %+v, of which one is new", got)
			}
			c.put(key("k0"), "after")
			settle(a, b, c)
			wantEqual(t, a, b, c)
		})
	}
}

// DATA 13: what was relayed is relayed further: A's tail is in B only, C is cut
// off from B and hears of it from D.
func TestDATA13_RelayedTailsGoOn(t *testing.T) {
	a, b, c := newRegion(t, 1, nil, nil), newRegion(t, 2, nil, nil), newRegion(t, 3, nil, nil)
	a.put(key("k"), "1")
	b.pull(a)
	c.relay(b, 1, 1<<20)
	d := fourth(t)
	if n, _ := d.relay(c, 1, 1<<20); n != 1 || d.value(key("k")) != "1" {
		t.Errorf("%d records relayed, D has %q", n, d.value(key("k")))
	}
	if has, _ := d.Has(1, notes); len(has) != 1 || has[0].Time != a.Position().Cursor.Version.Time {
		t.Errorf("D has %v", has)
	}
}

// fourth is a survivor that has nothing.
func fourth(t *testing.T) *region {
	d := newRegion(t, 4, nil, nil)
	d.tables[0].Replicas = append(d.tables[0].Replicas, tableIn(notes, 4).Replicas...)
	d.SetTables(d.tables)
	return d
}

// DATA 13: B's write reached C only by way of A, and then both A and B died: it
// stands in C's list of B, although C never pulled it from there.
func TestDATA13_AWriteThatCameThroughAnotherRegion(t *testing.T) {
	a, b, c := newRegion(t, 1, nil, nil), newRegion(t, 2, nil, nil), newRegion(t, 3, nil, nil)
	a.put(key("k"), "a")
	b.advance(time.Millisecond)
	b.pull(a)
	b.put(key("k"), "b")
	a.pull(b)
	c.pull(a) // the entry of A's write ships what A has now
	if c.value(key("k")) != "b" {
		t.Fatal("A's log did not ship the current record")
	}
	d := fourth(t)
	if n, _ := d.relay(c, 2, 1<<20); n != 1 || d.value(key("k")) != "b" {
		t.Errorf("%d records of B relayed, want 1", n)
	}
}

// DATA 13: lists go when the frontier passes them, not before, with a table, and
// not over a restart.
func TestDATA13_ListsAreTrimmedByTheFrontier(t *testing.T) {
	a, b, c := newRegion(t, 1, nil, nil), newRegion(t, 2, nil, nil), newRegion(t, 3, nil, nil)
	for i := range 10 {
		a.put(key(fmt.Sprint(i)), "x")
	}
	b.pull(a)
	b.collect()
	if n := countKeys(t, b, 'a'); n != 10 || b.Stats().Relay != 10 {
		t.Errorf("%d references, says %d, want 10", n, b.Stats().Relay)
	}
	b.restart()
	b.collect()
	if n := countKeys(t, b, 'a'); n != 10 || b.Stats().Relay != 10 {
		t.Errorf("after a restart: %d references, says %d, want 10", n, b.Stats().Relay)
	}
	settle(a, b, c)
	settle(a, b, c)
	for _, r := range []*region{a, b, c} {
		if n := countKeys(t, r, 'a'); n != 0 {
			t.Errorf("region %d keeps %d references that every region has applied", r.id, n)
		}
	}
	a.put(key("k"), "x")
	b.pull(a)
	b.SetTables(nil)
	if err := b.DropTable(t.Context(), notes); err != nil {
		t.Fatal(err)
	}
	if n := countKeys(t, b, 'a'); n != 0 {
		t.Errorf("%d references of a dropped table", n)
	}
}

// DATA 13: a key that is written again and again stands in the list once.
func TestDATA13_AHotKeyIsListedOnce(t *testing.T) {
	a, b := newRegion(t, 1, nil, nil), newRegion(t, 2, nil, nil)
	for range 50 {
		a.advance(time.Millisecond)
		a.put(key("hot"), "x")
		b.pull(a)
	}
	if n := countKeys(t, b, 'a'); n != 1 {
		t.Errorf("%d references to one record", n)
	}
}

// Limits: the lists are bounded; one that was cut says so to who would need it,
// and only to them.
func TestDATA13_AListThatIsTooLongSaysSo(t *testing.T) {
	a, c := newRegion(t, 1, nil, nil), newRegion(t, 3, nil, nil)
	b := newRegion(t, 2, nil, func(c *store.Config) { c.RelayMax = 10 })
	for i := range 40 {
		a.advance(time.Millisecond)
		a.put(key(fmt.Sprint(i)), "x")
		if i == 36 {
			c.pull(a)
		}
	}
	b.pull(a)
	b.collect()
	if n := countKeys(t, b, 'a'); n > 10 || b.Stats().RelayCut == 0 {
		t.Errorf("%d references, %d let go, at most 10 are kept", n, b.Stats().RelayCut)
	}
	if n, whole := c.relay(b, 1, 1<<20); n != 3 || !whole {
		t.Errorf("relayed %d records, whole %t, to one who lacks 3", n, whole)
	}
	d := newRegion(t, 3, nil, nil)
	if _, whole := d.relay(b, 1, 1<<20); whole {
		t.Error("a list that was cut claims to be whole")
	}
}

// DATA 13: while only an origin and this region hold a table, there is nobody to
// relay to, and what the origin's cursor covers is not listed; what is beyond it is,
// because it counts for the origin's ends.
func TestDATA13_ListsNothingForNobody(t *testing.T) {
	a, b := newRegion(t, 1, nil, nil), newRegion(t, 2, nil, nil)
	for _, r := range []*region{a, b} {
		r.SetTables([]table.Table{tableIn(notes, 1, 2)})
	}
	listed := func() int {
		p, err := b.BeginReadTail(store.TailQuery{Origin: 1, Table: notes, Bytes: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		tail, err := p.Wait(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return len(tail.Records)
	}
	a.put(key("k"), "x")
	b.pull(a)
	if n := listed(); n != 0 {
		t.Errorf("%d listed for nobody", n)
	}
	at, _ := b.Cursor(1)
	a.put(key("l"), "10")
	first := a.read(at, store.Limit{})
	a.put(key("l"), "20")
	ahead := a.read(at, store.Limit{Entries: 1})
	if first.To != ahead.To {
		t.Fatalf("an entry ends at %v and %v", first.To, ahead.To)
	}
	b.take(a, ahead)
	if n := listed(); n != 1 {
		t.Errorf("%d listed, one is beyond the cursor", n)
	}
	b.SetTables([]table.Table{tableIn(notes, 1, 2, 3)})
	a.put(key("m"), "x")
	b.pull(a)
	if n := listed(); n != 2 {
		t.Errorf("%d listed, another is for region 3", n)
	}
}

// DATA 3, 13: what a relay reads leaves when it is durable, and not before.
func TestDATA13_RelaysOnlyWhatIsDurable(t *testing.T) {
	a := newRegion(t, 1, nil, nil)
	a.put(key("k"), "x")
	b, engine := driven(t, 2)
	b.SetTables([]table.Table{tableIn(notes, 1, 2, 3)})
	batch := a.read(store.Cursor{}, store.Limit{})
	p, err := b.BeginApply(store.Apply{Origin: 1, Cursor: batch.To, Records: batch.Records, Frontiers: batch.Frontiers})
	if err != nil {
		t.Fatal(err)
	}
	tail, err := b.BeginReadTail(store.TailQuery{Origin: 1, Table: notes, Bytes: 1 << 20})
	if err != nil || tail.Ready() {
		t.Fatalf("the tail is ready before its records are durable: %v", err)
	}
	if has, _ := b.Has(1, notes); len(has) != 0 {
		t.Errorf("claims %v before it is durable", has)
	}
	engine.Sync()
	if _, err := p.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, err := tail.Wait(t.Context()); err != nil || len(got.Records) != 1 {
		t.Errorf("tail %+v: %v", got, err)
	}
}

// DATA 13: a removed region's log is refused at once, and what is above the
// agreed ends wherever it comes from. What a survivor holds beyond its cursor
// counts for the ends: A's entry of 10 shipped the value of 20.
func TestDATA13_AClosedOriginTakesNothingMore(t *testing.T) {
	a, b, c := newRegion(t, 1, nil, nil), newRegion(t, 2, nil, nil), newRegion(t, 3, nil, nil)
	a.put(key("k"), "10")
	first := a.read(store.Cursor{}, store.Limit{})
	a.advance(time.Millisecond)
	a.put(key("k"), "20")
	ahead := a.read(store.Cursor{}, store.Limit{Entries: 1})
	b.take(a, ahead)
	c.take(a, first)
	for _, r := range []*region{b, c} {
		r.CloseOrigins(map[record.RegionID]store.Closing{1: {}})
		if !r.OriginClosed(1) || r.OriginClosed(2) {
			t.Error("closed the wrong origin")
		}
		_, err := r.Apply(t.Context(), store.Apply{Origin: 1, Cursor: a.Position().Cursor})
		if !errors.Is(err, store.ErrClosed) {
			t.Errorf("region %d applied the log of a closed origin: %v", r.id, err)
		}
	}
	ends := mustEnds(t, b)
	if want := a.Position().Cursor.Version.Time; len(ends) != 1 || ends[0].Time != want {
		t.Fatalf("ends %v, want %d", ends, want)
	}
	if had := mustEnds(t, c); had[0].Time >= ends[0].Time {
		t.Fatalf("C has %v already", had)
	}
	c.relay(b, 1, 1<<20)
	wantEqual(t, b, c)
	for _, r := range []*region{b, c} {
		r.CloseOrigins(map[record.RegionID]store.Closing{1: {Agreed: true, Ends: ends}})
	}
	a.advance(time.Millisecond)
	a.put(key("k"), "30")
	late := a.read(first.To, store.Limit{})
	for _, r := range []*region{b, c} {
		if _, err := r.Apply(t.Context(), store.Apply{Origin: 5 - r.id, Records: late.Records, Resend: true}); err != nil {
			t.Fatal(err)
		}
		if r.value(key("k")) != "20" || r.Stats().Refused != 1 {
			t.Errorf("region %d took %q, refused %d", r.id, r.value(key("k")), r.Stats().Refused)
		}
	}
}

// DATA 8, 18: what came by relay was applied as well as what was pulled. A died,
// C has its write from B, deletes it, and the delete is forgotten; a copy of B that
// brings the write back finds it superseded, not late: the delete had seen it, and
// there is no receipt.
func TestDATA18_WhatWasRelayedIsCovered(t *testing.T) {
	a, b, c := newRegion(t, 1, nil, nil), newRegion(t, 2, nil, nil), newRegion(t, 3, nil, nil)
	a.at(10).put(key("k"), "x")
	b.pull(a)
	c.relay(b, 1, 1<<20)
	old := newRegion(t, 2, nil, nil) // B's copy
	old.pull(a)
	ends := mustEnds(t, c)
	c.at(20).remove(key("k"))
	for _, r := range []*region{b, c} {
		r.tables = []table.Table{tableIn(notes, 2, 3)} // A is gone
		r.SetTables(r.tables)
		r.CloseOrigins(map[record.RegionID]store.Closing{1: {Agreed: true, Gone: true, Ends: ends}})
		r.at(1000)
	}
	settle(b, c)
	settle(b, c)
	if c.Frontier(notes) < timeAt(20) || len(records(t, c)) != 0 {
		t.Fatalf("frontier %d, C has %d records", c.Frontier(notes), len(records(t, c)))
	}
	if got := resend(c, old); got.Outdated != 1 || got.Conflicts != 0 || countKeys(t, c, 'r') != 0 {
		t.Errorf("the resend did %+v, and C has %d receipts", got, countKeys(t, c, 'r'))
	}
}

// DATA 13, 14: a region that is gone for good leaves nothing that waits for it:
// no cursor, no report of it or about it, no gap of a relay list; tombstones, log
// and lists go by the frontier of the others, now and after a restart. The applied
// vector stays: it judges what an old disk brings back (DATA 18).
func TestDATA13_AGoneRegionLeavesNothingThatWaits(t *testing.T) {
	a, b, c := newRegion(t, 1, nil, nil), newRegion(t, 2, nil, nil), newRegion(t, 3, nil, func(c *store.Config) { c.RelayMax = 3 })
	for i := range 9 {
		a.at(10+i).put(key(fmt.Sprint("k", i)), "x")
	}
	b.at(30).put(key("own"), "x")
	settle(a, b, c)
	for i := range 9 {
		a.at(100+i).put(key(fmt.Sprint("k", i)), "y")
	}
	for _, r := range []*region{b, c} {
		r.pull(a)
		r.at(200).remove(key("k0"))
	}
	settle(b, c)
	if countKeys(t, b, 't') == 0 || countKeys(t, b, 'l') == 0 || countKeys(t, b, 'a') == 0 {
		t.Fatal("nothing waits for A")
	}
	if held, err := b.HeldBack(start.Add(time.Second)); err != nil || len(held) != 1 || held[0].By != 1 && held[0].Of != 1 {
		t.Fatalf("held back by %+v: %v", held, err)
	}
	ends := mustEnds(t, b)
	for _, r := range []*region{b, c} {
		r.tables = []table.Table{tableIn(notes, 2, 3)}
		r.SetTables(r.tables)
		r.CloseOrigins(map[record.RegionID]store.Closing{1: {Agreed: true, Gone: true, Ends: ends}})
		r.at(1000)
	}
	for round := range 2 {
		settle(b, c)
		settle(b, c)
		for _, r := range []*region{b, c} {
			if held, err := r.HeldBack(start.Add(time.Second)); err != nil || len(held) != 0 {
				t.Errorf("round %d: region %d is held back by %+v: %v", round, r.id, held, err)
			}
			if n := countKeys(t, r, 't') + countKeys(t, r, 'l') + countKeys(t, r, 'a'); n != 0 {
				t.Errorf("round %d: region %d keeps %d tombstones, log entries and references", round, r.id, n)
			}
			if _, there := r.Cursor(1); there || r.Report().Applied[1] != 0 || r.DonorVector()[1] != (store.Cursor{}) {
				t.Errorf("round %d: region %d has a cursor of the gone one", round, r.id)
			}
			for key, value := range space(t, r, 'f') {
				if key[1] == 'r' && (key[3] == 1 || value[1] == 1) { // its first entry is of the lowest region
					t.Errorf("round %d: region %d keeps the report %x: %x", round, r.id, key, value)
				}
			}
			for key := range space(t, r, 'm') {
				if key[1] == 'a' && key[11] == 1 {
					t.Errorf("round %d: region %d keeps the gap %x", round, r.id, key)
				}
			}
			if len(r.Vector(1)) == 0 {
				t.Errorf("round %d: region %d cannot judge what was A's", round, r.id)
			}
		}
		// A word about it from one who does not know yet makes no difference.
		b.SetReport(1, store.Report{Applied: map[record.RegionID]hlc.Time{2: 1 << 62}})
		b.SetReport(3, store.Report{Applied: map[record.RegionID]hlc.Time{1: 1 << 62}})
		for _, r := range []*region{b, c} {
			r.restart()
			r.CloseOrigins(map[record.RegionID]store.Closing{1: {Agreed: true, Gone: true, Ends: ends}})
		}
	}
}

func mustEnds(t *testing.T, r *region) []record.End {
	t.Helper()
	ends, err := r.Ends(context.Background(), 1)
	if err != nil {
		t.Fatal(err)
	}
	return ends
}
