package store_test

import (
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/meridian-run/meridian/internal/kv/pebblekv"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

// onDisk opens a store over Pebble in a directory of the benchmark.
func onDisk(b *testing.B, id record.RegionID) *store.Store {
	engine, err := pebblekv.Open(pebblekv.Config{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	s, err := store.Open(b.Context(), store.Config{Engine: engine, Region: id})
	if err != nil {
		b.Fatal(err)
	}
	s.SetTables([]table.Table{tableIn(notes, 1, 2)})
	b.Cleanup(func() { _ = s.Close() })
	return s
}

// cpu is what the process has used so far.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // cannot fail with these arguments
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// reportCPU reports processor time for each of n, which does not depend on what
// else the machine does.
func reportCPU(b *testing.B, before time.Duration, n int) {
	b.ReportMetric(float64((cpu()-before).Nanoseconds())/1e3/float64(n), "cpu-µs/op")
}

// BenchmarkUpdate is durable writes of 1 KB by 64 writers.
func BenchmarkUpdate(b *testing.B) {
	s := onDisk(b, 1)
	value := make([]byte, 1024)
	var n atomic.Uint64
	took := make([]time.Duration, b.N+1)
	b.SetParallelism(64 / runtime.GOMAXPROCS(0))
	b.ReportAllocs()
	before := cpu()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			i := n.Add(1)
			k, began := key(fmt.Sprint(i)), time.Now()
			_, err := s.Update(b.Context(), []record.Key{k}, func(tx *store.Tx) error { return tx.Put(k, value, store.PutOptions{}) })
			if err != nil {
				b.Fatal(err)
			}
			took[i] = time.Since(began)
		}
	})
	reportCPU(b, before, b.N)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "writes/s")
	slices.Sort(took)
	b.ReportMetric(float64(took[b.N*99/100].Microseconds()), "p99-µs")
}

// BenchmarkGet is reads of 1 KB records.
func BenchmarkGet(b *testing.B) {
	s := onDisk(b, 1)
	const records = 10_000
	fill(b, s, records)
	var n atomic.Uint64
	b.ReportAllocs()
	before := cpu()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, found, err := s.Get(b.Context(), key(fmt.Sprint(n.Add(7919)%records))); err != nil || !found {
				b.Fatal(found, err)
			}
		}
	})
	reportCPU(b, before, b.N)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "reads/s")
}

func fill(b *testing.B, s *store.Store, records int) {
	value := make([]byte, 1024)
	for i := 0; i < records; i += 100 {
		var keys []record.Key
		for j := range 100 {
			keys = append(keys, key(fmt.Sprint(i+j)))
		}
		_, err := s.Update(b.Context(), keys, func(tx *store.Tx) error {
			for _, k := range keys {
				if err := tx.Put(k, value, store.PutOptions{}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCatchUp is fresh 1 KB records read from one region's log and applied
// in another.
func BenchmarkCatchUp(b *testing.B) {
	from, to := onDisk(b, 1), onDisk(b, 2)
	records := (b.N + 99) / 100 * 100
	fill(b, from, records)
	before, applied := cpu(), 0
	b.ReportAllocs()
	b.ResetTimer()
	for after := (store.Cursor{}); applied < records; {
		batch, err := from.ReadLog(b.Context(), after, store.Limit{}, nil)
		if err != nil {
			b.Fatal(err)
		}
		_, err = to.Apply(b.Context(), store.Apply{Origin: 1, Cursor: batch.To, Records: batch.Records, Frontiers: batch.Frontiers})
		if err != nil {
			b.Fatal(err)
		}
		applied += len(batch.Records)
		after = batch.To
	}
	reportCPU(b, before, applied)
	b.ReportMetric(float64(applied)/b.Elapsed().Seconds(), "records/s")
}
