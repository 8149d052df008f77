package store_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
)

// present is what a region shows of a table now.
func present(t *testing.T, r *region) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := r.Scan(t.Context(), store.Scan{Table: notes}, func(k record.Key, rec record.Record) (bool, error) {
		out[string(k.Partition)] = string(rec.Value)
		return true, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// heldAt is what a moment knows of an earlier time.
func heldAt(t *testing.T, m *store.Moment, at time.Time) (map[string]string, error) {
	t.Helper()
	out := map[string]string{}
	return out, m.RecordsAt(t.Context(), notes, at, func(k record.Key, rec record.Record) error {
		if _, twice := out[string(k.Partition)]; twice {
			t.Errorf("%s is there twice", k.Partition)
		}
		out[string(k.Partition)] = string(rec.Value)
		return nil
	})
}

// moment takes one, and closes it with the test.
func moment(t *testing.T, r *region) *store.Moment {
	t.Helper()
	m, err := r.Moment(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// D1: at any time that the image log reaches, the table is what readers saw then:
// after any writes, here and from another region, deletions, expiries, restarts.
func TestD1_ThePastIsWhatReadersSaw(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r, other := imaging(t, 1), imaging(t, 2)
		seen := map[int]map[string]string{} // what readers saw last in a millisecond
		note := func() { seen[int(r.now.Sub(start).Milliseconds())] = present(t, r) }
		note()
		for n := range rapid.IntRange(1, 20).Draw(rt, "steps") {
			k := key(rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(rt, "key"))
			switch rapid.IntRange(0, 7).Draw(rt, "do") {
			case 0, 1, 2:
				r.put(k, fmt.Sprint(n))
			case 3:
				r.remove(k)
			case 4:
				other.put(k, fmt.Sprint("other ", n))
				r.pull(other)
			case 5:
				putDying(t, r, k, r.now.Unix()+1)
			case 6:
				if _, err := r.Expire(t.Context()); err != nil {
					t.Fatal(err)
				}
			case 7:
				r.restart()
			}
			note()
			if pause := rapid.IntRange(-300, 600).Draw(rt, "pause"); pause > 0 {
				r.advance(time.Duration(pause) * time.Millisecond)
				other.advance(time.Duration(pause) * time.Millisecond)
				note()
			}
		}
		m := moment(t, r)
		r.put(key("a"), "behind the moment")
		at := rapid.SampledFrom(slices.Sorted(maps.Keys(seen))).Draw(rt, "at")
		got, err := heldAt(t, m, start.Add(time.Duration(at)*time.Millisecond))
		if err != nil {
			rt.Fatal(err)
		}
		if d := cmp.Diff(got, seen[at]); d != "" {
			rt.Fatalf("after %d ms (-), seen then (+):\n%s", at, d)
		}
		if err := m.Close(); err != nil {
			rt.Fatal(err)
		}
	})
}

// putDying writes an item that expires.
func putDying(t *testing.T, r *region, k record.Key, expires int64) {
	t.Helper()
	if _, err := r.Update(t.Context(), []record.Key{k}, func(tx *store.Tx) error {
		return tx.Put(k, []byte("dying"), store.PutOptions{Expires: expires})
	}); err != nil {
		t.Fatal(err)
	}
}

// What changed between two times is each key once, with its state before and
// after.
func TestD1_ChangesBetweenTwoTimes(t *testing.T) {
	r := imaging(t, 1)
	r.put(key("a"), "1")
	r.put(key("gone"), "x")
	r.advance(time.Second)
	from := *r.now
	r.advance(time.Second)
	r.put(key("a"), "2")
	r.put(key("a"), "3")
	r.put(key("b"), "1")
	r.put(key("brief"), "1")
	r.remove(key("brief"))
	r.remove(key("gone"))
	to := *r.now
	r.advance(time.Second)
	r.put(key("a"), "4")
	m := moment(t, r)
	var got []string
	err := m.Changes(t.Context(), notes, from, to, func(n store.Net) error {
		got = append(got, shown([]store.Image{{Key: n.Key, Old: n.Old, New: n.New}})...)
		return nil
	})
	if err = errors.Join(err, m.Close()); err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	if want := []string{"local a: 1>3 by 0", "local b: ->1 by 0", "local gone: x>- by 0"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A time that is not known any more is refused, and so is a table that keeps
// nothing.
func TestD1_ThePastIsRefusedWhereItIsNotKnown(t *testing.T) {
	r := newRegion(t, 1, nil, nil)
	m := moment(t, r)
	if _, err := heldAt(t, m, start.Add(-time.Hour)); !errors.Is(err, store.ErrNoImages) {
		t.Errorf("without a log: %v", err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	keep(t, r, aDay)
	r.advance(time.Second)
	m = moment(t, r)
	if _, err := heldAt(t, m, start.Add(-time.Millisecond)); !errors.Is(err, store.ErrTooOld) {
		t.Errorf("before the log: %v", err)
	}
	if _, err := heldAt(t, m, start); err != nil {
		t.Errorf("from its beginning on: %v", err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
}
