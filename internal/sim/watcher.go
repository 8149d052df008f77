package sim

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/replicate"
	"github.com/meridian-run/meridian/internal/store"
)

// watcher is what is remembered of a region to judge each step that it takes.
type watcher struct {
	// exposed is what has left the region: of each key, the highest version that
	// a peer, a reader or a writer was told of. No crash may undo it (DATA 3).
	exposed map[string]record.Version
	// acked is how far the region has told each peer that it has applied its log.
	acked map[string]replicate.Cursor
	// model is what the observer has been told, by key: nil for nothing.
	model map[string]*record.Record
	// gone has the deletes that were collected here.
	gone map[string]*write
	// images follows the image logs.
	images map[record.TableID]*imaged
	// held is the last that is known to be under a key of a table with a primary.
	held      map[string]*write
	conflicts int
}

func newWatcher() watcher {
	return watcher{
		exposed: map[string]record.Version{}, acked: map[string]replicate.Cursor{},
		model: map[string]*record.Record{}, gone: map[string]*write{}, held: map[string]*write{}, images: map[record.TableID]*imaged{},
	}
}

// expose notes that a version has left the region.
func (n *node) expose(k record.Key, v record.Version) {
	if at := name(k); n.exposed[at].Compare(v) < 0 {
		n.exposed[at] = v
	}
}

// conflict is told of each receipt.
func (n *node) conflict(record.TableID) { n.conflicts++; n.world.count("conflicts") }

// Observe implements store.Observer: each change has effect once, on what was
// there before (DATA 11). It keeps the indexes.
func (n *node) Observe(c store.Change, into *store.Writes) error {
	at := name(c.Key)
	if before := n.model[at]; !sameValue(before, c.Old) {
		n.world.fail("effect once", "%s: a change of %s goes from %s, the one before went to %s", n.name, at, show(c.Old), show(before))
	}
	n.dies(c)
	if c.Old != nil && c.New != nil && c.Cause == store.Applied && !n.rises(c) {
		n.world.fail("versions", "%s: %s goes back from %v to %v", n.name, at, c.Old.Version, c.New.Version)
	}
	reindex(c, into)
	if c.New == nil {
		delete(n.model, at)
		return nil
	}
	n.model[at] = &record.Record{Version: c.New.Version, Value: bytes.Clone(c.New.Value)}
	return nil
}

// rises reports whether a change that was applied raises the version. A merge by
// attribute may bring an older write in beside a newer one.
func (n *node) rises(c store.Change) bool {
	order := c.New.Version.Compare(c.Old.Version)
	return order > 0 || order == 0 && n.world.merging(c.Key.Table)
}

func sameValue(a, b *record.Record) bool {
	if a == nil || b == nil {
		return a == b
	}
	return bytes.Equal(a.Value, b.Value)
}

func show(r *record.Record) string {
	if r == nil {
		return "nothing"
	}
	return fmt.Sprintf("%q", r.Value)
}

// leaves judges a message before it leaves the region.
func (n *node) leaves(e *end, raw []byte) {
	n.resident(e.peer(), raw)
	m, err := replicate.Parse(raw)
	if err != nil {
		n.world.fail("protocol", "%s sends to %s what cannot be read: %v", n.name, e.peer(), err)
		return
	}
	switch m := m.(type) {
	case *replicate.Frame:
		for _, x := range m.Records {
			n.ships(e.peer(), x)
		}
	case *replicate.Ack:
		n.acked[e.peer()] = m.Cursor
	}
}

// ships judges one record on its way out.
func (n *node) ships(peer string, x replicate.Shipped) {
	if x.Kind == record.KindFloor {
		return
	}
	r, err := record.Parse(x.Record)
	if err != nil {
		n.world.fail("protocol", "%s ships a record of %s that cannot be read: %v", n.name, name(x.Key), err)
		return
	}
	if x.Kind == record.KindReceipt {
		n.shipsReceipt(peer, held{x.Key, r})
		return
	}
	now, found := find(n.disk.engine.Synced(), x.Key)
	if found && now.Version.Compare(r.Version) < 0 {
		n.world.fail("durable", "%s ships %s in version %v to %s, and has only %v on its disk", n.name, name(x.Key), r.Version, peer, now.Version)
	}
	if !found && !r.Tombstone && !r.Expired && n.gone[name(x.Key)] == nil {
		n.world.fail("durable", "%s ships %s in version %v to %s, and has nothing on its disk", n.name, name(x.Key), r.Version, peer)
	}
	n.expose(x.Key, r.Version)
}

// shipsReceipt judges a receipt on its way out.
func (n *node) shipsReceipt(peer string, x held) {
	for _, y := range receipts(n.disk.engine.Synced(), x.key.Table) {
		if byKey(x, y) == 0 {
			return
		}
	}
	n.world.fail("durable", "%s ships the receipt of %s in version %v to %s, and does not have it on its disk", n.name, plain(x.key), x.record.Version, peer)
}

