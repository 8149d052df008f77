package record

import (
	"fmt"
	"slices"
	"strings"

	"github.com/meridian-run/meridian/internal/hlc"
	"github.com/meridian-run/meridian/internal/item"
)

// A record that is merged by attribute is one register for each name that an
// attribute can have. A register is a small record: a value or a tombstone, its
// version, log and context, and it is merged as a record of a plain table is.
// What an item is joined from is therefore as commutative, associative and
// idempotent as that.
//
// Of the endless many registers only those are kept that differ from the floor:
// the item-level write, a Put or a delete, which wrote all of them at once. The
// expiry is a register, too. A register that counts has increments beside it
// (counter.go).
type attributes struct {
	// floor is what every name holds that is not among cells: a tombstone with
	// the version of the latest Put or delete, or with none. Its Expired bit says
	// that it also takes the place of what has its very version (Bury).
	floor Record
	// deleted says that the floor was a delete, not a Put.
	deleted bool
	// expires is the register of the time to live, if timed; otherwise that is
	// the floor's. Its Expired bit is the expiry of the item (DATA 9).
	expires Record
	timed   bool
	// cells is sorted by name.
	cells []cell
}

// cell is the register of one name.
type cell struct {
	name string
	// base is the register; the floor's if onFloor, which only counters are.
	base    Record
	onFloor bool
	// adds are the increments made since base was written, and taken those that
	// its writer found and replaced; both sorted by region and log.
	adds, taken []increment
}

// counts reports whether the cell has what only counters have.
func (c *cell) counts() bool { return len(c.adds)+len(c.taken) > 0 }

// live reports whether the attribute is there.
func (c *cell) live() bool { return !c.base.Tombstone || len(c.adds) > 0 }

// find answers the place of a name among the cells.
func (a *attributes) find(name string) (int, bool) {
	return slices.BinarySearchFunc(a.cells, name, func(c cell, name string) int { return strings.Compare(c.name, name) })
}

// cell answers what a name holds, the floor if it has no cell.
func (a *attributes) cell(name string) cell {
	if i, ok := a.find(name); ok {
		return a.cells[i]
	}
	return cell{name: name, base: a.floor, onFloor: true}
}

// timer is the register of the time to live.
func (a *attributes) timer() Record {
	if a.timed {
		return a.expires
	}
	r := a.floor
	r.Expired = false // a floor's bit is no expiry
	return r
}

// expand takes a record apart. A record without cells, and one of a plain table,
// is a Put or a delete of its own version.
func expand(r Record) (attributes, error) {
	var parts []item.Part
	if !r.Tombstone {
		var err error
		if parts, err = item.Split(r.Value); err != nil {
			return attributes{}, fmt.Errorf("%w: %w", ErrMalformed, err)
		}
	}
	if r.Cells != nil {
		return parseCells(r, parts)
	}
	own := Record{Version: r.Version, Log: r.Log, Context: r.Context}
	a := attributes{floor: own, deleted: r.Tombstone, expires: own, timed: r.Expires != 0 || r.Expired}
	a.floor.Tombstone = true
	a.expires.Expires, a.expires.Tombstone, a.expires.Expired = r.Expires, r.Expires == 0, r.Expired
	a.cells = make([]cell, len(parts))
	for i, p := range parts {
		a.cells[i] = cell{name: p.Name, base: own}
		a.cells[i].base.Value = p.Value
	}
	return a, nil
}

// collapse is the record of a, with the version and log of r; it also takes over
// r's sequence.
func (a *attributes) collapse(r Record) (Record, error) {
	out := Record{Version: r.Version, Log: r.Log, Sequence: r.Sequence, ByAttribute: true}
	parts := make([]item.Part, 0, len(a.cells))
	for i := range a.cells {
		c := &a.cells[i]
		if !c.live() {
			continue
		}
		p := item.Part{Name: c.name, Value: c.base.Value}
		if len(c.adds) > 0 {
			var err error
			if p.Value, err = c.counted(); err != nil {
				return Record{}, err
			}
		}
		parts = append(parts, p)
	}
	out.Tombstone = len(parts) == 0
	if !out.Tombstone {
		var err error
		if out.Value, err = item.Join(make([]byte, 0, len(r.Value)+64), parts); err != nil {
			return Record{}, fmt.Errorf("%w: %w", ErrMalformed, err)
		}
	}
	if a.timed {
		out.Expires, out.Expired = a.expires.Expires, a.expires.Expired
	}
	if a.plain(out) {
		out.Context = a.floor.Context
		return out, nil
	}
	appendCells(&out, a)
	return out, nil
}

// plain reports whether one Put or delete, of r's version, wrote everything.
func (a *attributes) plain(r Record) bool {
	own := func(x Record) bool {
		return x.Version == r.Version && slices.Equal(x.Context, a.floor.Context)
	}
	if !own(a.floor) || a.floor.Expired || a.deleted != r.Tombstone || a.timed && !own(a.expires) {
		return false
	}
	return !slices.ContainsFunc(a.cells, func(c cell) bool {
		return c.base.Tombstone || c.onFloor || c.counts() || !own(c.base)
	})
}

// trim drops what the frontiers have passed: contexts at or below Current, and
// what was removed at or below Reached, which no older value can follow any more.
// It also drops what says no more than the floor. at is the time of the record's
// version. It answers whether anything went.
func (a *attributes) trim(f Frontiers, at hlc.Time) (trimmed bool) {
	shorten := func(r *Record) {
		before := len(r.Context)
		r.Context = TrimContext(*r, slices.Clone(r.Context), f.Current)
		trimmed = trimmed || len(r.Context) < before
	}
	shorten(&a.floor)
	shorten(&a.expires)
	if a.timed && a.expires.Tombstone && !a.expires.Expired && a.idle(a.expires, f.Reached, at) {
		a.timed, a.expires, trimmed = false, Record{}, true
	}
	for i := range a.cells {
		c := &a.cells[i]
		shorten(&c.base)
		if len(c.taken) > 0 && c.base.Version.Time <= f.Reached {
			c.taken, trimmed = nil, true
		}
	}
	before := len(a.cells)
	a.cells = slices.DeleteFunc(a.cells, func(c cell) bool {
		return c.base.Tombstone && !c.counts() && a.idle(c.base, f.Reached, at)
	})
	for i := range a.cells {
		c := &a.cells[i]
		c.onFloor = c.base.Tombstone && a.isFloor(c.base)
	}
	return trimmed || len(a.cells) < before
}

// idle reports whether a tombstone is needed no more. A derived one (Retire)
// came with a later write of the record, and goes when that has been everywhere.
func (a *attributes) idle(r Record, reached, at hlc.Time) bool {
	if r.Expired {
		return a.isFloor(r) || at <= reached
	}
	return a.isFloor(r) || r.Version.Time <= reached
}

func (a *attributes) isFloor(r Record) bool {
	return r.Version == a.floor.Version && r.Expired == a.floor.Expired && slices.Equal(r.Context, a.floor.Context)
}

// Trim answers r as the frontiers leave it: contexts, and in a record that is
// merged by attribute what was removed, go where they are passed (DATA 7, 14).
// Two copies of a record are equal if they are once both are trimmed to one
// frontier.
func Trim(r Record, f Frontiers) (Record, error) {
	if !r.ByAttribute {
		r.Context = TrimContext(r, slices.Clone(r.Context), f.Current)
		return r, nil
	}
	a, err := expand(r)
	if err != nil {
		return Record{}, err
	}
	a.trim(f, r.Version.Time)
	return a.collapse(r)
}
