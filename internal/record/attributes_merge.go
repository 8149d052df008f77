package record

import (
	"bytes"
	"maps"
	"slices"

	"github.com/meridian-run/meridian/internal/hlc"
)

// joining is the merge of two records attribute by attribute.
type joining struct {
	current, incoming attributes
	frontiers         Frontiers
	out               attributes
	receipts          map[Version]*attributes
}

// mergeAttributes merges each register of two records on its own (DATA 10). It
// fails only where a record's bytes are malformed.
func mergeAttributes(current, incoming Record, f Frontiers) (Merged, error) {
	j := joining{frontiers: f}
	var err error
	if j.current, err = expand(current); err != nil {
		return Merged{}, err
	}
	if j.incoming, err = expand(incoming); err != nil {
		return Merged{}, err
	}
	j.join()
	newest := current
	if current.Version.Compare(incoming.Version) < 0 {
		newest = incoming
	}
	newest.Sequence = current.Sequence
	j.out.trim(f, newest.Version.Time)
	out := Merged{}
	if out.Record, err = j.out.collapse(newest); err != nil {
		return Merged{}, err
	}
	before := current
	if j.current.trim(f, current.Version.Time) {
		if before, err = j.current.collapse(current); err != nil {
			return Merged{}, err
		}
	}
	out.Replaced = !sameItem(before, out.Record)
	out.Changed = out.Replaced || !sameState(before, out.Record)
	out.Receipts, err = j.collapseReceipts()
	return out, err
}

// sameItem reports whether readers and observers see the same.
func sameItem(a, b Record) bool {
	gone := func(r Record) bool { return r.Tombstone || r.Expired }
	return gone(a) == gone(b) && (gone(a) || a.Expires == b.Expires && bytes.Equal(a.Value, b.Value))
}

// sameState reports whether two records are stored as the same bytes.
func sameState(a, b Record) bool {
	return a.Version == b.Version && a.Log == b.Log && a.Tombstone == b.Tombstone && a.Expired == b.Expired && a.Expires == b.Expires &&
		slices.Equal(a.Context, b.Context) && bytes.Equal(a.Cells, b.Cells) && bytes.Equal(a.Value, b.Value)
}

func (j *joining) join() {
	a, b := &j.current, &j.incoming
	j.out.floor, _ = j.register(a.floor, b.floor)
	j.out.deleted = a.deleted
	if order := a.floor.Version.Compare(b.floor.Version); order < 0 || order == 0 && b.deleted {
		j.out.deleted = b.deleted
	}
	if a.timed || b.timed {
		j.out.timed = true
		j.out.expires, _ = j.register(a.timer(), b.timer())
	}
	j.out.cells = make([]cell, 0, max(len(a.cells), len(b.cells)))
	x, y := a.cells, b.cells
	for len(x) > 0 || len(y) > 0 {
		switch {
		case len(y) == 0 || len(x) > 0 && x[0].name < y[0].name:
			j.cell(x[0], cell{name: x[0].name, base: b.floor, onFloor: true})
			x = x[1:]
		case len(x) == 0 || y[0].name < x[0].name:
			j.cell(cell{name: y[0].name, base: a.floor, onFloor: true}, y[0])
			y = y[1:]
		default:
			j.cell(x[0], y[0])
			x, y = x[1:], y[1:]
		}
	}
}

// register merges two registers as two records of a plain table, and says
// whether the loser, if there is one, is to leave a receipt. One that was never
// written loses without a trace.
func (j *joining) register(current, incoming Record) (out Record, unseen bool) {
	switch {
	case current.Version == incoming.Version && current.Expired == incoming.Expired && len(current.Context)+len(incoming.Context) == 0,
		incoming.Version.IsZero():
		return current, false
	case current.Version.IsZero():
		return incoming, false
	}
	m := mergeWhole(current, incoming, j.frontiers)
	return m.Record, len(m.Receipts) > 0
}

