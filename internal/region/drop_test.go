package region

import (
	"log/slog"
	"testing"

	"github.com/meridian-run/meridian/internal/control"
	"github.com/meridian-run/meridian/internal/kv/memkv"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

// A table that is gone from the state keeps its data unless the state says that
// it was deleted.
func TestOnlyDeletedTablesLoseTheirData(t *testing.T) {
	s, err := store.Open(t.Context(), store.Config{Engine: memkv.New(memkv.Config{}), Region: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	tables := []table.Table{
		{ID: 7, Name: "deleted", Replicas: []table.Replica{{Region: "us", ID: 1}}},
		{ID: 8, Name: "missing", Replicas: []table.Replica{{Region: "us", ID: 1}}},
	}
	s.SetTables(tables)
	in := func(x table.Table) record.Key { return record.Key{Table: x.ID, Partition: []byte("k")} }
	for _, x := range tables {
		put := func(tx *store.Tx) error { return tx.Put(in(x), []byte("v"), store.PutOptions{}) }
		if _, err := s.Update(t.Context(), []record.Key{in(x)}, put); err != nil {
			t.Fatal(err)
		}
	}

	r := &Region{cfg: Config{Name: "us"}, log: slog.New(slog.DiscardHandler)}
	r.data.Store(&data{store: s})
	next := &applied{state: &control.State{Revision: 6, Dropped: []control.Dropped{{ID: 6, Revision: 3}, {ID: 7, Revision: 5}}}}
	s.SetTables(nil)
	r.dropTables(t.Context(), 4, next)
	s.SetTables(tables)
	for _, x := range tables {
		if _, there, err := s.Get(t.Context(), in(x)); err != nil || there != (x.Name == "missing") {
			t.Errorf("the item of the %s table is there: %v, %v", x.Name, there, err)
		}
	}
}
