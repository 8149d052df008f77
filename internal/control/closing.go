package control

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/table"
)

// Closing is a region on its way out of the world (DATA 13): every survivor ends
// its pull from the region and reports what it holds of it, the highest of that
// becomes the end of the region's logs, and when every survivor has all up to it
// the region is gone.
//
// Survivors report by changes of this state and not to a coordinator: what they
// said is as durable as the decision that follows from it, so any of them may
// crash at any point, and come back, without anybody having to begin again.
type Closing struct {
	// Revision began this round. A report of another round counts for nothing:
	// when a survivor is lost too, what the others hold is asked anew.
	Revision uint64 `json:"revision"`
	// Since is when the removal was asked for; Forced says that the region was
	// alive then.
	Since  time.Time `json:"since"`
	Forced bool      `json:"forced,omitempty"`
	// Reports are what survivors hold, until all have reported.
	Reports []Holding `json:"reports,omitempty"`
	// Agreed says that Ends are settled; Have are the survivors that have all up
	// to them, sorted.
	Agreed bool              `json:"agreed,omitempty"`
	Ends   []record.End      `json:"ends,omitempty"`
	Have   []record.RegionID `json:"have,omitempty"`
}

// Holding is the last that one survivor has of a closing region's logs.
type Holding struct {
	Region record.RegionID `json:"region"`
	Ends   []record.End    `json:"ends,omitempty"`
}

// Active reports whether the region is part of the world: neither closing nor
// gone.
func (r Region) Active() bool { return !r.Removed && r.Closing == nil }

// Survivors are the regions that are part of the world and stay in it, in the
// order of ids.
func (s *State) Survivors() []Region {
	return slices.DeleteFunc(slices.Clone(s.Regions), func(r Region) bool { return !r.Active() })
}

// Former finds the last region of a name that is closing or gone; false if there
// is none, or one of the name is part of the world.
func (s *State) Former(name string) (Region, bool) {
	if _, ok := s.Region(name); ok {
		return Region{}, false
	}
	for _, r := range slices.Backward(s.Regions) {
		if r.Name == name {
			return r, true
		}
	}
	return Region{}, false
}

// Waiting are the survivors that a closing region waits for: to report, or, when
// its end is agreed on, to get what they lack.
func (s *State) Waiting(r Region) (names []string) {
	if r.Closing == nil {
		return nil
	}
	for _, x := range s.Survivors() {
		if !r.Closing.done(x.ID) {
			names = append(names, x.Name)
		}
	}
	return names
}

// done reports whether a survivor has done its part of what is due now.
func (c Closing) done(survivor record.RegionID) bool {
	if c.Agreed {
		return slices.Contains(c.Have, survivor)
	}
	return slices.ContainsFunc(c.Reports, func(h Holding) bool { return h.Region == survivor })
}

// closeRegion begins to remove a region. Asking again changes nothing.
func (w scribe) closeRegion(s *State, name string, forced bool) error {
	i := slices.IndexFunc(s.Regions, func(r Region) bool { return r.Name == name && r.Active() })
	if i < 0 {
		former, ok := s.Former(name)
		switch {
		case ok && former.Closing != nil:
			return nil
		case ok:
			return fmt.Errorf("%w: %s was removed before", ErrRegionUnknown, name)
		}
		return fmt.Errorf("%w: %q; the regions are %s", ErrRegionUnknown, name, s.names())
	}
	id := s.Regions[i].ID
	if len(s.Survivors()) == 1 {
		return fmt.Errorf("%w: %s is the last region of the world", ErrRegionInUse, name)
	}
	if err := w.leaveTables(s, id); err != nil {
		return err
	}
	s.Regions[i].Closing = &Closing{Since: w.now.UTC().Truncate(time.Millisecond), Forced: forced} // the loop below begins its round
	s.Regions[i].Listed = true
	s.Drains = slices.DeleteFunc(s.Drains, func(d Drain) bool { return d.Region == name })
	// A survivor fewer: whoever waited for it alone waits no more, but may have
	// got something from it since it reported.
	for i, r := range s.Regions {
		if r.Closing != nil {
			s.Regions[i].Closing = &Closing{Revision: s.Revision + 1, Since: r.Closing.Since, Forced: r.Closing.Forced}
		}
	}
	return nil
}

