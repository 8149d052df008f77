package sim

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/table"
)

const (
	// settleMax is how long a healed world may take to come to rest: longer than
	// the furthest that a clock was ahead, and a dozen rounds of beats.
	settleMax = 3 * time.Minute
	// settleStep is how often it is looked at.
	settleStep = time.Second
)

// settle mends everything, waits until the world has come to rest, and judges
// it.
func (w *World) settle() {
	if w.failure != nil {
		return
	}
	w.trace.line(w.now, "world", "all is mended")
	w.mendAll()
	w.step()
	begin, restless := w.now, ""
	for rests := 0; rests < 2; {
		w.run(w.now + settleStep)
		if w.failure != nil {
			return
		}
		if restless = w.restless(); restless == "" {
			rests++
			continue
		}
		rests = 0
		if w.now-begin > settleMax {
			w.fail("rest", "%v after all was mended: %s", settleMax, restless)
			return
		}
	}
	w.judge()
}

// receiptsTravel says that regions send each other their receipts.
const receiptsTravel = true

// restless says what has not come to rest yet; empty if all has.
func (w *World) restless() string {
	for _, n := range w.living() {
		if !n.up || n.frozen {
			return n.name + " does not run"
		}
		if n.state != w.control.last.revision {
			return fmt.Sprintf("%s knows control revision %d of %d", n.name, n.state, w.control.last.revision)
		}
		if !n.serves() {
			return n.name + " is not ready: " + n.replica.Waiting()
		}
		if len(n.waiting) > 0 {
			return fmt.Sprintf("%s has not answered %d calls", n.name, len(n.waiting))
		}
	}
	for _, c := range w.control.last.closing {
		if !c.gone {
			return c.Name + " is not gone"
		}
	}
	for _, t := range w.control.last.tables {
		if len(t.Leaving) > 0 {
			return fmt.Sprintf("region %d has not left table %d", t.Leaving[0].ID, t.ID)
		}
		for _, r := range t.Replicas {
			if !r.Complete() {
				return fmt.Sprintf("%s has not copied table %d", r.Region, t.ID)
			}
		}
		if why := w.differs(t.ID, t.Regions()); why != "" {
			return why
		}
		if why := w.unindexed(t); why != "" {
			return why
		}
	}
	return ""
}

// differs says where regions differ about a table, or what of it the frontier has
// not let go.
func (w *World) differs(id record.TableID, regions []string) string {
	var first []held
	var receipted []held
	regions = slices.DeleteFunc(regions, func(name string) bool { return w.node(name).dead })
	for i, name := range regions {
		n := w.node(name)
		list, kept := records(n.disk.engine, id), receipts(n.disk.engine, id)
		for _, h := range list {
			if (h.record.Tombstone || h.record.Expired) && len(w.living()) == len(w.nodes) {
				return fmt.Sprintf("%s keeps the tombstone of %s, version %v", n.name, plain(h.key), h.record.Version)
			}
		}
		if i == 0 {
			first, receipted = list, kept
			continue
		}
		if why := difference(first, list); why != "" {
			return fmt.Sprintf("%s and %s differ: %s", regions[0], n.name, why)
		}
		if why := difference(receipted, kept); why != "" && receiptsTravel {
			return fmt.Sprintf("%s and %s differ in receipts: %s", regions[0], n.name, why)
		}
	}
	return ""
}

// difference compares what two regions hold; contexts and local sequences do not
// count.
func difference(a, b []held) string {
	for len(a) > 0 && len(b) > 0 {
		switch order := byKey(a[0], b[0]); {
		case order < 0:
			return fmt.Sprintf("only the first has %s, version %v", plain(a[0].key), a[0].record.Version)
		case order > 0:
			return fmt.Sprintf("only the second has %s, version %v", plain(b[0].key), b[0].record.Version)
		}
		x, y := a[0].record, b[0].record
		if x.Log != y.Log || x.Tombstone != y.Tombstone || x.Expired != y.Expired || x.Expires != y.Expires || !bytes.Equal(x.Value, y.Value) {
			return fmt.Sprintf("%s, version %v, is not the same", plain(a[0].key), x.Version)
		}
		a, b = a[1:], b[1:]
	}
	for _, h := range slices.Concat(a, b) {
		return fmt.Sprintf("only one has %s, version %v", plain(h.key), h.record.Version)
	}
	return ""
}

