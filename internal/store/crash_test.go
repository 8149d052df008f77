package store_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/kv/pebblekv"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
)

// witness collects what the world outside has learned of each key.
type witness struct {
	mu      sync.Mutex // guards highest
	highest map[string]record.Version
}

func (w *witness) learn(k record.Key, v record.Version) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if name := string(k.Partition); w.highest[name].Compare(v) < 0 {
		w.highest[name] = v
	}
}

func forgetful(t *testing.T, dir string) *pebblekv.Engine {
	t.Helper()
	e, err := pebblekv.Open(pebblekv.Config{Dir: dir, Forgetful: true, MemtableBytes: 256 << 10})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// DATA 3: after a crash that forgets what was not synced, nothing is missing
// that was acknowledged, read, or shipped: what was visible but not durable
// never left. Several crashes in a row, on a real directory.
func TestDATA3_NothingThatLeftIsLostInACrash(t *testing.T) {
	dir := t.TempDir()
	w := &witness{highest: map[string]record.Version{}}
	var shippedTo store.Cursor
	for life := range 5 {
		engine := forgetful(t, dir)
		r := newRegion(t, 1, engine, nil)
		checkWitness(t, r, w, life)
		// The peer's cursor lies on the chain, so nothing it has was lost.
		if _, err := r.ReadLog(t.Context(), shippedTo, store.Limit{}, nil); err != nil {
			t.Fatalf("life %d: the peer's cursor: %v", life, err)
		}
		shippedTo = lead(t, r, engine, w, shippedTo)
	}
	r := newRegion(t, 1, forgetful(t, dir), nil)
	checkWitness(t, r, w, 5)
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func checkWitness(t *testing.T, r *region, w *witness, life int) {
	t.Helper()
	for name, v := range w.highest {
		got, _, err := r.Get(t.Context(), key(name))
		if err != nil || got.Version.Compare(v) < 0 {
			t.Fatalf("life %d: %s has version %v (%v), the world has seen %v", life, name, got.Version, err, v)
		}
	}
}

// lead is one life: writers, readers and a peer, until enough was written, and
// then a crash in the middle of it.
func lead(t *testing.T, r *region, engine *pebblekv.Engine, w *witness, shippedTo store.Cursor) store.Cursor {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var all sync.WaitGroup
	var written atomic.Int64
	enough := make(chan struct{})
	for writer := range 6 {
		all.Go(func() {
			for i := 0; ; i++ {
				k := key(strconv.Itoa((writer*7 + i) % 40))
				c, err := r.Update(ctx, []record.Key{k}, func(tx *store.Tx) error {
					return tx.Put(k, make([]byte, 700), store.PutOptions{})
				})
				if err != nil {
					return
				}
				w.learn(k, c.Version)
				if written.Add(1) == 600 {
					close(enough)
				}
			}
		})
	}
	for reader := range 2 {
		all.Go(func() {
			for i := reader; ; i++ {
				k := key(strconv.Itoa(i % 40))
				got, found, err := r.Get(ctx, k)
				if err != nil {
					return
				}
				if found {
					w.learn(k, got.Version)
				}
			}
		})
	}
	all.Go(func() { shippedTo = follow(ctx, r, w, shippedTo) })
	<-enough
	if err := engine.Crash(); err != nil {
		t.Error(err)
	}
	cancel()
	all.Wait()
	return shippedTo
}

// follow is a peer: it learns what batches show once they may leave.
func follow(ctx context.Context, r *region, w *witness, after store.Cursor) store.Cursor {
	for {
		appended := r.Appended()
		b, err := r.ReadLog(ctx, after, store.Limit{Entries: 20}, nil)
		if err != nil || r.WaitDurable(ctx, b.Sequence) != nil {
			return after
		}
		for _, s := range b.Records {
			got, err := record.Parse(s.Record)
			if err != nil {
				panic(fmt.Sprintf("shipped %x: %v", s.Record, err))
			}
			w.learn(s.Key, got.Version)
		}
		if after = b.To; b.Entries > 0 {
			continue
		}
		select {
		case <-appended:
		case <-ctx.Done():
			return after
		}
	}
}

// A closed engine's errors pass through.
func TestClosedStoreSaysSo(t *testing.T) {
	r := newRegion(t, 1, nil, nil)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.Get(t.Context(), key("k")); !errors.Is(err, kv.ErrClosed) {
		t.Errorf("get: %v", err)
	}
	if _, err := r.ReadLog(t.Context(), store.Cursor{}, store.Limit{}, nil); !errors.Is(err, kv.ErrClosed) {
		t.Errorf("read log: %v", err)
	}
	if _, err := r.Collect(t.Context()); err != nil && !errors.Is(err, kv.ErrClosed) {
		t.Errorf("collect: %v", err)
	}
}
