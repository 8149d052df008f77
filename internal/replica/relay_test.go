package replica_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/meridian-run/meridian/internal/kv/memkv"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/replica"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

func soon(c *replica.Config) { c.RelayAfter = 100 * time.Millisecond }

// split is a world in which only b got a's last writes, and a is gone.
func split(t *testing.T) (w *world, b, c *node) {
	t.Helper()
	w = newWorld(t, 0, "a", "b", "c")
	for _, n := range w.nodes {
		n.config = soon
	}
	w.start()
	a, b, c := w.nodes["a"], w.nodes["b"], w.nodes["c"]
	for i := range 20 {
		a.put(notes, fmt.Sprint("both", i), "v")
	}
	a.remove(notes, "both0")
	w.equal(notes, 19)
	w.net.Cut("a", "c")
	for i := range 20 {
		a.put(notes, fmt.Sprint("b only", i), "v")
	}
	a.put(notes, "both1", "later")
	a.remove(notes, "both2")
	w.equal(notes, 38, "a", "b")
	a.stop()
	return w, b, c
}

// DATA 13: A ships its last writes to B only and dies for good: C gets them from
// B. When A is back, pulling goes on where it stood, and nothing comes twice.
func TestDATA13_SurvivorsGiveEachOtherADeadOriginsTail(t *testing.T) {
	w, b, c := split(t)
	w.equal(notes, 38, "b", "c")
	w.eventually("c tells of the relay", func() bool { return strings.Contains(strings.Join(c.said(), "\n"), "relayed a from b: 22") })
	if strings.Contains(strings.Join(b.said(), "\n"), "relayed a") {
		t.Errorf("b got something from c: %v", b.said())
	}
	a := w.nodes["a"]
	w.net.Heal("a", "c")
	a.restart(a.engine)
	a.put(notes, "back", "v")
	w.equal(notes, 39)
	for _, n := range w.nodes {
		if got := n.store.Stats().Conflicts; got != 0 {
			t.Errorf("%s has %d conflicts of writes that followed each other", n.name, got)
		}
	}
}

// DATA 13: removing a region: its log is closed, the ends are agreed on, each
// survivor says when it has all, and only then.
func TestDATA13_ARemovedOriginIsClosedAndExchanged(t *testing.T) {
	w, b, c := split(t)
	w.net.Cut("b", "c") // so that C lacks the tail for now
	next := w.control
	next.Revision = 5
	next.Closing = []replica.Closing{{Peer: replica.Peer{Name: "a", ID: 1}, Revision: 5}}
	close := func(ends []record.End, agreed bool) {
		for _, n := range []*node{b, c} {
			n.store.CloseOrigins(map[record.RegionID]store.Closing{1: {Agreed: agreed, Ends: ends}})
		}
	}
	close(nil, false)
	b.set(next)
	c.set(next)
	if b.replica.HasAll(1) || c.replica.HasAll(1) {
		t.Error("a survivor has all before the others have given what they have")
	}
	var ends []record.End
	for _, n := range []*node{b, c} {
		had, err := n.store.Ends(context.Background(), 1)
		if err != nil {
			t.Fatal(err)
		}
		ends = record.Highest(ends, had)
	}
	close(ends, true)
	w.net.Heal("b", "c")
	w.eventually("both have all", func() bool { return b.replica.HasAll(1) && c.replica.HasAll(1) })
	if got, want := len(c.dump(notes)), 40; got != want || len(b.dump(notes)) != want {
		t.Errorf("b and c have %d and %d records when they say that they have all, want %d", len(b.dump(notes)), got, want)
	}
}

// grown is a world in which a and b have a table that c is about to get.
func grown(t *testing.T, records int) (w *world, id record.TableID, next func(revision uint64)) {
	t.Helper()
	id = record.TableID(79)
	w = newWorld(t, 0, "a", "b", "c")
	for _, n := range w.nodes {
		n.config = soon
	}
	old := w.control.Tables
	w.control.Tables = append(old[:1:1], w.table(id, "grown", 1, "a", "b"))
	w.start()
	for i := range records {
		w.nodes["a"].put(id, fmt.Sprintf("k%d", i), strings.Repeat("v", 20_000))
	}
	w.equal(id, records, "a", "b")
	return w, id, func(revision uint64) {
		w.control.Revision = revision
		w.control.Tables = append(old[:1:1], w.given(w.table(id, "grown", revision, "a", "b", "c"), "c", revision))
	}
}

