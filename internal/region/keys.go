package region

import (
	"context"
	"fmt"
	"time"

	"github.com/meridian-run/meridian/internal/access"
	"github.com/meridian-run/meridian/internal/trouble"
	"github.com/meridian-run/meridian/spec"
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

// CheckAccess refuses a spec that opens tables to everybody: that is for a local
// world.
func CheckAccess(w *spec.World) error {
	if w.Anonymous {
		return fmt.Errorf("%s says access: anonymous, which is for meridian dev only: here everybody who reaches the tables' port could do everything; take it out", w.File)
	}
	return nil
}

// anonymous reports whether requests to tables need no signature: where the spec
// says so, and only in a local world.
func (r *Region) anonymous() bool {
	a := r.applied.Load()
	return r.cfg.Dev != nil && a != nil && a.world.Anonymous
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