// plain is a key as scripts have it.
func plain(k record.Key) string {
	return fmt.Sprintf("%d/%s", uint64(k.Table), strings.TrimPrefix(string(k.Partition), string(mark(k.Table))))
}

// judge holds the world at rest to the true history.
func (w *World) judge() {
	for _, t := range w.control.last.tables {
		n := w.firstOf(t)
		if n == nil {
			continue
		}
		if w.merging(t.ID) {
			w.judgeItems(n, t.ID)
			continue
		}
		current := map[string]record.Record{}
		for _, h := range records(n.disk.engine, t.ID) {
			current[name(h.key)] = h.record
		}
		kept := map[string]map[identity]bool{}
		for _, region := range t.Regions() {
			for _, x := range receipts(w.node(region).disk.engine, t.ID) {
				at := name(x.key)
				if kept[at] == nil {
					kept[at] = map[identity]bool{}
				}
				kept[at][identity{x.record.Version, x.record.Log}] = true
				w.judgeReceipt(x)
			}
		}
		for _, h := range w.oracle.order {
			if h.key.Table == t.ID {
				at := name(h.key)
				r, found := current[at]
				w.judgeKey(h, r, found && !r.Tombstone && !r.Expired, kept[at])
			}
		}
	}
	for _, n := range w.living() {
		n.checkIndex()
		n.checkModel()
		n.checkImages()
	}
}

// living are the regions that have not died for good.
func (w *World) living() []*node {
	return slices.DeleteFunc(slices.Clone(w.nodes), func(n *node) bool { return n.dead })
}

// firstOf is a living region that holds a table; nil if there is none.
func (w *World) firstOf(t table.Table) *node {
	for _, name := range t.Regions() {
		if n := w.node(name); !n.dead {
			return n
		}
	}
	return nil
}

// judgeReceipt wants a receipt to be of a write that truly lost unseen (DATA 8).
func (w *World) judgeReceipt(x held) {
	wrote := w.oracle.of(x.key, x.record)
	switch {
	case wrote == nil:
		w.fail("invented", "a receipt of %s in version %v, which nobody wrote", plain(x.key), x.record.Version)
	case !w.oracle.history(x.key).concurrent(wrote) && !w.rewound:
		w.fail("receipts", "a receipt of %v, and whoever wrote over it had seen it", wrote)
	}
}

// judgeKey wants every acknowledged write of a key to be accounted for.
func (w *World) judgeKey(h *history, r record.Record, found bool, kept map[identity]bool) {
	if found {
		current := w.oracle.of(h.key, r)
		if current == nil {
			w.fail("invented", "%s has version %v, which nobody wrote", plain(h.key), r.Version)
			return
		}
		if string(r.Value) != current.value {
			w.fail("invented", "%s has %q, and was written as %v", plain(h.key), r.Value, current)
		}
		if lost := h.lost(current, kept); lost != nil {
			w.fail("lost", "%v: the current one is %v, and there is no receipt", lost, current)
		}
		return
	}
	// Nothing is there: some delete, or an expiry, must have been the last word.
	lost := h.lost(nil, kept)
	if lost == nil {
		return
	}
	for _, last := range h.writes {
		if (last.tombstone || last.expires > 0) && h.lost(last, kept) == nil {
			return
		}
	}
	w.fail("lost", "%v: nothing is there now, and no delete explains it", lost)
}

// checkModel compares what the observer was told with what is there.
func (n *node) checkModel() {
	there := map[string]bool{}
	for _, id := range slices.Sorted(maps.Keys(n.world.tables)) {
		for _, h := range records(n.disk.engine, id) {
			if h.record.Tombstone || h.record.Expired {
				continue
			}
			at := name(h.key)
			there[at] = true
			if m := n.model[at]; m == nil || !bytes.Equal(m.Value, h.record.Value) {
				n.world.fail("effect once", "%s: the observer was told of %s for %s, which is %q", n.name, show(m), plain(h.key), h.record.Value)
			}
		}
	}
	for _, at := range slices.Sorted(maps.Keys(n.model)) {
		if !there[at] {
			n.world.fail("effect once", "%s: the observer was not told that %s is gone", n.name, at)
		}
	}
}
