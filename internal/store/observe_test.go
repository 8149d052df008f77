package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
)

// byValue is a secondary index: value, then partition.
type byValue struct{}

func (byValue) Observe(c store.Change, into *store.Writes) error {
	if c.Old != nil {
		into.Delete(indexed(c.Old.Value, c.Key))
	}
	if c.New != nil {
		into.Set(indexed(c.New.Value, c.Key), c.Key.Partition)
	}
	return nil
}

func indexed(value []byte, k record.Key) []byte {
	return bytes.Join([][]byte{value, k.Partition}, []byte{0})
}

func withIndex(c *store.Config) { c.Observers = []store.Observer{byValue{}} }

// lookup finds the partitions whose record has a value, by the index.
func lookup(t *testing.T, r *region, value string) (found []string) {
	t.Helper()
	prefix := store.IndexKey(notes, append([]byte(value), 0))
	err := r.View(t.Context(), func(reader kv.Reader) error {
		it := reader.Scan(kv.Range{From: prefix, To: append(bytes.Clone(prefix), 0xff)})
		for it.Next() {
			k := key(string(it.Value()))
			got, here, err := store.ReadRecord(reader, k)
			if err != nil || !here || string(got.Value) != value {
				return fmt.Errorf("the index names %s, which holds %q (%t, %w)", k.Partition, got.Value, here, err)
			}
			found = append(found, string(k.Partition))
		}
		return it.Close()
	})
	if err != nil {
		t.Error(err)
	}
	return found
}

func TestIndexFollowsWrites(t *testing.T) {
	r := newRegion(t, 1, nil, withIndex)
	r.put(key("a"), "red")
	r.put(key("b"), "red")
	r.put(key("c"), "blue")
	r.put(key("a"), "blue")
	r.remove(key("b"))
	if d := cmp.Diff([][]string{lookup(t, r, "red"), lookup(t, r, "blue")}, [][]string{nil, {"a", "c"}}); d != "" {
		t.Errorf("got (-), want (+):\n%s", d)
	}
}

// DATA 11: observers run inside the batch, so an index is right whatever order
// changes arrive in, however often, and although most of them lose.
func TestDATA11_IndexStaysRightUnderReplication(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		regions := []*region{newRegion(t, 1, nil, withIndex), newRegion(t, 2, nil, withIndex), newRegion(t, 3, nil, withIndex)}
		run(regions, actions(rt))
		for _, r := range regions {
			if d := cmp.Diff(index(t, r), wanted(t, r)); d != "" {
				rt.Fatalf("region %d before the end: index (-), records (+):\n%s", r.id, d)
			}
		}
		catchUp(regions)
		for _, r := range regions {
			if d := cmp.Diff(index(t, r), wanted(t, r)); d != "" {
				rt.Fatalf("region %d: index (-), records (+):\n%s", r.id, d)
			}
			if d := cmp.Diff(index(t, r), index(t, regions[0])); d != "" {
				rt.Fatalf("region %d's index (-) differs from region 1's (+):\n%s", r.id, d)
			}
		}
	})
}

// index answers all index entries; wanted what they should be.
func index(t *testing.T, r *region) map[string]string {
	t.Helper()
	out := map[string]string{}
	it := r.engine.Scan(kv.Range{From: []byte{'x'}, To: []byte{'y'}})
	for it.Next() {
		out[string(it.Key()[store.IndexPrefixSize:])] = string(it.Value())
	}
	if err := it.Close(); err != nil {
		t.Fatal(err)
	}
	return out
}

func wanted(t *testing.T, r *region) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := r.Scan(t.Context(), store.Scan{Table: notes}, func(k record.Key, rec record.Record) (bool, error) {
		out[string(indexed(rec.Value, k))] = string(k.Partition)
		return true, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// seen writes down what an observer is told.
type seen struct{ list []string }

func (s *seen) Observe(c store.Change, _ *store.Writes) error {
	show := func(r *record.Record) string {
		if r == nil {
			return "-"
		}
		return string(r.Value)
	}
	cause := map[store.Cause]string{store.Local: "local", store.Applied: "applied"}[c.Cause]
	s.list = append(s.list, fmt.Sprintf("%s %s>%s", cause, show(c.Old), show(c.New)))
	return nil
}

// DATA 6, 11: what observers are told, and that records which lost or are known
// already are no change.
func TestObserversSeeChangesOnly(t *testing.T) {
	var told seen
	a := newRegion(t, 1, nil, nil)
	b := newRegion(t, 2, nil, func(c *store.Config) { c.Observers = []store.Observer{&told} })
	a.at(10).put(key("k"), "a")
	lost := a.read(store.Cursor{}, store.Limit{})
	b.at(20).put(key("k"), "b")
	b.take(a, lost)
	b.take(a, lost)
	a.pull(b)
	a.at(30).put(key("k"), "c")
	b.pull(a)
	b.pull(a)
	b.at(40).remove(key("k"))
	b.remove(key("never"))
	want := []string{"local ->b", "applied b>c", "local c>-"}
	if d := cmp.Diff(told.list, want); d != "" {
		t.Errorf("got (-), want (+):\n%s", d)
	}
}

type refuses struct{}

var errRefused = errors.New("not this one")

func (refuses) Observe(store.Change, *store.Writes) error { return errRefused }

func TestObserversErrorRefusesTheBatch(t *testing.T) {
	r := newRegion(t, 1, nil, func(c *store.Config) { c.Observers = []store.Observer{refuses{}} })
	_, err := r.Update(t.Context(), []record.Key{key("k")}, func(tx *store.Tx) error {
		return tx.Put(key("k"), []byte("x"), store.PutOptions{})
	})
	if !errors.Is(err, errRefused) || r.value(key("k")) != "" {
		t.Errorf("got %v, value %q", err, r.value(key("k")))
	}
}

func TestIndexSurvivesARestart(t *testing.T) {
	r := newRegion(t, 1, nil, withIndex)
	r.put(key("a"), "red")
	before := index(t, r)
	r.restart()
	if !maps.Equal(index(t, r), before) || len(before) != 1 {
		t.Errorf("before %v, after %v", before, index(t, r))
	}
}
