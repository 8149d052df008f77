package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-run/meridian/internal/kv/memkv"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

// sameReceipts checks that regions hold the same receipts, byte for byte, and how
// many.
func sameReceipts(t *testing.T, want int, regions ...*region) {
	t.Helper()
	first := space(t, regions[0], 'r')
	if len(first) != want {
		t.Errorf("region %d has %d receipts, want %d", regions[0].id, len(first), want)
	}
	for _, r := range regions[1:] {
		if d := cmp.Diff(space(t, r, 'r'), first); d != "" {
			t.Errorf("receipts of region %d (-) differ from those of region %d (+):\n%s", r.id, regions[0].id, d)
		}
	}
	for _, r := range regions {
		if n := countKeys(t, r, 'o'); n != want {
			t.Errorf("region %d has %d places for %d receipts", r.id, n, want)
		}
	}
}

// conflict makes region 2's write to k lose to region 1's, which had not seen it.
func conflict(a, b *region, k record.Key, at int) {
	b.at(at).put(k, "lost"+fmt.Sprint(at))
	a.at(at+5).put(k, "won"+fmt.Sprint(at))
	a.pull(b)
}

// DATA 8: C never meets the loser: B's log ships its later value, A's the winner.
// A tells it of the receipt.
func TestD7_DATA8_RegionsThatNeverSawTheLoserGetItsReceipt(t *testing.T) {
	a, b, c := newRegion(t, 1, nil, nil), newRegion(t, 2, nil, nil), newRegion(t, 3, nil, nil)
	conflict(a, b, key("k"), 10)
	b.pull(a)
	b.at(40).put(key("k"), "later")
	c.pull(b)
	c.pull(a)
	a.pull(b)
	for _, r := range []*region{a, b, c} {
		if got := r.value(key("k")); got != "later" {
			t.Errorf("region %d has %q", r.id, got)
		}
		if got := r.Stats().Conflicts; got != 1 {
			t.Errorf("region %d counts %d conflicts", r.id, got)
		}
	}
	sameReceipts(t, 1, a, b, c)
}

// DATA 8: what both sides of a conflict write is the same, and known when the
// other side tells of it.
func TestDATA8_BothSidesWriteTheSameReceiptOnce(t *testing.T) {
	a, b := newRegion(t, 1, nil, nil), newRegion(t, 2, nil, nil)
	a.at(10).put(key("k"), "a")
	b.at(20).put(key("k"), "b")
	fromA, fromB := a.read(store.Cursor{}, store.Limit{}), b.read(store.Cursor{}, store.Limit{})
	if got := []store.ApplyResult{a.take(b, fromB), b.take(a, fromA)}; got[0].Conflicts != 1 || got[1].Conflicts != 1 {
		t.Errorf("got %+v", got)
	}
	if x, y := a.pull(b), b.pull(a); x.Conflicts+y.Conflicts != 0 {
		t.Errorf("told again: %+v, %+v", x, y)
	}
	sameReceipts(t, 1, a, b)
}

// DATA 8: writes that came after each other make none, whatever was skipped.
func TestDATA8_SequentialWritesMakeNoReceipt(t *testing.T) {
	a, b, c := newRegion(t, 1, nil, nil), newRegion(t, 2, nil, nil), newRegion(t, 3, nil, nil)
	a.at(10).put(key("k"), "1")
	b.pull(a)
	b.at(20).put(key("k"), "2")
	c.pull(b) // C has 2 before it has seen 1
	c.at(30).put(key("k"), "3")
	c.pull(a)
	settle(a, b, c)
	sameReceipts(t, 0, a, b, c)
}

