package region

import (
	"context"
	"time"
)

// work is something that a region does beside serving, a part at a time, so that
// serving has most of the machine.
type work struct {
	// name says in the log what failed.
	name string
	// every is how often the work is looked at while there is none.
	every time.Duration
	// part does some of it and says whether there is more, and how much longer than
	// it took the region rests before that.
	part func(context.Context) (more bool, share int, err error)
}

// paced does the parts of a work until ctx ends. One that failed is done again after
// the usual time; the log has only the first of several failures in a row.
func (r *Region) paced(ctx context.Context, w work) error {
	timer := time.NewTimer(w.every)
	defer timer.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		began := time.Now()
		more, share, err := w.part(ctx)
		if err != nil && ctx.Err() == nil && !failing {
			r.log.Error(w.name, "error", err)
		}
		failing = err != nil
		rest := w.every
		if more && err == nil {
			rest = time.Duration(share) * time.Since(began)
		}
		timer.Reset(rest)
	}
}
