package sim

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
)

// commands are what a script can do to the world. An error is a mistake of the
// script, or an expectation that does not hold; what a region refuses is traced.
var commands map[string]func(*World, Command) error

func init() { // a variable's initialiser could not refer to itself
	commands = map[string]func(*World, Command) error{
		"put":    client((*node).put),
		"delete": client((*node).delete),
		"create": client((*node).create),
		"swap":   client((*node).swap),
		"txn":    client((*node).txn),
		"update": client((*node).edit),
		"get":    client((*node).get),
		"fill":   client((*node).fill),

		"crash":   fault((*node).crashNow),
		"die":     fault((*node).die),
		"stop":    fault((*node).stopNow),
		"start":   fault((*node).startNow),
		"copy":    fault((*node).copyDisk),
		"restore": fault((*node).restoreDisk),
		"lose":    fault((*node).loseDisk),
		"fail":    fault((*node).failDisk),
		"mend":    fault((*node).mendDisk),
		"slow":    fault((*node).slowDisk),
		"step":    fault((*node).stepClock),
		"drift":   fault((*node).driftClock),
		"set":     fault((*node).setClock),
		"apart":   fault((*node).setApart),
		"reached": fault((*node).setReached),
		"collect": fault((*node).collectNow),

		"cut":     cuts((*network).cut, true),
		"cutway":  cuts((*network).cut, false),
		"heal":    cuts((*network).heal, true),
		"healway": cuts((*network).heal, false),
		"reset":   resets,

		"give": replicasOf((*authority).addReplica),
		"take": replicasOf((*authority).removeReplica),

		"index":   indexes((*authority).addIndex),
		"unindex": indexes((*authority).removeIndex),
		"ttl":     indexes((*authority).setTTL),

		"promote": promote,
		"remove":  remove,

		"settle": func(w *World, _ Command) error { w.settle(); return nil },
		"expect": expect,
	}
}

// client makes a command of an operation of a client at a region.
func client(do func(*node, Command) error) func(*World, Command) error {
	return func(w *World, c Command) error {
		n := w.node(c.arg(0))
		if n == nil {
			return fmt.Errorf("no region is called %q", c.arg(0))
		}
		w.count(c.Name)
		if !n.serves() {
			n.line("serves nobody now")
			return nil
		}
		return do(n, c)
	}
}

// fault makes a command of something that happens to a region.
func fault(do func(*node, Command) error) func(*World, Command) error {
	return func(w *World, c Command) error {
		n := w.node(c.arg(0))
		if n == nil {
			return fmt.Errorf("no region is called %q", c.arg(0))
		}
		w.count(c.Name)
		err := do(n, c)
		n.touch()
		return err
	}
}

func cuts(do func(*network, string, string), both bool) func(*World, Command) error {
	return func(w *World, c Command) error {
		w.count(c.Name)
		from, to := []string{c.arg(0)}, c.Args[1:]
		if c.arg(0) == "all" {
			from, to = nil, nil
			for _, n := range w.nodes {
				from, to = append(from, n.name), append(to, n.name)
			}
		}
		if c.arg(1) == "all" {
			to = nil
			for _, n := range w.nodes {
				to = append(to, n.name)
			}
		}
		for _, a := range from {
			for _, b := range to {
				if a == b {
					continue
				}
				do(w.network, a, b)
				if both {
					do(w.network, b, a)
				}
			}
		}
		return nil
	}
}

func resets(w *World, c Command) error {
	w.count(c.Name)
	for _, s := range w.network.between(c.arg(0), c.arg(1)) {
		s.reset()
	}
	return nil
}

func replicasOf(do func(*authority, record.TableID, string) error) func(*World, Command) error {
	return func(w *World, c Command) error {
		id, err := strconv.ParseUint(c.arg(0), 10, 64)
		n := w.node(c.arg(1))
		if err != nil || n == nil {
			return fmt.Errorf("want a table and a region")
		}
		w.count(c.Name)
		if do(w.control, record.TableID(id), n.name) == nil && c.Name == "give" {
			w.everHeld[held2{record.TableID(id), n.id}] = true
		}
		return nil // a refusal is traced
	}
}

