package replicate

import (
	"math/rand/v2"
	"time"
)

// Bounds of Backoff: the first try again comes soon, because at a start all
// regions come up within a moment; the last pace costs a dead peer's neighbours
// next to nothing and finds it within two seconds of its return.
const (
	backoffMin = 50 * time.Millisecond
	backoffMax = 2 * time.Second
)

// Backoff is how long to wait before try number failures+1: doubling from 50 ms
// to 2 s, of which a random half, so that regions do not try in step.
func Backoff(failures int, random *rand.Rand) time.Duration {
	whole := backoffMax
	if failures < 7 {
		whole = min(backoffMin<<max(failures-1, 0), backoffMax)
	}
	return whole/2 + time.Duration(random.Int64N(int64(whole/2)+1))
}
