package record

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/meridian-run/meridian/internal/hlc"
)

// The regions of the histories, and a log of each.
const (
	regionA RegionID = iota + 1
	regionB
	regionC
)

func logOf(r RegionID) LogID { return LogID(100 + r) }

// written is x(A:10): value x, written in region A at time 10.
func written(value string, region RegionID, at hlc.Time, saw ...Seen) Record {
	return Record{Version: Version{Time: at, Region: region}, Log: logOf(region), Value: []byte(value), Context: saw}
}

func saw(region RegionID, at hlc.Time) Seen {
	return Seen{Region: region, Log: logOf(region), Version: Version{Time: at, Region: region}}
}

func discardedSeen(region RegionID, at hlc.Time) Seen {
	s := saw(region, at)
	s.Discarded = true
	return s
}

func tombstone(r Record) Record {
	r.Tombstone, r.Value = true, nil
	return r
}

func TestMerge(t *testing.T) {
	older := written("old", regionA, 10)
	tests := []struct {
		name              string
		current, incoming Record
		frontiers         Frontiers
		want              Merged
	}{
		{
			"DATA 6: the higher version wins, and a loser that was not seen leaves a receipt",
			older, written("new", regionB, 20),
			Frontiers{},
			Merged{Record: written("new", regionB, 20, discardedSeen(regionA, 10)), Replaced: true, Changed: true, Receipts: []Record{older}},
		},
		{
			"DATA 6: the same when it is the incoming one that loses",
			written("new", regionB, 20), older,
			Frontiers{},
			Merged{Record: written("new", regionB, 20, discardedSeen(regionA, 10)), Changed: true, Receipts: []Record{older}},
		},
		{
			"DATA 6: a loser that was seen leaves none",
			older, written("new", regionB, 20, saw(regionA, 10)),
			Frontiers{},
			Merged{Record: written("new", regionB, 20, saw(regionA, 10)), Replaced: true, Changed: true},
		},
		{
			"DATA 6: nor does one that its own log went on from",
			older, written("new", regionA, 20),
			Frontiers{},
			Merged{Record: written("new", regionA, 20), Replaced: true, Changed: true},
		},
		{
			"DATA 5: another log of the same region may not have seen it",
			older,
			Record{Version: Version{Time: 20, Region: regionA}, Log: 999, Value: []byte("new")},
			Frontiers{},
			Merged{
				Record:   Record{Version: Version{Time: 20, Region: regionA}, Log: 999, Value: []byte("new"), Context: []Seen{discardedSeen(regionA, 10)}},
				Replaced: true, Changed: true, Receipts: []Record{older},
			},
		},
		{
			"DATA 2: the epoch comes before the time",
			Record{Version: Version{Epoch: 2, Time: 5, Region: regionA}, Log: logOf(regionA)},
			written("late", regionB, 20),
			Frontiers{Current: 20},
			Merged{Record: Record{Version: Version{Epoch: 2, Time: 5, Region: regionA}, Log: logOf(regionA)}},
		},
		{
			"DATA 6: a context joins even from a record that lost",
			written("new", regionB, 20, saw(regionA, 10)), written("old", regionA, 10, saw(regionC, 5)),
			Frontiers{},
			Merged{Record: written("new", regionB, 20, saw(regionA, 10), saw(regionC, 5)), Changed: true},
		},
		{
			"DATA 6: equal versions join contexts and replace nothing",
			written("x", regionA, 10, saw(regionB, 4)), written("x", regionA, 10, saw(regionC, 5)),
			Frontiers{},
			Merged{Record: written("x", regionA, 10, saw(regionB, 4), saw(regionC, 5)), Changed: true},
		},
		{
			"DATA 6: what is here already changes nothing",
			written("x", regionA, 10, saw(regionB, 4)), written("x", regionA, 10, saw(regionB, 4)),
			Frontiers{},
			Merged{Record: written("x", regionA, 10, saw(regionB, 4))},
		},
		{
			"DATA 7: what the sender's frontier covers counts as seen by the incoming record",
			older, written("new", regionB, 20),
			Frontiers{Incoming: 10},
			Merged{Record: written("new", regionB, 20, saw(regionA, 10)), Replaced: true, Changed: true},
		},
		{
			"DATA 7: our own frontier says nothing about what the incoming record saw",
			older, written("new", regionB, 20),
			Frontiers{Current: 10},
			Merged{Record: written("new", regionB, 20, discardedSeen(regionA, 10)), Replaced: true, Changed: true, Receipts: []Record{older}},
		},
		{
			"DATA 7: what our frontier covers counts as seen by the current record",
			written("new", regionB, 20), older,
			Frontiers{Current: 10},
			Merged{Record: written("new", regionB, 20)},
		},
		{
			"DATA 7: contexts are trimmed to the frontier, and that alone is no change",
			written("new", regionB, 20, saw(regionA, 10)), written("new", regionB, 20, saw(regionA, 10)),
			Frontiers{Current: 15},
			Merged{Record: written("new", regionB, 20)},
		},
		{
			"DATA 8: equal values make no receipt",
			written("same", regionA, 10), written("same", regionB, 20),
			Frontiers{},
			Merged{Record: written("same", regionB, 20, discardedSeen(regionA, 10)), Replaced: true, Changed: true},
		},
		{
			"DATA 8: two deletes are equal, too",
			tombstone(older), tombstone(written("", regionB, 20)),
			Frontiers{},
			Merged{Record: tombstone(written("", regionB, 20, discardedSeen(regionA, 10))), Replaced: true, Changed: true},
		},
		{
			"DATA 8: whoever drops a record because of a marked entry writes the same receipt",
			older, written("new", regionC, 30, discardedSeen(regionA, 10), saw(regionB, 20)),
			Frontiers{Incoming: 25},
			Merged{Record: written("new", regionC, 30, discardedSeen(regionA, 10), saw(regionB, 20)), Replaced: true, Changed: true, Receipts: []Record{older}},
		},
		{
			"DATA 9: an expiry has the place of its record, and its bit breaks only that tie",
			older, expired(older),
			Frontiers{},
			Merged{Record: expired(older), Replaced: true, Changed: true},
		},
		{
			"DATA 9: a write beats it as it would beat the record",
			expired(older), written("new", regionB, 20, saw(regionA, 10)),
			Frontiers{},
			Merged{Record: written("new", regionB, 20, saw(regionA, 10)), Replaced: true, Changed: true},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if d := cmp.Diff(merged(t, test.current, test.incoming, test.frontiers), test.want); d != "" {
				t.Errorf("got (-), want (+):\n%s", d)
			}
		})
	}
}

