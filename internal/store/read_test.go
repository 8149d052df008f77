package store_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
)

func itemKey(partition, sort string) record.Key {
	return record.Key{Table: notes, Partition: []byte(partition), Sort: []byte(sort)}
}

// scan answers "partition/sort" of what a scan visits, at most limit of them.
func scan(t *testing.T, r *region, q store.Scan, limit int) (out []string, last *record.Key) {
	t.Helper()
	q.Table = notes
	err := r.Scan(t.Context(), q, func(k record.Key, rec record.Record) (bool, error) {
		if string(rec.Value) != string(k.Sort) {
			t.Errorf("%s/%s holds %q", k.Partition, k.Sort, rec.Value)
		}
		out, last = append(out, fmt.Sprintf("%s/%s", k.Partition, k.Sort)), &k
		return len(out) < limit, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out, last
}

func TestScanPartition(t *testing.T) {
	r := newRegion(t, 1, nil, nil)
	for _, sort := range []string{"", "a", "ab", "b", "c"} {
		r.put(itemKey("p", sort), sort)
		r.put(itemKey("p\x00", sort), sort)
		r.put(itemKey("q", sort), sort)
	}
	r.remove(itemKey("p", "ab"))
	at := func(sort string, exclude bool) store.Bound { return store.Bound{Key: []byte(sort), Exclude: exclude} }
	after := func(sort string) *record.Key { k := itemKey("p", sort); return &k }
	tests := []struct {
		name string
		scan store.Scan
		want string
	}{
		{"all", store.Scan{}, "p/ p/a p/b p/c"},
		{"reverse", store.Scan{Reverse: true}, "p/c p/b p/a p/"},
		{"from", store.Scan{From: at("a", false)}, "p/a p/b p/c"},
		{"from, excluded", store.Scan{From: at("a", true)}, "p/b p/c"},
		{"to", store.Scan{To: at("b", false)}, "p/ p/a p/b"},
		{"to, excluded", store.Scan{To: at("b", true)}, "p/ p/a"},
		{"between", store.Scan{From: at("a", false), To: at("b", false), Reverse: true}, "p/b p/a"},
		{"nothing between", store.Scan{From: at("x", false), To: at("a", false)}, ""},
		{"after", store.Scan{After: after("a")}, "p/b p/c"},
		{"after, reverse", store.Scan{After: after("b"), Reverse: true}, "p/a p/"},
		{"after the end", store.Scan{After: after("x")}, ""},
		{"after a key outside of the bounds", store.Scan{After: after(""), From: at("b", false)}, "p/b p/c"},
	}
	for _, test := range tests {
		test.scan.Partition = []byte("p")
		got, _ := scan(t, r, test.scan, 100)
		if d := cmp.Diff(strings.Join(got, " "), test.want); d != "" {
			t.Errorf("%s: got (-), want (+):\n%s", test.name, d)
		}
	}
}

// Pages and segments visit everything once.
func TestScanAllInPagesAndSegments(t *testing.T) {
	r := newRegion(t, 1, nil, nil)
	var want []string
	for i := range 50 {
		k := itemKey(fmt.Sprint("p", i%20), fmt.Sprint(i))
		r.put(k, string(k.Sort))
		want = append(want, fmt.Sprintf("%s/%s", k.Partition, k.Sort))
	}
	slices.Sort(want)
	for _, segments := range []int{0, 1, 3, 7} {
		for _, page := range []int{1, 3, 1000} {
			for _, reverse := range []bool{false, true} {
				var got []string
				for segment := range max(segments, 1) {
					var after *record.Key
					for {
						out, last := scan(t, r, store.Scan{Segment: segment, Segments: segments, After: after, Reverse: reverse}, page)
						if len(out) == 0 {
							break
						}
						got, after = append(got, out...), last
					}
				}
				slices.Sort(got)
				if d := cmp.Diff(got, want); d != "" {
					t.Errorf("%d segments, pages of %d, reverse %t: got (-), want (+):\n%s", segments, page, reverse, d)
				}
			}
		}
	}
}

func TestScanStopsAndFails(t *testing.T) {
	r := newRegion(t, 1, nil, nil)
	r.put(itemKey("p", ""), "")
	failure := errors.New("enough")
	err := r.Scan(t.Context(), store.Scan{Table: notes}, func(record.Key, record.Record) (bool, error) { return true, failure })
	if !errors.Is(err, failure) {
		t.Errorf("got %v", err)
	}
	if err := r.Scan(t.Context(), store.Scan{Table: notes, Segment: 3, Segments: 3}, nil); err == nil {
		t.Error("a segment that is not there was scanned")
	}
}

// Any bytes make a key, and a scan gives it back.
func TestKeysRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := newRegion(t, 1, nil, nil)
		part := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 2, 0xfe, 0xff}), 0, 4)
		var want []string
		for range 5 {
			k := record.Key{Table: notes, Partition: part.Draw(rt, "partition"), Sort: part.Draw(rt, "sort")}
			r.put(k, string(k.Sort))
			want = append(want, fmt.Sprintf("%s/%s", k.Partition, k.Sort))
		}
		slices.Sort(want)
		got, _ := scan(t, r, store.Scan{}, 100)
		slices.Sort(got)
		if d := cmp.Diff(got, slices.Compact(want)); d != "" {
			rt.Fatalf("got (-), want (+):\n%s", d)
		}
	})
}

// D1: several records are read as they are at one moment: what one batch wrote is
// seen whole or not at all, and nothing before it is durable.
func TestD1_DATA3_GetAllReadsOneMoment(t *testing.T) {
	r := newRegion(t, 1, nil, nil)
	keys := []record.Key{key("a"), key("b"), key("never")}
	var all sync.WaitGroup
	all.Go(func() {
		for i := range 200 {
			if _, err := r.Update(t.Context(), keys[:2], func(tx *store.Tx) error {
				value := []byte(fmt.Sprint(i))
				if i%5 == 0 {
					return errors.Join(tx.Delete(keys[0]), tx.Delete(keys[1]))
				}
				return errors.Join(tx.Put(keys[0], value, store.PutOptions{}), tx.Put(keys[1], value, store.PutOptions{}))
			}); err != nil {
				t.Error(err)
			}
		}
	})
	for range 200 {
		got, err := r.GetAll(t.Context(), keys)
		if err != nil {
			t.Fatal(err)
		}
		if got[2].Found || got[0].Found != got[1].Found || string(got[0].Record.Value) != string(got[1].Record.Value) {
			t.Fatalf("torn: %+v", got)
		}
	}
	all.Wait()
	if _, err := r.GetAll(t.Context(), []record.Key{key("a"), {Table: 99, Partition: []byte("a")}}); !errors.Is(err, store.ErrNoTable) {
		t.Errorf("a table that is not here: %v", err)
	}
}
