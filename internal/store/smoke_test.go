package store_test

import (
	"testing"

	"github.com/meridian-run/meridian/internal/kv/memkv"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

func TestSmoke(t *testing.T) {
	ctx := t.Context()
	open := func(id record.RegionID) *store.Store {
		s, err := store.Open(ctx, store.Config{Engine: memkv.New(memkv.Config{}), Region: id})
		if err != nil {
			t.Fatal(err)
		}
		s.SetTables([]table.Table{{ID: 7, Replicas: []table.Replica{{ID: 1}, {ID: 2}}}})
		return s
	}
	a, b := open(1), open(2)
	key := record.Key{Table: 7, Partition: []byte("p")}
	if _, err := a.Update(ctx, []record.Key{key}, func(tx *store.Tx) error { return tx.Put(key, []byte("v"), store.PutOptions{}) }); err != nil {
		t.Fatal(err)
	}
	batch, err := a.ReadLog(ctx, store.Cursor{}, store.Limit{}, nil)
	if err != nil || len(batch.Records) != 1 {
		t.Fatal(batch, err)
	}
	res, err := b.Apply(ctx, store.Apply{Origin: 1, Cursor: batch.To, Records: batch.Records, Frontiers: batch.Frontiers})
	if err != nil || res.Applied != 1 {
		t.Fatal(res, err)
	}
	r, found, err := b.Get(ctx, key)
	if err != nil || !found || string(r.Value) != "v" {
		t.Fatal(r, found, err)
	}
}
