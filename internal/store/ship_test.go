package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-run/meridian/internal/kv/memkv"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

// shipped answers "key=value" of a batch; a tombstone is "key=".
func shipped(t *testing.T, b store.Batch) []string {
	t.Helper()
	var out []string
	for _, s := range b.Records {
		r, err := record.Parse(s.Record)
		if err != nil {
			t.Fatal(err)
		}
		if r.Sequence != 0 {
			t.Errorf("%s left with sequence %d, which is ours alone", s.Key.Partition, r.Sequence)
		}
		out = append(out, fmt.Sprintf("%s=%s", s.Key.Partition, r.Value))
	}
	return out
}

// DATA 11: the log holds keys; each ships once in a batch, with its current value.
func TestReadLogShipsCurrentValuesOnce(t *testing.T) {
	r := newRegion(t, 1, nil, nil)
	r.put(key("a"), "1")
	r.put(key("b"), "1")
	r.put(key("a"), "2")
	r.remove(key("b"))
	all := r.read(store.Cursor{}, store.Limit{})
	if d := cmp.Diff(shipped(t, all), []string{"a=2", "b="}); d != "" || all.Entries != 4 || all.More {
		t.Errorf("%d entries, more %t, got (-), want (+):\n%s", all.Entries, all.More, d)
	}
	one := r.read(store.Cursor{}, store.Limit{Entries: 1})
	if d := cmp.Diff(shipped(t, one), []string{"a=2"}); d != "" || !one.More {
		t.Errorf("more %t, got (-), want (+):\n%s", one.More, d)
	}
	rest := r.read(one.To, store.Limit{Bytes: 1})
	if d := cmp.Diff(shipped(t, rest), []string{"b="}); d != "" || rest.Entries != 1 {
		t.Errorf("%d entries, got (-), want (+):\n%s", rest.Entries, d)
	}
	if end := r.read(all.To, store.Limit{}); end.From != end.To || len(end.Records) != 0 {
		t.Errorf("behind the end: %+v", end)
	}
	if got := []uint64{r.Behind(store.Cursor{}), r.Behind(one.To), r.Behind(all.To)}; !cmp.Equal(got, []uint64{4, 3, 0}) {
		t.Errorf("behind: %v", got)
	}
	if p := r.Position(); p.Cursor != all.To {
		t.Errorf("position %+v, want %+v", p.Cursor, all.To)
	}
}

// DATA 22: a table's records go only to its regions.
func TestReadLogLeavesOtherTablesOut(t *testing.T) {
	r := newRegion(t, 1, nil, nil)
	secret := record.Key{Table: 8, Partition: []byte("s")}
	r.SetTables([]table.Table{tableIn(notes, 1, 2), tableIn(8, 1)})
	r.put(secret, "x")
	r.put(key("a"), "1")
	b, err := r.ReadLog(t.Context(), store.Cursor{}, store.Limit{}, func(id record.TableID) bool { return id == notes })
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(shipped(t, b), []string{"a=1"}); d != "" || b.To != r.Position().Cursor {
		t.Errorf("got (-), want (+):\n%s", d)
	}
	if _, told := b.Frontiers[8]; told {
		t.Error("even the table's frontier left")
	}
}

// DATA 11: an entry whose key holds nothing ships nothing.
func TestEntryWithoutRecordShipsNothing(t *testing.T) {
	r := newRegion(t, 1, nil, nil)
	r.put(key("a"), "1")
	r.SetTables(nil)
	if err := r.DropTable(t.Context(), notes); err != nil {
		t.Fatal(err)
	}
	b := r.read(store.Cursor{}, store.Limit{})
	if len(b.Records) != 0 || b.Entries != 1 {
		t.Errorf("got %+v", b)
	}
}

func TestDropTableLeavesOthersAlone(t *testing.T) {
	r := newRegion(t, 1, nil, nil)
	r.tables = []table.Table{tableIn(notes, 1), tableIn(8, 1)}
	r.SetTables(r.tables)
	r.put(key("a"), "1")
	r.put(record.Key{Table: 8, Partition: []byte("b")}, "2")
	if err := r.DropTable(t.Context(), notes); err == nil {
		t.Error("a table in use was dropped")
	}
	r.SetTables(r.tables[1:])
	if err := r.DropTable(t.Context(), notes); err != nil {
		t.Fatal(err)
	}
	r.SetTables(r.tables)
	if r.value(key("a")) != "" || r.value(record.Key{Table: 8, Partition: []byte("b")}) != "2" {
		t.Error("the wrong table went")
	}
}

// DATA 3, its history: entry 1 is durable, a second write to the key is visible
// but not synced. A batch that shows the second value must wait for its sync.
func TestDATA3_BatchWaitsForTheValuesItShows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, engine := held(t, 1)
		first := later(func() error { r.put(key("k"), "durable"); return nil })
		engine.Sync()
		<-first
		second := later(func() error { r.put(key("k"), "unsynced"); return nil })
		b := r.read(store.Cursor{}, store.Limit{Entries: 1})
		if d := cmp.Diff(shipped(t, b), []string{"k=unsynced"}); d != "" {
			t.Fatal(d)
		}
		wait := later(func() error { return r.WaitDurable(context.Background(), b.Sequence) })
		pending(t, "the batch", wait)
		engine.Sync()
		if err := <-wait; err != nil {
			t.Error(err)
		}
		<-second
	})
}

