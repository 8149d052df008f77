package replica_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/replica"
	"github.com/meridian-run/meridian/internal/replicate"
	"github.com/meridian-run/meridian/internal/table"
)

func TestD1_WritesOfEachRegionReachAll(t *testing.T) {
	w := newWorld(t, 0, "a", "b", "c").start()
	for i := range 30 {
		for _, name := range w.names {
			w.nodes[name].put(notes, fmt.Sprintf("%s%d", name, i), "v")
		}
	}
	w.equal(notes, 90)
	w.nodes["b"].remove(notes, "a1")
	w.nodes["c"].put(notes, "a2", "again")
	w.equal(notes, 90)
	w.eventually("no region is behind", func() bool {
		for _, name := range w.names {
			for _, lag := range w.nodes[name].replica.Lag() {
				if !lag.Connected || !lag.Serving || lag.Entries > 0 || lag.Unshipped > 0 || lag.Behind > time.Second {
					return false
				}
			}
		}
		return true
	})
}

// Frontiers rise by reports, and tombstones go (DATA 14).
func TestReportsRaiseTheFrontier(t *testing.T) {
	w := newWorld(t, 0, "a", "b", "c").start()
	w.nodes["a"].put(notes, "x", "v")
	w.equal(notes, 1)
	w.nodes["b"].remove(notes, "x")
	w.eventually("the tombstone is collected everywhere", func() bool {
		left := 0
		for _, name := range w.names {
			if _, err := w.nodes[name].store.Collect(t.Context()); err != nil {
				t.Fatal(err)
			}
			left += len(w.nodes[name].dump(notes)) + int(w.nodes[name].store.Stats().LogEntries)
		}
		return left == 0
	})
}

func TestU3_CutRegionsConvergeAfterHeal(t *testing.T) {
	w := newWorld(t, 2*time.Millisecond, "a", "b", "c").start()
	a, b, c := w.nodes["a"], w.nodes["b"], w.nodes["c"]
	a.put(notes, "before", "v")
	w.equal(notes, 1)

	for _, other := range []string{"b", "c"} {
		w.net.Cut("a", other)
	}
	counts := func() (sum int64) {
		for _, other := range []string{"b", "c"} {
			sum += w.net.Bytes("a", other) + w.net.Bytes(other, "a")
		}
		return sum
	}
	passed := counts()
	var writers sync.WaitGroup
	for _, n := range []*node{a, b, c} {
		writers.Go(func() {
			for i := range 50 {
				n.put(notes, fmt.Sprintf("k%d", i), n.name)
				n.put(notes, fmt.Sprintf("%s%d", n.name, i), n.name)
			}
		})
	}
	writers.Wait()
	w.equal(notes, 151, "b", "c") // those who see each other go on
	if got := len(a.dump(notes)); got != 101 {
		t.Errorf("the cut region holds %d records, want its own 100 and the one before", got)
	}
	w.eventually("both sides notice", func() bool {
		return !a.replica.Lag()["b"].Connected && !b.replica.Lag()["a"].Connected && !c.replica.Lag()["a"].Connected
	})
	if now := counts(); now != passed {
		t.Errorf("%d bytes passed the cut", now-passed)
	}
	for _, other := range []string{"b", "c"} {
		w.net.Heal("a", other)
	}
	w.equal(notes, 201)
	for _, line := range a.said() {
		if strings.HasPrefix(line, "disconnected b") && strings.Count(strings.Join(a.said(), "\n"), line) > 2 {
			t.Errorf("told again and again: %s", line)
		}
	}
}

// A restart opens a new log, chained to the one before (DATA 5).
func TestRestartGoesOnUnderANewLog(t *testing.T) {
	w := newWorld(t, 0, "a", "b").start()
	a, b := w.nodes["a"], w.nodes["b"]
	a.put(notes, "one", "v")
	w.equal(notes, 1)
	a.stop()
	b.put(notes, "two", "while a is away")
	a.restart(a.engine)
	a.put(notes, "three", "v")
	w.equal(notes, 3)
	b.restart(b.engine)
	a.put(notes, "four", "v")
	b.put(notes, "five", "v")
	w.equal(notes, 5)
	for _, n := range []*node{a, b} {
		if text := strings.Join(n.said(), "\n"); strings.Contains(text, "resend") {
			t.Errorf("%s: a restart is no reason to resend: %s", n.name, text)
		}
	}
}