// DATA 8: beyond the bound the oldest go; the floor goes to the others, and none
// below it comes back.
func TestDATA8_TheOldestGoAndTheFloorIsShared(t *testing.T) {
	few := func(c *store.Config) { c.ReceiptsMax = 3 }
	a, b, c := newRegion(t, 1, nil, few), newRegion(t, 2, nil, nil), newRegion(t, 3, nil, nil)
	for i := range 5 {
		conflict(a, b, key(fmt.Sprint(i)), 100*(i+1))
	}
	c.at(2000).pull(a)
	sameReceipts(t, 5, a, c)
	if _, err := a.Collect(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.at(2000)
	late := b.read(store.Cursor{}, store.Limit{})
	settle(a, b, c)
	sameReceipts(t, 3, a, b, c)
	want := store.ReceiptStats{Kept: 3, Dropped: 2, Floor: timeAt(200)}
	for _, r := range []*region{a, c} {
		if d := cmp.Diff(r.ReceiptStats()[notes], want); d != "" {
			t.Errorf("region %d: got (-), want (+):\n%s", r.id, d)
		}
	}
	// A region that comes late has the losers still: it must not bring them back.
	fresh := newRegion(t, 3, nil, nil)
	fresh.at(2000).take(b, late)
	resend(fresh, a)
	fresh.take(b, late)
	if _, err := fresh.Collect(t.Context()); err != nil {
		t.Fatal(err)
	}
	sameReceipts(t, 3, a, fresh)
	// The floor outlives a restart.
	c.restart()
	if got := c.ReceiptStats()[notes].Floor; got != timeAt(200) {
		t.Errorf("after a restart the floor is %d", got)
	}
}

// DATA 8: what is older than the bound goes, too.
func TestDATA8_OldReceiptsGo(t *testing.T) {
	a, b := newRegion(t, 1, nil, func(c *store.Config) { c.ReceiptAge = time.Hour }), newRegion(t, 2, nil, nil)
	conflict(a, b, key("k"), 10)
	a.advance(time.Hour)
	if done, err := a.Collect(t.Context()); err != nil || done.Receipts != 1 {
		t.Errorf("collected %+v, %v", done, err)
	}
	sameReceipts(t, 0, a)
	conflict(a, b.at(0), key("j"), 20) // as old, but above the floor
	if got := a.ReceiptStats()[notes]; got.Dropped != 1 {
		t.Errorf("stats %+v", got)
	}
}

// DATA 3, 8: a receipt and the entry that tells of it are one batch with the merge
// that made it.
func TestDATA8_ReceiptsSurviveOrFallWithTheirMerge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newRegion(t, 1, nil, nil)
		b, engine := held(t, 2)
		a.at(10).put(key("k"), "lost")
		done := later(func() error { b.at(20).put(key("k"), "won"); return nil })
		synctest.Wait()
		engine.Sync()
		<-done
		batch := a.read(store.Cursor{}, store.Limit{})
		p, err := b.BeginApply(store.Apply{Origin: 1, Cursor: batch.To, Records: batch.Records})
		if err != nil || p.Ready() {
			t.Fatalf("apply: %v", err)
		}
		if err := engine.Crash(); err != nil {
			t.Fatal(err)
		}
		again := newRegion(t, 2, reopenSynced(engine), nil)
		sameReceipts(t, 0, again)
		again.at(30).pull(a)
		sameReceipts(t, 1, again)
		c := newRegion(t, 3, nil, nil)
		c.at(40).pull(again)
		sameReceipts(t, 1, c)
	})
}

