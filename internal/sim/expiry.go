package sim

import (
	"maps"
	"slices"
	"time"

	"github.com/meridian-run/meridian/internal/store"
)

// sweepEvery is how often a region buries what has expired, as package region
// does.
const sweepEvery = 500 * time.Millisecond

// sweeps buries expired records, in worlds that have any.
func (n *node) sweeps() {
	if !n.world.expires {
		return
	}
	n.after(sweepEvery+time.Duration(n.id)*time.Millisecond, func() {
		n.sweep()
		n.touch()
		n.sweeps()
	})
}

func (n *node) sweep() {
	if n.frozen || n.applied == 0 {
		return
	}
	before := n.mortal()
	n.sweeping = true
	p, err := n.store.BeginExpire()
	n.sweeping = false
	n.collected(before)
	if err != nil {
		n.line("expire: %v", err)
		return
	}
	n.await(p.Ready, func() {
		switch done, err := p.Finish(); {
		case err != nil:
			n.line("expire: %v", err)
		case done.Records > 0:
			n.line("buries %d records", done.Records)
			n.world.counts["expired"] += done.Records
		}
	})
}

// mortal are the records that an expiry may remove at once.
func (n *node) mortal() (list []held) {
	for _, id := range slices.Sorted(maps.Keys(n.world.tables)) {
		for _, h := range records(n.disk.engine, id) {
			if h.record.Expires != 0 {
				list = append(list, h)
			}
		}
	}
	return list
}

// dies judges an expiry: it is of a record whose time is up, by the clock of the
// region that judges, and takes nothing else's place (DATA 9).
func (n *node) dies(c store.Change) {
	if c.Cause != store.Expired {
		return
	}
	ahead := time.Duration(0) // of a peer that has buried it before (store.SkewMax)
	if !n.sweeping {
		ahead = n.world.skewMax
	}
	switch old := c.Old; {
	case old == nil || old.Expires == 0 || old.Expires > n.wall().Add(ahead).Unix():
		n.world.fail("expiry", "%s buries %s, whose time is not up: %v, it is %d", n.name, name(c.Key), old, n.wall().Unix())
	case c.Version != old.Version:
		n.world.fail("expiry", "%s buries version %v of %s under version %v", n.name, old.Version, name(c.Key), c.Version)
	}
}
