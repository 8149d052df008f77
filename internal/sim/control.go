package sim

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/replica"
	"github.com/meridian-run/meridian/internal/table"
)

// state is what the regions agree on, at one revision. It never changes.
type state struct {
	revision uint64
	regions  []replica.Peer
	tables   []table.Table
	dropped  []record.TableID
	closing  []closing // those that are gone, too
}

// peers are all other regions.
func (s *state) peers(name string) (list []replica.Peer) {
	for _, p := range s.regions {
		if p.Name != name {
			list = append(list, p)
		}
	}
	return list
}

func (s *state) table(id record.TableID) (table.Table, bool) {
	for _, t := range s.tables {
		if t.ID == id {
			return t, true
		}
	}
	return table.Table{}, false
}

func encodeRevision(revision uint64) []byte { return binary.BigEndian.AppendUint64(nil, revision) }

func decodeRevision(encoded []byte) uint64 {
	if len(encoded) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(encoded)
}

// authority stands for package control, which keeps the state with a quorum: it
// makes revisions, which reach the regions with delays of their own.
type authority struct {
	world  *World
	states map[uint64]*state
	last   *state
	holds  map[held2]uint32 // the epoch in which a region held a table last
}

// controlDelay is what a revision takes, at most, to a region that runs.
const controlDelay = 2 * time.Second

// change makes a new revision; an error of fn makes none.
func (a *authority) change(what string, fn func(*state) error) error {
	next := &state{revision: a.last.revision + 1, regions: slices.Clone(a.last.regions), dropped: a.last.dropped}
	for _, c := range a.last.closing {
		next.closing = append(next.closing, c.clone())
	}
	for _, t := range a.last.tables {
		next.tables = append(next.tables, t.Clone())
	}
	if err := fn(next); err != nil {
		a.world.trace.line(a.world.now, "control", "refuses %s: %v", what, err)
		return err
	}
	a.last = next
	a.states[next.revision] = next
	a.world.trace.line(a.world.now, "control", "revision %d: %s", next.revision, what)
	for _, n := range a.world.nodes {
		a.world.after(time.Duration(n.rand.Int64N(int64(controlDelay))), func() { a.tell(n) })
	}
	return nil
}

// tell brings the last state to a region; one that is down asks when it starts.
func (a *authority) tell(n *node) {
	if n.up && !a.world.apart[n.name] {
		n.learn(a.last.revision)
	}
}

// addReplica gives a table to a region.
func (a *authority) addReplica(id record.TableID, region string) error {
	return a.change(fmt.Sprintf("table %d to %s", id, region), func(s *state) error {
		i, id := s.index(id), a.world.node(region).id
		if i < 0 {
			return fmt.Errorf("no table")
		}
		t := &s.tables[i]
		if _, _, held := t.Holder(id); held {
			return fmt.Errorf("%s holds it", region)
		}
		if !slices.ContainsFunc(s.regions, func(p replica.Peer) bool { return p.ID == id }) {
			return fmt.Errorf("%s is removed", region)
		}
		t.Replicas = append(t.Replicas, table.Replica{Region: region, ID: id, Since: s.revision})
		t.Revision = s.revision
		return nil
	})
}

// removeReplica makes a region leave a table.
func (a *authority) removeReplica(id record.TableID, region string) error {
	return a.change(fmt.Sprintf("table %d leaves %s", id, region), func(s *state) error {
		i, id := s.index(id), a.world.node(region).id
		if i < 0 {
			return fmt.Errorf("no table")
		}
		t := &s.tables[i]
		own, leaving, held := t.Holder(id)
		if !held || leaving || len(t.Replicas) == 1 || t.Primary == region {
			return fmt.Errorf("%s cannot leave it", region)
		}
		t.Replicas = slices.DeleteFunc(t.Replicas, func(r table.Replica) bool { return r.ID == id })
		t.Leaving = append(t.Leaving, own)
		t.Revision = s.revision
		if !slices.ContainsFunc(t.Holders(), table.Replica.Complete) {
			return fmt.Errorf("nobody would have all of it")
		}
		return nil
	})
}

// copied notes that a region has copied a table.
func (a *authority) copied(id record.TableID, region record.RegionID, since uint64) error {
	return a.change(fmt.Sprintf("table %d is copied by region %d", id, region), func(s *state) error {
		i := s.index(id)
		if i < 0 {
			return fmt.Errorf("no table")
		}
		for j, r := range s.tables[i].Replicas {
			if r.ID == region && r.Since == since && !r.Copied {
				s.tables[i].Replicas[j].Copied = true
				return nil
			}
		}
		return fmt.Errorf("it is not copying")
	})
}

// left takes a leaving replica away.
func (a *authority) left(id record.TableID, region record.RegionID) error {
	return a.change(fmt.Sprintf("table %d has left region %d", id, region), func(s *state) error {
		i := s.index(id)
		if i < 0 {
			return fmt.Errorf("no table")
		}
		t := &s.tables[i]
		if _, leaving, _ := t.Holder(region); !leaving {
			return fmt.Errorf("it is not leaving")
		}
		for _, r := range t.Replicas {
			if !r.Complete() {
				return fmt.Errorf("%s has not copied it", r.Region)
			}
		}
		t.Leaving = slices.DeleteFunc(t.Leaving, func(r table.Replica) bool { return r.ID == region })
		t.Revision = s.revision
		return nil
	})
}

func (s *state) index(id record.TableID) int {
	return slices.IndexFunc(s.tables, func(t table.Table) bool { return t.ID == id })
}
