package store_test

import (
	"context"
	"fmt"

	"github.com/meridian-run/meridian/internal/kv/memkv"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

// A write in one region, carried to another by hand; package replica does it for
// real.
func Example() {
	ctx := context.Background()
	open := func(id record.RegionID) *store.Store {
		s, err := store.Open(ctx, store.Config{Engine: memkv.New(memkv.Config{}), Region: id})
		if err != nil {
			panic(err)
		}
		s.SetTables([]table.Table{{ID: 7, Name: "notes", Replicas: []table.Replica{{ID: 1}, {ID: 2}}}})
		return s
	}
	dublin, sydney := open(1), open(2)

	note := record.Key{Table: 7, Partition: []byte("note-1")}
	_, err := dublin.Update(ctx, []record.Key{note}, func(tx *store.Tx) error {
		return tx.Put(note, []byte("hello"), store.PutOptions{})
	})
	if err != nil {
		panic(err)
	}

	after, _ := sydney.Cursor(1)
	batch, err := dublin.ReadLog(ctx, after, store.Limit{}, nil)
	if err != nil {
		panic(err)
	}
	if err := dublin.WaitDurable(ctx, batch.Sequence); err != nil {
		panic(err)
	}
	result, err := sydney.Apply(ctx, store.Apply{Origin: 1, Cursor: batch.To, Records: batch.Records, Frontiers: batch.Frontiers})
	if err != nil {
		panic(err)
	}

	got, found, err := sydney.Get(ctx, note)
	fmt.Println(result.Applied, string(got.Value), found, err)
	// Output: 1 hello true <nil>
}
