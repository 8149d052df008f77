package region

import (
	"context"
	"time"
)

const (
	// indexEvery is how often the store looks for indexes that were added or
	// removed.
	indexEvery = 500 * time.Millisecond
	// indexShare is how much longer than a step of filling took the next one waits.
	indexShare = 2
)

// index fills the indexes that were added to tables and removes the entries of
// those that were removed, for a third of the time at most.
func (r *Region) index(ctx context.Context, d *data) error {
	return r.paced(ctx, work{"fill indexes", indexEvery, func(ctx context.Context) (bool, int, error) {
		done, err := d.store.Index(ctx)
		return done.More, indexShare, err
	}})
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
	return r.paced(ctx, work{"count items", countEvery, func(ctx context.Context) (bool, int, error) {
		more, err := d.tables.Count(ctx)
		return more, countShare, err
	}})
}
