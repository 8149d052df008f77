package region

import (
	"context"
	"time"
)

const (
	// expireEvery is how often the store looks for records whose time is up.
	expireEvery = 500 * time.Millisecond
	// expireLate is from when on a sweep no longer leaves half of the time to
	// others.
	expireLate = 2 * time.Second
)

// expire buries the records whose time is up (DATA 9), a batch at a time. While
// there is more to bury it rests between batches for as long as each one took,
// unless it falls behind.
func (r *Region) expire(ctx context.Context, d *data) error {
	timer := time.NewTimer(expireEvery)
	defer timer.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		began := time.Now()
		done, err := d.store.Expire(ctx)
		if err != nil && ctx.Err() == nil && !failing {
			r.log.Error("expire records", "error", err)
		}
		failing = err != nil
		d.expiryBehind.Store(int64(done.Behind))
		rest := expireEvery
		if done.More && err == nil {
			rest = time.Since(began)
			if done.Behind > expireLate {
				rest = 0
			}
		}
		timer.Reset(rest)
	}
}
