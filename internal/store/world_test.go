package store_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/meridian-run/meridian/internal/hlc"
	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/kv/memkv"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

const notes record.TableID = 7

// tableIn is a table with replicas in the given regions.
func tableIn(id record.TableID, regions ...record.RegionID) table.Table {
	t := table.Table{ID: id, Name: fmt.Sprint("table", id)}
	for _, r := range regions {
		t.Replicas = append(t.Replicas, table.Replica{Region: fmt.Sprint("region", r), ID: r})
	}
	return t
}

func key(partition string) record.Key { return record.Key{Table: notes, Partition: []byte(partition)} }

// region is one store under test, with a clock of its own.
type region struct {
	*store.Store
	t      *testing.T
	id     record.RegionID
	engine kv.Engine
	now    *time.Time
	config store.Config
	tables []table.Table
}

// start is when the clocks of all regions stand at first.
var start = time.Unix(1_700_000_000, 0)

// newRegion opens a store over an engine; nil is a new memkv.
func newRegion(t *testing.T, id record.RegionID, engine kv.Engine, change func(*store.Config)) *region {
	t.Helper()
	if engine == nil {
		engine = memkv.New(memkv.Config{})
	}
	now := start
	r := &region{t: t, id: id, now: &now, tables: []table.Table{tableIn(notes, 1, 2, 3)}}
	r.config = store.Config{World: "w", RegionName: fmt.Sprint("region", id), Region: id, Wall: func() time.Time { return *r.now }}
	if change != nil {
		change(&r.config)
	}
	r.open(engine)
	return r
}

func (r *region) open(engine kv.Engine) {
	r.t.Helper()
	r.config.Engine, r.engine = engine, engine
	s, err := store.Open(context.Background(), r.config)
	if err != nil {
		r.t.Fatal(err)
	}
	s.SetTables(r.tables)
	r.Store = s
}

// restart closes the store and opens it again over the same memkv.
func (r *region) restart() {
	r.t.Helper()
	if err := r.Close(); err != nil {
		r.t.Fatal(err)
	}
	r.open(r.engine.(*memkv.Engine).Reopen(memkv.Config{}))
}

func (r *region) advance(d time.Duration) { *r.now = r.now.Add(d) }

// at sets the wall clock to n ns behind start, as the histories count.
func (r *region) at(n int) *region { *r.now = start.Add(time.Duration(n)); return r }

func (r *region) put(k record.Key, value string) store.Commit {
	r.t.Helper()
	c, err := r.Update(r.t.Context(), []record.Key{k}, func(tx *store.Tx) error {
		return tx.Put(k, []byte(value), store.PutOptions{})
	})
	if err != nil {
		r.t.Fatalf("region %d: put: %v", r.id, err)
	}
	return c
}

func (r *region) remove(k record.Key) store.Commit {
	r.t.Helper()
	c, err := r.Update(r.t.Context(), []record.Key{k}, func(tx *store.Tx) error { return tx.Delete(k) })
	if err != nil {
		r.t.Fatalf("region %d: delete: %v", r.id, err)
	}
	return c
}

// value answers what readers see; "" for nothing.
func (r *region) value(k record.Key) string {
	r.t.Helper()
	got, _, err := r.Get(r.t.Context(), k)
	if err != nil {
		r.t.Fatalf("region %d: get: %v", r.id, err)
	}
	return string(got.Value)
}

// read reads this region's log behind a cursor.
func (r *region) read(after store.Cursor, limit store.Limit) store.Batch {
	r.t.Helper()
	b, err := r.ReadLog(r.t.Context(), after, limit, nil)
	if err != nil {
		r.t.Fatalf("region %d: read log: %v", r.id, err)
	}
	return b
}

// take applies a batch of from's log.
func (r *region) take(from *region, b store.Batch) store.ApplyResult {
	r.t.Helper()
	result, err := r.Apply(r.t.Context(), store.Apply{Origin: from.id, Cursor: b.To, Records: b.Records, Frontiers: b.Frontiers})
	if err != nil {
		r.t.Fatalf("region %d: apply from %d: %v", r.id, from.id, err)
	}
	return result
}

// pull takes all that is new in from's log, then from's report.
func (r *region) pull(from *region) store.ApplyResult {
	r.t.Helper()
	var sum store.ApplyResult
	for {
		after, _ := r.Cursor(from.id)
		b := from.read(after, store.Limit{})
		if b.From == b.To && len(b.Records) == 0 {
			break
		}
		result := r.take(from, b)
		sum.Applied += result.Applied
		sum.Stale += result.Stale
		sum.Conflicts += result.Conflicts
	}
	r.SetReport(from.id, from.Report())
	return sum
}

// beat carries a heartbeat of from to r.
func (r *region) beat(from *region) {
	r.t.Helper()
	p, err := from.Heartbeat(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := r.Apply(r.t.Context(), store.Apply{Origin: from.id, Cursor: p.Cursor, Time: p.Time}); err != nil {
		r.t.Fatal(err)
	}
}

// settle lets all regions pull from, report to and hear the heartbeat of all
// others until nothing is left to say, and collects.
func settle(regions ...*region) {
	for range 3 {
		for _, to := range regions {
			for _, from := range regions {
				if to != from {
					to.pull(from)
					to.beat(from)
				}
			}
		}
	}
	for _, r := range regions {
		if _, err := r.Collect(r.t.Context()); err != nil {
			r.t.Fatal(err)
		}
	}
}

// time answers n ns behind start, as the histories count.
func timeAt(n int) hlc.Time { return hlc.Of(start.Add(time.Duration(n))) }
