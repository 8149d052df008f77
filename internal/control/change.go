package control

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/meridian-run/meridian/internal/record"
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
	return s, nil
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
	if err := regionsFree(s); err != nil {
		return err
	}
	s.Drains = slices.DeleteFunc(s.Drains, func(d Drain) bool { _, ok := s.Region(d.Region); return !ok })
	if !bytes.Equal(s.Spec, a.Spec) || s.SpecRevision == 0 {
		s.Spec, s.SpecSource = slices.Clone(a.Spec), a.Source
		s.SpecRevision = s.Revision + 1
	}
	return nil
}

// regions adds those that are new and marks those that are gone.
func (w scribe) regions(s *State, names []string) error {
	if len(names) == 0 {
		return errors.New("the spec names no region: a world has at least one")
	}
	for i := range s.Regions {
		if !slices.Contains(names, s.Regions[i].Name) {
			s.Regions[i].Removed = true
		}
	}
	for _, name := range names {
		if _, ok := s.Region(name); ok {
			continue
		}
		if s.NextRegion == 0 {
			return errors.New("all 65535 region ids are used")
		}
		s.Regions = append(s.Regions, Region{Name: name, ID: s.NextRegion})
		s.NextRegion++
	}
	return nil
}

// regionsFree refuses to lose a region that still holds tables.
func regionsFree(s *State) error {
	var errs []error
	for _, t := range s.Tables {
		for _, r := range t.Replicas {
			if _, ok := s.Region(r.Region); !ok {
				errs = append(errs, fmt.Errorf("%w: table %s (owner %s) has a replica in %s, which the spec no longer names: remove that replica first", ErrRegionInUse, t.Name, t.Owner, r.Region))
			}
		}
	}
	return errors.Join(errs...)
}

