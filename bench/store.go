package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/kv/pebblekv"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

const (
	storeWriters = 64
	storeFor     = 2 * time.Second
)

// writing writes one 1 KB record under a number and returns when it is durable.
type writing func(ctx context.Context, n int) error

// measureStore compares the store with the engine under it.
func measureStore(ctx context.Context, b *bench) (section, error) {
	s := section{
		title: "The store",
		how: fmt.Sprintf("Durable writes of fresh 1 KB records by %d writers in this process, group commit, fsync on. The engine alone writes the same bytes under the same keys;\n"+
			"the store adds the key's lock, version, context, log entry and merge. dev's file system keeps what is needed to forget unsynced bytes.", storeWriters),
	}
	variants := []struct {
		row       *row
		open      func(dir string, forgetful bool) (writing, func() error, error)
		forgetful bool
	}{
		{s.add("store, plain file system (serve)", "1/s"), openStore, false},
		{s.add("store, dev's file system", "1/s"), openStore, true},
		{s.add("engine alone (Pebble), plain file system", "1/s"), openEngine, false},
	}
	for round := range b.rounds {
		for _, v := range variants {
			dir, err := b.scratch("store")
			if err != nil {
				return s, err
			}
			write, closeAll, err := v.open(dir, v.forgetful)
			if err != nil {
				return s, err
			}
			rate, err := hammer(ctx, write)
			if err = errors.Join(err, closeAll()); err != nil {
				return s, err
			}
			v.row.put(rate)
			b.say("  round %d: %s: %.0f/s", round+1, v.row.what, rate)
		}
	}
	s.note("Store ÷ engine: %.2f.", variants[0].row.median()/variants[2].row.median())
	return s, nil
}

// hammer writes with all writers for a time and returns the writes a second.
func hammer(ctx context.Context, write writing) (float64, error) {
	group, ctx := errgroup.WithContext(ctx)
	counts := make([]int, storeWriters)
	began := time.Now()
	for i := range storeWriters {
		group.Go(func() error {
			for time.Since(began) < storeFor {
				if err := write(ctx, i+storeWriters*counts[i]); err != nil {
					return err
				}
				counts[i]++
			}
			return nil
		})
	}
	err := group.Wait()
	total := 0
	for _, n := range counts {
		total += n
	}
	return float64(total) / time.Since(began).Seconds(), err
}

func openStore(dir string, forgetful bool) (writing, func() error, error) {
	engine, err := pebblekv.Open(pebblekv.Config{Dir: dir, Forgetful: forgetful})
	if err != nil {
		return nil, nil, err
	}
	s, err := store.Open(context.Background(), store.Config{Engine: engine, World: "bench", RegionName: "here", Region: 1})
	if err != nil {
		return nil, nil, errors.Join(err, engine.Close())
	}
	const id record.TableID = 7
	s.SetTables([]table.Table{{
		ID: id, Name: tableName, Key: table.Attribute{Name: "pk", Type: "S"}, State: table.Active,
		Replicas: []table.Replica{{Region: "here", ID: 1}, {Region: "there", ID: 2}},
	}})
	value := []byte(filling)
	return func(ctx context.Context, n int) error {
		key := record.Key{Table: id, Partition: fmt.Appendf(nil, "key-%09d", n)}
		_, err := s.Update(ctx, []record.Key{key}, func(tx *store.Tx) error { return tx.Put(key, value, store.PutOptions{}) })
		return err
	}, s.Close, nil
}

func openEngine(dir string, forgetful bool) (writing, func() error, error) {
	engine, err := pebblekv.Open(pebblekv.Config{Dir: dir, Forgetful: forgetful})
	if err != nil {
		return nil, nil, err
	}
	value := []byte(filling)
	return func(ctx context.Context, n int) error {
		_, err := kv.Update(ctx, engine, nil, func(kv.Reader) (*kv.Batch, error) {
			return &kv.Batch{Ops: []kv.Op{{Kind: kv.Set, Key: fmt.Appendf(nil, "dkey-%09d", n), Value: value}}}, nil
		})
		return err
	}, engine.Close, nil
}
