package sim

import (
	"fmt"

	"github.com/meridian-run/meridian/internal/record"
)

// write is one write of a client, as it truly happened.
type write struct {
	number  int
	key     record.Key
	region  string
	version record.Version
	log     record.LogID
	// over is what its writer saw under the key, and so all that came before
	// that; nil for nothing.
	over      *write
	value     string
	tombstone bool
	expires   int64
	// acked says that the client was told of success.
	acked bool
	// excused says that it may be lost: the only directories that held it are
	// gone, or are older copies now.
	excused bool
	// forgotten says that every region had applied it, a delete, and collected it,
	// and that one of them has lost that knowledge: who writes there has not seen
	// it, and nobody can make its receipt. What it deleted must not come back.
	forgotten bool
	// restated says that a primary stated it, not a client (DATA 20).
	restated bool
}

func (w *write) String() string {
	value := w.value
	if w.tombstone {
		value = "delete"
	}
	return fmt.Sprintf("write %d of %s (%s, %s, version %v)", w.number, name(w.key), w.region, value, w.version)
}

// saw reports whether a write's writer had seen x, or w is x.
func (w *write) saw(x *write) bool {
	for ; w != nil; w = w.over {
		if w == x {
			return true
		}
	}
	return false
}

// sameContent reports whether two writes say the same: that makes no receipt
// (DATA 8).
func (w *write) sameContent(x *write) bool {
	return w.tombstone == x.tombstone && w.value == x.value
}

// identity tells writes of one key apart. A time may come twice, if the first
// was lost unseen in a crash, but never under one log.
type identity struct {
	version record.Version
	log     record.LogID
}

// history is all writes of one key.
type history struct {
	key    record.Key
	writes []*write
	by     map[identity]*write
}

// oracle knows what truly happened.
type oracle struct {
	numbers int
	keys    map[string]*history
	order   []*history // in the order of their first writes
	merged  map[string]*items
}

func newOracle() *oracle { return &oracle{keys: map[string]*history{}, merged: map[string]*items{}} }

// name is a key as scripts have it: table/partition.
func name(k record.Key) string { return fmt.Sprintf("%d/%s", uint64(k.Table), k.Partition) }

func (o *oracle) history(k record.Key) *history {
	h := o.keys[name(k)]
	if h == nil {
		h = &history{key: k, by: map[identity]*write{}}
		o.keys[name(k)] = h
		o.order = append(o.order, h)
	}
	return h
}

// wrote notes a write that is visible in its region.
func (o *oracle) wrote(w *write) *write {
	o.numbers++
	w.number = o.numbers
	h := o.history(w.key)
	h.writes = append(h.writes, w)
	h.by[identity{w.version, w.log}] = w
	return w
}

// of answers the write that a record comes from; nil if nobody made it.
func (o *oracle) of(k record.Key, r record.Record) *write {
	h := o.keys[name(k)]
	if h == nil {
		return nil
	}
	return h.by[identity{r.Version, r.Log}]
}

// accounted answers which of a key's writes are not lost: the current one, those
// that have a receipt or lost to one that says the same, and whatever these
// replaced knowingly.
func (h *history) accounted(current *write, receipts map[identity]bool) map[*write]bool {
	done := map[*write]bool{}
	add := func(w *write) {
		for ; w != nil && !done[w]; w = w.over {
			done[w] = true
		}
	}
	add(current)
	for _, x := range h.writes {
		if receipts[identity{x.version, x.log}] || h.equalWon(x) {
			add(x)
		}
	}
	return done
}

// lost answers an acknowledged write that is not accounted for; nil if all are.
func (h *history) lost(current *write, receipts map[identity]bool) *write {
	accounted := h.accounted(current, receipts)
	for _, w := range h.writes {
		if !w.acked || w.excused || accounted[w] {
			continue
		}
		if !w.forgotten || current != nil && w.saw(current) {
			return w
		}
	}
	return nil
}

// equalWon reports whether a write may have lost, unseen, to one that says the
// same.
func (h *history) equalWon(w *write) bool {
	for _, x := range h.writes {
		if (x.acked || x.restated) && x.version.Compare(w.version) > 0 && x.sameContent(w) && !x.saw(w) {
			return true
		}
	}
	return false
}

// concurrent reports whether a write can have lost to one that had not seen it.
func (h *history) concurrent(w *write) bool {
	for _, x := range h.writes {
		if x.version.Compare(w.version) > 0 && !x.saw(w) {
			return true
		}
	}
	return false
}
