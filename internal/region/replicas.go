package region

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/meridian-run/meridian/internal/control"
	"github.com/meridian-run/meridian/internal/event"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

const (
	// replicasEvery is how often the region looks at the tables that come and go.
	replicasEvery = 250 * time.Millisecond
	// replicasPause is how long it leaves control alone that has just refused.
	replicasPause = 2 * time.Second
	// leavingTold is how long a replica may take to leave before that is news.
	leavingTold = 10 * time.Second
)

// replicas follows this region's replicas that come and go: it tells control
// when one has been copied, and when all others have the last writes of one that
// is leaving. One goroutine has it.
type replicas struct {
	region *Region
	data   *data
	ends   map[record.TableID]leavingEnd
	agreed map[record.TableID]uint64 // since which revision control knows of a copy
	failed bool                      // control refused the last time, which was told
}

// leavingEnd is where this region's log ends for a table that is leaving.
type leavingEnd struct {
	at    store.Cursor
	since time.Time
	told  bool
	over  bool // control knows
}

// keepReplicas runs until ctx ends.
func (r *Region) keepReplicas(ctx context.Context, d *data) error {
	k := &replicas{region: r, data: d, ends: map[record.TableID]leavingEnd{}, agreed: map[record.TableID]uint64{}}
	ticker := time.NewTicker(replicasEvery)
	defer ticker.Stop()
	for {
		changed := r.appliedSignal.wait()
		if err := k.look(ctx); err != nil && ctx.Err() == nil {
			if !k.failed {
				r.log.Warn("a replica that comes or goes is not agreed on yet", "error", err)
			}
			k.failed = true
			r.pause(ctx, replicasPause)
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

// look does what is due for all tables; an error leaves the rest for later.
func (k *replicas) look(ctx context.Context) error {
	a := k.region.applied.Load()
	for _, t := range a.state.Tables {
		own, leaving, held := t.Holder(k.data.store.Region())
		if !leaving {
			delete(k.ends, t.ID)
		}
		var err error
		switch {
		case leaving:
			err = k.leave(ctx, t)
		case held && !own.Complete():
			err = k.copied(ctx, t, own)
		}
		if err != nil {
			return fmt.Errorf("table %s: %w", t.Name, err)
		}
	}
	return nil
}

// copied tells control of a table that has been copied: from then on it is
// served here.
func (k *replicas) copied(ctx context.Context, t table.Table, own table.Replica) error {
	whole, err := k.data.store.Whole(t.ID)
	if err != nil || whole < own.Since || k.agreed[t.ID] == own.Since {
		return err
	}
	if err := k.region.tellControl(ctx, agreement{Copied: &copiedTable{Table: t.ID, Since: own.Since}}); err != nil {
		return err
	}
	k.agreed[t.ID] = own.Since
	k.happened("%s has copied table %s and serves it", t)
	return nil
}

// leave gives the replica up once all others have the table, and all that was
// written to it here.
func (k *replicas) leave(ctx context.Context, t table.Table) error {
	end, known := k.ends[t.ID]
	if end.over {
		return nil
	}
	if !known {
		if _, held := k.data.store.Table(t.ID); !held {
			return nil // the store does not know of this revision yet
		}
		at, err := k.data.store.Closed(ctx, t.ID)
		if err != nil {
			return err
		}
		end = leavingEnd{at: at, since: time.Now()}
	}
	waiting := k.data.replica.Lacking(end.at, t.Regions())
	for _, r := range t.Replicas {
		if !r.Complete() && !slices.Contains(waiting, r.Region) {
			waiting = append(waiting, r.Region)
		}
	}
	if late := len(waiting) > 0 && time.Since(end.since) >= leavingTold; late && !end.told {
		end.told = true
		k.happened("%s keeps its copy of table %s, which was removed here, until its last writes are in "+strings.Join(waiting, ", "), t)
	}
	k.ends[t.ID] = end
	if len(waiting) > 0 {
		return nil
	}
	if err := k.region.control.Left(ctx, t.ID, k.data.store.Region()); err != nil {
		return err
	}
	end.over = true
	k.ends[t.ID] = end
	k.happened("%s has given up its replica of table %s: all others have what was written here", t)
	return nil
}

// happened makes an event of a text with this region and a table's name.
func (k *replicas) happened(text string, t table.Table) {
	name := k.region.cfg.Name
	k.region.happened(event.Event{Kind: event.Replica, Region: name, Text: fmt.Sprintf(text, name, t.Name)})
}

// dropTables removes the data of tables that are not to be here (DATA 22), and
// of those that revisions after since have deleted. That a table is missing is
// not enough: only a state that has it elsewhere, or names it as deleted, says
// that someone wanted so, and only one that is not older than the data.
func (r *Region) dropTables(ctx context.Context, since uint64, next *applied) {
	d := r.data.Load()
	if d == nil {
		return
	}
	var gone []record.TableID
	for _, x := range next.state.DroppedSince(since) {
		gone = append(gone, x.ID, table.MemoryOf(x.ID))
	}
	if _, stays := next.state.Region(r.cfg.Name); stays { // else its data may be all that is left
		gone = append(gone, elsewhere(next.state, d.store)...)
	}
	for _, id := range gone {
		if err := d.store.DropTable(ctx, id); err != nil && ctx.Err() == nil {
			r.log.Error("data of a table that is no longer here not removed", "table", fmt.Sprintf("%x", uint64(id)), "error", err)
		}
	}
}

// elsewhere are the tables of a state that this region does not hold, unless it
// was given them later.
func elsewhere(state *control.State, s *store.Store) (ids []record.TableID) {
	for _, t := range table.WithMemories(state.Tables) {
		if _, _, held := t.Holder(s.Region()); held {
			continue
		}
		if given, err := s.Given(t.ID); err == nil && given <= state.Revision {
			ids = append(ids, t.ID)
		}
	}
	return ids
}
