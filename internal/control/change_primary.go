package control

import (
	"fmt"
	"strings"

	"github.com/meridian-run/meridian/internal/table"
)

// Promotion moves the primary of a table.
type Promotion struct {
	Table string
	// From and Epoch are what is so now: another promotion must not come between.
	From  string
	Epoch uint32
	// To is the region that is to take the writes.
	To string
	// Handed says that From takes no writes any more and To has all of them;
	// without it To waits until the lease of From has run out (DATA 19).
	Handed bool
}

// promote makes another region the primary, in a new epoch.
func (w scribe) promote(s *State, p Promotion) error {
	i, ok := s.table(p.Table)
	if !ok {
		return fmt.Errorf("%w: %s", ErrTableUnknown, p.Table)
	}
	t := s.Tables[i].Clone()
	switch {
	case t.Primary == "":
		return fmt.Errorf("%w: table %s has no primary, each of its regions takes writes", ErrTableInvalid, t.Name)
	case t.Primary != p.From || t.Epoch != p.Epoch:
		return fmt.Errorf("%w: the primary of table %s is %s in epoch %d, not %s in epoch %d: look again, then repeat the command if it is still wanted",
			ErrPromoted, t.Name, t.Primary, t.Epoch, p.From, p.Epoch)
	}
	if err := promotable(t, p.To); err != nil {
		return err
	}
	t.Primary, t.Handed = p.To, p.Handed
	t.Epoch++
	t.Revision = s.Revision + 1
	s.Tables[i] = t
	return nil
}

// promotable refuses a region that does not have all of the table.
func promotable(t table.Table, to string) error {
	for _, r := range t.Replicas {
		if r.Region != to {
			continue
		}
		if !r.Complete() {
			return fmt.Errorf("%w: %s has not copied all of table %s yet: wait until status says that it has", ErrTableInvalid, to, t.Name)
		}
		return nil
	}
	return fmt.Errorf("%w: %q does not hold table %s; its regions are %s", ErrRegionUnknown, to, t.Name, strings.Join(t.Regions(), ", "))
}

// rehome judges what a spec says of a table's primary. The spec names the one
// that the table began with; where it is since is a promotion's to say, and
// applying an unchanged spec must not undo that.
func rehome(t *table.Table, want table.Table) error {
	switch {
	case (t.Primary == "") != (want.Primary == ""):
		return fmt.Errorf("%w: the consistency of table %s cannot change while it exists, in this version: use a table of another name", ErrTableInvalid, t.Name)
	case want.Primary != t.Home && want.Primary != t.Primary:
		return fmt.Errorf("%w: the primary of table %s is %s, and applying a spec does not move it: run `meridian promote %[2]s --to %[4]s`, then apply", ErrTableInvalid, t.Name, t.Primary, want.Primary)
	}
	t.Home = want.Primary
	return nil
}
