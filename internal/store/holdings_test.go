package store_test

import (
	"testing"

	"github.com/meridian-run/meridian/internal/hlc"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
)

// holdings is what a region tells another that asks for all.
func holdings(t *testing.T, of, asker *region) store.Holdings {
	t.Helper()
	p, err := of.BeginHoldings(asker.id, []record.TableID{notes}, []record.RegionID{1, 2, 3})
	if err != nil {
		t.Fatal(err)
	}
	h, err := p.Wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// DATA 5: a directory that has lost its log finds in what a peer holds that it did,
// until the peer has given it all; a restart alone loses nothing.
func TestDATA5_HoldingsShowWhatIsLost(t *testing.T) {
	a, b := newRegion(t, 1, nil, nil), newRegion(t, 2, nil, nil)
	a.put(key("k"), "x")
	b.pull(a)
	a.restart()
	if lost := a.Lost(holdings(t, b, a)); len(lost) > 0 {
		t.Errorf("after a restart: %v", lost)
	}
	anew := newRegion(t, 1, nil, nil)
	h := holdings(t, b, anew)
	if lost := anew.Lost(h); len(lost) == 0 {
		t.Error("a new directory does not notice")
	}
	chunk, err := b.ReadTable(t.Context(), notes, nil, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	_, err = anew.Apply(t.Context(), store.Apply{Origin: b.id, Cursor: b.Position().Cursor, Records: chunk.Records, Resend: true, Lost: true, Given: h})
	if err != nil {
		t.Fatal(err)
	}
	if lost := anew.Lost(h); len(lost) > 0 || anew.value(key("k")) != "x" {
		t.Errorf("after the resend: %v, %q", lost, anew.value(key("k")))
	}
	anew.restart()
	if lost := anew.Lost(h); len(lost) > 0 {
		t.Errorf("after the resend and a restart: %v", lost)
	}
}

// DATA 7: a frontier that a former life of this directory helped to reach is not
// believed: what it writes now has not seen what it lost.
func TestDATA7_AFrontierOfAFormerLifeIsNotBelieved(t *testing.T) {
	b, anew := newRegion(t, 2, nil, nil), newRegion(t, 1, nil, nil)
	told := b.put(key("k"), "x").Version.Time
	anew.pull(b) // its report, too: only region 3 has not been met
	batch := store.Apply{Origin: b.id, Cursor: b.Position().Cursor, Frontiers: map[record.TableID]hlc.Time{notes: told}}
	if _, err := anew.Apply(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	if got := anew.Frontier(notes); got >= told {
		t.Errorf("frontier %d, told %d", got, told)
	}
	if got := anew.put(key("j"), "y").Version.Time; got <= told {
		t.Errorf("written at %d, at or below the frontier %d", got, told)
	}
}
