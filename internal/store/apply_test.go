package store_test

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/meridian-run/meridian/internal/hlc"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

func TestD1_LastWriterWinsInEveryRegion(t *testing.T) {
	a, b, c := newRegion(t, 1, nil, nil), newRegion(t, 2, nil, nil), newRegion(t, 3, nil, nil)
	a.at(10).put(key("k"), "a")
	b.at(20).put(key("k"), "b")
	settle(a, b, c)
	for _, r := range []*region{a, b, c} {
		if got := r.value(key("k")); got != "b" {
			t.Errorf("region %d has %q", r.id, got)
		}
	}
}

// DATA 8: a write that nobody had seen is discarded visibly: counted once in
// every region that drops it, however often it comes.
func TestD7_ConflictsAreCountedOnce(t *testing.T) {
	a, b := newRegion(t, 1, nil, nil), newRegion(t, 2, nil, nil)
	var told []record.TableID
	c := newRegion(t, 3, nil, func(c *store.Config) {
		c.Events.Conflict = func(id record.TableID) { told = append(told, id) }
	})
	a.at(10).put(key("k"), "a")
	b.at(20).put(key("k"), "b")
	fromA, fromB := a.read(store.Cursor{}, store.Limit{}), b.read(store.Cursor{}, store.Limit{})
	got := []store.ApplyResult{c.take(b, fromB), c.take(a, fromA), c.take(a, fromA), c.take(b, fromB)}
	want := []store.ApplyResult{{Applied: 1}, {Stale: 1, Conflicts: 1}, {Stale: 1}, {Stale: 1}}
	if d := cmp.Diff(got, want); d != "" {
		t.Errorf("got (-), want (+):\n%s", d)
	}
	if d := cmp.Diff(told, []record.TableID{notes}); d != "" {
		t.Errorf("events: got (-), want (+):\n%s", d)
	}
	if s := c.Stats(); s.Conflicts != 1 || s.Applied != 1 || s.Stale != 3 {
		t.Errorf("stats %+v", s)
	}
}

// DATA 8: C hears of the winner first, whose context names the loser because A
// discarded it; C drops the loser because of that and counts it, too.
func TestDATA8_MarkedContextsTellOthersOfTheReceipt(t *testing.T) {
	a, b, c := newRegion(t, 1, nil, nil), newRegion(t, 2, nil, nil), newRegion(t, 3, nil, nil)
	b.at(10).put(key("k"), "lost")
	a.at(20).put(key("k"), "won")
	if got := a.pull(b); got.Conflicts != 1 {
		t.Errorf("at A: %+v", got)
	}
	a.at(30).put(key("k"), "later") // its writer saw A's record, and with it the mark
	winner := a.read(store.Cursor{}, store.Limit{})
	winner.Records = slices.DeleteFunc(winner.Records, func(s store.Shipped) bool { return s.Kind == record.KindReceipt })
	c.take(a, winner)
	if got := c.pull(b); got.Conflicts != 1 {
		t.Errorf("at C: %+v", got)
	}
}

// DATA 12: the cursor persists with what was applied, and only with it.
func TestDATA12_CursorAndEffectAreOneBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newRegion(t, 1, nil, nil)
		b, engine := held(t, 2)
		a.put(key("k"), "x")
		applied := later(func() error {
			batch := a.read(store.Cursor{}, store.Limit{})
			_, err := b.Apply(t.Context(), store.Apply{Origin: 1, Cursor: batch.To, Records: batch.Records})
			return err
		})
		if _, known := b.Cursor(1); known {
			t.Error("the cursor moved before its batch was durable")
		}
		if err := engine.Crash(); err != nil {
			t.Fatal(err)
		}
		if err := <-applied; err == nil {
			t.Error("apply returned nil although nothing was synced")
		}
		again := newRegion(t, 2, reopenSynced(engine), nil)
		if _, known := again.Cursor(1); known || again.value(key("k")) != "" {
			t.Error("half of the batch survived")
		}
		again.pull(a)
		again.restart()
		if c, _ := again.Cursor(1); c != a.Position().Cursor || again.value(key("k")) != "x" {
			t.Errorf("cursor %+v, value %q", c, again.value(key("k")))
		}
	})
}

// DATA 3: applied batches take a sequence, too: what they brought is not revealed
// before it is durable.
func TestDATA3_AppliedRecordsAreDurableBeforeVisible(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newRegion(t, 1, nil, nil)
		b, engine := held(t, 2)
		a.put(key("k"), "x")
		applied := later(func() error { b.pull(a); return nil })
		for name, call := range revealing(b, key("k")) {
			result := later(call)
			pending(t, name, result)
			defer func() { <-result }()
		}
		engine.Sync()
		synctest.Wait()
		engine.Sync()
		<-applied
	})
}

// DATA 15: clock skew beyond the limit is refused, never followed.
func TestDATA15_SkewIsRefused(t *testing.T) {
	var ahead time.Duration
	a := newRegion(t, 1, nil, nil)
	b := newRegion(t, 2, nil, func(c *store.Config) {
		c.SkewMax = time.Second
		c.Events.Skew = func(_ record.RegionID, by time.Duration) { ahead = by }
	})
	a.advance(3 * time.Second)
	a.put(key("k"), "x")
	batch := a.read(store.Cursor{}, store.Limit{})
	apply := store.Apply{Origin: 1, Cursor: batch.To, Records: batch.Records}
	if _, err := b.Apply(t.Context(), apply); !errors.Is(err, store.ErrSkew) {
		t.Errorf("record: %v, want %v", err, store.ErrSkew)
	}
	if ahead != 3*time.Second {
		t.Errorf("reported %v", ahead)
	}
	if _, err := b.Apply(t.Context(), store.Apply{Origin: 1, Time: hlc.Of(start.Add(2 * time.Second))}); !errors.Is(err, store.ErrSkew) {
		t.Errorf("heartbeat: %v, want %v", err, store.ErrSkew)
	}
	if c := b.put(key("other"), "x"); c.Version.Time >= hlc.Of(start.Add(time.Second)) {
		t.Errorf("the clock followed: %v", c.Version)
	}
	b.advance(2 * time.Second)
	if _, err := b.Apply(t.Context(), apply); err != nil {
		t.Errorf("once our clock has come closer: %v", err)
	}
}

