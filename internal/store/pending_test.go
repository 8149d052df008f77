package store_test

import (
	"errors"
	"testing"

	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/kv/memkv"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

// driven is a store on an engine that syncs when told, driven by one goroutine.
func driven(t *testing.T, id record.RegionID) (*store.Store, *memkv.Engine) {
	t.Helper()
	engine := memkv.New(memkv.Config{Hold: true})
	p, err := store.BeginOpen(store.Config{Engine: engine, Region: id})
	if err != nil || p.Ready() {
		t.Fatalf("open: ready %t, %v", err == nil, err)
	}
	engine.SyncTo(p.Sequence)
	s, err := p.Finish()
	if err != nil {
		t.Fatal(err)
	}
	s.SetTables([]table.Table{tableIn(notes, 1, 2)})
	return s, engine
}

// step is the part of a Pending that tests of all operations share.
type step interface{ Ready() bool }

// operations begins every operation of a store whose key k was just written.
func operations(t *testing.T, s *store.Store) map[string]step {
	t.Helper()
	out := map[string]step{}
	add := func(name string, p step, err error) {
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		out[name] = p
	}
	k := key("k")
	put := func(tx *store.Tx) error { return tx.Put(k, []byte("1"), store.PutOptions{}) }
	p, err := s.BeginUpdate([]record.Key{k}, put)
	add("update", p, err)
	failed, err := s.BeginUpdate([]record.Key{k}, func(tx *store.Tx) error {
		_, _, err := tx.Get(k)
		return errors.Join(err, errors.New("the condition failed"))
	})
	add("failed condition", failed, err)
	got, err := s.BeginGet(k)
	add("get", got, err)
	visited, err := s.BeginScan(t.Context(), store.Scan{Table: notes}, func(record.Key, record.Record) (bool, error) { return true, nil })
	add("scan", visited, err)
	viewed, err := s.BeginView(func(kv.Reader) error { return nil })
	add("view", viewed, err)
	chunk, err := s.BeginReadTable(notes, nil, 1<<20)
	add("read table", chunk, err)
	beat, err := s.BeginHeartbeat()
	add("heartbeat", beat, err)
	marked, err := s.BeginMarkWhole(map[record.TableID]uint64{notes: 4})
	add("mark", marked, err)
	applied, err := s.BeginApply(store.Apply{Origin: 2, Cursor: store.Cursor{Log: 5, Sequence: 1}})
	add("apply", applied, err)
	s.SetTables(nil)
	closed, err := s.BeginClosed(notes)
	add("closed", closed, err)
	dropped, err := s.BeginDropTable(notes)
	add("drop", dropped, err)
	return out
}

// DATA 3: one goroutine begins every operation without blocking, and none is
// ready before what it wrote or shows is durable.
func TestDATA3_OperationsAreDrivenFromOneGoroutine(t *testing.T) {
	s, engine := driven(t, 1)
	all := operations(t, s)
	for name, p := range all {
		if p.Ready() {
			t.Errorf("%s is ready before the sync", name)
		}
	}
	engine.Sync()
	for name, p := range all {
		if !p.Ready() {
			t.Errorf("%s is not ready after the sync", name)
		}
	}
}

// DATA 4: a failed sync ends all that waits for it, with the cause.
func TestDATA4_FrozenOperationsFinishWithTheCause(t *testing.T) {
	s, engine := driven(t, 1)
	k := key("k")
	p, err := s.BeginUpdate([]record.Key{k}, func(tx *store.Tx) error { return tx.Put(k, []byte("1"), store.PutOptions{}) })
	if err != nil {
		t.Fatal(err)
	}
	cause := errors.New("no space left")
	engine.Fail(cause)
	engine.Sync()
	if !p.Ready() {
		t.Fatal("not ready although durability never comes")
	}
	if _, err := p.Finish(); !errors.Is(err, kv.ErrFrozen) || !errors.Is(err, cause) {
		t.Errorf("got %v", err)
	}
	if _, err := s.BeginUpdate([]record.Key{k}, func(tx *store.Tx) error { return tx.Delete(k) }); !errors.Is(err, kv.ErrFrozen) {
		t.Errorf("a write after it: %v", err)
	}
	if !s.Stats().Frozen {
		t.Error("nobody noticed")
	}
}

// DATA 12: what an Apply did is noted when it is durable, in the order of the
// batches, however many are on their way.
func TestDATA12_EffectsAreTakenWhenDurable(t *testing.T) {
	s, engine := driven(t, 2)
	var applies []*store.Pending[store.ApplyResult]
	for i := range uint64(3) {
		p, err := s.BeginApply(store.Apply{Origin: 1, Cursor: store.Cursor{Log: 5, Sequence: i + 1}})
		if err != nil {
			t.Fatal(err)
		}
		applies = append(applies, p)
	}
	engine.SyncTo(applies[1].Sequence)
	for i, p := range applies {
		if p.Ready() != (i < 2) {
			t.Errorf("apply %d: ready %t", i, p.Ready())
		}
		if !p.Ready() {
			continue
		}
		if _, err := p.Finish(); err != nil {
			t.Error(err)
		}
	}
	if c, _ := s.Cursor(1); c.Sequence != 2 {
		t.Errorf("the cursor is at %d, want 2", c.Sequence)
	}
}