func expired(r Record) Record {
	r.Expired = true
	return r
}

// DATA 8: a mark speaks of one write. History: B deletes (B:10), A and C have
// that; B writes p(B:20) and A q(A:30) at once, A drops p and marks it. C gets
// q: its writer had seen the delete, and so had p's. C makes no receipt of it.
func TestDATA8_AMarkIsOfOneWriteOnly(t *testing.T) {
	deleted := tombstone(written("", regionB, 10))
	q := written("q", regionA, 30, saw(regionB, 10))
	atA := merged(t, q, written("p", regionB, 20), Frontiers{})
	if len(atA.Receipts) != 1 || !slices.Equal(atA.Record.Context, []Seen{discardedSeen(regionB, 20)}) {
		t.Fatalf("at A: receipts %v, context %v", atA.Receipts, atA.Record.Context)
	}
	if atC := merged(t, deleted, atA.Record, Frontiers{}); len(atC.Receipts) > 0 {
		t.Errorf("at C: a receipt of %v, which had been seen", atC.Receipts[0].Version)
	}
}

func TestReceiptIsAFunctionOfTheLoser(t *testing.T) {
	loser := written("x", regionA, 10, saw(regionB, 4))
	loser.Sequence, loser.Expires = 77, 5
	want := written("x", regionA, 10)
	want.Expires = 5
	if d := cmp.Diff(*ReceiptOf(loser), want); d != "" {
		t.Errorf("got (-), want (+):\n%s", d)
	}
}

func TestOverwriteHasSeenAllThatTheRecordHad(t *testing.T) {
	current := written("x", regionB, 20, saw(regionA, 10), discardedSeen(regionC, 12))
	got := Overwrite(current, regionA, logOf(regionA), 12)
	want := []Seen{saw(regionB, 20), discardedSeen(regionC, 12)}
	if d := cmp.Diff(got, want); d != "" {
		t.Errorf("got (-), want (+):\n%s", d)
	}
}

// DATA 8: the mark goes once the record that carries it is below the frontier.
func TestMarksOutliveTheFrontierOfTheirLoser(t *testing.T) {
	owner := written("x", regionB, 20)
	entries := func() []Seen { return []Seen{discardedSeen(regionA, 10)} }
	if got := TrimContext(owner, entries(), 19); len(got) != 1 {
		t.Errorf("frontier 19: %v", got)
	}
	if got := TrimContext(owner, entries(), 20); got != nil {
		t.Errorf("frontier 20: %v", got)
	}
}

