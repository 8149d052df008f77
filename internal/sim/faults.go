package sim

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/meridian-run/meridian/internal/kv/memkv"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
)

func (n *node) crashNow(Command) error { n.crash("crashes"); return nil }

// die ends a region for good.
func (n *node) die(Command) error { n.crash("dies"); n.dead = true; return nil }

func (n *node) stopNow(Command) error  { n.stop(); return nil }
func (n *node) startNow(Command) error { n.start(); return nil }

// copyDisk takes a copy of the directory, of what is durable.
func (n *node) copyDisk(Command) error {
	n.disk.copies = append(n.disk.copies, image{
		content: n.disk.engine.Backup(), state: n.state, gone: maps.Clone(n.gone), given: maps.Clone(n.given),
	})
	return nil
}

// restoreDisk puts the oldest copy in place of the directory, and starts the
// region on it.
func (n *node) restoreDisk(Command) error {
	if len(n.disk.copies) == 0 {
		n.line("has no copy")
		return nil
	}
	old := n.disk.copies[0]
	n.disk.copies = n.disk.copies[1:]
	n.rewind(old, "is restored from a copy")
	return nil
}

// loseDisk puts an empty directory in place of the region's.
func (n *node) loseDisk(Command) error {
	n.rewind(image{state: 1}, "loses its directory")
	n.disk.copies = nil
	return nil
}

// rewind crashes the region and starts it on an older directory. What only the
// newer one held may be lost.
func (n *node) rewind(old image, why string) {
	n.crash(why)
	n.disk.engine = memkv.From(old.content)
	n.state, n.given = old.state, maps.Clone(old.given)
	if n.given == nil {
		n.given = map[record.TableID]uint64{}
	}
	n.rewound(old.gone)
	n.world.rewound = true
	n.world.excuse()
	n.world.excuseItems()
	n.life++
	n.start()
}

// excuse notes which acknowledged writes no directory holds any more, and which
// all have collected.
func (w *World) excuse() {
	for _, h := range w.oracle.order {
		kept, there := map[*write]bool{}, map[*write]bool{}
		for _, n := range w.living() {
			maps.Copy(kept, n.keeps(h, true))
			maps.Copy(there, n.keeps(h, false))
		}
		for _, x := range h.writes {
			switch {
			case x.acked && !kept[x] && !x.excused:
				x.excused = true
				w.count("excused")
				w.trace.line(w.now, "oracle", "nobody holds %v any more", x)
			case kept[x] && !there[x]:
				x.forgotten = true
			}
		}
	}
}

// keeps answers which writes of a key the region's disk holds, or knows to be
// superseded; collected says that it counts what it has collected.
func (n *node) keeps(h *history, collected bool) map[*write]bool {
	disk := n.disk.engine.Synced()
	var current *write
	if r, found := find(disk, h.key); found {
		current = n.world.oracle.of(h.key, r)
	} else if collected {
		current = n.gone[name(h.key)]
	}
	known := map[identity]bool{}
	for _, x := range receipts(disk, h.key.Table) {
		if name(x.key) == name(h.key) {
			known[identity{x.record.Version, x.record.Log}] = true
		}
	}
	return h.accounted(current, known)
}

// failDisk makes the next sync, and all after it, fail.
func (n *node) failDisk(Command) error { n.disk.failing = true; return nil }
func (n *node) mendDisk(Command) error { n.disk.failing = false; return nil }

func (n *node) slowDisk(c Command) (err error) {
	n.disk.delay, err = c.duration(1)
	return err
}

func (n *node) stepClock(c Command) error {
	d, err := c.duration(1)
	n.clock.step(d)
	return err
}

func (n *node) driftClock(c Command) error {
	ppm, err := strconv.ParseInt(c.arg(1), 10, 64)
	n.clock.run(n.world.now, ppm)
	return err
}

// setClock makes the clock show a moment since the start of the world.
func (n *node) setClock(c Command) error {
	d, err := c.duration(1)
	n.clock.mend(n.world.now)
	n.clock.step(d - n.world.now)
	return err
}

// setApart keeps control's news from a region; peers may pass them along.
func (n *node) setApart(Command) error { n.world.apart[n.name] = true; return nil }

func (n *node) setReached(Command) error {
	delete(n.world.apart, n.name)
	n.world.control.tell(n)
	return nil
}

func (n *node) collectNow(Command) error {
	if n.up {
		n.look()
	}
	return nil
}

// mendAll ends every fault and starts every region.
func (w *World) mendAll() {
	clear(w.apart)
	w.network.restless = false
	for _, a := range w.nodes {
		for _, b := range w.nodes {
			w.network.heal(a.name, b.name)
		}
	}
	for _, n := range w.nodes {
		n.disk.failing, n.disk.delay = false, min(n.disk.delay, 10*syncDelay)
		n.clock.mend(w.now)
		n.start()
		n.touch()
		w.after(time.Duration(n.rand.Int64N(int64(controlDelay))), func() { w.control.tell(n) })
	}
}

// expect is "expect REGION KEY VALUE": VALUE is what a reader sees there, or
// "nothing"; or "expect receipts N [KEY]": how many there are, in every region.
func expect(w *World, c Command) error {
	if c.arg(0) == "receipts" {
		want, err := strconv.Atoi(c.arg(1))
		if err != nil {
			return err
		}
		for _, n := range w.living() {
			got := 0
			for id := range w.tables {
				for _, x := range receipts(n.disk.engine, id) {
					if c.arg(2) == "" || c.arg(2) == plain(x.key) {
						got++
					}
				}
			}
			if got != want {
				return fmt.Errorf("%s has %d receipts", n.name, got)
			}
		}
		return nil
	}
	n := w.node(c.arg(0))
	if n == nil {
		return fmt.Errorf("no region is called %q", c.arg(0))
	}
	k, err := w.key(c.arg(1))
	if err != nil {
		return err
	}
	got := "nothing"
	if r, found := find(n.disk.engine, k); found && !r.Tombstone && !r.Expired {
		if got, err = w.shown(k, r); err != nil {
			return err
		}
	}
	if got != c.arg(2) {
		return fmt.Errorf("it has %s", got)
	}
	return nil
}

// backlog is told when the log that is kept for peers nears its limits.
func (n *node) backlog(b store.Backlog) {
	n.line("keeps %d entries of its log, %.2f of what it may", b.Entries, b.Used)
	if n.world.count("backlog"); b.Used >= 1 {
		n.world.count("let go")
	}
}

// shown is a value as a script has it.
func (w *World) shown(k record.Key, r record.Record) (string, error) {
	if !w.merging(k.Table) {
		return string(r.Value[len(mark(k.Table)):]), nil
	}
	there, err := content(r)
	var words []string
	for _, a := range sortedKeys(there) {
		words = append(words, a+"="+there[a])
	}
	return strings.Join(words, ","), err
}