func (w *world) whole(n *node, id record.TableID, revision uint64) {
	w.t.Helper()
	w.eventually(n.name+" has the table", func() bool {
		got, err := n.store.Whole(id)
		return err == nil && got == revision
	})
}

// DATA 16: while a donor is scanned, writes and deletes go on everywhere; the
// vector was fixed before, so the logs bring what the scan had passed. Nobody is
// asked for a resend.
func TestDATA16_AJoinerMissesNothingThatIsWrittenMeanwhile(t *testing.T) {
	w, id, next := grown(t, 200)
	a, b, c := w.nodes["a"], w.nodes["b"], w.nodes["c"]
	next(2)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 200 {
			a.put(id, fmt.Sprintf("k%d", i), "a")
			b.put(id, fmt.Sprintf("k%d", 199-i), "b")
			b.put(id, fmt.Sprintf("new%d", i), "b")
			a.remove(id, fmt.Sprintf("k%d", (i*7)%200))
		}
	}()
	for _, n := range []*node{c, a, b} {
		n.set(w.control)
	}
	w.whole(c, id, 2)
	<-done
	w.eventually("all are equal", func() bool {
		x, y, z := a.dump(id), b.dump(id), c.dump(id)
		return fmt.Sprint(x) == fmt.Sprint(y) && fmt.Sprint(y) == fmt.Sprint(z)
	})
	w.eventually("c says that it has the table", func() bool { return strings.Contains(strings.Join(c.said(), "\n"), "join grown is copied") })
	if said := strings.Join(c.said(), "\n"); strings.Contains(said, "resend") {
		t.Errorf("c said:\n%s", said)
	}
}

// DATA 16: every region that has the table must know of the joiner before a donor
// begins: B, which does not, could forget a delete that the joiner needs. The
// joiner waits, and says so.
func TestDATA16_DonorsKnowTheJoinerFirst(t *testing.T) {
	w, id, next := grown(t, 3)
	next(2)
	w.net.Cut("b", "c")
	w.eventually("c has lost b", func() bool { return !w.nodes["c"].replica.Lag()["b"].Connected })
	w.nodes["c"].set(w.control)
	w.nodes["a"].set(w.control)
	w.eventually("c says what it waits for", func() bool {
		j := w.nodes["c"].replica.Joins()
		return len(j) == 1 && strings.Contains(j[0].Waits, "until b can be reached")
	})
	if got, begun := w.nodes["c"].store.Join(id); begun {
		t.Errorf("the copy has begun: %+v", got)
	}
	w.net.Heal("b", "c")
	w.nodes["b"].set(w.control)
	w.whole(w.nodes["c"], id, 2)
	w.equal(id, 3)
}

// DATA 16: a copy that is broken off goes on with the first vector; what the donor
// wrote meanwhile comes from its log.
func TestDATA16_ACopyGoesOnWhereItStood(t *testing.T) {
	w, id, next := grown(t, 400)
	c := w.nodes["c"]
	c.stop()
	next(2)
	for _, name := range []string{"a", "b"} {
		w.nodes[name].config = soon
		w.nodes[name].set(w.control)
	}
	release := make(chan struct{})
	c.config = through(func(s replica.Stream, before int) ([]byte, error) {
		if before >= 5 {
			<-release
		}
		return s.Receive()
	})
	c.restart(c.engine)
	w.eventually("a part is here", func() bool {
		j, begun := c.store.Join(id)
		return begun && len(j.Mark) > 0 && !j.Scanned
	})
	first, _ := c.store.Join(id)
	close(release)
	c.stop()
	for i := range 100 {
		w.nodes["a"].remove(id, fmt.Sprintf("k%d", i))
	}
	c.config = soon
	c.restart(c.engine)
	w.whole(c, id, 2)
	w.equal(id, 300)
	if first.Restarts != 0 || strings.Contains(strings.Join(c.said(), "\n"), "anew") {
		t.Errorf("begun anew: %v", c.said())
	}
}

// DATA 16: the donor is lost: the copy begins anew from another, and says so; it
// is over when the lost one's log has come, too.
func TestDATA16_ACopyWhoseDonorIsLostBeginsAnew(t *testing.T) {
	w, id, next := grown(t, 400)
	c := w.nodes["c"]
	next(2)
	for _, name := range []string{"a", "b"} {
		n := w.nodes[name]
		n.config = func(c *replica.Config) { soon(c); c.CopyRate = 4 << 20 } // 8 MB take two seconds
		n.restart(n.engine)
	}
	c.set(w.control)
	var donor *node
	w.eventually("a part is here", func() bool {
		j, begun := c.store.Join(id)
		for _, n := range w.nodes {
			if begun && len(j.Mark) > 0 && !j.Scanned && n.id == j.Donor {
				donor = n
			}
		}
		return donor != nil
	})
	donor.stop()
	w.eventually("c says that it begins anew", func() bool { return strings.Contains(strings.Join(c.said(), "\n"), "join grown begins anew") })
	donor.restart(donor.engine)
	w.whole(c, id, 2)
	w.equal(id, 400)
	if got := c.replica.Joins(); len(got) != 0 {
		t.Errorf("still copying: %+v", got)
	}
}

