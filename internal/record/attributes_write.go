package record

import (
	"fmt"
	"slices"
	"strings"

	"github.com/meridian-run/meridian/internal/hlc"
	"github.com/meridian-run/meridian/internal/item"
)

// Change says what a local write changed of an item that is merged by attribute.
type Change struct {
	// Attributes were set or removed. If one of them was set, the item's keys are
	// among them: it is there because of this write, too.
	Attributes []string
	// Adds are increments of counters.
	Adds []Add
	// Expires says that the write decided on the item's expiry.
	Expires bool
}

// Add is an increment of a counter.
type Add struct {
	Attribute string
	Amount    *item.Sum
}

// Rewrite is the record of a local write to an item that is merged by attribute:
// next, which has all but the time of its version, over what is there, if found.
// A nil change is a Put or a delete, which writes all attributes there can be;
// otherwise next's value holds what the change set, and lacks what it removed.
func Rewrite(current Record, found bool, next Record, change *Change, f Frontiers) (Record, error) {
	a := attributes{floor: Record{Tombstone: true}}
	if found {
		var err error
		if a, err = expand(current); err != nil {
			return Record{}, err
		}
	}
	var parts []item.Part
	if !next.Tombstone {
		var err error
		if parts, err = item.Split(next.Value); err != nil {
			return Record{}, fmt.Errorf("%w: %w", ErrMalformed, err)
		}
	}
	w := rewriting{frontier: f.Current, next: next}
	w.next.Version.Time = latest
	if change == nil {
		w.all(&a, parts)
	} else {
		w.some(&a, parts, *change)
	}
	a.trim(f, latest)
	out, err := a.collapse(w.next)
	out.Version.Time, out.Sequence = next.Version.Time, 0
	return out, err
}

// latest stands for the time of a write that is not stamped yet.
const latest = ^hlc.Time(0)

// rewriting writes registers anew.
type rewriting struct {
	next     Record
	frontier hlc.Time
}

// over is the register that replaces one: without a value, and after all that
// this one had seen, itself, and the increments of it.
func (w *rewriting) over(r Record, adds []increment) Record {
	next := Record{Version: w.next.Version, Log: w.next.Log}
	context := join(r.Context, seenIncrements(adds))
	if !r.Version.IsZero() {
		context = join(context, []Seen{{Region: r.Version.Region, Log: r.Log, Version: r.Version}})
	}
	next.Context = TrimContext(next, context, w.frontier)
	return next
}

func (w *rewriting) all(a *attributes, parts []item.Part) {
	before := *a
	a.floor, a.deleted = w.over(before.floor, nil), w.next.Tombstone
	a.floor.Tombstone = true
	w.expire(a, before.timer())
	a.cells = make([]cell, 0, len(before.cells)+len(parts))
	for _, p := range parts {
		a.cells = append(a.cells, w.cell(before.cell(p.Name), p.Value))
	}
	for _, c := range before.cells {
		if _, kept := item.FindPart(parts, c.name); !kept {
			a.cells = append(a.cells, w.cell(c, nil))
		}
	}
	slices.SortFunc(a.cells, func(x, y cell) int { return strings.Compare(x.name, y.name) })
}

func (w *rewriting) some(a *attributes, parts []item.Part, change Change) {
	for _, name := range change.Attributes {
		var value []byte
		if i, ok := item.FindPart(parts, name); ok {
			value = parts[i].Value
		}
		a.set(w.cell(a.cell(name), value))
	}
	for _, add := range change.Adds {
		c := a.cell(add.Attribute)
		c.add(add.Amount, w.next.Version, w.next.Log)
		a.set(c)
	}
	if change.Expires {
		w.expire(a, a.timer())
	}
}

func (w *rewriting) expire(a *attributes, before Record) {
	a.timed, a.expires = true, w.over(before, nil)
	a.expires.Expires, a.expires.Tombstone = w.next.Expires, w.next.Expires == 0
}

// cell is a cell that is set to a value, or removed.
func (w *rewriting) cell(c cell, value []byte) cell {
	next := cell{name: c.name, base: w.over(c.base, c.adds), taken: joinIncrements(c.taken, c.adds)}
	next.base.Value, next.base.Tombstone = value, value == nil
	return next
}

func (a *attributes) set(c cell) {
	i, known := a.find(c.name)
	if !known {
		a.cells = slices.Insert(a.cells, i, c)
		return
	}
	a.cells = slices.Clone(a.cells)
	a.cells[i] = c
}

// Bury is the derived tombstone of a record (DATA 9): it takes the place of
// exactly this version, and loses to what was written later, attribute by
// attribute where the table merges so.
func Bury(r Record) (Record, error) {
	r.Sequence = 0
	if !r.ByAttribute {
		r.Context, r.Expired = nil, true
		return r, nil
	}
	a, err := expand(r)
	if err != nil {
		return Record{}, err
	}
	floor := Record{Version: r.Version, Log: r.Log, Tombstone: true, Expired: true}
	context := a.floor.Context
	include := func(x Record) {
		if !x.Version.IsZero() {
			context = join(join(context, x.Context), []Seen{{Region: x.Version.Region, Log: x.Log, Version: x.Version}})
		}
	}
	include(a.floor)
	include(a.timer())
	for _, c := range a.cells {
		include(c.base)
		context = join(context, seenIncrements(c.adds))
	}
	floor.Context = TrimContext(floor, context, 0)
	buried := attributes{floor: floor}
	return buried.collapse(r)
}
