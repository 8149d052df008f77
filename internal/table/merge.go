package table

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// MergeAttributes is the mode in which each attribute of an item is merged on
// its own (DATA 10). The empty mode is last writer wins, item by item.
const MergeAttributes = "attributes"

// CountersMax is how many counters a table can have.
const CountersMax = 32

// MergesAttributes reports whether the table merges attribute by attribute.
func (t Table) MergesAttributes() bool { return t.Merge == MergeAttributes }

// IsCounter reports whether increments of an attribute are merged by adding.
func (t Table) IsCounter(attribute string) bool { return slices.Contains(t.Counters, attribute) }

// SameMerge reports whether t and u merge alike, which a table does for life:
// regions that merged one record in two ways would not agree on it.
func (t Table) SameMerge(u Table) bool {
	return t.Merge == u.Merge && slices.Equal(t.Counters, u.Counters)
}

func (t Table) checkMerge() error {
	var errs []error
	switch {
	case t.Merge != "" && t.Merge != MergeAttributes:
		errs = append(errs, fmt.Errorf("merge is %q, it can only be %q", t.Merge, MergeAttributes))
	case t.Merge == "" && len(t.Counters) > 0:
		errs = append(errs, fmt.Errorf("counters need merge: %s: otherwise items are replaced as a whole, with the increments in them", MergeAttributes))
	case t.Merge != "" && t.Primary != "":
		errs = append(errs, errors.New("a table with a primary has one writer and nothing to merge: leave merge out, or the primary"))
	}
	if len(t.Counters) > CountersMax {
		errs = append(errs, fmt.Errorf("%d counters, at most %d are allowed", len(t.Counters), CountersMax))
	}
	for i, name := range t.Counters {
		if err := t.checkCounter(name); err != nil {
			errs = append(errs, fmt.Errorf("counter %q: %w", name, err))
		}
		if slices.Contains(t.Counters[:i], name) {
			errs = append(errs, fmt.Errorf("counter %q is there twice", name))
		}
	}
	return errors.Join(errs...)
}

func (t Table) checkCounter(name string) error {
	keyed := func(key Attribute, sort *Attribute) bool { return key.Name == name || sort != nil && sort.Name == name }
	switch {
	case name == "" || len(name) > attributeNames:
		return fmt.Errorf("the attribute name has %d bytes, it must have 1 to %d", len(name), attributeNames)
	case strings.ContainsAny(name, ".[]"):
		return errors.New("a counter is an attribute of the item itself, not inside of another: name the attribute")
	case keyed(t.Key, t.Sort):
		return errors.New("it is a key of the table, which never changes: count in another attribute")
	case t.TTL == name:
		return errors.New("it is the table's ttl, which is set and not counted: count in another attribute")
	}
	for _, x := range t.Indexes {
		more := slices.ContainsFunc(slices.Concat(x.MoreKeys, x.MoreSorts), func(a Attribute) bool { return a.Name == name })
		if more || keyed(x.Key, x.Sort) {
			return fmt.Errorf("it is a key of the index %s, whose entries every increment would move: count in another attribute", x.Name)
		}
	}
	return nil
}
