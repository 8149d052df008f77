package store_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/meridian-run/meridian/internal/store"
)

// A whole table, in chunks, with what was deleted, and nothing of its neighbour.
func TestReadTableInChunks(t *testing.T) {
	a, b := newRegion(t, 1, nil, nil), newRegion(t, 2, nil, nil)
	for i := range 25 {
		a.put(key(fmt.Sprint(i)), "x")
	}
	a.remove(key("3"))
	chunks := 0
	for from, more := []byte(nil), true; more; chunks++ {
		c, err := a.ReadTable(t.Context(), notes, from, 200)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Apply(t.Context(), store.Apply{Origin: 1, Records: c.Records}); err != nil {
			t.Fatal(err)
		}
		from, more = c.Next, c.Next != nil
	}
	if chunks < 3 {
		t.Errorf("only %d chunks", chunks)
	}
	if got := len(records(t, b)); got != 25 {
		t.Errorf("%d records arrived, tombstones included; want 25", got)
	}
	if b.value(key("3")) != "" || b.value(key("4")) != "x" {
		t.Error("the copy differs")
	}
}

// DATA 3: a chunk leaves only when what it shows is durable.
func TestReadTableWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, engine := held(t, 1)
		written := later(func() error { r.put(key("k"), "x"); return nil })
		chunk := later(func() error { _, err := r.ReadTable(context.Background(), notes, nil, 100); return err })
		pending(t, "the chunk", chunk)
		engine.Sync()
		<-written
		if err := <-chunk; err != nil {
			t.Error(err)
		}
	})
}