// history is a set of records of one key that regions could have written: each
// write overwrites what its writer holds, and holds what it pulled before.
func history(t *rapid.T) []Record {
	var all []Record
	held := map[RegionID]Record{}
	clock := hlc.Time(0)
	for i := range rapid.IntRange(1, 8).Draw(t, "steps") {
		region := RegionID(rapid.IntRange(1, 3).Draw(t, "region"))
		if len(all) > 0 && rapid.Bool().Draw(t, "pull") {
			other := all[rapid.IntRange(0, len(all)-1).Draw(t, "from")]
			if current, ok := held[region]; ok {
				held[region] = merged(t, current, other, Frontiers{}).Record
			} else {
				held[region] = other
			}
		}
		clock++
		next := Record{
			Version: Version{Time: clock, Region: region}, Log: logOf(region),
			Value: []byte{byte(rapid.IntRange(0, 2).Draw(t, "value"))},
		}
		if rapid.IntRange(0, 4).Draw(t, "delete") == 0 {
			next = tombstone(next)
		}
		if current, ok := held[region]; ok {
			next.Context = Overwrite(current, region, logOf(region), 0)
		}
		held[region] = next
		all = append(all, next)
		_ = i
	}
	return all
}

// merged is Merge of records that are not malformed.
func merged(t fatal, current, incoming Record, f Frontiers) Merged {
	t.Helper()
	m, err := Merge(current, incoming, f)
	if err != nil {
		t.Fatalf("merge: %v", err)
	}
	return m
}

// fatal is what *testing.T and *rapid.T have in common.
type fatal interface {
	Helper()
	Fatalf(format string, args ...any)
}

func mergeAll(t fatal, records []Record) Record {
	out := records[0]
	for _, r := range records[1:] {
		out = merged(t, out, r, Frontiers{}).Record
	}
	return out
}

// DATA 6: same result everywhere, in any order, any number of times.
func TestMergeConverges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		records := history(t)
		want := mergeAll(t, records)
		shuffled := rapid.Permutation(records).Draw(t, "order")
		if d := cmp.Diff(mergeAll(t, shuffled), want); d != "" {
			t.Fatalf("another order gives another record:\n%s", d)
		}
		again := append(slices.Clone(shuffled), rapid.SliceOf(rapid.SampledFrom(records)).Draw(t, "again")...)
		if d := cmp.Diff(mergeAll(t, again), want); d != "" {
			t.Fatalf("repeats give another record:\n%s", d)
		}
	})
}

func TestMergeIsCommutativeAssociativeIdempotent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		merge := func(a, b Record) Record { return merged(t, a, b, Frontiers{}).Record }
		records := history(t)
		pick := func(name string) Record { return rapid.SampledFrom(records).Draw(t, name) }
		a, b, c := pick("a"), pick("b"), pick("c")
		if d := cmp.Diff(merge(a, b), merge(b, a)); d != "" {
			t.Fatalf("not commutative:\n%s", d)
		}
		if d := cmp.Diff(merge(merge(a, b), c), merge(a, merge(b, c))); d != "" {
			t.Fatalf("not associative:\n%s", d)
		}
		if d := cmp.Diff(merge(a, a), a); d != "" {
			t.Fatalf("not idempotent:\n%s", d)
		}
		ab := merge(a, b)
		if m := merged(t, ab, b, Frontiers{}); m.Changed || m.Replaced {
			t.Fatalf("merging again changes: %+v", m)
		}
	})
}

// DATA 8: receipts are the same bytes wherever they are written, and no write
// vanishes that nobody had seen: in whatever order one region takes the records,
// each of them is the result, was seen by a later writer, equals what replaced
// it, or left a receipt.
func TestNothingIsLostSilently(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		records := rapid.Permutation(history(t)).Draw(t, "order")
		kept := map[Version]bool{}
		current := records[0]
		for _, r := range records[1:] {
			m := merged(t, current, r, Frontiers{})
			loser := current
			if !m.Replaced {
				loser = r
			}
			if len(m.Receipts) > 0 {
				kept[m.Receipts[0].Version] = true
			} else if sameContent(loser, m.Record) {
				kept[loser.Version] = true
			}
			current = m.Record
		}
		for _, r := range records {
			if kept[r.Version] || r.Version == current.Version || seenByWriter(records, r) {
				continue
			}
			t.Fatalf("%v vanished from %v", r, records)
		}
	})
}

// seenByWriter reports whether any record's writer had seen r.
func seenByWriter(records []Record, r Record) bool {
	return slices.ContainsFunc(records, func(later Record) bool {
		return later.Version.Compare(r.Version) > 0 && judge(later, r, 0) != unseen
	})
}