// DATA 16, 18: a copy of a table carries its receipts and its floor.
func TestDATA16_CopiesCarryReceipts(t *testing.T) {
	few := func(c *store.Config) { c.ReceiptsMax = 2 }
	a, b := newRegion(t, 1, nil, few), newRegion(t, 2, nil, nil)
	for i := range 3 {
		conflict(a, b, key(fmt.Sprint(i)), 100*(i+1))
	}
	if _, err := a.Collect(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := newRegion(t, 3, nil, nil)
	c.at(1000)
	if got := resend(c, a); got.Conflicts != 2 {
		t.Errorf("the copy did %+v", got)
	}
	if got := resend(c, a); got.Conflicts != 0 {
		t.Errorf("the copy again did %+v", got)
	}
	sameReceipts(t, 2, a, c)
	if a.ReceiptStats()[notes].Floor != c.ReceiptStats()[notes].Floor {
		t.Error("the floor was not copied")
	}
}

// Chunks of one item each make up the whole, receipts included.
func TestChunksOfReceipts(t *testing.T) {
	a, b := newRegion(t, 1, nil, nil), newRegion(t, 2, nil, nil)
	for i := range 3 {
		conflict(a, b, key(fmt.Sprint(i)), 100*(i+1))
	}
	count := map[record.Kind]int{}
	for chunk := (store.Chunk{Next: nil}); ; {
		var err error
		if chunk, err = a.ReadTable(t.Context(), notes, chunk.Next, 1); err != nil {
			t.Fatal(err)
		}
		for _, item := range chunk.Records {
			count[item.Kind]++
		}
		if chunk.Next == nil {
			break
		}
	}
	if d := cmp.Diff(count, map[record.Kind]int{record.KindRecord: 3, record.KindReceipt: 3}); d != "" {
		t.Errorf("got (-), want (+):\n%s", d)
	}
	if _, err := a.ReadTable(t.Context(), notes, []byte("elsewhere"), 1); err == nil {
		t.Error("a chunk began outside of the table")
	}
}

// DATA 22: receipts go only to the regions of their table.
func TestR8_DATA22_ReceiptsStayInTheirRegions(t *testing.T) {
	a, b := newRegion(t, 1, nil, nil), newRegion(t, 2, nil, nil)
	conflict(a, b, key("k"), 10)
	batch, err := a.ReadLog(t.Context(), store.Cursor{}, store.Limit{}, func(record.TableID) bool { return false })
	if err != nil || len(batch.Records) != 0 || batch.Entries != 2 {
		t.Errorf("%d items of %d entries, %v", len(batch.Records), batch.Entries, err)
	}
}

func TestDropTableDropsReceiptsAndFloor(t *testing.T) {
	a, b := newRegion(t, 1, nil, func(c *store.Config) { c.ReceiptsMax = 1 }), newRegion(t, 2, nil, nil)
	conflict(a, b, key("k"), 10)
	conflict(a, b, key("j"), 30)
	if _, err := a.Collect(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.SetTables(nil)
	if err := a.DropTable(t.Context(), notes); err != nil {
		t.Fatal(err)
	}
	a.SetTables(a.tables)
	sameReceipts(t, 0, a)
	if got := a.ReceiptStats()[notes]; got.Floor != 0 {
		t.Errorf("the floor stayed: %+v", got)
	}
}

// A peer cannot smuggle in what no merge makes.
func TestApplyRefusesReceiptsThatAreNone(t *testing.T) {
	a := newRegion(t, 1, nil, nil)
	loser := record.Record{Version: record.Version{Time: timeAt(1), Region: 2}, Log: 5, Value: []byte("x")}
	expired := loser
	expired.Expired = true
	local := loser
	local.Sequence = 9
	for name, item := range map[string]store.Shipped{
		"an expired one":       {Kind: record.KindReceipt, Record: record.Append(nil, expired, false)},
		"one with a sequence":  {Kind: record.KindReceipt, Record: record.Append(nil, local, false)},
		"a floor of 7 bytes":   {Kind: record.KindFloor, Record: make([]byte, 7)},
		"a floor ahead of us":  {Kind: record.KindFloor, Record: bytes.Repeat([]byte{0xff}, 8)},
		"a kind that is not":   {Kind: record.KindEnd, Record: record.Append(nil, loser, false)},
		"bytes that are nones": {Kind: record.KindReceipt, Record: []byte("junk")},
	} {
		item.Key = key("k")
		if _, err := a.Apply(t.Context(), store.Apply{Origin: 2, Cursor: store.Cursor{Log: 5, Sequence: 1}, Records: []store.Shipped{item}}); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

// DATA 5: A's directory is put back to 10 after it had written, and made a
// receipt, up to 40; B has all of that, C only what was before. B gives it back to
// A, and C, which pulls A's new log, gets it as records and receipts, the delete
// too.
func TestDATA5_WhatComesBackIsLoggedForTheOthers(t *testing.T) {
	a, b, c := newRegion(t, 1, nil, nil), newRegion(t, 2, nil, nil), newRegion(t, 3, nil, nil)
	a.at(5).put(key("gone"), "x")
	a.at(10).put(key("kept"), "1")
	c.at(15).pull(a)
	copied := a.engine.(*memkv.Engine)
	a.restart() // on a copy of it
	a.at(20).put(key("written"), "2")
	conflict(a, b, key("fought"), 25)
	a.at(40).remove(key("gone"))
	b.at(45).pull(a)

	old := newRegion(t, 1, copied.Reopen(memkv.Config{}), nil)
	old.at(50)
	resend(old, b)
	old.put(key("new"), "3")
	c.at(60).pull(old)
	for _, r := range []*region{old, b, c} {
		if r != b && r.value(key("new")) != "3" {
			t.Errorf("region %d has no %q", r.id, "new")
		}
		if r.value(key("written")) != "2" || r.value(key("fought")) != "won25" || r.value(key("gone")) != "" || r.value(key("kept")) != "1" {
			t.Errorf("region %d: written %q, fought %q, gone %q, kept %q", r.id,
				r.value(key("written")), r.value(key("fought")), r.value(key("gone")), r.value(key("kept")))
		}
	}
	sameReceipts(t, 1, old, b, c)
}

func TestReceiptsAreListed(t *testing.T) {
	a, b := newRegion(t, 1, nil, nil), newRegion(t, 2, nil, nil)
	for i, name := range []string{"x", "y", "x"} {
		conflict(a, b, key(name), 100*(i+1))
		b.pull(a)
	}
	values := func(q store.ReceiptQuery) (out []string) {
		q.Table = notes
		list, more, err := a.Receipts(t.Context(), q)
		if err != nil || more != (q.Limit == 2) {
			t.Errorf("%+v: more %t, %v", q, more, err)
		}
		for _, one := range list {
			out = append(out, string(one.Lost.Value)+"<"+string(one.Current.Value))
		}
		return out
	}
	for _, test := range []struct {
		query store.ReceiptQuery
		want  []string
	}{
		{store.ReceiptQuery{}, []string{"lost300<won300", "lost200<won200", "lost100<won300"}},
		{store.ReceiptQuery{Limit: 2}, []string{"lost300<won300", "lost200<won200"}},
		{store.ReceiptQuery{Partition: []byte("x")}, []string{"lost300<won300", "lost100<won300"}},
		{store.ReceiptQuery{Partition: []byte("x"), Sort: []byte("no")}, nil},
	} {
		if d := cmp.Diff(values(test.query), test.want); d != "" {
			t.Errorf("%+v: got (-), want (+):\n%s", test.query, d)
		}
	}
}

// A receipt is restored as a new write: it wins everywhere, and observers see it.
func TestD7_ReceiptsAreRestored(t *testing.T) {
	var seen []string
	a := newRegion(t, 1, nil, func(c *store.Config) {
		c.Observers = []store.Observer{observing(func(c store.Change) { seen = append(seen, string(c.New.Value)) })}
	})
	b := newRegion(t, 2, nil, nil)
	conflict(a, b, key("k"), 10)
	b.pull(a)
	list, _, err := a.Receipts(t.Context(), store.ReceiptQuery{Table: notes})
	if err != nil || len(list) != 1 {
		t.Fatalf("%d receipts, %v", len(list), err)
	}
	if other, err := b.Receipt(t.Context(), list[0].ID); err != nil || string(other.Lost.Value) != "lost10" {
		t.Errorf("the other region: %+v, %v", other, err)
	}
	if _, _, err := a.Restore(t.Context(), list[0].ID); err != nil {
		t.Fatal(err)
	}
	b.pull(a)
	if a.value(key("k")) != "lost10" || b.value(key("k")) != "lost10" {
		t.Errorf("got %q and %q", a.value(key("k")), b.value(key("k")))
	}
	if d := cmp.Diff(seen, []string{"won10", "lost10"}); d != "" {
		t.Errorf("observers: got (-), want (+):\n%s", d)
	}
	sameReceipts(t, 1, a, b)
	for _, id := range []string{"", "zzzzzzzzzzzzzzzz-00000000", list[0].ID[:16] + "-00000000"} {
		if _, _, err := a.Restore(t.Context(), id); !errors.Is(err, store.ErrNoReceipt) {
			t.Errorf("%q: %v", id, err)
		}
	}
}

// A value whose time to live is over is not restored; a delete is.
func TestRestoreOfDeletesAndOfTheDead(t *testing.T) {
	a, b := newRegion(t, 1, nil, nil), newRegion(t, 2, nil, nil)
	b.at(10).remove(key("deleted"))
	_, err := b.Update(t.Context(), []record.Key{key("mortal")}, func(tx *store.Tx) error {
		return tx.Put(key("mortal"), []byte("x"), store.PutOptions{Expires: start.Unix() + 5})
	})
	if err != nil {
		t.Fatal(err)
	}
	a.at(20).put(key("deleted"), "1")
	a.put(key("mortal"), "2")
	a.pull(b)
	a.advance(10 * time.Second)
	list, _, err := a.Receipts(t.Context(), store.ReceiptQuery{Table: notes})
	if err != nil || len(list) != 2 {
		t.Fatalf("%d receipts, %v", len(list), err)
	}
	for _, one := range list {
		_, _, err := a.Restore(t.Context(), one.ID)
		switch string(one.Key.Partition) {
		case "deleted":
			if err != nil || a.value(one.Key) != "" {
				t.Errorf("restored a delete: %v, value %q", err, a.value(one.Key))
			}
		case "mortal":
			if !errors.Is(err, store.ErrPast) || a.value(one.Key) != "2" {
				t.Errorf("restored the dead: %v, value %q", err, a.value(one.Key))
			}
		}
	}
}

// DATA 13: a receipt that a dead region told only B of reaches C by B's relay.
func TestDATA13_ReceiptsAreRelayed(t *testing.T) {
	a, b, c := newRegion(t, 1, nil, nil), newRegion(t, 2, nil, nil), newRegion(t, 3, nil, nil)
	for _, r := range []*region{a, b, c} {
		r.tables = []table.Table{tableIn(notes, 1, 2, 3)}
	}
	c.at(10).put(key("k"), "lost")
	d := newRegion(t, 3, nil, nil) // C's directory is lost: only A's receipt is left
	a.at(20).put(key("k"), "won")
	a.pull(c)
	b.at(30).pull(a)
	p, err := b.BeginReadTail(store.TailQuery{Origin: 1, Table: notes, Bytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	tail, err := p.Finish()
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.at(40).Apply(t.Context(), store.Apply{Origin: 2, Records: tail.Records, Relayed: store.Relayed{Origin: 1, Table: notes, Last: tail.Last}})
	if err != nil {
		t.Fatal(err)
	}
	sameReceipts(t, 1, a, b, d)
}
