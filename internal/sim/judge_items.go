package sim

import (
	"math/big"

	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/record"
)

// keptIn reads what a region has of a key that is merged by attribute.
func (h *items) keptIn(r kv.Reader) *kept {
	current, found := find(r, h.key)
	var list []record.Record
	for _, x := range receipts(r, h.key.Table) {
		if name(x.key) == name(h.key) {
			list = append(list, x.record)
		}
	}
	return h.kept(current, found, list)
}

// judgeItems wants every acknowledged edit of a table to be there, attribute by
// attribute, or to have a receipt; every increment once (DATA 10).
func (w *World) judgeItems(n *node, id record.TableID) {
	for _, at := range sortedKeys(w.oracle.merged) {
		h := w.oracle.merged[at]
		if h.key.Table != id {
			continue
		}
		k := h.keptIn(n.disk.engine)
		if k.bad != "" && !w.rewound {
			w.fail("invented", "%s: %s", plain(h.key), k.bad)
		}
		if lost, what := h.missing(k); lost != nil {
			r, _ := find(n.disk.engine, h.key)
			now, _ := w.shown(h.key, r) // it was read before
			w.fail("lost", "%s in %v: there are %q in version %v and no receipt", what, lost, now, r.Version)
		}
		if twice := new(big.Int).And(k.counts, k.lost); twice.Sign() != 0 && !w.rewound {
			w.fail("receipts", "%s: increments %v are counted, and have a receipt", plain(h.key), twice)
		}
	}
}

// excuseItems notes which acknowledged edits no directory holds any more.
func (w *World) excuseItems() {
	for _, at := range sortedKeys(w.oracle.merged) {
		h := w.oracle.merged[at]
		var all []*kept
		for _, n := range w.living() {
			all = append(all, h.keptIn(n.disk.engine.Synced()))
		}
		for _, e := range h.edits {
			if e.acked && !e.excused && !h.heldByOne(all, e) {
				e.excused = true
				w.count("excused")
				w.trace.line(w.now, "oracle", "nobody holds all of %v any more", e)
			}
		}
	}
}

// heldByOne reports whether one directory has all of an edit.
func (h *items) heldByOne(all []*kept, e *edit) bool {
	only := &items{key: h.key, edits: []*edit{e}, by: h.by}
	for _, k := range all {
		safe := *k
		safe.counts = new(big.Int).Or(k.counts, h.taken())
		if lost, _ := only.missing(&safe); lost == nil {
			return true
		}
	}
	return false
}