// DATA 16: the origin's log no longer reaches back to the vector: the copy begins
// anew, and says so.
func TestDATA16_ACopyBeginsAnewWhenALogNoLongerReachesBack(t *testing.T) {
	w, id, next := grown(t, 5)
	c := w.nodes["c"]
	next(2)
	c.stop()
	c.restart(c.engine)
	gone := store.Cursor{Log: 1, Sequence: 1}
	p, err := c.store.BeginJoin(store.Join{Table: id, Since: 2, Donor: 1, Scanned: true, Tails: map[record.RegionID]store.Cursor{1: gone, 2: gone}})
	if err == nil {
		_, err = p.Wait(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	w.nodes["a"].set(w.control)
	w.nodes["b"].set(w.control)
	w.whole(c, id, 2)
	w.equal(id, 5)
	w.eventually("c says that it began anew", func() bool { return strings.Contains(strings.Join(c.said(), "\n"), "join grown begins anew: ") })
}

// DATA 17: two regions that were cut for longer than the log is kept do not wait
// for each other: both serve all the time, both resends run at once and merge.
func TestDATA17_TwoRegionsCutForLongerThanTheLogIsKept(t *testing.T) {
	w := newWorld(t, 0, "a", "b")
	w.start()
	a, b := w.nodes["a"], w.nodes["b"]
	a.put(notes, "k", "v")
	a.put(notes, "deleted", "v")
	w.equal(notes, 2)
	w.net.Cut("a", "b")
	for i := range 30 {
		a.put(notes, fmt.Sprint("a", i), "v")
		b.put(notes, fmt.Sprint("b", i), "v")
	}
	b.remove(notes, "deleted")
	for _, n := range []*node{a, b} {
		n.letGo()
	}
	w.net.Heal("a", "b")
	w.equal(notes, 61)
	if said := strings.Join(a.said(), "\n") + strings.Join(b.said(), "\n"); !strings.Contains(said, "resend") {
		t.Errorf("the logs were not let go: %s", said)
	}
}

// letGo restarts a region with a log that is let go at once, until it is.
func (n *node) letGo() {
	t := n.world.t
	t.Helper()
	n.stop()
	engine := n.engine.Reopen(memkv.Config{})
	s, err := store.Open(t.Context(), store.Config{
		Engine: engine, Region: n.id, World: "w", RegionName: n.name, Retention: store.Retention{Bytes: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.SetTables([]table.Table{n.world.control.Tables[0]})
	if got, err := s.Collect(t.Context()); err != nil || got.Entries == 0 {
		t.Fatalf("collected %+v: %v", got, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	n.engine = engine
	n.restart(engine)
}

// DATA 16: a region that is new gets all that it holds by copies: it pulls the logs
// from their ends on, is sent nothing twice, and misses nothing.
func TestDATA16_ANewRegionCopiesAllItsTables(t *testing.T) {
	w := newWorld(t, 0, "a", "b", "c")
	w.control.Tables = []table.Table{w.table(notes, "notes", 1, "a", "b")}
	w.start("a", "b")
	a, b, c := w.nodes["a"], w.nodes["b"], w.nodes["c"]
	for i := range 50 {
		a.put(notes, fmt.Sprint("a", i), "v")
		b.put(notes, fmt.Sprint("b", i), "v")
	}
	w.equal(notes, 100, "a", "b")
	w.control.Revision = 2
	w.control.Tables = []table.Table{w.given(w.table(notes, "notes", 2, "a", "b", "c"), "c", 2)}
	a.set(w.control)
	b.set(w.control)
	c.start()
	a.put(notes, "meanwhile", "v")
	w.whole(c, notes, 2)
	w.equal(notes, 101)
	b.put(notes, "after", "v")
	w.equal(notes, 102)
	if said := strings.Join(c.said(), "\n"); strings.Contains(said, "resend") {
		t.Errorf("c said:\n%s", said)
	}
	if got := c.store.Stats().Applied; got > 150 {
		t.Errorf("c applied %d records, of 102", got)
	}
}
