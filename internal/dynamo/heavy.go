package dynamo

import (
	"context"

	"github.com/meridian-run/meridian/internal/item"
)

// A request of 16 MB can hold two million values, which take twenty times its size
// while it is worked on. Few clients send such requests, and none needs many at
// once: those of more than heavyValues values are worked on heavyMax at a time, so
// that they cannot take the memory of all others.
const (
	heavyValues = 1 << 17
	heavyBytes  = 2 * heavyValues // shorter bodies have fewer values
	heavyMax    = 2
)

// burden waits until there is room for the request's values.
func (c *call) burden(ctx context.Context, source string) error {
	if len(source) < heavyBytes || item.Most(source) <= heavyValues {
		return nil
	}
	select {
	case c.server.heavy <- struct{}{}:
		c.heavy = true
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// unburden makes room for another such request. A request that is passed on does so
// before: its primary's room may wait for a request that was passed on to here.
func (c *call) unburden() {
	if c.heavy {
		c.heavy = false
		<-c.server.heavy
	}
}
