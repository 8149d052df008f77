package store_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

// BenchmarkExpire lets 10,000 records of 1 KB die in each second while 2,000 are
// written, and reports how late they were buried and the writers' p99, beside
// that of the seconds without expiries. Run it with -benchtime 1x.
//
// "forgotten" records have been applied everywhere, and go at once; "buried" ones
// leave a derived tombstone, because another region may lack them.
func BenchmarkExpire(b *testing.B) {
	b.Run("forgotten", func(b *testing.B) { benchmarkExpire(b, tableIn(notes, 1)) })
	b.Run("buried", func(b *testing.B) { benchmarkExpire(b, tableIn(notes, 1, 2)) })
}

func benchmarkExpire(b *testing.B, t table.Table) {
	const rate, seconds = 10_000, 5
	for b.Loop() {
		s := onDisk(b, 1)
		s.SetTables([]table.Table{t})
		from := time.Now().Add(4 * time.Second).Truncate(time.Second)
		for i := range rate * seconds / 500 {
			mortal(b, s, i*500, 500, from.Unix()+int64(i*500/rate))
		}
		if _, err := s.Heartbeat(b.Context()); err != nil {
			b.Fatal(err)
		}
		if _, err := s.Collect(b.Context()); err != nil {
			b.Fatal(err)
		}
		ctx, stop := context.WithCancel(b.Context())
		var both sync.WaitGroup
		var worst time.Duration
		buried := 0
		both.Go(func() { worst, buried = sweepUntil(ctx, b, s, rate*seconds) })
		calm := writing(b, s, from)
		busy := writing(b, s, from.Add(seconds*time.Second))
		deadline := time.AfterFunc(20*time.Second, stop)
		both.Wait()
		deadline.Stop()
		stop()
		if buried != rate*seconds {
			b.Errorf("%d of %d records were buried", buried, rate*seconds)
		}
		b.ReportMetric(float64(worst.Milliseconds()), "late-ms")
		b.ReportMetric(float64(p99(calm).Microseconds()), "p99-before-µs")
		b.ReportMetric(float64(p99(busy).Microseconds()), "p99-meanwhile-µs")
	}
}

// mortal writes records that die at a time.
func mortal(b *testing.B, s *store.Store, first, count int, dies int64) {
	value := make([]byte, 1024)
	var keys []record.Key
	for i := range count {
		keys = append(keys, key(fmt.Sprint("mortal", first+i)))
	}
	_, err := s.Update(b.Context(), keys, func(tx *store.Tx) error {
		for _, k := range keys {
			if err := tx.Put(k, value, store.PutOptions{Expires: dies}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

// sweepUntil buries what is due as a region does: twice a second, resting for as
// long as each batch took. It answers how late the latest one was.
func sweepUntil(ctx context.Context, b *testing.B, s *store.Store, records int) (worst time.Duration, buried int) {
	for ctx.Err() == nil && buried < records {
		began := time.Now()
		done, err := s.Expire(ctx)
		if err != nil {
			if ctx.Err() == nil {
				b.Error(err)
			}
			break
		}
		buried += done.Records
		worst = max(worst, done.Behind+time.Since(began))
		rest := 500 * time.Millisecond
		if done.More {
			rest = time.Since(began)
		}
		time.Sleep(rest)
	}
	return worst, buried
}

// writing writes 2,000 durable records a second until a time, by 8 writers, and
// answers how long each one took.
func writing(b *testing.B, s *store.Store, until time.Time) []time.Duration {
	const writers = 8
	took := make([][]time.Duration, writers)
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			tick := time.NewTicker(writers * time.Second / 2000)
			defer tick.Stop()
			value := make([]byte, 1024)
			for i := 0; time.Now().Before(until); i++ {
				<-tick.C
				k, began := key(fmt.Sprintf("live%d-%d", w, i)), time.Now()
				_, err := s.Update(b.Context(), []record.Key{k}, func(tx *store.Tx) error { return tx.Put(k, value, store.PutOptions{}) })
				if err != nil {
					b.Error(err)
					return
				}
				took[w] = append(took[w], time.Since(began))
			}
		})
	}
	all.Wait()
	return slices.Concat(took...)
}

func p99(took []time.Duration) time.Duration {
	if len(took) == 0 {
		return 0
	}
	slices.Sort(took)
	return took[len(took)*99/100]
}