func TestAppendedWakesSenders(t *testing.T) {
	r := newRegion(t, 1, nil, nil)
	woken := r.Appended()
	select {
	case <-woken:
		t.Fatal("woken by nothing")
	default:
	}
	r.put(key("a"), "1")
	<-woken
	if r.Position().Cursor.Sequence == 0 {
		t.Error("woken before the position moved")
	}
}

// DATA 5: every start opens a new log, chained to the one before; a cursor goes
// on from one life to the next.
func TestDATA5_CursorsCrossLives(t *testing.T) {
	a, b := newRegion(t, 1, nil, nil), newRegion(t, 2, nil, nil)
	for life := range 4 {
		a.put(key(fmt.Sprint("a", life)), "x")
		if life%2 == 0 {
			b.pull(a)
		}
		a.restart()
	}
	a.restart() // a life without entries
	a.put(key("last"), "x")
	b.pull(a)
	for _, k := range []string{"a0", "a1", "a2", "a3", "last"} {
		if b.value(key(k)) != "x" {
			t.Errorf("%s is missing", k)
		}
	}
	chain := a.Chain()
	if len(chain) != 6 || !chain[5].Open {
		t.Fatalf("chain %+v", chain)
	}
	for i, l := range chain[1:] {
		if l.StartVersion != chain[i].EndVersion || l.Start < chain[i].End || l.ID == chain[i].ID {
			t.Errorf("link %d does not continue link %d: %+v, %+v", i+1, i, chain[i], l)
		}
	}
	if c, _ := b.Cursor(1); c != a.Position().Cursor {
		t.Errorf("cursor %+v, position %+v", c, a.Position().Cursor)
	}
	if v := b.Vector(1); len(v) != 5 {
		t.Errorf("applied vector of %d lives: %+v", len(v), v)
	}
}

// DATA 5, its history: A's directory is restored from a copy at 100 while peers
// hold 150; it writes 60 more. The peers must notice, and A must stamp above
// what they hold.
func TestDATA5_RestoredDirectoryIsNoticed(t *testing.T) {
	a, b := newRegion(t, 1, nil, nil), newRegion(t, 2, nil, nil)
	write := func(n int) {
		for i := range n {
			a.advance(1)
			a.put(key(fmt.Sprint(i)), "x")
		}
	}
	write(100)
	copied := a.engine.(*memkv.Engine)
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	a.open(copied.Reopen(memkv.Config{}))
	write(50)
	b.pull(a)
	held, _ := b.Cursor(1)
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}

	a.open(copied.Reopen(memkv.Config{})) // the copy
	write(60)
	if _, err := a.ReadLog(t.Context(), held, store.Limit{}, nil); !errors.Is(err, store.ErrCursorUnknown) {
		t.Errorf("read behind the peer's cursor: %v, want %v", err, store.ErrCursorUnknown)
	}
	if err := a.Raise(t.Context(), held.Version.Time); err != nil {
		t.Fatal(err)
	}
	if c := a.put(key("new"), "x"); c.Version.Time <= held.Version.Time {
		t.Errorf("stamped %v, peers hold %v", c.Version, held.Version)
	}
}

// DATA 5: the same log id is not enough; the version at the cursor must match.
func TestDATA5_CursorNamesTheVersionOfItsEntry(t *testing.T) {
	r := newRegion(t, 1, nil, nil)
	r.put(key("a"), "1")
	r.put(key("b"), "1")
	c := r.Position().Cursor
	wrong := map[string]store.Cursor{
		"another version":       {Log: c.Log, Sequence: c.Sequence, Version: record.Version{Time: 1, Region: 1}},
		"another log":           {Log: c.Log + 1, Sequence: c.Sequence, Version: c.Version},
		"a sequence ahead":      {Log: c.Log, Sequence: c.Sequence + 1, Version: c.Version},
		"no entry of this log":  {Log: c.Log, Sequence: 1, Version: c.Version},
		"the start, but not it": {Log: c.Log, Sequence: 0, Version: c.Version},
	}
	for name, cursor := range wrong {
		if _, err := r.ReadLog(t.Context(), cursor, store.Limit{}, nil); !errors.Is(err, store.ErrCursorUnknown) {
			t.Errorf("%s: %v, want %v", name, err, store.ErrCursorUnknown)
		}
	}
}

// A record of ours that comes back with a time above our clock raises the clock:
// this directory has lost it.
func TestDATA5_OwnWritesThatComeBackRaiseTheClock(t *testing.T) {
	a, b := newRegion(t, 1, nil, nil), newRegion(t, 2, nil, nil)
	a.at(1000).put(key("k"), "lost")
	b.pull(a)
	b.put(key("other"), "x")

	again := newRegion(t, 1, nil, nil) // A with an empty directory
	batch := b.read(store.Cursor{}, store.Limit{})
	got, _, _ := b.Get(t.Context(), key("k"))
	batch.Records = append(batch.Records, store.Shipped{Key: key("k"), Record: record.Append(nil, got, true)})
	again.take(b, batch)
	if c := again.put(key("new"), "x"); c.Version.Time <= got.Version.Time {
		t.Errorf("stamped %v, although %v is ours", c.Version, got.Version)
	}
}