// cell merges what two records hold of a name.
func (j *joining) cell(current, incoming cell) {
	out := cell{name: current.name}
	var unseen bool
	out.base, unseen = j.register(current.base, incoming.base)
	order := current.base.Version.Compare(incoming.base.Version)
	if order == 0 && current.base.Expired == incoming.base.Expired {
		out.adds = joinIncrements(current.adds, incoming.adds)
		out.taken = joinIncrements(current.taken, incoming.taken)
		j.out.cells = append(j.out.cells, out)
		return
	}
	winner, loser, frontier, floor, behind := current, incoming, j.frontiers.Current, &j.incoming, j.frontiers.Incoming
	if order < 0 || order == 0 && incoming.base.Expired {
		winner, loser, frontier, floor, behind = incoming, current, j.frontiers.Incoming, &j.current, j.frontiers.Current
	}
	out.adds = winner.adds
	out.taken = joinIncrements(winner.taken, loser.taken)
	for _, n := range loser.adds {
		if outlived(winner.base, loser.base, n, behind) {
			out.adds = joinIncrements(out.adds, []increment{n})
			continue
		}
		j.reset(&out, winner, n, frontier)
	}
	if unseen {
		j.lostBase(loser, floor)
	}
	j.out.cells = append(j.out.cells, out)
}

// outlived reports whether an increment was made after a removal that its own
// record shows no more: it was collected there, which that record's frontier, seen,
// has passed (DATA 7, 14).
func outlived(removal, base Record, n increment, seen hlc.Time) bool {
	at := removal.Version.Time
	return removal.Tombstone && base.Tombstone && at <= seen && n.first.Time > at
}

// lostBase keeps the receipt of a register. That a Put or a delete said nothing
// of an attribute is no loss where the attribute was written at the same time;
// that the item is there again after a delete is one, of the delete.
func (j *joining) lostBase(loser cell, of *attributes) {
	if !loser.base.Tombstone || loser.base.Version != of.floor.Version {
		base := *ReceiptOf(loser.base)
		r := j.receipt(base)
		r.cells = append(r.cells, cell{name: loser.name, base: base})
		return
	}
	if of.deleted {
		r := j.receipt(of.floor)
		r.floor, r.deleted = *ReceiptOf(of.floor), true
	}
}

// reset drops an increment under a value that was set since. What the writer of
// that value had not seen becomes a receipt (DATA 10).
func (j *joining) reset(out *cell, winner cell, n increment, frontier hlc.Time) {
	seen := judge(winner.base, n.record(), frontier)
	mark := n.seen(seen != known)
	out.base.Context = TrimContext(out.base, join(out.base.Context, []Seen{mark}), j.frontiers.Current)
	if seen == known {
		return
	}
	j.lostAdd(out.name, lost(n, winner.taken)) // though it be 0: an earlier part of it may not have been
}

// lostAdd keeps the receipt of an increment.
func (j *joining) lostAdd(name string, n increment) {
	r := j.receipt(Record{Version: n.first, Log: n.log})
	r.cells = append(r.cells, cell{name: name, base: r.floor, onFloor: true, adds: []increment{n}})
}

// receipt answers what is kept of the write of r's version: of all that one
// write lost in this merge (DATA 8).
func (j *joining) receipt(r Record) *attributes {
	if j.receipts == nil {
		j.receipts = map[Version]*attributes{}
	}
	known := j.receipts[r.Version]
	if known == nil {
		known = &attributes{floor: Record{Tombstone: true, Log: r.Log}}
		j.receipts[r.Version] = known
	}
	return known
}

func (j *joining) collapseReceipts() ([]Record, error) {
	var out []Record
	for _, version := range slices.SortedFunc(maps.Keys(j.receipts), Version.Compare) {
		a := j.receipts[version]
		log := a.floor.Log
		if a.floor.Version.IsZero() {
			a.floor.Log = 0
		}
		r, err := a.collapse(Record{Version: version, Log: log})
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// JoinReceipts is the receipt of a write of which two receipts were made. In a
// table that merges by attribute one write can lose its attributes one by one,
// here and there; what is kept of it is what any region found to be lost, and
// the same everywhere in the end. The joined receipt differs from a if changed.
func JoinReceipts(a, b Record) (joined Record, changed bool, err error) {
	if !a.ByAttribute && !b.ByAttribute {
		return a, false, nil
	}
	m, err := mergeAttributes(a, b, Frontiers{})
	return m.Record, m.Changed, err
}