func TestApplyRefuses(t *testing.T) {
	a, b := newRegion(t, 1, nil, nil), newRegion(t, 2, nil, nil)
	a.put(key("k"), "x")
	good := a.read(store.Cursor{}, store.Limit{})
	with := func(s store.Shipped) store.Apply {
		return store.Apply{Origin: 1, Cursor: good.To, Records: append([]store.Shipped{s}, good.Records...)}
	}
	tests := map[string]struct {
		apply store.Apply
		want  error
	}{
		"a table that is not here": {with(store.Shipped{Key: record.Key{Table: 99}, Record: good.Records[0].Record}), store.ErrNoTable},
		"bytes that are no record": {with(store.Shipped{Key: key("j"), Record: []byte("junk")}), record.ErrMalformed},
		"its own log":              {store.Apply{Origin: 2}, nil},
		"no region":                {store.Apply{}, nil},
		"a key that is too long":   {with(store.Shipped{Key: record.Key{Table: notes, Sort: make([]byte, record.KeyPartMax+1)}, Record: good.Records[0].Record}), nil},
	}
	for name, test := range tests {
		_, err := b.Apply(t.Context(), test.apply)
		if err == nil || (test.want != nil && !errors.Is(err, test.want)) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
	}
	if _, known := b.Cursor(1); known || b.value(key("k")) != "" {
		t.Error("part of a refused batch was applied")
	}
}

// A peer that names a key twice gets both merged.
func TestApplyMergesAKeyThatComesTwice(t *testing.T) {
	a, b, c := newRegion(t, 1, nil, nil), newRegion(t, 2, nil, nil), newRegion(t, 3, nil, nil)
	a.at(10).put(key("k"), "a")
	b.at(20).put(key("k"), "b")
	batch := a.read(store.Cursor{}, store.Limit{})
	batch.Records = append(b.read(store.Cursor{}, store.Limit{}).Records, batch.Records...)
	if got := c.take(a, batch); got != (store.ApplyResult{Applied: 1, Stale: 1, Conflicts: 1}) {
		t.Errorf("got %+v", got)
	}
	if got := c.value(key("k")); got != "b" {
		t.Errorf("got %q", got)
	}
}

// DATA 22: records of a table that has no replica here are not taken.
func TestDATA22_TablesWithoutReplicaHereAreNotHeld(t *testing.T) {
	r := newRegion(t, 2, nil, nil)
	r.SetTables([]table.Table{tableIn(notes, 1)})
	if _, here := r.Table(notes); here {
		t.Error("the table is held")
	}
}

// world is regions that write, pull in any order and repeat themselves.
type action struct{ Kind, Region, Other, Key int }

func actions(t *rapid.T) []action {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) action {
		return action{
			Kind:   rapid.IntRange(0, 5).Draw(t, "kind"),
			Region: rapid.IntRange(0, 2).Draw(t, "region"),
			Other:  rapid.IntRange(0, 2).Draw(t, "other"),
			Key:    rapid.IntRange(0, 3).Draw(t, "key"),
		}
	}), 1, 40).Draw(t, "actions")
}

// run plays actions on regions. Replays come from the log's start, so records
// arrive late and again.
func run(regions []*region, list []action) {
	for i, a := range list {
		r, other := regions[a.Region], regions[a.Other]
		k := key(string(rune('a' + a.Key)))
		r.advance(time.Duration(a.Key))
		switch {
		case a.Kind == 0:
			r.remove(k)
		case a.Kind <= 2:
			r.put(k, string(rune('A'+i%26)))
		case r == other:
		case a.Kind == 3:
			r.take(other, other.read(store.Cursor{}, store.Limit{Entries: 1 + a.Key}))
		default:
			r.pull(other)
		}
	}
}

// catchUp lets every region apply all of every other's log from the start.
func catchUp(regions []*region) {
	for range 2 {
		for _, to := range regions {
			for _, from := range regions {
				for b := (store.Batch{More: true}); to != from && b.More; {
					b = from.read(b.To, store.Limit{Entries: 3})
					to.take(from, b)
				}
			}
		}
	}
}

// DATA 6: whatever happened in whatever order, regions that have applied all
// logs hold the same.
func TestRegionsConverge(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		regions := []*region{newRegion(t, 1, nil, nil), newRegion(t, 2, nil, nil), newRegion(t, 3, nil, nil)}
		run(regions, actions(rt))
		catchUp(regions)
		want := records(t, regions[0])
		for _, r := range regions[1:] {
			if d := cmp.Diff(records(t, r), want); d != "" {
				rt.Fatalf("region %d (-) differs from region 1 (+):\n%s", r.id, d)
			}
			if d := cmp.Diff(space(t, r, 'r'), space(t, regions[0], 'r')); d != "" {
				rt.Fatalf("receipts of region %d (-) differ from those of region 1 (+):\n%s", r.id, d)
			}
		}
	})
}
