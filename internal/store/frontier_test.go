package store_test

import (
	"errors"
	"testing"
	"time"

	"github.com/meridian-run/meridian/internal/hlc"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

func (r *region) collect() store.Collected {
	r.t.Helper()
	c, err := r.Collect(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

// DATA 14: the frontier is the lowest time that any of the table's regions has
// applied of any of them.
func TestDATA14_FrontierIsTheLowestReport(t *testing.T) {
	a := newRegion(t, 1, nil, nil)
	a.at(100).put(key("k"), "x")
	report := func(one, two, three hlc.Time) store.Report {
		return store.Report{Applied: map[record.RegionID]hlc.Time{1: one, 2: two, 3: three}}
	}
	a.SetReport(2, report(timeAt(50), timeAt(90), timeAt(80)))
	a.collect()
	if got := a.Frontier(notes); got != 0 {
		t.Errorf("region 3 has not reported: frontier %d", got)
	}
	a.SetReport(3, report(timeAt(60), timeAt(40), timeAt(90)))
	a.collect()
	if got := a.Frontier(notes); got != 0 {
		t.Errorf("this region has applied nothing: frontier %d", got)
	}
	for origin, at := range map[record.RegionID]int{2: 30, 3: 35} {
		if _, err := a.Apply(t.Context(), store.Apply{Origin: origin, Time: timeAt(at)}); err != nil {
			t.Fatal(err)
		}
	}
	a.collect()
	if got := a.Frontier(notes); got != timeAt(30) {
		t.Errorf("frontier %v, want %v", got, timeAt(30))
	}
	a.SetReport(3, report(timeAt(1), timeAt(1), timeAt(1)))
	a.collect()
	if got := a.Frontier(notes); got != timeAt(30) {
		t.Errorf("the frontier fell to %v", got)
	}
	a.restart()
	if got := a.Frontier(notes); got != timeAt(30) {
		t.Errorf("after a restart: frontier %v", got)
	}
}

// DATA 14: a table's frontier does not wait for regions that do not hold it.
func TestDATA14_FrontierIsPerTable(t *testing.T) {
	a, b := newRegion(t, 1, nil, nil), newRegion(t, 2, nil, nil)
	tables := []table.Table{tableIn(notes, 1, 2, 3), tableIn(8, 1, 2)}
	a.SetTables(tables)
	b.SetTables(tables)
	a.put(record.Key{Table: 8, Partition: []byte("k")}, "x")
	settle(a, b)
	if a.Frontier(notes) != 0 || a.Frontier(8) == 0 {
		t.Errorf("frontiers %d and %d", a.Frontier(notes), a.Frontier(8))
	}
}

// DATA 14: tombstones and the log go when every region has applied them, and not
// for their age.
func TestDATA14_CollectionFollowsTheFrontier(t *testing.T) {
	unlimited := func(c *store.Config) { c.Retention.Age = 1000 * 24 * time.Hour } // retain_test.go has the limits
	a, b, c := newRegion(t, 1, nil, unlimited), newRegion(t, 2, nil, unlimited), newRegion(t, 3, nil, nil)
	a.put(key("k"), "x")
	a.put(key("stays"), "x")
	settle(a, b, c)
	a.remove(key("k"))
	for range 3 {
		a.advance(100 * 24 * time.Hour)
		b.advance(100 * 24 * time.Hour)
		b.pull(a)
		a.pull(b)
		a.beat(b)
		b.beat(a)
		if got := a.collect(); got.Tombstones != 0 || got.Entries != 0 {
			t.Fatalf("collected %+v although region 3 has not applied it", got)
		}
	}
	c.advance(300 * 24 * time.Hour)
	settle(a, b, c)
	settle(a, b, c)
	for _, r := range []*region{a, b, c} {
		if n := countKeys(t, r, 'd'); n != 1 {
			t.Errorf("region %d holds %d records, want the one that stays", r.id, n)
		}
		if n := countKeys(t, r, 't'); n != 0 {
			t.Errorf("region %d holds %d tombstone entries", r.id, n)
		}
		if n := countKeys(t, r, 'l'); n != 0 || r.Stats().LogEntries != 0 {
			t.Errorf("region %d keeps %d log entries, says %d", r.id, n, r.Stats().LogEntries)
		}
		if r.value(key("k")) != "" || r.value(key("stays")) != "x" {
			t.Errorf("region %d lost or found something", r.id)
		}
	}
	// What was trimmed can no longer be read, and says so; peers go on.
	if _, err := a.ReadLog(t.Context(), store.Cursor{}, store.Limit{}, nil); !errors.Is(err, store.ErrCursorTrimmed) {
		t.Errorf("read from the start: %v, want %v", err, store.ErrCursorTrimmed)
	}
	a.restart()
	a.put(key("next"), "x")
	b.pull(a)
	a.restart()
	a.put(key("after restart"), "x")
	b.pull(a)
	if b.value(key("next")) != "x" || b.value(key("after restart")) != "x" {
		t.Error("a peer at the trim mark does not get on")
	}
}

// DATA 14: a life of the log without entries, of a region that was started and
// ended while nobody wrote, does not end trimming.
func TestDATA14_LogIsTrimmedBehindIdleLives(t *testing.T) {
	a, b, c := newRegion(t, 1, nil, nil), newRegion(t, 2, nil, nil), newRegion(t, 3, nil, nil)
	a.put(key("one"), "x")
	settle(a, b, c)
	settle(a, b, c)
	for range 2 { // idle lives
		a.restart()
		settle(a, b, c)
	}
	a.restart()
	settle(a, b, c) // its peers stand where this life begins
	at, _ := b.Cursor(a.id)
	for i := range 50 {
		a.put(key(string(rune('a'+i))), "x")
	}
	if got := a.Behind(at); got != 50 {
		t.Errorf("a peer at the start of this life is behind by %d entries, want 50", got)
	}
	settle(a, b, c)
	settle(a, b, c)
	if n := countKeys(t, a, 'l'); n != 0 || a.Stats().LogEntries != 0 {
		t.Errorf("%d log entries are kept (Stats says %d) although all regions have applied them", n, a.Stats().LogEntries)
	}
	if at, _ = b.Cursor(a.id); a.Behind(at) != 0 {
		t.Errorf("a peer that has everything is behind by %d", a.Behind(at))
	}
	a.restart()
	a.put(key("after"), "x")
	if b.pull(a); b.value(key("after")) != "x" {
		t.Error("a peer at the trim mark does not get on")
	}
}

// A cursor where a life begins has no entry of its own; what is kept of the lives
// before it does not count.
func TestBehindCountsFromTheStartOfALife(t *testing.T) {
	a, b := newRegion(t, 1, nil, nil), newRegion(t, 2, nil, nil)
	for _, name := range []string{"one", "two", "three"} {
		a.put(key(name), "x") // region 3 has not applied it: it is kept
	}
	a.restart()
	b.pull(a)
	b.beat(a)
	at, _ := b.Cursor(a.id)
	a.restart()
	a.put(key("four"), "x")
	a.put(key("five"), "x")
	if got := a.Behind(at); got != 2 {
		t.Errorf("behind by %d entries, want 2", got)
	}
}

// DATA 14: a peer's frontier may come before what the peer had waited for. C
// has A's delete; B tells C the frontier; but A's older batch, read before A
// knew of the delete, is still on its way to C. C must not forget the delete.
func TestDATA14_OnlyOwnFrontierCollects(t *testing.T) {
	a, b, c := newRegion(t, 1, nil, nil), newRegion(t, 2, nil, nil), newRegion(t, 3, nil, nil)
	a.put(key("k"), "old")
	late := a.read(store.Cursor{}, store.Limit{})
	b.pull(a)
	b.advance(time.Millisecond)
	deleted := b.remove(key("k"))
	c.pull(b)
	frontier := map[record.TableID]hlc.Time{notes: deleted.Version.Time}
	if _, err := c.Apply(t.Context(), store.Apply{Origin: 2, Cursor: b.Position().Cursor, Records: b.read(store.Cursor{}, store.Limit{}).Records, Frontiers: frontier}); err != nil {
		t.Fatal(err)
	}
	if c.Frontier(notes) != 0 {
		t.Errorf("frontier %v, and it has not applied A's log", c.Frontier(notes))
	}
	c.collect()
	c.take(a, late)
	if got := c.value(key("k")); got != "" {
		t.Errorf("%q came back", got)
	}
}

// DATA 14: a heartbeat takes its time under the sequencer and persists it as the
// floor, so that no later write, even after a crash, is below it.
func TestDATA14_HeartbeatIsAFloor(t *testing.T) {
	a := newRegion(t, 1, nil, nil)
	a.put(key("k"), "x")
	last := a.Position().Cursor
	a.advance(time.Hour)
	p, err := a.Heartbeat(t.Context())
	if err != nil || p.Cursor != last || p.Time != hlc.Of(*a.now) {
		t.Fatalf("%+v, %v", p, err)
	}
	a.advance(-time.Hour)
	if c := a.put(key("k"), "y"); c.Version.Time <= p.Time {
		t.Errorf("stamped %v, promised %v", c.Version, p.Time)
	}
	p, err = a.Heartbeat(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	a.restart()
	if c := a.put(key("k"), "z"); c.Version.Time <= p.Time {
		t.Errorf("after a restart: stamped %v, promised %v", c.Version, p.Time)
	}
}

// DATA 14: reports name durable positions, of this region's own log and of what
// it applied.
func TestReport(t *testing.T) {
	a, b := newRegion(t, 1, nil, nil), newRegion(t, 2, nil, nil)
	a.at(10).put(key("k"), "x")
	b.pull(a)
	b.at(20).put(key("j"), "x")
	got := b.Report().Applied
	if got[1] != timeAt(10) || got[2] != timeAt(20) {
		t.Errorf("report %v", got)
	}
	if _, err := b.Apply(t.Context(), store.Apply{Origin: 1, Cursor: a.Position().Cursor, Time: timeAt(15)}); err != nil {
		t.Fatal(err)
	}
	if got := b.Report().Applied[1]; got != timeAt(15) {
		t.Errorf("after a heartbeat: %v", got)
	}
}

// DATA 7: a local write counts as having seen what is below the frontier, and
// says nothing of it.
func TestDATA7_LocalWritesAreTrimmed(t *testing.T) {
	a, b, c := newRegion(t, 1, nil, nil), newRegion(t, 2, nil, nil), newRegion(t, 3, nil, nil)
	a.at(10).put(key("k"), "x")
	a.at(15)
	b.at(15)
	c.at(15)
	settle(a, b, c)
	b.at(100).put(key("k"), "y")
	got, _, err := b.Get(t.Context(), key("k"))
	if err != nil || got.Context != nil {
		t.Errorf("context %v, %v", got.Context, err)
	}
	// A must believe that it was seen, because the batch tells the frontier.
	if result := a.pull(b); result != (store.ApplyResult{Applied: 1}) {
		t.Errorf("at A: %+v", result)
	}
}

// DATA 7, 8: region 3 is given the table while its clock is behind. What it writes
// once it has copied the table is above the frontier that the others have reached
// without it, or it would count as seen everywhere, and lose without a receipt.
func TestDATA7_LocalWritesAreAboveTheFrontier(t *testing.T) {
	a, b, c := newRegion(t, 1, nil, nil), newRegion(t, 2, nil, nil), newRegion(t, 3, nil, nil)
	for _, r := range []*region{a, b, c} {
		r.SetTables([]table.Table{tableIn(notes, 1, 2)})
	}
	a.advance(10 * time.Second)
	b.advance(10 * time.Second)
	c.advance(10*time.Second - 400*time.Millisecond)
	a.put(key("k"), "x")
	settle(a, b)
	settle(a, b)
	for _, r := range []*region{a, b, c} {
		r.SetTables(r.tables)
	}
	resend(c, a)
	resend(c, b)
	frontier := a.Frontier(notes)
	if frontier == 0 {
		t.Fatal("the others have reached no frontier")
	}
	if got := c.put(key("mine"), "c").Version.Time; got <= frontier {
		t.Errorf("written at %d, the frontier is %d", got, frontier)
	}
	a.advance(time.Second)
	a.put(key("mine"), "a") // has not seen c's
	b.advance(time.Second)
	c.advance(time.Second)
	settle(a, b, c)
	for _, r := range []*region{a, b, c} {
		if r.value(key("mine")) != "a" || countKeys(t, r, 'r') != 1 {
			t.Errorf("region %d has %q and %d receipts, want a's value and one", r.id, r.value(key("mine")), countKeys(t, r, 'r'))
		}
	}
	c.restart()
	c.advance(-time.Hour)
	if got := c.put(key("mine"), "later").Version.Time; got <= c.Frontier(notes) {
		t.Errorf("after a restart: written at %d, the frontier is %d", got, c.Frontier(notes))
	}
}

// DATA 15: a frontier that would pull our clock too far ahead is refused.
func TestDATA15_FrontiersAreFromCloseClocks(t *testing.T) {
	a := newRegion(t, 1, nil, nil)
	far := hlc.Of(a.now.Add(time.Minute))
	_, err := a.Apply(t.Context(), store.Apply{Origin: 2, Frontiers: map[record.TableID]hlc.Time{notes: far}})
	if !errors.Is(err, store.ErrSkew) || a.Frontier(notes) != 0 {
		t.Errorf("took a frontier a minute ahead: %v", err)
	}
}
