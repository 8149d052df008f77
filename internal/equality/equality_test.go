package equality

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/meridian-run/meridian/internal/hlc"
	"github.com/meridian-run/meridian/internal/record"
)

// looking guards both sides during looks, for arrive may change both.
var looking sync.Mutex

// fake is a side in memory. arrive is called before every look.
type fake struct {
	records map[string]record.Record // by partition
	applied Applied
	arrive  func(look int)
	looks   int
	listed  int
}

func newFake() *fake { return &fake{records: map[string]record.Record{}, applied: Applied{}} }

func hashOf(partition string) uint32 { return uint32(xxhash.Sum64String(partition) >> 48) }

func (f *fake) within(b Basis, h Hashes) (out []Held) {
	for p, r := range f.records {
		if at := hashOf(p); at < h.From || at >= h.To {
			continue
		}
		if held, counts := Of(record.Key{Partition: []byte(p)}, r, b); counts {
			out = append(out, held)
		}
	}
	slices.SortFunc(out, func(a, b Held) int { return compareKeys(a.Key, b.Key) })
	return out
}

func (f *fake) Sums(_ context.Context, b Basis, ranges []Hashes) ([]Sum, hlc.Time, error) {
	out := make([]Sum, len(ranges))
	for i, h := range ranges {
		for _, held := range f.within(b, h) {
			out[i].Add(held)
		}
	}
	return out, 0, nil
}

func (f *fake) List(_ context.Context, b Basis, h Hashes, after *record.Key) ([]Held, bool, error) {
	list := f.within(b, h)
	if after != nil {
		list = slices.DeleteFunc(list, func(x Held) bool { return compareKeys(x.Key, *after) <= 0 })
	}
	f.listed += min(len(list), 100)
	return list[:min(len(list), 100)], len(list) > 100, nil
}

func (f *fake) Look(_ context.Context, b Basis, keys []record.Key) (Looked, error) {
	looking.Lock()
	defer looking.Unlock()
	if f.arrive != nil {
		f.arrive(f.looks)
	}
	f.looks++
	out := Looked{Applied: Applied{}, Held: make([]Held, len(keys))}
	for o, t := range f.applied {
		out.Applied[o] = t
	}
	for i, k := range keys {
		out.Held[i].Key = k
		if r, ok := f.records[string(k.Partition)]; ok {
			if held, counts := Of(k, r, b); counts {
				out.Held[i] = held
			}
		}
	}
	return out, nil
}

func comparison(a, b Side) *Comparison {
	return &Comparison{
		A: a, B: b,
		Now:   func() time.Time { return time.Unix(1000, 0) },
		Pause: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	}
}

func written(t int, value string) record.Record {
	return record.Record{Version: record.Version{Time: hlc.Time(t), Region: 1}, Value: []byte(value)}
}

func partitions(pairs []Pair) (out []string) {
	for _, p := range pairs {
		out = append(out, string(p.A.Key.Partition))
	}
	return out
}

// Whatever differs is found, and nothing else, whatever is in the ranges.
func TestCompareFindsWhatDiffers(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		a, b := newFake(), newFake()
		n := rapid.IntRange(0, 3000).Draw(rt, "records")
		for i := range n {
			r := written(i+1, "same")
			a.records[fmt.Sprint("k", i)], b.records[fmt.Sprint("k", i)] = r, r
		}
		var want []string
		for _, i := range rapid.SliceOfNDistinct(rapid.IntRange(0, 4000), 0, 20, func(i int) int { return i }).Draw(rt, "injected") {
			k := fmt.Sprint("k", i)
			switch rapid.IntRange(0, 2).Draw(rt, "how") {
			case 0:
				delete(a.records, k)
				b.records[k] = written(i+1, "only b")
			case 1:
				a.records[k], b.records[k] = written(i+1, "one"), written(i+1, "two")
			case 2:
				a.records[k], b.records[k] = written(i+9000, "newer"), written(i+1, "older")
			}
			want = append(want, k)
		}
		got, err := comparison(a, b).Compare(rt.Context(), All)
		if err != nil {
			rt.Fatal(err)
		}
		slices.Sort(want)
		if d := cmp.Diff(partitions(got.Different), want); d != "" || len(got.Unsettled) > 0 {
			rt.Fatalf("got (-), want (+), unsettled %v:\n%s", got.Unsettled, d)
		}
	})
}

// A difference in a large table is found by halving: only a small part is listed.
func TestCompareNarrows(t *testing.T) {
	a, b := newFake(), newFake()
	for i := range 20_000 {
		r := written(i+1, "same")
		a.records[fmt.Sprint(i)], b.records[fmt.Sprint(i)] = r, r
	}
	delete(b.records, "777")
	got, err := comparison(a, b).Compare(t.Context(), All)
	if err != nil || !slices.Equal(partitions(got.Different), []string{"777"}) {
		t.Fatalf("got %v, %v", got, err)
	}
	if a.listed > listMax {
		t.Errorf("listed %d records to find one", a.listed)
	}
}