// resident judges whether a message holds a word of a table that the peer must
// not have (DATA 22): every key and value names its table.
func (n *node) resident(peer string, raw []byte) {
	p := n.world.node(peer)
	for _, id := range slices.Sorted(maps.Keys(n.world.tables)) {
		if bytes.Contains(raw, mark(id)) && !n.world.everHeld[held2{id, p.id}] {
			n.world.fail("residency", "%s sends to %s something of table %d", n.name, peer, id)
		}
	}
}

// mark is a word that every key and value of a table contains.
func mark(id record.TableID) []byte { return fmt.Appendf(nil, "§%d§", uint64(id)) }

// reopened compares what a start finds on the disk with what has left the region,
// and makes the observer's model anew.
func (n *node) reopened() {
	n.model = map[string]*record.Record{}
	found := map[string]record.Version{}
	for _, id := range slices.Sorted(maps.Keys(n.world.tables)) {
		for _, h := range records(n.disk.engine, id) {
			found[name(h.key)] = h.record.Version
			if !h.record.Tombstone && !h.record.Expired {
				n.model[name(h.key)] = &record.Record{Version: h.record.Version, Value: h.record.Value}
			}
		}
	}
	for _, at := range slices.Sorted(maps.Keys(n.exposed)) {
		w, collected := n.gone[at], false
		if w != nil && w.version.Compare(n.exposed[at]) >= 0 {
			collected = true
		}
		if v, ok := found[at]; (!ok || v.Compare(n.exposed[at]) < 0) && !collected {
			n.world.fail("crash", "%s has told of %s in version %v, and after its crash it has %v", n.name, at, n.exposed[at], v)
		}
	}
	for _, peer := range slices.Sorted(maps.Keys(n.acked)) {
		c, _ := n.store.Cursor(n.world.node(peer).id)
		if c.Version.Compare(n.acked[peer].Version) < 0 {
			n.world.fail("crash", "%s has acknowledged %s up to %v, and after its crash it is at %v", n.name, peer, n.acked[peer].Version, c.Version)
		}
	}
	n.checkIndex()
}

// collectable are the deletes that a collection may remove.
func (n *node) collectable() []held {
	var list []held
	for _, id := range slices.Sorted(maps.Keys(n.world.tables)) {
		for _, h := range records(n.disk.engine, id) {
			if h.record.Tombstone || h.record.Expired {
				list = append(list, h)
			}
		}
	}
	return list
}

// collected notes which of them it has removed: whoever writes the key next has
// seen them.
func (n *node) collected(before []held) {
	for _, h := range before {
		if _, still := find(n.disk.engine, h.key); !still {
			w := n.world.oracle.of(h.key, h.record)
			if n.world.merging(h.key.Table) {
				w = &write{key: h.key, version: h.record.Version}
			}
			n.gone[name(h.key)] = w
			n.world.count("collected")
		}
	}
}

// deleted answers the delete that a writer sees where there is nothing: it was
// collected here, or before this region got its copy of the table, which then has
// the frontier that let the delete go (DATA 7).
func (n *node) deleted(k record.Key) *write {
	last := n.gone[name(k)]
	collected := slices.Clone(n.world.dropped[name(k)])
	for _, m := range n.world.nodes {
		collected = append(collected, m.gone[name(k)])
	}
	for _, w := range collected {
		if w != nil && w.version.Time <= n.store.Frontier(k.Table) && (last == nil || last.version.Compare(w.version) < 0) {
			last = w
		}
	}
	return last
}

// ended forgets what only holds for one life.
func (n *node) ended() { n.closed = map[record.TableID]store.Cursor{} }

// forgetTable forgets what a region had of a table that it lost on purpose.
func (n *node) forgetTable(id record.TableID) {
	prefix := fmt.Sprintf("%d/", uint64(id))
	match := func(at string) bool { return len(at) > len(prefix) && at[:len(prefix)] == prefix }
	maps.DeleteFunc(n.exposed, func(at string, _ record.Version) bool { return match(at) })
	maps.DeleteFunc(n.model, func(at string, _ *record.Record) bool { return match(at) })
	maps.DeleteFunc(n.gone, func(at string, w *write) bool {
		if match(at) && w != nil {
			n.world.dropped[at] = append(n.world.dropped[at], w)
		}
		return match(at)
	})
	delete(n.images, id)
}

// copied makes what is remembered of a region that of an older copy of its
// directory.
func (n *node) rewound(gone map[string]*write) {
	n.exposed, n.acked, n.gone = map[string]record.Version{}, map[string]replicate.Cursor{}, maps.Clone(gone)
	if n.gone == nil {
		n.gone = map[string]*write{}
	}
}

// describe is a message for the trace.
func describe(raw []byte) string {
	m, err := replicate.Parse(raw)
	if err != nil {
		return err.Error()
	}
	switch m := m.(type) {
	case *replicate.Frame:
		return fmt.Sprintf("frame %v..%v, %d records, sum %x", m.From, m.To, len(m.Records), sum(raw))
	case *replicate.Ack:
		return fmt.Sprintf("ack %v, %d bytes", m.Cursor, m.Bytes)
	}
	return fmt.Sprintf("%T, sum %x", m, sum(raw))
}
