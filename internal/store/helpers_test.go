package store_test

import (
	"testing"

	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/kv/memkv"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
)

// reopenSynced opens what a crashed engine had made durable, in an engine that
// syncs at once.
func reopenSynced(e *memkv.Engine) kv.Engine { return e.Reopen(memkv.Config{}) }

// records answers all that a region holds, tombstones and contexts included, but
// not the local sequences.
func records(t *testing.T, r *region) map[string]record.Record {
	t.Helper()
	out := map[string]record.Record{}
	it := r.engine.Scan(kv.Range{From: []byte{'d'}, To: []byte{'e'}})
	for it.Next() {
		got, err := record.Parse(append([]byte(nil), it.Value()...))
		if err != nil {
			t.Fatal(err)
		}
		got.Sequence = 0
		out[string(it.Key())] = got
	}
	if err := it.Close(); err != nil {
		t.Fatal(err)
	}
	return out
}

// countKeys counts what a keyspace holds.
func countKeys(t *testing.T, r *region, space byte) (n int) {
	t.Helper()
	it := r.engine.Scan(kv.Range{From: []byte{space}, To: []byte{space + 1}})
	for it.Next() {
		n++
	}
	if err := it.Close(); err != nil {
		t.Fatal(err)
	}
	return n
}

// space answers all that a keyspace holds.
func space(t *testing.T, r *region, space byte) map[string]string {
	t.Helper()
	out := map[string]string{}
	it := r.engine.Scan(kv.Range{From: []byte{space}, To: []byte{space + 1}})
	for it.Next() {
		out[string(it.Key())] = string(it.Value())
	}
	if err := it.Close(); err != nil {
		t.Fatal(err)
	}
	return out
}

// observing is an observer that writes nothing.
type observing func(store.Change)

func (o observing) Observe(c store.Change, _ *store.Writes) error { o(c); return nil }
