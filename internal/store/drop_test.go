package store_test

import (
	"context"
	"errors"
	"testing"

	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

// without is tableIn whose last region is leaving.
func without(t table.Table) table.Table {
	last := len(t.Replicas) - 1
	t.Leaving = t.Replicas[last:]
	t.Replicas = t.Replicas[:last]
	return t
}

// DATA 14, 18: history: a and b delete what c, which was removed, still holds,
// and forget that they did; c gets the table again. What it held must not be
// there when it begins to copy, nor when it crashed before it had emptied it.
func TestDATA18_ATableThatIsGivenAnewBeginsEmpty(t *testing.T) {
	c := newRegion(t, 3, nil, nil)
	c.put(key("gone"), "old")
	c.remove(key("deleted"))
	again := tableIn(notes, 1, 2, 3)
	again.Replicas[2].Since = 5
	renew := func(want string) {
		t.Helper()
		c.tables = []table.Table{again}
		if err := c.Renew(t.Context(), c.tables); err != nil {
			t.Fatal(err)
		}
		c.SetTables(c.tables)
		if got := c.value(key("gone")); got != want {
			t.Errorf("it holds %q, want %q", got, want)
		}
	}
	renew("")
	if n := countKeys(t, c, 'd') + countKeys(t, c, 't'); n != 0 {
		t.Errorf("%d keys are left of it", n)
	}
	c.put(key("gone"), "copied")
	renew("copied")
	c.restart() // while it copies: what has come stays
	renew("copied")
	if err := c.MarkWhole(t.Context(), map[record.TableID]uint64{notes: 5}); err != nil {
		t.Fatal(err)
	}
	c.restart()
	if whole, err := c.Whole(notes); whole != 5 || err != nil {
		t.Errorf("whole since %d, %v", whole, err)
	}
	renew("copied")
	again.Replicas[2].Since = 9
	renew("")
	if whole, err := c.Whole(notes); whole != 0 || err != nil {
		t.Errorf("an empty table counts as whole since %d, %v", whole, err)
	}
}

// A replica that leaves takes no writes, still ships and applies, and counts for
// the frontier.
func TestALeavingReplicaTakesNoWrites(t *testing.T) {
	a, c := newRegion(t, 1, nil, nil), newRegion(t, 3, nil, nil)
	for _, r := range []*region{a, c} {
		r.SetTables([]table.Table{tableIn(notes, 1, 3)})
	}
	c.put(key("last"), "words")
	if _, err := c.Closed(t.Context(), notes); err == nil {
		t.Error("a table that takes writes is closed")
	}
	leaving := []table.Table{without(tableIn(notes, 1, 3))}
	a.SetTables(leaving)
	c.SetTables(leaving)
	_, err := c.Update(t.Context(), []record.Key{key("late")}, func(tx *store.Tx) error {
		return tx.Put(key("late"), []byte("x"), store.PutOptions{})
	})
	if !errors.Is(err, store.ErrNoTable) {
		t.Errorf("a write to a table that is leaving: %v", err)
	}
	end, err := c.Closed(t.Context(), notes)
	if err != nil || end != c.Position().Cursor {
		t.Errorf("closed at %v, %v; the log ends at %v", end, err, c.Position().Cursor)
	}
	a.remove(key("x"))
	for range 3 {
		a.pull(c)
		a.collect()
	}
	if countKeys(t, a, 't') != 1 {
		t.Error("a tombstone went that the leaving region has not applied")
	}
	settle(a, c)
	if a.value(key("last")) != "words" || countKeys(t, a, 't') != 0 {
		t.Errorf("a has %q, %d tombstones", a.value(key("last")), countKeys(t, a, 't'))
	}
}

// Closed waits for the writes that began before the table was leaving.
func TestClosedWaitsForWritesUnderWay(t *testing.T) {
	r := newRegion(t, 3, nil, nil)
	inside, goOn, wrote, closed := make(chan struct{}), make(chan struct{}), make(chan error, 1), make(chan store.Cursor, 1)
	go func() {
		_, err := r.Update(context.Background(), []record.Key{key("k")}, func(tx *store.Tx) error {
			close(inside)
			<-goOn
			return tx.Put(key("k"), []byte("x"), store.PutOptions{})
		})
		wrote <- err
	}()
	<-inside
	r.SetTables([]table.Table{without(tableIn(notes, 1, 2, 3))})
	go func() {
		end, err := r.Closed(context.Background(), notes)
		if err != nil {
			t.Error(err)
		}
		closed <- end
	}()
	close(goOn)
	if err := <-wrote; err != nil {
		t.Fatal(err)
	}
	if end := <-closed; end.Sequence == 0 || end != r.Position().Cursor {
		t.Errorf("closed at %v before the write at %v", end, r.Position().Cursor)
	}
}

// DATA 16: a region that copies a table has applied nothing of it yet, whatever
// it reports of the others' logs.
func TestDATA16_TheFrontierWaitsForACopy(t *testing.T) {
	a, b := newRegion(t, 1, nil, nil), newRegion(t, 2, nil, nil)
	joined := tableIn(notes, 1, 2)
	joined.Replicas[1].Since = 4
	for _, r := range []*region{a, b} {
		r.SetTables([]table.Table{joined})
	}
	a.put(key("k"), "x")
	a.remove(key("k"))
	settle(a, b)
	if a.Frontier(notes) != 0 || countKeys(t, a, 't') != 1 {
		t.Errorf("frontier %d, %d tombstones", a.Frontier(notes), countKeys(t, a, 't'))
	}
	copied := joined.Clone()
	copied.Replicas[1].Copied = true
	for _, r := range []*region{a, b} {
		r.SetTables([]table.Table{copied})
	}
	settle(a, b)
	if countKeys(t, a, 't') != 0 {
		t.Error("the tombstone stays although all have applied it")
	}
}

// Nothing is written where there is nothing to drop.
func TestDroppingNothingWritesNothing(t *testing.T) {
	r := newRegion(t, 1, nil, nil)
	before := r.Position().Durable
	if err := r.DropTable(t.Context(), 99); err != nil {
		t.Fatal(err)
	}
	if after := r.Position().Durable; after != before {
		t.Errorf("commit %d for nothing", after)
	}
}