// The history of DATA 5: a directory restored from a copy has lost writes that
// its peers hold, and writes on.
func TestRestoredDirectoryLosesNothing(t *testing.T) {
	for _, further := range []int{0, 1, 200} {
		t.Run(fmt.Sprintf("writes %d before it is noticed", further), func(t *testing.T) {
			w := newWorld(t, 0, "a", "b", "c").start()
			a := w.nodes["a"]
			for i := range 20 {
				a.put(notes, fmt.Sprintf("early%d", i), "v")
			}
			w.equal(notes, 20)
			a.stop()
			copied := a.engine
			a.restart(copied)
			for i := range 30 {
				a.put(notes, fmt.Sprintf("late%d", i), "v")
			}
			w.equal(notes, 50)
			a.stop()
			w.net.Isolate("a")
			a.restart(copied)
			for i := range further {
				a.put(notes, fmt.Sprintf("after%d", i), "v")
			}
			w.net.Rejoin("a")
			w.equal(notes, 50+further)
			a.put(notes, "late1", "newer") // above all that peers hold
			w.equal(notes, 50+further)
			if got := w.nodes["c"].dump(notes)["late1"]; !strings.Contains(got, "newer") {
				t.Errorf("a write after the restore lost to its own past: %s", got)
			}
		})
	}
}

