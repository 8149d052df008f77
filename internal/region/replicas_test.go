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

// DATA 22: data of a table that a state has in other regions only goes; not
// while the replica is leaving, not by a state older than the data, and not where
// the region itself was removed.
func TestDATA22_ATableThatIsElsewhereLosesItsData(t *testing.T) {
	us, eu := table.Replica{Region: "us", ID: 1}, table.Replica{Region: "eu", ID: 2}
	elsewhere := []table.Replica{eu}
	given := us
	given.Since = 5
	for name, c := range map[string]struct {
		table   table.Table // as the state has it
		own     table.Replica
		regions []control.Region
		gone    bool
	}{
		"elsewhere":          {table: table.Table{Replicas: elsewhere}, own: us, regions: []control.Region{{Name: "us", ID: 1}}, gone: true},
		"leaving":            {table: table.Table{Replicas: elsewhere, Leaving: []table.Replica{us}}, own: us, regions: []control.Region{{Name: "us", ID: 1}}},
		"given later":        {table: table.Table{Replicas: elsewhere}, own: given, regions: []control.Region{{Name: "us", ID: 1}}},
		"the region is gone": {table: table.Table{Replicas: elsewhere}, own: us, regions: []control.Region{{Name: "us", ID: 1, Removed: true}}},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := store.Open(t.Context(), store.Config{Engine: memkv.New(memkv.Config{}), Region: 1})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			held := []table.Table{{ID: 7, Name: "notes", Replicas: []table.Replica{c.own, eu}}}
			if err := s.Renew(t.Context(), held); err != nil {
				t.Fatal(err)
			}
			s.SetTables(held)
			key := record.Key{Table: 7, Partition: []byte("k")}
			put := func(tx *store.Tx) error { return tx.Put(key, []byte("v"), store.PutOptions{}) }
			if _, err := s.Update(t.Context(), []record.Key{key}, put); err != nil {
				t.Fatal(err)
			}
			r := &Region{cfg: Config{Name: "us"}, log: slog.New(slog.DiscardHandler)}
			r.data.Store(&data{store: s})
			c.table.ID, c.table.Name = 7, "notes"
			state := &control.State{Revision: 4, Regions: c.regions, Tables: []table.Table{c.table}}
			s.SetTables(state.Tables)
			r.dropTables(t.Context(), 4, &applied{state: state})
			s.SetTables(held)
			if _, there, err := s.Get(t.Context(), key); err != nil || there == c.gone {
				t.Errorf("the item is there: %v, %v", there, err)
			}
		})
	}
}