// What is on its way when it is first seen is not reported.
func TestCompareWaitsForWhatIsOnItsWay(t *testing.T) {
	a, b := newFake(), newFake()
	a.records["k"], a.records["stays"] = written(10, "x"), written(11, "y")
	a.applied[1], b.applied[1] = 20, 5
	b.arrive = func(look int) {
		switch look {
		case 3:
			b.records["k"] = written(10, "x")
		case 4:
			b.applied[1] = 20
		}
	}
	got, err := comparison(a, b).Compare(t.Context(), All)
	if err != nil || !slices.Equal(partitions(got.Different), []string{"stays"}) || len(got.Unsettled) > 0 {
		t.Errorf("got %+v, %v", got, err)
	}
}

// A side that does not catch up makes no differences: they are unsettled.
func TestCompareSaysWhatItCannotTell(t *testing.T) {
	a, b := newFake(), newFake()
	a.records["k"] = written(10, "x")
	a.applied[1], b.applied[1] = 20, 5
	got, err := comparison(a, b).Compare(t.Context(), All)
	if err != nil || len(got.Different) > 0 || !slices.Equal(partitions(got.Unsettled), []string{"k"}) {
		t.Errorf("got %+v, %v", got, err)
	}
	if got.BehindA || !got.BehindB {
		t.Errorf("b is behind, not a: %+v", got)
	}
}

// A stalled stream is waited for once, however many items it holds up.
func TestCompareWaitsForAStalledStreamOnce(t *testing.T) {
	a, b := newFake(), newFake()
	for i := range 5 * KeysMax {
		a.records[fmt.Sprint(i)] = written(10, "x")
	}
	a.applied[1], b.applied[1] = 20, 5
	got, err := comparison(a, b).Compare(t.Context(), All)
	if err != nil || len(got.Different) > 0 || len(got.Unsettled) != 5*KeysMax {
		t.Fatalf("%d different, %d unsettled, %v", len(got.Different), len(got.Unsettled), err)
	}
	if a.looks > 2*looksMax { // a look may be made anew, with the other's frontier
		t.Errorf("looked %d times, for %d at most", a.looks, looksMax)
	}
}

// A key that is written all the time differs at every look, and is well.
func TestCompareIsNotFooledByAHotKey(t *testing.T) {
	a, b := newFake(), newFake()
	now := 100
	b.arrive = func(int) {
		now += 10
		a.records["hot"], b.records["hot"] = written(now, "a"), written(now-5, "b")
		a.applied[1], b.applied[1] = hlc.Time(now), hlc.Time(now-5)
	}
	b.arrive(0)
	got, err := comparison(a, b).Compare(t.Context(), All)
	if err != nil || len(got.Different)+len(got.Unsettled) > 0 {
		t.Errorf("got %+v, %v", got, err)
	}
}

// DATA 7, 9, 14: what regions forget at different times is no difference.
func TestDATA7_WhatIsForgottenDoesNotCount(t *testing.T) {
	key := record.Key{Partition: []byte("k")}
	b := Basis{Frontier: 100, Due: 1030}
	plain := written(200, "x")
	seen := func(at int, marked bool) record.Record {
		r := plain
		r.Context = []record.Seen{{Region: 2, Log: 1, Version: record.Version{Time: hlc.Time(at), Region: 2}, Discarded: marked}}
		return r
	}
	base, _ := Of(key, plain, b)
	for name, test := range map[string]struct {
		record record.Record
		counts bool
		same   bool
	}{
		"context below the frontier":        {seen(100, false), true, true},
		"context above the frontier":        {seen(101, false), true, false},
		"marked context below the frontier": {seen(100, true), true, false}, // DATA 8: the mark is still needed
		"tombstone below the frontier":      {record.Record{Version: record.Version{Time: 100}, Tombstone: true}, false, false},
		"tombstone above the frontier":      {record.Record{Version: record.Version{Time: 101}, Tombstone: true}, true, false},
		"buried below the frontier":         {record.Record{Version: record.Version{Time: 100}, Expired: true}, false, false},
		"record whose time is up":           {record.Record{Version: record.Version{Time: 200}, Expires: 1030}, false, false},
		"record whose time comes":           {record.Record{Version: record.Version{Time: 200}, Expires: 1031}, true, false},
		"another local sequence":            {func() record.Record { r := plain; r.Sequence = 9; return r }(), true, true},
	} {
		got, counts := Of(key, test.record, b)
		if counts != test.counts || counts && got.same(base) != test.same {
			t.Errorf("%s: counts %t, same %t", name, counts, got.same(base))
		}
	}
}

func TestHashesSplit(t *testing.T) {
	for _, h := range []Hashes{All, {3, 4}, {10, 27}, {65535, 65536}} {
		at := h.From
		for _, part := range h.Split(16) {
			if part.From != at || !part.Valid() {
				t.Errorf("%v: part %v after %d", h, part, at)
			}
			at = part.To
		}
		if at != h.To {
			t.Errorf("%v: parts end at %d", h, at)
		}
	}
}

// Keys whose parts join to the same bytes are different keys.
func TestHeldTellsKeysApart(t *testing.T) {
	r := written(1, "x")
	a, _ := Of(record.Key{Partition: []byte("ab"), Sort: []byte("c")}, r, Basis{})
	b, _ := Of(record.Key{Partition: []byte("a"), Sort: []byte("bc")}, r, Basis{})
	if a.Hash == b.Hash || keyText(a.Key) == keyText(b.Key) {
		t.Error(binary.BigEndian.AppendUint64(nil, a.Hash))
	}
}