// leaveTables takes a region's replicas out of service. As leaving ones they keep
// frontiers where they are until the region is gone.
func (w scribe) leaveTables(s *State, region record.RegionID) error {
	for i, have := range s.Tables {
		if _, _, held := have.Holder(region); !held {
			continue
		}
		whole := func(r table.Replica) bool { return r.ID != region && r.Complete() && s.active(r.ID) }
		at := slices.IndexFunc(have.Replicas, func(r table.Replica) bool { return r.ID == region })
		if !slices.ContainsFunc(have.Holders(), whole) || at >= 0 && len(have.Replicas) == 1 {
			return fmt.Errorf("%w: no other region has all of table %s (owner %s): give it a replica in one and wait until that has copied it, or delete the table first",
				ErrRegionInUse, have.Name, have.Owner)
		}
		if at < 0 {
			continue
		}
		if have.PrimaryID() == region {
			return fmt.Errorf("%w: it is the primary of table %s: `meridian promote %[2]s --to REGION` first, with --force if it is lost", ErrRegionInUse, have.Name)
		}
		t := have.Clone()
		t.Leaving = append(t.Leaving, t.Replicas[at])
		t.Replicas = slices.Delete(t.Replicas, at, at+1)
		t.SchemaVersion++
		t.Revision = s.Revision + 1
		s.Tables[i] = t
	}
	return nil
}

func (s *State) active(id record.RegionID) bool {
	return slices.ContainsFunc(s.Regions, func(r Region) bool { return r.ID == id && r.Active() })
}

// Holds is what a survivor tells about a closing region.
type Holds struct {
	// Region is the closing one, By the survivor.
	Region, By record.RegionID
	// Revision is the closing's, which the survivor acted upon.
	Revision uint64
	// Ends are the last that it has of the region's logs, durably, after it has
	// ended its pull.
	Ends []record.End
}

// closing finds the closing that a survivor means; nil if it is over, or has
// begun anew.
func (s *State) closing(region, by record.RegionID, revision uint64) (int, *Closing) {
	i := slices.IndexFunc(s.Regions, func(r Region) bool { return r.ID == region && r.Closing != nil })
	if i < 0 || s.Regions[i].Closing.Revision != revision || !s.active(by) {
		return 0, nil
	}
	c := *s.Regions[i].Closing
	c.Reports, c.Have = slices.Clone(c.Reports), slices.Clone(c.Have)
	return i, &c
}

// holds takes a survivor's report. When all have reported, the highest of each
// log is its end.
func (w scribe) holds(s *State, h Holds) {
	i, c := s.closing(h.Region, h.By, h.Revision)
	if c == nil || c.Agreed || c.done(h.By) {
		return
	}
	c.Reports = append(c.Reports, Holding{Region: h.By, Ends: h.Ends})
	slices.SortFunc(c.Reports, func(a, b Holding) int { return cmp.Compare(a.Region, b.Region) })
	s.Regions[i].Closing = c
	if len(s.Waiting(s.Regions[i])) > 0 {
		return
	}
	for _, x := range c.Reports {
		c.Ends = record.Highest(c.Ends, x.Ends)
	}
	// Whoever holds the last write need not have all before it: each survivor
	// says so when it has, and nobody has to if there is nothing.
	if len(c.Ends) == 0 {
		for _, x := range c.Reports {
			c.Have = append(c.Have, x.Region)
		}
	}
	c.Agreed, c.Reports = true, nil
	w.finish(s, i)
}

// hasAll notes that a survivor has all up to the agreed ends.
func (w scribe) hasAll(s *State, region, by record.RegionID, revision uint64) {
	i, c := s.closing(region, by, revision)
	if c == nil || !c.Agreed || c.done(by) {
		return
	}
	c.Have = append(c.Have, by)
	slices.Sort(c.Have)
	s.Regions[i].Closing = c
	w.finish(s, i)
}

// finish makes region i gone once every survivor has all of it. Its ends stay
// for ever, and its id is not used again.
func (w scribe) finish(s *State, i int) {
	r := s.Regions[i]
	if len(s.Waiting(r)) > 0 {
		return
	}
	s.Regions[i] = Region{Name: r.Name, ID: r.ID, Removed: true, Ends: r.Closing.Ends, Listed: r.Listed}
	for j, have := range s.Tables {
		t := have.Clone()
		t.Leaving = slices.DeleteFunc(t.Leaving, func(x table.Replica) bool { return x.ID == r.ID })
		for k, x := range t.Replicas {
			// It may have copied from a region that had not everything yet.
			if len(t.Leaving) < len(have.Leaving) && !x.Complete() {
				t.Replicas[k].Since = s.Revision + 1
			}
		}
		if len(t.Leaving) < len(have.Leaving) {
			t.Revision = s.Revision + 1
			s.Tables[j] = t
		}
	}
}
