package region

import (
	"context"
	"time"
)

const (
	// indexEvery is how often the store looks for indexes that were added or
	// removed.
	indexEvery = 500 * time.Millisecond
	// indexShare is how much longer than a step of filling took the next one waits,
	// so that serving has most of the machine.
	indexShare = 2
)

// index fills the indexes that were added to tables and removes the entries of
// those that were removed, a batch at a time. Between batches it leaves two thirds
// of the time to others.
func (r *Region) index(ctx context.Context, d *data) error {
	timer := time.NewTimer(indexEvery)
	defer timer.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		began := time.Now()
		done, err := d.store.Index(ctx)
		if err != nil && ctx.Err() == nil && !failing {
			r.log.Error("fill indexes", "error", err)
		}
		failing = err != nil
		rest := indexEvery
		if done.More && err == nil {
			rest = indexShare * time.Since(began)
		}
		timer.Reset(rest)
	}
}

const (
	// countEvery is how often the server looks for tables to be counted.
	countEvery = 2 * time.Second
	// countShare is how much longer than a step of counting took the next one
	// waits.
	countShare = 4
)

// count counts the items of the tables for their descriptions, for a fifth of the
// time at most.
func (r *Region) count(ctx context.Context, d *data) error {
	timer := time.NewTimer(countEvery)
	defer timer.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		began := time.Now()
		more, err := d.tables.Count(ctx)
		if err != nil && ctx.Err() == nil && !failing {
			r.log.Error("count items", "error", err)
		}
		failing = err != nil
		rest := countEvery
		if more {
			rest = countShare * time.Since(began)
		}
		timer.Reset(rest)
	}
}