// key reads table/partition.
func (w *World) key(text string) (record.Key, error) {
	table, partition, ok := strings.Cut(text, "/")
	id, err := strconv.ParseUint(table, 10, 64)
	if !ok || err != nil {
		return record.Key{}, fmt.Errorf("%q is not TABLE/KEY", text)
	}
	return record.Key{Table: record.TableID(id), Partition: append(mark(record.TableID(id)), partition...)}, nil
}

// serves reports whether clients are sent to the region.
func (n *node) serves() bool {
	if !n.up {
		return false
	}
	select {
	case <-n.replica.Ready():
		return true
	default:
		return false
	}
}

// offers reports whether the region serves a table, as far as it knows: not one
// that it still copies.
func (n *node) offers(id record.TableID) bool {
	t, there := n.world.control.states[n.applied].table(id)
	own, leaving, held := t.Holder(n.id)
	return there && held && !leaving && own.Complete()
}

var errCondition = errors.New("the condition does not hold")

// op is one key of an update: a value, or a delete.
type op struct {
	key     record.Key
	value   string
	remove  bool
	expires time.Duration
	// want is the condition: "" none, "there" or "absent".
	want string
	// edit is what an update does to an item of a table that merges by attribute;
	// update makes one of a value, too.
	edit *edit
}

func (n *node) put(c Command) error {
	k, err := n.world.key(c.arg(1))
	if err != nil {
		return err
	}
	o := op{key: k, value: c.arg(2)}
	if len(c.Args) > 3 {
		if o.expires, err = c.duration(3); err != nil {
			return err
		}
	}
	return n.write(c, []op{o})
}

func (n *node) delete(c Command) error {
	k, err := n.world.key(c.arg(1))
	if err != nil {
		return err
	}
	return n.write(c, []op{{key: k, remove: true}})
}

func (n *node) create(c Command) error { return n.conditional(c, "absent") }
func (n *node) swap(c Command) error   { return n.conditional(c, "there") }

func (n *node) conditional(c Command, want string) error {
	k, err := n.world.key(c.arg(1))
	if err != nil {
		return err
	}
	return n.write(c, []op{{key: k, value: c.arg(2), want: want}})
}

// txn is "txn REGION KEY=VALUE… KEY=…"; no value deletes.
func (n *node) txn(c Command) error {
	var ops []op
	for _, text := range c.Args[1:] {
		left, value, _ := strings.Cut(text, "=")
		k, err := n.world.key(left)
		if err != nil {
			return err
		}
		ops = append(ops, op{key: k, value: value, remove: value == ""})
	}
	return n.write(c, ops)
}

// write forwards an update to the primary of a table, or begins it.
func (n *node) write(c Command, ops []op) error {
	if n.forward(c, keysOf(ops)) {
		return nil
	}
	return n.update(ops)
}

// update begins an update; what it wrote is noted at once, that it was
// acknowledged when it is.
func (n *node) update(ops []op) error {
	keys := keysOf(ops)
	over := make([]*write, len(ops))
	read := make([]record.Version, len(ops))
	for i, o := range ops {
		if !n.offers(o.key.Table) {
			n.line("has not copied table %d yet", o.key.Table)
			return nil
		}
		over[i], read[i] = n.sees(o.key)
	}
	still, why := n.leased(keys)
	if still == nil {
		n.line("%s", why)
		return nil
	}
	if !n.editing(ops) {
		return nil
	}
	decided := false
	p, err := n.store.BeginUpdate(keys, func(tx *store.Tx) error {
		for _, o := range ops {
			if err := o.decide(tx); err != nil {
				return err
			}
		}
		decided = true
		return nil
	})
	if err != nil {
		n.line("refused: %v", err)
		return nil
	}
	var written []*write
	if decided {
		written = n.wrote(ops, over)
	}
	n.await(p.Ready, func() {
		_, err := p.Finish()
		n.line("done: %v, %v", written, err)
		if err != nil && !errors.Is(err, errCondition) || !still() {
			return
		}
		for i, k := range keys {
			n.expose(k, read[i])
		}
		for _, o := range ops {
			if o.edit != nil && len(written) > 0 {
				o.edit.acked = true
				n.expose(o.key, o.edit.version)
			}
		}
		for _, w := range written {
			w.acked = true
			n.expose(w.key, w.version)
			n.world.count("acknowledged")
		}
	})
	return nil
}

