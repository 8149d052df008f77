package sim

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/replica"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

// closeEvery is how often a survivor looks at the regions that close, as package
// region does.
const closeEvery = 250 * time.Millisecond

// closing is a region on its way out of the world, as package control has it
// (DATA 13).
type closing struct {
	replica.Peer
	round   uint64
	reports map[record.RegionID][]record.End
	agreed  bool
	gone    bool
	ends    []record.End
	have    map[record.RegionID]bool
}

func (c closing) clone() closing {
	c.reports, c.have = maps.Clone(c.reports), maps.Clone(c.have)
	return c
}

func newRound(p replica.Peer, revision uint64) closing {
	return closing{Peer: p, round: revision, reports: map[record.RegionID][]record.End{}, have: map[record.RegionID]bool{}}
}

// remove is "remove REGION": it dies, and is closed. What only it had is lost.
func remove(w *World, c Command) error {
	n := w.node(c.arg(0))
	if n == nil {
		return fmt.Errorf("no region is called %q", c.arg(0))
	}
	if w.control.remove(n) != nil {
		return nil // a refusal is traced
	}
	w.count("remove")
	n.crash("dies, and is removed")
	n.dead = true
	w.rewound = true
	w.excuse()
	w.excuseItems()
	return nil
}

// remove begins to close a region.
func (a *authority) remove(n *node) error {
	return a.change(n.name+" is removed", func(s *state) error {
		i := slices.IndexFunc(s.regions, func(p replica.Peer) bool { return p.ID == n.id })
		if i < 0 || len(s.regions) == 1 {
			return fmt.Errorf("%s cannot go", n.name)
		}
		for j := range s.tables {
			if err := s.leaves(&s.tables[j], n); err != nil {
				return err
			}
		}
		s.closing = append(s.closing, newRound(s.regions[i], s.revision))
		s.regions = slices.Delete(s.regions, i, i+1)
		for j, c := range s.closing { // a survivor fewer
			if !c.gone {
				s.closing[j] = newRound(c.Peer, s.revision)
			}
		}
		return nil
	})
}

// leaves takes a region's replica of a table out of service.
func (s *state) leaves(t *table.Table, n *node) error {
	own, leaving, held := t.Holder(n.id)
	if !held {
		return nil
	}
	if t.Primary == n.name || !slices.ContainsFunc(t.Holders(), func(r table.Replica) bool {
		return r.ID != n.id && r.Complete() && slices.ContainsFunc(s.regions, func(p replica.Peer) bool { return p.ID == r.ID })
	}) {
		return fmt.Errorf("nobody would have all of table %d", t.ID)
	}
	if leaving {
		return nil
	}
	if len(t.Replicas) == 1 {
		return fmt.Errorf("it is the last of table %d", t.ID)
	}
	t.Replicas = slices.DeleteFunc(t.Replicas, func(r table.Replica) bool { return r.ID == n.id })
	t.Leaving = append(t.Leaving, own)
	t.Revision = s.revision
	return nil
}

// done reports whether every survivor has done its part.
func (s *state) done(c closing) bool {
	return !slices.ContainsFunc(s.regions, func(p replica.Peer) bool {
		_, reported := c.reports[p.ID]
		return !c.agreed && !reported || c.agreed && !c.have[p.ID]
	})
}

// closingOf finds a closing in its round; nil if it is over, or began anew.
func (s *state) closingOf(id record.RegionID, round uint64) *closing {
	for i := range s.closing {
		if c := &s.closing[i]; c.ID == id && c.round == round && !c.gone {
			return c
		}
	}
	return nil
}

// holdsOf takes what a survivor has; when all have told, the highest are the ends.
func (a *authority) holdsOf(n *node, id record.RegionID, round uint64, ends []record.End) error {
	return a.change(fmt.Sprintf("%s has %v of region %d", n.name, ends, id), func(s *state) error {
		c := s.closingOf(id, round)
		if c == nil || c.agreed {
			return fmt.Errorf("that is over")
		}
		if c.reports[n.id] = ends; !s.done(*c) {
			return nil
		}
		for _, p := range s.regions {
			c.ends = record.Highest(c.ends, c.reports[p.ID])
		}
		if c.agreed = true; len(c.ends) == 0 {
			s.gone(c)
		}
		return nil
	})
}

// hasAll notes that a survivor has all up to the ends.
func (a *authority) hasAll(n *node, id record.RegionID, round uint64) error {
	return a.change(fmt.Sprintf("%s has all of region %d", n.name, id), func(s *state) error {
		c := s.closingOf(id, round)
		if c == nil || !c.agreed {
			return fmt.Errorf("that is over")
		}
		if c.have[n.id] = true; s.done(*c) {
			s.gone(c)
		}
		return nil
	})
}

// gone ends a closing: its replicas are no more, and who copied from it begins anew.
func (s *state) gone(c *closing) {
	c.gone = true
	for i := range s.tables {
		t := &s.tables[i]
		before := len(t.Leaving)
		t.Leaving = slices.DeleteFunc(t.Leaving, func(r table.Replica) bool { return r.ID == c.ID })
		if len(t.Leaving) == before {
			continue
		}
		for j, r := range t.Replicas {
			if !r.Complete() {
				t.Replicas[j].Since = s.revision
			}
		}
		t.Revision = s.revision
	}
}

// closedOrigins are the regions whose logs are closed, for the store.
func (s *state) closedOrigins() map[record.RegionID]store.Closing {
	closed := map[record.RegionID]store.Closing{}
	for _, c := range s.closing {
		if !c.gone || len(c.ends) > 0 {
			closed[c.ID] = store.Closing{Agreed: c.agreed, Ends: c.ends}
		}
	}
	return closed
}

// closingPeers are the regions that close, for the replica.
func (s *state) closingPeers() (list []replica.Closing) {
	for _, c := range s.closing {
		if !c.gone {
			list = append(list, replica.Closing{Peer: c.Peer, Revision: c.round})
		}
	}
	return list
}

// closes does a survivor's part for the regions that close.
func (n *node) closes() {
	if !n.world.removes {
		return
	}
	n.after(closeEvery+time.Duration(n.id)*time.Millisecond, func() {
		n.lookAtClosing()
		n.touch()
		n.closes()
	})
}

func (n *node) lookAtClosing() {
	s := n.world.control.states[n.applied]
	if n.frozen || s == nil || n.world.apart[n.name] {
		return
	}
	for _, c := range s.closing {
		_, told := c.reports[n.id]
		switch {
		case c.gone || !n.store.OriginClosed(c.ID):
		case !c.agreed && !told:
			n.tellEnds(c)
		case c.agreed && !c.have[n.id] && n.replica.HasAll(c.ID):
			_ = n.world.control.hasAll(n, c.ID, c.round) // refused: it knows
		}
	}
}

// tellEnds tells what is here of a region, once all of that is durable.
func (n *node) tellEnds(c closing) {
	n.await(func() bool { return n.disk.engine.Last() <= n.disk.engine.Durable() || n.disk.engine.Stopped() != nil }, func() {
		ends, err := n.store.Ends(context.Background(), c.ID)
		if err != nil {
			n.line("ends of %s: %v", c.Name, err)
			return
		}
		_ = n.world.control.holdsOf(n, c.ID, c.round, ends) // refused: it began anew
	})
}