// A region that lost its disk, while the logs of the others no longer reach back.
func TestEmptyDirectoryIsFilled(t *testing.T) {
	w := newWorld(t, 0, "a", "b", "c").start()
	c := w.nodes["c"]
	for i := range 200 {
		w.nodes["a"].put(notes, fmt.Sprintf("a%d", i), strings.Repeat("v", 1000))
		c.put(notes, fmt.Sprintf("c%d", i), "v")
	}
	w.equal(notes, 400)
	w.eventually("logs are trimmed", func() bool {
		for _, name := range w.names {
			if _, err := w.nodes[name].store.Collect(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		return w.nodes["a"].store.Stats().LogEntries == 0
	})
	c.stop()
	c.restart(memEmpty())
	w.nodes["a"].put(notes, "new", "v")
	w.equal(notes, 401)
	c.put(notes, "c1", "newer")
	w.equal(notes, 401)
	if text := strings.Join(c.said(), "\n"); !strings.Contains(text, "resend a: ") {
		t.Errorf("nothing tells of the resend: %s", text)
	}
}

// Nothing of a table goes to a region that does not hold it (DATA 22).
func TestR8_ResidencyHoldsOnTheWire(t *testing.T) {
	const local = record.TableID(77)
	w := newWorld(t, 0, "a", "b", "c")
	w.control.Tables = append(w.control.Tables, w.table(local, "local", 1, "a", "b"))
	w.start()
	a, b, c := w.nodes["a"], w.nodes["b"], w.nodes["c"]
	for i := range 20 {
		a.put(local, fmt.Sprintf("secret%d", i), "secret")
		b.put(local, fmt.Sprintf("hidden%d", i), "hidden")
		a.put(notes, fmt.Sprintf("open%d", i), "v")
	}
	w.equal(local, 40, "a", "b")
	w.equal(notes, 20)
	c.stop()
	c.restart(memEmpty()) // a resend keeps to it, too
	w.equal(notes, 20)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.received) == 0 {
		t.Fatal("nothing was captured")
	}
	for _, m := range c.received {
		if bytes.Contains(m, []byte("secret")) || bytes.Contains(m, []byte("hidden")) {
			t.Fatalf("a message to c holds what c must not have: %q", m)
		}
	}
}

// A region without etcd learns of a new table from its peers, and is not held up
// in the others (DATA 25).
func TestControlStateIsPassedAlong(t *testing.T) {
	const added = record.TableID(78)
	w := newWorld(t, 0, "a", "b")
	next := w.control
	next.Revision, next.Encoded = 2, []byte("state two")
	next.Tables = append([]table.Table{w.table(added, "added", 2, "a", "b")}, next.Tables...)
	b := w.nodes["b"]
	b.config = func(c *replica.Config) {
		c.Adopt = func(revision uint64, encoded []byte) error {
			if revision != 2 || string(encoded) != "state two" {
				t.Errorf("adopt revision %d: %q", revision, encoded)
			}
			go b.set(next) // control tells the region, which tells the replica
			return nil
		}
	}
	w.start()
	w.nodes["a"].put(notes, "old table", "v")
	w.equal(notes, 1)
	w.nodes["a"].set(next)
	w.nodes["a"].put(added, "new table", "v")
	w.nodes["a"].put(notes, "old table too", "v")
	w.equal(notes, 2)
	w.equal(added, 1)
}

// A region that joins a table gets what the table holds (D2).
func TestD2_RegionJoinsATableThatHoldsData(t *testing.T) {
	const grown = record.TableID(79)
	w := newWorld(t, 0, "a", "b", "c")
	old := w.control.Tables
	w.control.Tables = append(old[:1:1], w.table(grown, "grown", 1, "a", "b"))
	w.start()
	for i := range 50 {
		w.nodes["a"].put(grown, fmt.Sprintf("k%d", i), "v")
	}
	w.equal(grown, 50, "a", "b")
	next := w.control
	next.Revision = 2
	next.Tables = append(old[:1:1], w.given(w.table(grown, "grown", 2, "a", "b", "c"), "c", 2))
	for _, name := range []string{"c", "a", "b"} { // the joiner may know first
		w.nodes[name].set(next)
		w.nodes["a"].put(grown, "set "+name, "v")
	}
	w.equal(grown, 53)
	w.nodes["c"].put(grown, "c", "v")
	w.equal(grown, 54)
}

// A copy that ended with the region goes on in its next life, and one that is
// over is not asked for again (DATA 17).
func TestD2_CopyOfATableSurvivesARestart(t *testing.T) {
	const grown = record.TableID(79)
	w := newWorld(t, 0, "a", "b", "c")
	old := w.control.Tables
	w.control.Tables = append(old[:1:1], w.table(grown, "grown", 1, "a", "b"))
	w.start()
	c := w.nodes["c"]
	for i := range 50 {
		w.nodes["a"].put(grown, fmt.Sprintf("k%d", i), "v")
	}
	w.equal(grown, 50, "a", "b")
	for _, peer := range []string{"a", "b"} {
		w.net.Cut("c", peer) // so nothing comes in this life
	}
	w.control.Revision = 2
	w.control.Tables = append(old[:1:1], w.given(w.table(grown, "grown", 2, "a", "b", "c"), "c", 2))
	for _, name := range w.names {
		w.nodes[name].set(w.control)
	}
	c.stop()
	for _, peer := range []string{"a", "b"} {
		w.net.Heal("c", peer)
	}
	c.restart(c.engine)
	w.equal(grown, 50)
	w.eventually("c has marked the table as whole", func() bool {
		since, err := c.store.Whole(grown)
		return err == nil && since == 2
	})
	c.stop()
	before := len(c.said())
	c.restart(c.engine)
	w.nodes["a"].put(grown, "after", "v")
	w.equal(grown, 51)
	for _, lag := range c.replica.Lag() {
		if lag.Resend {
			t.Errorf("a whole table is copied again: %v", c.said()[before:])
		}
	}
}

func TestSkewedPeerWaits(t *testing.T) {
	w := newWorld(t, 0, "a", "b")
	a, b := w.nodes["a"], w.nodes["b"]
	a.skew.Store(int64(time.Hour))
	w.start()
	a.put(notes, "future", "v")
	b.put(notes, "now", "v")
	w.eventually("b tells of the skew", func() bool { return strings.Contains(strings.Join(b.said(), "\n"), "skew a: true") })
	w.eventually("a holds b's write", func() bool { return len(a.dump(notes)) == 2 })
	if got := b.dump(notes); len(got) != 1 {
		t.Errorf("b holds %v, want only its own write", got)
	}
	b.skew.Store(int64(time.Hour)) // the operator mends the clocks
	w.equal(notes, 2)
	if text := strings.Join(b.said(), "\n"); strings.Count(text, "skew a: true") != 1 || strings.Count(text, "skew a: false") != 1 {
		t.Errorf("told %s, want one alarm and one all-clear", text)
	}
}

func TestReadiness(t *testing.T) {
	w := newWorld(t, 0, "a", "b")
	a, b := w.nodes["a"], w.nodes["b"]
	start := time.Now()
	a.start()
	<-a.replica.Ready() // b is silent for the grace of 300 ms
	if took := time.Since(start); took < 300*time.Millisecond {
		t.Errorf("ready after %v without the peer, want its grace first", took)
	}
	for i := range 100 {
		a.put(notes, fmt.Sprint(i), "v")
	}
	b.config = func(c *replica.Config) { c.ReadyGrace = time.Hour }
	b.start()
	<-b.replica.Ready()
	if got := len(b.dump(notes)); got != 100 {
		t.Errorf("ready with %d of 100 records", got)
	}
	if waiting := b.replica.Waiting(); waiting != "" {
		t.Errorf("ready, yet waiting for %q", waiting)
	}
}

func TestU2_FlushShipsTheLog(t *testing.T) {
	w := newWorld(t, 60*time.Millisecond, "a", "b", "c").start("a", "b") // c is dead
	a := w.nodes["a"]
	w.eventually("b pulls", func() bool { return a.replica.Lag()["b"].Serving })
	for i := range 50 {
		a.put(notes, fmt.Sprint(i), "v")
	}
	if err := a.replica.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := len(w.nodes["b"].dump(notes)); got != 50 {
		t.Errorf("b holds %d of 50 records after Flush", got)
	}
	w.net.Cut("a", "b")
	a.put(notes, "unreachable", "v")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := a.replica.Flush(ctx); err == nil {
		t.Error("Flush returned although b cannot have the last write")
	}
}

// A peer that is between two streams at that moment is waited for.
func TestU2_FlushWaitsForAPeerThatPullsAgain(t *testing.T) {
	w := newWorld(t, 0, "a", "b")
	a, b := w.nodes["a"], w.nodes["b"]
	first, again := make(chan replica.Stream, 1), make(chan struct{})
	var opened atomic.Int32
	b.config = func(c *replica.Config) {
		open := c.Open
		c.Open = func(ctx context.Context, peer string) (replica.Stream, error) {
			s, err := open(ctx, peer)
			if err != nil {
				return nil, err
			}
			if opened.Add(1) == 1 {
				first <- s
				return s, nil
			}
			select {
			case <-again:
			case <-ctx.Done():
			}
			return s, nil
		}
	}
	w.start()
	a.put(notes, "one", "v")
	w.equal(notes, 1)
	(<-first).Close()
	w.eventually("a notices", func() bool { return !a.replica.Lag()["b"].Serving })
	a.put(notes, "two", "v")
	flushed := make(chan error, 1)
	go func() { flushed <- a.replica.Flush(t.Context()) }()
	select {
	case err := <-flushed:
		t.Fatalf("flush ended (%v) while b is about to pull again", err)
	case <-time.After(50 * time.Millisecond):
	}
	close(again)
	if err := <-flushed; err != nil {
		t.Fatal(err)
	}
	if len(b.dump(notes)) != 2 {
		t.Error("b lacks the last write after Flush")
	}
}

func TestRemovedRegionIsNotServed(t *testing.T) {
	w := newWorld(t, 0, "a", "b").start()
	a, b := w.nodes["a"], w.nodes["b"]
	a.put(notes, "one", "v")
	w.equal(notes, 1)
	next := w.control
	next.Revision = 2
	a.replica.SetControl(replica.Control{Revision: 2, Tables: next.Tables}) // no peers
	w.eventually("b is told", func() bool {
		return strings.Contains(strings.Join(b.said(), "\n"), "not a region of this world")
	})
	a.put(notes, "two", "v")
	if lag := a.replica.Lag(); len(lag) != 0 {
		t.Errorf("a still counts its lag to %v", lag)
	}
	a.set(next)
	w.equal(notes, 2)
}

func TestMalformedHelloIsRefused(t *testing.T) {
	w := newWorld(t, 0, "a", "b").start("a")
	b := w.nodes["b"]
	for name, hello := range map[string][]byte{
		"noise":         []byte("GET / HTTP/1.1"),
		"another world": replicate.Append(nil, &replicate.Hello{Min: 1, Max: 1, World: "other", Region: "b", ID: 2, Origin: 1}),
		"another name":  replicate.Append(nil, &replicate.Hello{Min: 1, Max: 1, World: "w", Region: "c", ID: 2, Origin: 1}),
		"no hello":      replicate.Append(nil, &replicate.Ack{}),
	} {
		s, err := b.open(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		s.Send(hello)
		raw, err := s.Receive()
		if err != nil {
			t.Errorf("%s: %v, want a refusal", name, err)
			continue
		}
		if m, err := replicate.Parse(raw); err != nil {
			t.Errorf("%s: %v", name, err)
		} else if _, ok := m.(*replicate.Refuse); !ok {
			t.Errorf("%s: answered %T, want a refusal", name, m)
		}
		s.Close()
	}
}