// tables brings the spec's tables into s: new ones are created, others updated.
func (w scribe) tables(s *State, a ApplySpec) error {
	var errs []error
	wanted := map[string]bool{}
	for _, want := range a.Tables {
		wanted[want.Name] = true
		want.Owner = table.OwnerSpec
		if i, ok := s.table(want.Name); ok {
			errs = append(errs, w.respec(s, i, want))
			continue
		}
		errs = append(errs, w.create(s, want))
	}
	for _, t := range s.Tables {
		if t.Owner == table.OwnerSpec && !wanted[t.Name] && !slices.Contains(a.Drop, t.Name) {
			errs = append(errs, fmt.Errorf("%w: %s is not in the spec any more, and applying never deletes data by omission: put it back, or name it as one to drop", ErrTableDropped, t.Name))
		}
	}
	for _, name := range a.Drop {
		if t, ok := s.Table(name); wanted[name] || !ok || t.Owner != table.OwnerSpec {
			errs = append(errs, fmt.Errorf("%w: %s is named as one to drop, but it is still in the spec, not the spec's, or not there", ErrTableDropped, name))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	s.Tables = slices.DeleteFunc(s.Tables, func(t table.Table) bool { return slices.Contains(a.Drop, t.Name) })
	return nil
}

// respec brings table i to what the spec wants.
func (w scribe) respec(s *State, i int, want table.Table) error {
	have := s.Tables[i]
	if have.Owner != table.OwnerSpec {
		return fmt.Errorf("%w: table %s was created through the tables API and belongs to it: delete it there, or give the spec's another name", ErrOwner, have.Name)
	}
	return w.update(s, i, func(t *table.Table) error {
		t.Key, t.Sort, t.Indexes, t.TTL, t.Replicas = want.Key, want.Sort, want.Indexes, want.TTL, want.Replicas
		return nil
	})
}

// create adds a table. It is ACTIVE once this is committed: regions adopt it
// with the state.
func (w scribe) create(s *State, t table.Table) error {
	if have, ok := s.Table(t.Name); ok {
		return fmt.Errorf("%w: %s is there already and belongs to %s", ErrTableExists, t.Name, ownerWords(have.Owner))
	}
	t = t.Clone()
	if err := t.Check(); err != nil {
		return fmt.Errorf("%w: %w", ErrTableInvalid, err)
	}
	if err := place(s, &t); err != nil {
		return err
	}
	id, err := w.tableID(s)
	if err != nil {
		return err
	}
	t.ID, t.State, t.Epoch = id, table.Active, 0
	t.SchemaVersion, t.Revision = 1, s.Revision+1
	t.Created = w.now.UnixMilli()
	s.Tables = append(s.Tables, t)
	s.normalize()
	return nil
}

// update changes table i by fn; what control gives (id, owner, versions) stays.
func (w scribe) update(s *State, i int, fn func(*table.Table) error) error {
	have := s.Tables[i]
	t := have.Clone()
	if err := fn(&t); err != nil {
		return err
	}
	t.ID, t.Name, t.Owner, t.Created = have.ID, have.Name, have.Owner, have.Created
	t.SchemaVersion, t.Revision, t.Epoch = have.SchemaVersion, have.Revision, max(t.Epoch, have.Epoch)
	if !t.SameKeys(have) {
		return fmt.Errorf("%w: the keys of table %s are %s and cannot become %s, records are stored under them: use a table of another name", ErrTableInvalid, t.Name, have.Keys(), t.Keys())
	}
	if err := t.Check(); err != nil {
		return fmt.Errorf("%w: %w", ErrTableInvalid, err)
	}
	if err := place(s, &t); err != nil {
		return err
	}
	if t.SameSchema(have) && t.Epoch == have.Epoch && t.State == have.State {
		return nil
	}
	if !t.SameSchema(have) {
		t.SchemaVersion++
	}
	t.Revision = s.Revision + 1
	s.Tables[i] = t
	return nil
}

// place gives a table's replicas their region ids, in order; a table without
// replicas gets one in every region.
func place(s *State, t *table.Table) error {
	names := t.Regions()
	if len(names) == 0 {
		names = s.RegionNames()
	}
	slices.Sort(names)
	names = slices.Compact(names)
	t.Replicas = t.Replicas[:0:0]
	for _, name := range names {
		r, ok := s.Region(name)
		if !ok {
			return fmt.Errorf("%w: table %s wants a replica in %q; the regions are %s", ErrRegionUnknown, t.Name, name, strings.Join(s.RegionNames(), ", "))
		}
		t.Replicas = append(t.Replicas, table.Replica{Region: name, ID: r.ID})
	}
	return nil
}

// owned finds a table that the API may change.
func owned(s *State, name string) (int, error) {
	i, ok := s.table(name)
	if !ok {
		return 0, fmt.Errorf("%w: %s", ErrTableUnknown, name)
	}
	if t := s.Tables[i]; t.Owner != table.OwnerAPI {
		return 0, fmt.Errorf("%w: %s belongs to %s: change it there and apply", ErrOwner, name, ownerWords(t.Owner))
	}
	return i, nil
}

func ownerWords(o table.Owner) string {
	if o == table.OwnerSpec {
		return "the spec"
	}
	return "the tables API"
}

func (w scribe) tableID(s *State) (record.TableID, error) {
	for {
		var b [8]byte
		if _, err := io.ReadFull(w.rand, b[:]); err != nil {
			return 0, fmt.Errorf("read randomness: %w", err)
		}
		id := record.TableID(binary.BigEndian.Uint64(b[:]))
		taken := slices.ContainsFunc(s.Tables, func(t table.Table) bool { return t.ID == id })
		if id != 0 && !taken {
			return id, nil
		}
	}
}

// drain adds or replaces one.
func (w scribe) drain(s *State, d Drain) error {
	if _, ok := s.Region(d.Region); !ok {
		return fmt.Errorf("%w: %q; the regions are %s", ErrRegionUnknown, d.Region, strings.Join(s.RegionNames(), ", "))
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

// undrain removes one, and those that ended long ago.
func (w scribe) undrain(s *State, region, service string) {
	s.Drains = slices.DeleteFunc(s.Drains, func(d Drain) bool {
		return d.Region == region && d.Service == service || !d.Active(w.now.Add(-drainKept))
	})
}
