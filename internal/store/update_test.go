package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/kv/memkv"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

func TestUpdateReadsAndWrites(t *testing.T) {
	r := newRegion(t, 1, nil, nil)
	a, b := key("a"), key("b")
	r.put(a, "1")
	_, err := r.Update(t.Context(), []record.Key{a, b}, func(tx *store.Tx) error {
		got, found, err := tx.Get(a)
		if err != nil || !found || string(got.Value) != "1" {
			t.Errorf("get a: %q, %t, %v", got.Value, found, err)
		}
		if _, found, _ := tx.Get(b); found {
			t.Error("b is there")
		}
		if err := tx.Put(b, []byte("2"), store.PutOptions{}); err != nil {
			return err
		}
		if got, found, _ := tx.Get(b); !found || string(got.Value) != "2" {
			t.Errorf("a transaction does not see its own write: %q, %t", got.Value, found)
		}
		return tx.Delete(a)
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.value(a) != "" || r.value(b) != "2" {
		t.Errorf("a %q, b %q", r.value(a), r.value(b))
	}
}

func TestUpdateRefuses(t *testing.T) {
	r := newRegion(t, 1, nil, nil)
	put := func(keys []record.Key, k record.Key, size int) error {
		_, err := r.Update(t.Context(), keys, func(tx *store.Tx) error { return tx.Put(k, make([]byte, size), store.PutOptions{}) })
		return err
	}
	if err := put([]record.Key{{Table: 99}}, record.Key{Table: 99}, 1); !errors.Is(err, store.ErrNoTable) {
		t.Errorf("unknown table: %v", err)
	}
	if err := put([]record.Key{key("a")}, key("b"), 1); !errors.Is(err, store.ErrNotLocked) {
		t.Errorf("key that is not locked: %v", err)
	}
	if err := put([]record.Key{key("a")}, key("a"), record.ValueMax+1); err == nil {
		t.Error("a value beyond the limit was taken")
	}
	if err := put(nil, key("a"), 1); err == nil {
		t.Error("an update of no key was taken")
	}
	if err := put([]record.Key{{Table: notes, Sort: make([]byte, record.KeyPartMax+1)}}, key("a"), 1); err == nil {
		t.Error("a key beyond the limit was taken")
	}
	if _, _, err := r.Get(t.Context(), record.Key{Table: 99}); !errors.Is(err, store.ErrNoTable) {
		t.Errorf("get: %v", err)
	}
	if err := r.Scan(t.Context(), store.Scan{Table: 99}, nil); !errors.Is(err, store.ErrNoTable) {
		t.Errorf("scan: %v", err)
	}
}

// DATA 1: version order is log order, whatever writers and the wall clock do.
func TestVersionOrderIsLogOrder(t *testing.T) {
	r := newRegion(t, 1, nil, nil) // its clock stands still
	const writers, each = 8, 40
	var mu sync.Mutex
	bySequence := map[uint64]record.Version{}
	var all sync.WaitGroup
	for writer := range writers {
		all.Go(func() {
			for i := range each {
				c := r.put(key(fmt.Sprint((writer+i)%5)), "x")
				mu.Lock()
				bySequence[c.Sequence] = c.Version
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if len(bySequence) != writers*each {
		t.Fatalf("%d sequences for %d writes", len(bySequence), writers*each)
	}
	// Sequence 1 opened the log.
	for sequence := uint64(3); sequence <= writers*each+1; sequence++ {
		if bySequence[sequence].Time <= bySequence[sequence-1].Time {
			t.Fatalf("sequence %d has %v, %d has %v", sequence-1, bySequence[sequence-1], sequence, bySequence[sequence])
		}
	}
}

// DATA 1: a write's time passes that of the record it replaces.
func TestTimePassesTheRecordReplaced(t *testing.T) {
	a, b := newRegion(t, 1, nil, nil), newRegion(t, 2, nil, nil)
	a.advance(200 * time.Millisecond)
	a.put(key("k"), "ahead")
	b.pull(a)
	if c := b.put(key("k"), "behind"); c.Version.Time <= timeAt(int(200*time.Millisecond)) {
		t.Errorf("stamped %v, below the record it replaces", c.Version)
	}
	if b.value(key("k")) != "behind" {
		t.Errorf("got %q", b.value(key("k")))
	}
}

// DATA 2: a write's epoch is max(the table's epoch, the current record's), and a
// table's epoch never falls.
func TestEpochs(t *testing.T) {
	r := newRegion(t, 1, nil, nil)
	epoch := func(e uint32) record.Version {
		tab := tableIn(notes, 1, 2, 3)
		tab.Epoch = e
		r.SetTables([]table.Table{tab})
		r.put(key("k"), "x")
		got, _, err := r.Get(t.Context(), key("k"))
		if err != nil {
			t.Fatal(err)
		}
		return got.Version
	}
	for _, step := range []struct{ set, want uint32 }{{3, 3}, {1, 3}, {4, 4}} {
		if got := epoch(step.set); got.Epoch != step.want {
			t.Errorf("table's epoch set to %d: version %v, want epoch %d", step.set, got, step.want)
		}
	}
}

func TestExpiryIsJudgedLocally(t *testing.T) {
	r := newRegion(t, 1, nil, nil)
	k := key("k")
	_, err := r.Update(t.Context(), []record.Key{k}, func(tx *store.Tx) error {
		return tx.Put(k, []byte("x"), store.PutOptions{Expires: start.Unix() + 10})
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.value(k) != "x" {
		t.Error("gone before its time")
	}
	r.advance(10 * time.Second)
	if r.value(k) != "" {
		t.Error("still there")
	}
	_, err = r.Update(t.Context(), []record.Key{k}, func(tx *store.Tx) error {
		if _, found, _ := tx.Get(k); found {
			t.Error("still there for a transaction")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// held is a region whose commits are durable only when the test says so.
func held(t *testing.T, id record.RegionID) (*region, *memkv.Engine) {
	t.Helper()
	engine := memkv.New(memkv.Config{Hold: true})
	opened := make(chan *region)
	go func() { opened <- newRegion(t, id, engine, nil) }()
	synctest.Wait()
	engine.Sync()
	return <-opened, engine
}

// later runs a call and answers where its result will be.
func later(call func() error) <-chan error {
	result := make(chan error, 1)
	go func() { result <- call() }()
	synctest.Wait()
	return result
}

func pending(t *testing.T, what string, result <-chan error) {
	t.Helper()
	select {
	case err := <-result:
		t.Errorf("%s returned before what it reveals was durable: %v", what, err)
	default:
	}
}

var errCondition = errors.New("the condition failed")

// revealing are all ways to learn a key's state.
func revealing(r *region, k record.Key) map[string]func() error {
	ctx := context.Background()
	return map[string]func() error{
		"get": func() error { _, _, err := r.Get(ctx, k); return err },
		"scan": func() error {
			return r.Scan(ctx, store.Scan{Table: notes}, func(record.Key, record.Record) (bool, error) { return true, nil })
		},
		"view": func() error { return r.View(ctx, func(kv.Reader) error { return nil }) },
		"failed condition": func() error {
			_, err := r.Update(ctx, []record.Key{k}, func(tx *store.Tx) error {
				if _, _, err := tx.Get(k); err != nil {
					return err
				}
				return errCondition
			})
			return err
		},
		"failed condition on an index": func() error {
			_, err := r.Update(ctx, []record.Key{key("other")}, func(tx *store.Tx) error {
				_, _ = tx.View().Get(store.IndexKey(notes, nil))
				return errCondition
			})
			return err
		},
		"decision to write nothing": func() error {
			_, err := r.Update(ctx, []record.Key{k}, func(tx *store.Tx) error { _, _, err := tx.Get(k); return err })
			return err
		},
	}
}

// DATA 3: every answer that reveals state waits until that state is durable.
func TestDurableBeforeVisible(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, engine := held(t, 1)
		k := key("k")
		written := later(func() error { r.put(k, "x"); return nil })
		pending(t, "put", written)
		results := map[string]<-chan error{}
		for name, call := range revealing(r, k) {
			results[name] = later(call)
			pending(t, name, results[name])
		}
		// A key that nobody is writing is no secret.
		if err := <-later(func() error { _, _, err := r.Get(context.Background(), key("calm")); return err }); err != nil {
			t.Errorf("get of another key: %v", err)
		}
		engine.Sync()
		<-written
		for name, result := range results {
			if err := <-result; err != nil && !errors.Is(err, errCondition) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// DATA 3: a tombstone is state, too.
func TestAbsenceIsDurableBeforeVisible(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, engine := held(t, 1)
		k := key("k")
		written := later(func() error { r.remove(k); return nil })
		for name, call := range revealing(r, k) {
			result := later(call)
			pending(t, name, result)
			defer func() { <-result }()
		}
		engine.Sync()
		<-written
	})
}

// DATA 4: a failed sync freezes the watermark: writes are refused, answers that
// need a later sequence fail at once, those of what is durable go on.
func TestFailedSyncFreezesTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, engine := held(t, 1)
		k := key("k")
		written := later(func() error { r.put(key("durable"), "1"); return nil })
		engine.Sync()
		<-written
		lost := later(func() error {
			_, err := r.Update(context.Background(), []record.Key{k}, func(tx *store.Tx) error { return tx.Put(k, nil, store.PutOptions{}) })
			return err
		})
		reveal := map[string]<-chan error{}
		for name, call := range revealing(r, k) {
			reveal[name] = later(call)
		}
		engine.Fail(errors.New("input/output error"))
		engine.Sync()
		if err := <-lost; !errors.Is(err, kv.ErrFrozen) {
			t.Errorf("the write: %v", err)
		}
		for name, result := range reveal {
			if err := <-result; !errors.Is(err, kv.ErrFrozen) {
				t.Errorf("%s that had to wait: %v", name, err)
			}
		}
		for name, call := range revealing(r, k) {
			if err := call(); !errors.Is(err, kv.ErrFrozen) {
				t.Errorf("%s afterwards: %v", name, err)
			}
		}
		if got := r.value(key("durable")); got != "1" {
			t.Errorf("what was durable: %q", got)
		}
		if _, err := r.Heartbeat(context.Background()); !errors.Is(err, kv.ErrFrozen) {
			t.Errorf("heartbeat: %v", err)
		}
		if !r.Stats().Frozen {
			t.Error("stats do not say so")
		}
	})
}

func TestFrozenIsReportedOnce(t *testing.T) {
	engine := memkv.New(memkv.Config{})
	times := 0
	r := newRegion(t, 1, engine, func(c *store.Config) { c.Events.Frozen = func(error) { times++ } })
	engine.Fail(errors.New("input/output error"))
	for range 3 {
		_, err := r.Update(t.Context(), []record.Key{key("k")}, func(tx *store.Tx) error { return tx.Delete(key("k")) })
		if !errors.Is(err, kv.ErrFrozen) {
			t.Errorf("got %v", err)
		}
	}
	if times != 1 {
		t.Errorf("reported %d times", times)
	}
}
