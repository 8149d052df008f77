package control

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/table"
)

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
			errs = append(errs, fmt.Errorf("%w: %s is not in the spec any more, and applying never deletes data by omission: put it back, or name it as one to drop (meridian apply --drop %[2]s)", ErrTableDropped, t.Name))
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
	for _, name := range a.Drop {
		if i, ok := s.table(name); ok {
			s.dropTable(i)
		}
	}
	return nil
}

// respec brings table i to what the spec wants.
func (w scribe) respec(s *State, i int, want table.Table) error {
	have := s.Tables[i]
	if have.Owner != table.OwnerSpec {
		return fmt.Errorf("%w: table %s was created through the tables API and belongs to it: delete it there, or give the spec's another name", ErrOwner, have.Name)
	}
	if have.TTL != "" && want.TTL != have.TTL {
		return fmt.Errorf("%w: the ttl of table %s is %s and cannot change or go while the table exists: regions may have removed by it what others, which learn of the change at another time, would keep; put it back, or use a table of another name", ErrTableInvalid, have.Name, have.TTL)
	}
	if !want.SameMerge(have) {
		return fmt.Errorf("%w: merge and counters of table %s cannot change while it exists: regions that know of it and regions that do not would merge one item in two ways; use a table of another name", ErrTableInvalid, have.Name)
	}
	return w.update(s, i, func(t *table.Table) error {
		t.Copies, t.Degrade, t.Images, t.Stream = want.Copies, want.Degrade, want.Images, want.Stream
		t.Settings = want.Settings
		if err := rehome(t, want); err != nil {
			return err
		}
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
	t.Home, t.Handed = t.Primary, true // nobody had it before
	t.SchemaVersion, t.Revision = 1, s.Revision+1
	t.Created = w.now.UnixMilli()
	t.Restream(table.Table{}, w.now)
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
	t.Restream(have, w.now)
	if !t.SameKeys(have) {
		return fmt.Errorf("%w: the keys of table %s are %s and cannot become %s, records are stored under them: use a table of another name", ErrTableInvalid, t.Name, have.Keys(), t.Keys())
	}
	if err := t.Check(); err != nil {
		return fmt.Errorf("%w: %w", ErrTableInvalid, err)
	}
	if err := place(s, &t); err != nil {
		return err
	}
	since(&t, have, s.Revision+1)
	t.AddedSince(s.Revision+1, have)
	if err := leave(&t, have); err != nil {
		return err
	}
	if err := someoneHasAll(t); err != nil {
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

// since notes in a table's replicas which revision added them.
func since(t *table.Table, have table.Table, revision uint64) {
	for i, r := range t.Replicas {
		was := slices.IndexFunc(have.Replicas, func(x table.Replica) bool { return x.ID == r.ID })
		if was < 0 {
			t.Replicas[i].Since = revision
		} else {
			t.Replicas[i].Since, t.Replicas[i].Copied = have.Replicas[was].Since, have.Replicas[was].Copied
		}
	}
}

// leave keeps the replicas that t has lost as leaving ones: their regions may
// have taken writes that nobody else has, and take more until they know.
func leave(t *table.Table, have table.Table) error {
	t.Leaving = slices.Clone(have.Leaving)
	for _, r := range have.Replicas {
		if !slices.ContainsFunc(t.Replicas, func(x table.Replica) bool { return x.ID == r.ID }) {
			t.Leaving = append(t.Leaving, r)
		}
	}
	for _, r := range t.Leaving {
		if t.In(r.Region) {
			return fmt.Errorf("%w: the replica of table %s in %s is still being removed: its last writes have to reach the other regions first; add it again when it is gone", ErrTableInvalid, t.Name, r.Region)
		}
	}
	return nil
}

// someoneHasAll refuses to lose the last replica that has all records.
func someoneHasAll(t table.Table) error {
	if slices.ContainsFunc(t.Holders(), table.Replica.Complete) {
		return nil
	}
	return fmt.Errorf("%w: no region that has all of table %s would be left: wait until %s has copied it", ErrRegionInUse, t.Name, strings.Join(t.Regions(), " or "))
}

// left removes a leaving replica. The others must have copied the table: the one
// that leaves may be the only one that has it whole.
func (w scribe) left(s *State, id record.TableID, region record.RegionID) error {
	i := slices.IndexFunc(s.Tables, func(t table.Table) bool { return t.ID == id })
	if i < 0 {
		return nil
	}
	t := s.Tables[i].Clone()
	if _, leaving, _ := t.Holder(region); !leaving {
		return nil
	}
	for _, r := range t.Replicas {
		if !r.Complete() {
			return fmt.Errorf("%w: %s has not copied table %s yet", ErrTableInvalid, r.Region, t.Name)
		}
	}
	t.Leaving = slices.DeleteFunc(t.Leaving, func(r table.Replica) bool { return r.ID == region })
	t.Revision = s.Revision + 1
	s.Tables[i] = t
	return nil
}

// copied notes that a replica which was given a table has copied it.
func (w scribe) copied(s *State, id record.TableID, region record.RegionID, since uint64) {
	for i, t := range s.Tables {
		for j, r := range t.Replicas {
			if t.ID == id && r.ID == region && r.Since == since && !r.Copied {
				t = t.Clone()
				t.Replicas[j].Copied = true
				s.Tables[i] = t
			}
		}
	}
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
			return fmt.Errorf("%w: table %s wants a replica in %q; the regions are %s", ErrRegionUnknown, t.Name, name, s.names())
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
