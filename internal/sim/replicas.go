package sim

import (
	"maps"
	"slices"

	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
)

// replicas follows a region's replicas that come and go, as region/replicas.go
// does in production.
type replicas struct {
	closed map[record.TableID]store.Cursor // where the log ends for a table that leaves
	given  map[record.TableID]uint64       // by which revision a table was given
}

// lookAtReplicas tells control of tables that were copied, and of those that
// have left.
func (n *node) lookAtReplicas() {
	s := n.world.control.states[n.state]
	if s == nil || n.world.apart[n.name] {
		return
	}
	for _, t := range s.tables {
		own, leaving, held := t.Holder(n.id)
		switch {
		case leaving:
			n.leave(t.ID, t.Regions())
		case held && !own.Complete():
			if whole, err := n.store.Whole(t.ID); err == nil && whole >= own.Since {
				_ = n.world.control.copied(t.ID, n.id, own.Since) // refused: it knows
			}
		}
		if !leaving {
			delete(n.closed, t.ID)
		}
	}
}

// leave gives a replica up once all others have what was written to it here.
func (n *node) leave(id record.TableID, others []string) {
	end, known := n.closed[id]
	if known {
		if end.Log != 0 && len(n.replica.Lacking(end, others)) == 0 {
			_ = n.world.control.left(id, n.id) // refused: it is not time yet
		}
		return
	}
	if _, held := n.store.Table(id); !held {
		return
	}
	p, err := n.store.BeginClosed(id)
	if err != nil {
		n.line("close table %d: %v", id, err)
		return
	}
	n.closed[id] = store.Cursor{} // on its way
	n.await(p.Ready, func() {
		delete(n.closed, id)
		if end, err := p.Finish(); err == nil {
			n.closed[id] = end.Cursor
		}
	})
}

// renewed forgets what was known of tables that were given anew.
func (n *node) renewed(s *state) {
	for _, t := range s.tables {
		own, _, held := t.Holder(n.id)
		if held && own.Since > n.given[t.ID] {
			n.given[t.ID] = own.Since
			n.forgetTable(t.ID)
		}
	}
}

// dropTables removes data that is not to be here (DATA 22).
func (n *node) dropTables(s *state) {
	for _, id := range slices.Sorted(maps.Keys(n.world.tables)) {
		t, there := s.table(id)
		if _, _, held := t.Holder(n.id); held || !there {
			continue
		}
		if given, err := n.store.Given(id); err != nil || given > s.revision {
			continue
		}
		p, err := n.store.BeginDropTable(id)
		if err != nil {
			n.line("drop table %d: %v", id, err)
			continue
		}
		n.forgetTable(id)
		n.await(p.Ready, func() { _, _ = p.Finish() }) // undone by a crash, it is done again
	}
}
