package control

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/table"
)

// Format is the version of the documents in etcd and of the file on disk. A
// node refuses newer ones (DATA 23).
const Format = 1

// State is all that the regions agree on, at one revision. It is immutable:
// whoever has one may keep it, none may change it.
type State struct {
	Format int    `json:"format"`
	World  string `json:"world"`
	// ID is random, given when the world was seeded: two worlds of one name are
	// told apart by it.
	ID string `json:"id"`
	// Revision rises by one with each change.
	Revision uint64 `json:"revision"`
	// Spec is the applied spec as it was written; SpecRevision is the revision
	// that applied it and SpecSource says where it came from.
	Spec         []byte `json:"spec"`
	SpecRevision uint64 `json:"spec_revision"`
	SpecSource   string `json:"spec_source,omitempty"`
	// Regions is sorted by id; removed ones stay, so that no id is used again.
	Regions []Region `json:"regions"`
	// NextRegion is the id that the next new region gets.
	NextRegion record.RegionID `json:"next_region"`
	// Tables is sorted by name.
	Tables []table.Table `json:"tables"`
	// Drains is sorted by region, then service; some may have ended.
	Drains []Drain `json:"drains,omitempty"`
	// Dropped are the ids of the tables that were deleted last, oldest first: a
	// region that was away finds out what to delete.
	Dropped []Dropped `json:"dropped,omitempty"`
	// Lineage tells which states this one came from (see lineage.go); states of
	// versions that kept none get one when they are read.
	Lineage []byte `json:"lineage,omitempty"`
}

// Dropped is a table that was deleted.
type Dropped struct {
	ID record.TableID `json:"id,string"`
	// Revision is the one that deleted it.
	Revision uint64 `json:"revision"`
}

// DroppedMax is how many deleted tables a state names. The data of a table that
// more were deleted after than these, while a region was away, stay on that
// region's disk.
const DroppedMax = 1000

// DroppedSince are the tables that revisions after this one deleted.
func (s *State) DroppedSince(revision uint64) []Dropped {
	i := slices.IndexFunc(s.Dropped, func(d Dropped) bool { return d.Revision > revision })
	if i < 0 {
		return nil
	}
	return s.Dropped[i:]
}

// dropTable deletes table i.
func (s *State) dropTable(i int) {
	s.Dropped = append(slices.Clone(s.Dropped), Dropped{ID: s.Tables[i].ID, Revision: s.Revision + 1})
	s.Dropped = s.Dropped[max(0, len(s.Dropped)-DroppedMax):]
	s.Tables = slices.Delete(slices.Clone(s.Tables), i, i+1)
}

// Region is a region of the world.
type Region struct {
	Name string          `json:"name"`
	ID   record.RegionID `json:"id"`
	// Closing is set while the region is being removed.
	Closing *Closing `json:"closing,omitempty"`
	// Removed regions are gone; one that comes under the name later gets a new id.
	// Ends is where their logs end for ever: nobody takes anything later.
	Removed bool         `json:"removed,omitempty"`
	Ends    []record.End `json:"ends,omitempty"`
	// Listed says that the applied spec still names a region that is closing or
	// gone: naming it must not bring it back before a spec has left it out.
	Listed bool `json:"listed,omitempty"`
}

// Drain takes traffic away from a region on purpose.
type Drain struct {
	Region string `json:"region"`
	// Service narrows the drain to one service; empty is all of them.
	Service string `json:"service,omitempty"`
	// Until is the absolute end, which each node judges by its own clock; zero
	// lasts until undrain.
	Until time.Time `json:"until,omitzero"`
	// Since is when the drain was asked for.
	Since time.Time `json:"since,omitzero"`
	Why   string    `json:"why,omitempty"`
}

// Active reports whether the drain is in force at now.
func (d Drain) Active(now time.Time) bool { return d.Until.IsZero() || now.Before(d.Until) }

// Region finds a region that is part of the world.
func (s *State) Region(name string) (Region, bool) {
	for _, r := range s.Regions {
		if r.Name == name && r.Active() {
			return r, true
		}
	}
	return Region{}, false
}

