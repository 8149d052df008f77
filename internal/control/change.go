package control

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/meridian-run/meridian/internal/table"
)

// SpecSizeMax bounds an applied spec, in bytes: etcd takes requests of 1.5 MB.
const SpecSizeMax = 512 << 10

// drainKept is how long an ended drain stays in the state, so that nodes with
// slow clocks still see its end.
const drainKept = time.Hour

// Seed is what a node brings to an empty world: its spec file.
type Seed struct {
	// Spec is the spec file as read; Source names it.
	Spec   []byte
	Source string
	// Regions are the spec's, in file order: ids are given in that order.
	Regions []string
	// Tables are the spec's; ids, states and revisions are given by control,
	// and replicas need only their region names. No replicas is every region.
	Tables []table.Table
}

// ApplySpec asks to replace the applied spec.
type ApplySpec struct {
	Seed
	// IfRevision refuses the change unless the applied spec is at this
	// revision; 0 is whatever it is.
	IfRevision uint64
	// Drop names tables that are gone from the spec and shall be deleted with
	// their data. Others that are gone refuse the change.
	Drop []string
}

// scribe computes changes: pure but for the time and the randomness it is given.
type scribe struct {
	now  time.Time
	rand io.Reader
}

// Found makes the first state of a world without asking etcd. Whoever starts
// all nodes of a world by one hand may give it to each by Adopt, before Run:
// they then serve at once, and the first to reach etcd plants it. Nodes that are
// started apart must not: theirs would be different worlds.
func Found(world string, seed Seed, now time.Time, rand io.Reader) (*State, error) {
	s, err := scribe{now: now, rand: rand}.found(world, seed)
	if err != nil {
		return nil, err
	}
	return s, s.check(world)
}

// found makes the first state of a world.
func (w scribe) found(world string, seed Seed) (*State, error) {
	id := make([]byte, 8)
	if _, err := io.ReadFull(w.rand, id); err != nil {
		return nil, fmt.Errorf("read randomness: %w", err)
	}
	s := &State{Format: Format, World: world, ID: hex.EncodeToString(id), NextRegion: 1}
	if err := w.apply(s, ApplySpec{Seed: seed}); err != nil {
		return nil, err
	}
	s.Revision = 1
	return s, s.descend(nil)
}

// apply replaces the spec of s.
func (w scribe) apply(s *State, a ApplySpec) error {
	if a.IfRevision != 0 && a.IfRevision != s.SpecRevision {
		return fmt.Errorf("%w: it is at %d, not at %d: look at what changed, then apply again on top of it", ErrRevision, s.SpecRevision, a.IfRevision)
	}
	if len(a.Spec) > SpecSizeMax {
		return fmt.Errorf("the spec has %d bytes, at most %d are allowed", len(a.Spec), SpecSizeMax)
	}
	if err := w.regions(s, a.Regions); err != nil {
		return err
	}
	if err := w.tables(s, a); err != nil {
		return err
	}
	if !bytes.Equal(s.Spec, a.Spec) || s.SpecRevision == 0 {
		s.Spec, s.SpecSource = slices.Clone(a.Spec), a.Source
		s.SpecRevision = s.Revision + 1
	}
	return nil
}

// regions adds those that are new. None leaves by being left out: what only it
// has would be lost silently.
func (w scribe) regions(s *State, names []string) error {
	if len(names) == 0 {
		return errors.New("the spec names no region: a world has at least one")
	}
	var errs []error
	for i, r := range s.Regions {
		named := slices.Contains(names, r.Name)
		switch {
		case r.Active() && !named:
			errs = append(errs, fmt.Errorf("%w: the spec no longer names %s: `meridian region remove %[2]s` takes it out of the world, then this spec can be applied", ErrRegionStays, r.Name))
		case r.Closing != nil && named || r.Listed && named && !s.has(r.Name):
			errs = append(errs, fmt.Errorf("%w: %s is being removed or was removed, and the spec still names it: apply one without it; a later one that names it adds a new region of that name", ErrRegionStays, r.Name))
		case !named:
			s.Regions[i].Listed = false
		}
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	for _, name := range names {
		if s.has(name) {
			continue
		}
		if err := w.addRegion(s, name); err != nil {
			return err
		}
	}
	return nil
}

func (s *State) has(name string) bool { _, ok := s.Region(name); return ok }

// addRegion gives a region its id. While another closes it waits: what survivors
// hold of that one is settled among those that were there.
func (w scribe) addRegion(s *State, name string) error {
	for _, r := range s.Regions {
		if r.Closing != nil {
			return fmt.Errorf("%w: %s can be added when the removal of %s is over (`meridian status` says what it waits for)", ErrRegionStays, name, r.Name)
		}
	}
	if s.NextRegion == 0 {
		return errors.New("all 65535 region ids are used")
	}
	s.Regions = append(s.Regions, Region{Name: name, ID: s.NextRegion})
	s.NextRegion++
	return nil
}

// drain adds or replaces one.
func (w scribe) drain(s *State, d Drain) error {
	if _, ok := s.Region(d.Region); !ok {
		return fmt.Errorf("%w: %q; the regions are %s", ErrRegionUnknown, d.Region, s.names())
	}
	if !d.Active(w.now) {
		return fmt.Errorf("the drain of %s would have ended at %s: give an end in the future", d.Region, d.Until.Format(time.RFC3339))
	}
	w.undrain(s, d.Region, d.Service)
	d.Since = w.now.UTC().Truncate(time.Millisecond)
	s.Drains = append(s.Drains, d)
	s.normalize()
	return nil
}

// undrain removes one, and those that ended long ago; it reports whether the one
// was in force.
func (w scribe) undrain(s *State, region, service string) (was bool) {
	s.Drains = slices.DeleteFunc(s.Drains, func(d Drain) bool {
		meant := d.Region == region && d.Service == service
		was = was || meant && d.Active(w.now)
		return meant || !d.Active(w.now.Add(-drainKept))
	})
	return was
}
