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
	return r.paced(ctx, work{"expire records", expireEvery, func(ctx context.Context) (bool, int, error) {
		done, err := d.store.Expire(ctx)
		d.expiryBehind.Store(int64(done.Behind))
		share := 1
		if done.Behind > expireLate {
			share = 0
		}
		return done.More, share, err
	}})
}
