package region

import (
	"context"
	"time"

	"github.com/meridian-run/meridian/internal/access"
	"github.com/meridian-run/meridian/internal/trouble"
)

// keysEvery is how often the keys file is looked at: how long a key that was
// removed is good for.
const keysEvery = time.Second

// watchKeys takes up the access keys when their file changes, until ctx ends. A
// file that cannot be read leaves the keys as they are.
func (r *Region) watchKeys(ctx context.Context) error {
	tick := time.NewTicker(keysEvery)
	defer tick.Stop()
	var unreadable trouble.Trouble
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			changed, err := r.cfg.Keys.Reread()
			if err != nil {
				if tell, _ := unreadable.Again(now); tell {
					r.log.Error("the access keys stay as they were", "error", err)
				}
				continue
			}
			unreadable.Over()
			if changed {
				r.functions.renew(r)
				r.log.Info("access keys changed", "keys", len(r.cfg.Keys.Keys()))
			}
		}
	}
}

// adminKey is the key that people are given: of several, as while they change,
// the last.
func (r *Region) adminKey() (key access.Key, ok bool) {
	for _, k := range r.cfg.Keys.Keys() {
		if k.Kind == access.Admin {
			key, ok = k, true
		}
	}
	return key, ok
}
