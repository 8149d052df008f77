package record

import (
	"fmt"

	"github.com/meridian-run/meridian/internal/item"
)

// Loss is what a receipt keeps of a write to a table that merges by attribute.
type Loss struct {
	// Deleted says that a delete was lost: the item was written at the same time.
	Deleted bool
	// Set and Removed are the attributes whose values, or removals, were lost.
	Set     item.Item
	Removed []string
	// Added is what was added to counters that were set at the same time.
	Added []Add
}

// LossOf reads a receipt.
func LossOf(receipt Record) (Loss, error) {
	a, err := expand(receipt)
	if err != nil {
		return Loss{}, err
	}
	l := Loss{Deleted: a.deleted}
	for i := range a.cells {
		c := &a.cells[i]
		for _, n := range c.adds {
			l.Added = append(l.Added, Add{Attribute: c.name, Amount: n.sum})
		}
		switch {
		case !c.base.Tombstone:
			v, err := item.DecodeValue(c.base.Value)
			if err != nil {
				return Loss{}, fmt.Errorf("%w: attribute %s: %w", ErrMalformed, c.name, err)
			}
			l.Set = append(l.Set, item.Attribute{Name: c.name, Value: v})
		case !c.counts():
			l.Removed = append(l.Removed, c.name)
		}
	}
	return l, nil
}

// Winner answers who wrote what stands, in a record that merges by attribute, in the
// place of what a receipt of it keeps: of several names the latest one, of a counter
// whoever set it. The record's own version says only who wrote to the item last.
func Winner(receipt, current Record) (Version, error) {
	lost, err := expand(receipt)
	if err != nil {
		return Version{}, err
	}
	a, err := expand(current)
	if err != nil {
		return Version{}, err
	}
	var latest Version
	for i := range lost.cells {
		c := a.cell(lost.cells[i].name)
		if c.base.Version.Compare(latest) > 0 {
			latest = c.base.Version
		}
	}
	if latest == (Version{}) { // a delete lost, to whatever is there
		return current.Version, nil
	}
	return latest, nil
}