func keysOf(ops []op) (keys []record.Key) {
	for _, o := range ops {
		keys = append(keys, o.key)
	}
	return keys
}

func (o op) decide(tx *store.Tx) error {
	if o.want != "" {
		_, found, err := tx.Get(o.key)
		if err != nil {
			return err
		}
		if found != (o.want == "there") {
			return errCondition
		}
	}
	if o.remove {
		return tx.Delete(o.key)
	}
	if o.edit != nil && !o.edit.whole {
		return o.edit.put(tx, o.key)
	}
	var options store.PutOptions
	if o.expires > 0 {
		options.Expires = tx.Now.Add(o.expires).Unix()
	}
	if o.edit != nil {
		return tx.Put(o.key, item.Encode(nil, itemOf(o.key.Table, o.value)), options)
	}
	return tx.Put(o.key, append(mark(o.key.Table), o.value...), options)
}

// sees answers what a writer in this region sees under a key, as it truly is.
func (n *node) sees(k record.Key) (*write, record.Version) {
	r, found := find(n.disk.engine, k)
	if !found {
		return n.deleted(k), record.Version{}
	}
	w := n.world.oracle.of(k, r)
	if w == nil && n.world.merging(k.Table) {
		return nil, r.Version
	}
	if w == nil {
		n.world.fail("invented", "%s has %s in version %v, which nobody wrote", n.name, name(k), r.Version)
	}
	return w, r.Version
}

// wrote notes what an update has made visible.
func (n *node) wrote(ops []op, over []*write) (list []*write) {
	for i, o := range ops {
		r, found := find(n.disk.engine, o.key)
		if !found || (over[i] != nil && r.Version.Compare(over[i].version) <= 0) {
			n.world.fail("versions", "%s wrote %s over version %v, and it has version %v", n.name, name(o.key), over[i], r.Version)
			return nil
		}
		if o.edit != nil {
			o.edit.key, o.edit.region, o.edit.version, o.edit.log = o.key, n.name, r.Version, r.Log
			n.world.oracle.items(o.key).wrote(o.edit)
			list = append(list, &write{key: o.key, region: n.name, version: r.Version, value: fmt.Sprint(o.edit)})
			continue
		}
		list = append(list, n.world.oracle.wrote(&write{
			key: o.key, region: n.name, version: r.Version, log: r.Log, over: over[i],
			value: string(r.Value), tombstone: r.Tombstone, expires: r.Expires,
		}))
	}
	return list
}

// await finishes a call once it is ready.
func (n *node) await(ready func() bool, finish func()) {
	n.waiting = append(n.waiting, pending{ready, finish})
	n.touch()
}

// fill is "fill REGION TABLE/PREFIX N BYTES": N new records of that size.
func (n *node) fill(c Command) error {
	count, err := strconv.Atoi(c.arg(2))
	if err != nil {
		return err
	}
	size, err := strconv.Atoi(c.arg(3))
	if err != nil {
		return err
	}
	for i := range count {
		k, err := n.world.key(fmt.Sprint(c.arg(1), i))
		if err != nil {
			return err
		}
		if err := n.update([]op{{key: k, value: strings.Repeat("x", size)}}); err != nil {
			return err
		}
	}
	return nil
}

func (n *node) get(c Command) error {
	k, err := n.world.key(c.arg(1))
	if err != nil {
		return err
	}
	if n.forward(c, []record.Key{k}) {
		return nil
	}
	still, why := n.leased([]record.Key{k})
	if still == nil {
		n.line("%s", why)
		return nil
	}
	_, version := n.sees(k)
	p, err := n.store.BeginGet(k)
	if err != nil {
		n.line("refused: %v", err)
		return nil
	}
	n.await(p.Ready, func() {
		_, err := p.Finish()
		n.line("read %s: %v", name(k), err)
		if err == nil && still() {
			n.expose(k, version)
		}
	})
	return nil
}
