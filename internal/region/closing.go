package region

import (
	"context"
	"fmt"
	"time"

	"github.com/meridian-run/meridian/internal/control"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/replica"
	"github.com/meridian-run/meridian/internal/store"
)

const (
	// closingEvery is how often a survivor looks at the regions that close.
	closingEvery = 250 * time.Millisecond
	// closingPause is how long it leaves control alone that has just refused.
	closingPause = 2 * time.Second
)

// closings does a survivor's part when a region is removed (DATA 13): it tells
// control what it has of the region once its pull has ended, and when it has all
// that any survivor has. Control decides when all have. Every step is asked for
// again until it stands in the state, so a crash at any point costs only time.
type closings struct {
	region *Region
	data   *data
	// told are the rounds in which control knows what we hold, and got those in
	// which it knows that we have all, by region.
	told, got map[record.RegionID]uint64
	failed    bool // control refused the last time, which was told
}

// keepClosings runs until ctx ends.
func (r *Region) keepClosings(ctx context.Context, d *data) error {
	k := &closings{region: r, data: d, told: map[record.RegionID]uint64{}, got: map[record.RegionID]uint64{}}
	ticker := time.NewTicker(closingEvery)
	defer ticker.Stop()
	for {
		changed := r.appliedSignal.wait()
		if err := k.look(ctx); err != nil && ctx.Err() == nil {
			if !k.failed {
				r.log.Warn("the removal of a region waits", "error", err)
			}
			k.failed = true
			r.pause(ctx, closingPause)
		} else if err == nil {
			k.failed = false
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case <-ticker.C:
		}
	}
}

// look does what is due for all closing regions; an error leaves the rest for
// later.
func (k *closings) look(ctx context.Context) error {
	for _, x := range k.region.applied.Load().state.Regions {
		if x.Closing == nil {
			continue
		}
		if err := k.close(ctx, x); err != nil {
			return fmt.Errorf("region %s: %w", x.Name, err)
		}
	}
	return nil
}

func (k *closings) close(ctx context.Context, x control.Region) error {
	round := x.Closing.Revision
	if !k.data.store.OriginClosed(x.ID) {
		return nil // the store does not know of this revision yet
	}
	switch {
	case !x.Closing.Agreed && k.told[x.ID] != round:
		ends, err := k.data.store.Ends(ctx, x.ID)
		if err != nil {
			return err
		}
		if err := k.region.tellControl(ctx, agreement{Holds: &control.Holds{Region: x.ID, Revision: round, Ends: ends}}); err != nil {
			return err
		}
		k.told[x.ID] = round
	case x.Closing.Agreed && k.got[x.ID] != round && k.data.replica.HasAll(x.ID):
		if err := k.region.tellControl(ctx, agreement{HasAll: &hasAllOf{Region: x.ID, Revision: round}}); err != nil {
			return err
		}
		k.got[x.ID] = round
	}
	return nil
}

// closedOrigins are the regions whose logs are closed, for the store: those that
// close, and for ever those that are gone.
func closedOrigins(s *control.State) map[record.RegionID]store.Closing {
	closed := map[record.RegionID]store.Closing{}
	for _, x := range s.Regions {
		switch {
		case x.Closing != nil:
			closed[x.ID] = store.Closing{Agreed: x.Closing.Agreed, Ends: x.Closing.Ends}
		case x.Removed:
			closed[x.ID] = store.Closing{Agreed: true, Gone: true, Ends: x.Ends}
		}
	}
	return closed
}

// closingPeers are the regions that close, for the replica: what of them is
// missing here comes from the other survivors.
func closingPeers(s *control.State) (list []replica.Closing) {
	for _, x := range s.Regions {
		if x.Closing != nil {
			list = append(list, replica.Closing{Peer: replica.Peer{Name: x.Name, ID: x.ID}, Revision: x.Closing.Revision})
		}
	}
	return list
}
