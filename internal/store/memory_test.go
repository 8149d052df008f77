package store_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

// remembering is a region whose table has a primary, with the memory of it.
func remembering(t *testing.T, id record.RegionID, primary *region) *region {
	t.Helper()
	r := newRegion(t, id, nil, nil)
	if primary == nil {
		primary = r
	}
	promoted(primary, 0, r)
	r.tables = table.WithMemories(r.tables)
	r.SetTables(r.tables)
	return r
}

func (r *region) memory() *store.Memory {
	r.t.Helper()
	m, err := r.OpenMemory(r.t.Context(), r.tables[0])
	if err != nil {
		r.t.Fatal(err)
	}
	return m
}

// add is a forwarded write that appends to a key: not one to have effect twice.
func add(t *testing.T, r *region, m *store.Memory, id byte) (answer string) {
	t.Helper()
	write, said, err := m.Begin(t.Context(), store.RequestID{id})
	if err != nil {
		t.Fatal(err)
	}
	if write == nil {
		return string(said)
	}
	_, err = r.Update(t.Context(), append(write.Keys(), key("k")), func(tx *store.Tx) error {
		old, _, err := tx.Get(key("k"))
		if err != nil {
			return err
		}
		answer = string(old.Value) + "x"
		return errors.Join(tx.Put(key("k"), []byte(answer), store.PutOptions{}), write.Put(tx, []byte(answer)))
	})
	write.End()
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// DATA 21: a retry of a forwarded write has no effect and the same answer; after
// a restart of the primary, too, and at the primary that follows.
func TestD4_DATA21_Once(t *testing.T) {
	a := remembering(t, 1, nil)
	b := remembering(t, 2, a)
	m := a.memory()
	if got := add(t, a, m, 1) + add(t, a, m, 2) + add(t, a, m, 1); got != "x"+"xx"+"x" {
		t.Errorf("answers %q", got)
	}
	a.restart()
	m = a.memory()
	if got := add(t, a, m, 2) + add(t, a, m, 3); got != "xx"+"xxx" {
		t.Errorf("after a restart: %q", got)
	}
	b.pull(a)
	promoted(b, 1, b)
	b.tables = table.WithMemories(b.tables)
	b.SetTables(b.tables)
	m = b.memory()
	if got := add(t, b, m, 3) + add(t, b, m, 1) + add(t, b, m, 4); got != "xxx"+"x"+"xxxx" {
		t.Errorf("at the next primary: %q", got)
	}
	if got := b.value(key("k")); got != "xxxx" {
		t.Errorf("the key holds %q", got)
	}
}

// DATA 21: a retry that comes while the write is under way waits for it.
func TestD4_DATA21_UnderWay(t *testing.T) {
	a := remembering(t, 1, nil)
	m := a.memory()
	first, _, err := m.Begin(t.Context(), store.RequestID{1})
	if err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, _, err := m.Begin(short, store.RequestID{1}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the retry did not wait: %v", err)
	}
	retry := make(chan string)
	go func() { retry <- add(t, a, m, 1) }()
	first.End() // a condition failed
	if got := <-retry; got != "x" {
		t.Errorf("the retry of a write without effect: %q", got)
	}
	if got := add(t, a, m, 1); got != "x" {
		t.Errorf("the next retry: %q", got)
	}
}

// DATA 21: what is remembered is bounded by time and count.
func TestD4_DATA21_Bounded(t *testing.T) {
	a := remembering(t, 1, nil)
	m := a.memory()
	add(t, a, m, 1)
	a.advance(store.MemoryAge)
	if got := add(t, a, m, 1); got != "xx" {
		t.Errorf("a write of long ago is remembered: %q", got)
	}
	for range store.MemorySlots - 1 {
		w, _, err := m.Begin(t.Context(), store.RequestID{9})
		if err != nil {
			t.Fatal(err)
		}
		w.End()
	}
	if got := add(t, a, m, 1); got != "xx" {
		t.Errorf("it was forgotten too early: %q", got)
	}
	add(t, a, m, 2) // in the slot of 1
	if got := add(t, a, m, 1); got != "xxxx" {
		t.Errorf("an overwritten one is remembered: %q", got)
	}
}