// RegionNames are the regions that are part of the world, in the order of ids.
func (s *State) RegionNames() []string {
	var names []string
	for _, r := range s.Survivors() {
		names = append(names, r.Name)
	}
	return names
}

func (s *State) names() string { return strings.Join(s.RegionNames(), ", ") }

// Table finds a table by name.
func (s *State) Table(name string) (table.Table, bool) {
	i, ok := s.table(name)
	if !ok {
		return table.Table{}, false
	}
	return s.Tables[i], true
}

func (s *State) table(name string) (int, bool) {
	// Not slices.BinarySearchFunc: it would copy a table, which is large, at each step.
	i := sort.Search(len(s.Tables), func(i int) bool { return s.Tables[i].Name >= name })
	return i, i < len(s.Tables) && s.Tables[i].Name == name
}

// Drained reports whether a region's service is drained at now, and by what: the
// drain of the whole region if there is one.
func (s *State) Drained(region, service string, now time.Time) (Drain, bool) {
	for _, d := range s.Drains {
		if d.Region == region && (d.Service == "" || d.Service == service) && d.Active(now) {
			return d, true
		}
	}
	return Drain{}, false
}

// clone copies what changes touch.
func (s *State) clone() *State {
	c := *s
	c.Regions = slices.Clone(s.Regions)
	c.Drains = slices.Clone(s.Drains)
	c.Dropped = slices.Clone(s.Dropped)
	c.Tables = make([]table.Table, len(s.Tables))
	for i, t := range s.Tables {
		c.Tables[i] = t.Clone()
	}
	return &c
}

// complete makes what was read a whole state of this world, or says why it is
// none.
func (s *State) complete(world string) error {
	s.normalize()
	if err := s.check(world); err != nil {
		return err
	}
	if len(s.Lineage) == 0 {
		return s.descend(nil)
	}
	return nil
}

// normalize puts the lists in order; every change ends with it.
func (s *State) normalize() {
	slices.SortFunc(s.Regions, func(a, b Region) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(s.Tables, func(a, b table.Table) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(s.Drains, func(a, b Drain) int {
		return cmp.Or(cmp.Compare(a.Region, b.Region), cmp.Compare(a.Service, b.Service))
	})
	for i := range s.Tables {
		slices.SortFunc(s.Tables[i].Replicas, func(a, b table.Replica) int { return cmp.Compare(a.Region, b.Region) })
	}
}

// check reports what no state of this world may be. It guards what comes from
// the disk and from peers.
func (s *State) check(world string) error {
	switch {
	case s.Format > Format:
		return fmt.Errorf("%w: the state has format %d, this version reads up to %d: run a newer version", ErrFormat, s.Format, Format)
	case s.Format < 1:
		return fmt.Errorf("%w: the state has format %d, the first is 1", ErrFormat, s.Format)
	case s.World != world:
		return fmt.Errorf("%w: the state is of world %q, this node is of %q", ErrWorld, s.World, world)
	case s.ID == "" || s.Revision == 0:
		return errors.New("the state has no world id or no revision")
	case len(s.Lineage)%lineageID != 0 || len(s.Lineage) > lineageMax:
		return fmt.Errorf("the state's lineage has %d bytes: it is a multiple of %d up to %d", len(s.Lineage), lineageID, lineageMax)
	}
	ids := map[record.RegionID]bool{0: true}
	for _, r := range s.Regions {
		if ids[r.ID] || r.ID >= s.NextRegion {
			return fmt.Errorf("region %s has id %d, which is taken, zero or not below the next id %d", r.Name, r.ID, s.NextRegion)
		}
		ids[r.ID] = true
	}
	tables := map[record.TableID]bool{0: true}
	for i, t := range s.Tables {
		if tables[t.ID] {
			return fmt.Errorf("table %s has id %d, which is zero or another's", t.Name, t.ID)
		}
		tables[t.ID] = true
		if i > 0 && s.Tables[i-1].Name >= t.Name {
			return fmt.Errorf("tables %s and %s are not in order", s.Tables[i-1].Name, t.Name)
		}
	}
	return nil
}
