package sim

import (
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/meridian-run/meridian/internal/kv/memkv"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/replica"
	"github.com/meridian-run/meridian/internal/replicate"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

// World is several regions under one event queue, in one goroutine.
type World struct {
	queue
	script  Script
	trace   *trace
	network *network
	control *authority
	oracle  *oracle
	nodes   []*node
	names   map[string]*node
	tables  map[record.TableID]bool
	merged  map[record.TableID]bool // they merge by attribute
	dirty   map[record.RegionID]bool
	// apart are regions that control does not reach.
	apart map[string]bool
	// everHeld has what regions may know of tables.
	everHeld map[held2]bool
	// dropped has the deletes that regions had collected of tables that they have given up.
	dropped map[string][]*write
	// rewound says that some region has lost history.
	rewound bool
	beat    time.Duration
	skewMax time.Duration
	// expires says that some record has a time to live.
	expires   bool
	retention store.Retention
	// primaries says that some table has a primary; acted is the epoch of its last
	// answer.
	primaries bool
	removes   bool // some region is removed
	acted     map[record.TableID]uint32

	counts  map[string]int
	failure *Failure
}

type held2 struct {
	table  record.TableID
	region record.RegionID
}

// Failure is a broken invariant.
type Failure struct {
	// Invariant is its short name.
	Invariant string
	Text      string
	At        time.Duration
}

func (f *Failure) Error() string {
	return fmt.Sprintf("%s, after %v: %s", f.Invariant, f.At, f.Text)
}

// fail notes a broken invariant; the first one counts.
func (w *World) fail(invariant, format string, args ...any) {
	if w.failure != nil {
		return
	}
	w.failure = &Failure{Invariant: invariant, Text: fmt.Sprintf(format, args...), At: w.now}
	w.trace.line(w.now, "FAILURE", "%v", w.failure)
}

// count counts what happened.
func (w *World) count(what string) { w.counts[what]++ }

// random answers a source of its own for a part of the world, so that what one
// part draws changes nothing for the others.
func (w *World) random(what string) *rand.Rand {
	return rand.New(rand.NewPCG(w.script.Seed, sum([]byte(what))))
}

func sum(b []byte) uint64 {
	h := fnv.New64a()
	_, _ = h.Write(b) // a hash takes everything
	return h.Sum64()
}

// newWorld builds the world that a script describes; nothing runs.
func newWorld(s Script, out io.Writer) (*World, error) {
	w := &World{
		script: s, trace: newTrace(out), oracle: newOracle(), names: map[string]*node{},
		tables: map[record.TableID]bool{}, merged: map[record.TableID]bool{}, acted: map[record.TableID]uint32{}, dirty: map[record.RegionID]bool{}, apart: map[string]bool{},
		everHeld: map[held2]bool{}, dropped: map[string][]*write{}, counts: map[string]int{}, beat: replicate.BeatEvery, skewMax: store.SkewMax,
	}
	w.network = newNetwork(w)
	w.control = &authority{world: w, states: map[uint64]*state{}, holds: map[held2]uint32{}, last: &state{revision: 1}}
	w.control.states[1] = w.control.last
	w.expires = slices.ContainsFunc(s.Commands, func(c Command) bool { return c.Name == "put" && len(c.Args) > 3 })
	w.removes = slices.ContainsFunc(s.Commands, func(c Command) bool { return c.Name == "remove" })
	for _, c := range s.Setup {
		if err := w.setup(c); err != nil {
			return nil, fmt.Errorf("%s: %w", c.Name, err)
		}
	}
	return w, nil
}

// setup takes one line of a script's beginning.
func (w *World) setup(c Command) (err error) {
	switch c.Name {
	case "regions":
		for _, name := range c.Args {
			w.addNode(name)
		}
	case "table":
		return w.addTable(c)
	case "delay":
		var d time.Duration
		if d, err = c.duration(2); err == nil {
			w.network.delays[pair{c.arg(0), c.arg(1)}] = d
			w.network.delays[pair{c.arg(1), c.arg(0)}] = d
		}
	case "sync":
		for _, n := range w.nodes {
			if n.name == c.arg(0) {
				n.disk.delay, err = c.duration(1)
			}
		}
	case "beat":
		w.beat, err = c.duration(0)
	case "retention":
		if w.retention.Bytes, err = strconv.ParseUint(c.arg(0), 10, 64); err == nil {
			w.retention.Age, err = c.duration(1)
		}
	case "skew":
		w.skewMax, err = c.duration(0)
	case "restless":
		w.network.restless = true
	}
	return err
}

// addNode makes a region with an empty directory.
func (w *World) addNode(name string) *node {
	n := &node{
		world: w, name: name, id: record.RegionID(len(w.nodes) + 1), rand: w.random("region " + name), watcher: newWatcher(),
		replicas: replicas{closed: map[record.TableID]store.Cursor{}, given: map[record.TableID]uint64{}}, state: 1, seats: map[record.TableID]*seat{},
	}
	n.disk = &disk{node: n, delay: syncDelay, engine: memkv.New(memkv.Config{})}
	_ = n.disk.engine.Crash() // nothing has run yet: start opens it
	w.nodes = append(w.nodes, n)
	w.names[name] = n
	w.control.last.regions = append(w.control.last.regions, replica.Peer{Name: name, ID: n.id})
	return n
}

// addTable reads "table ID REGION…".
func (w *World) addTable(c Command) error {
	var id record.TableID
	if _, err := fmt.Sscan(c.arg(0), &id); err != nil {
		return err
	}
	t := table.Table{ID: id, Name: fmt.Sprint("table", id), State: table.Active, Revision: 1, Indexes: []table.Index{indexOf(firstIndex)}}
	for _, region := range slices.Sorted(slices.Values(c.Args[1:])) {
		if option, value, ok := strings.Cut(region, "="); ok {
			if err := setOption(&t, option, value); err != nil {
				return err
			}
			continue
		}
		n := w.node(region)
		if n == nil {
			return fmt.Errorf("no region is called %s", region)
		}
		t.Replicas = append(t.Replicas, table.Replica{Region: region, ID: n.id})
		w.everHeld[held2{id, n.id}] = true
	}
	w.primaries = w.primaries || t.Primary != ""
	w.tables[id], w.merged[id] = true, t.MergesAttributes()
	w.control.last.tables = append(w.control.last.tables, t)
	return nil
}

// streamCreated names the stream of a table that keeps images.
const streamCreated = 1

// setOption reads one word of a table's line that is no region.
func setOption(t *table.Table, option, value string) error {
	switch option {
	case "primary":
		t.Primary, t.Home, t.Handed = value, value, true
		return nil
	case "merge":
		t.Merge = value
		return nil
	case "counters":
		t.Counters = []string{value}
		return nil
	case "images":
		keep, err := time.ParseDuration(value)
		t.Images = &table.Images{KeepSeconds: int64(keep.Seconds()), Bytes: 1 << 30}
		t.Stream = &table.Stream{View: table.ViewNewOld, Created: streamCreated}
		return err
	}
	return fmt.Errorf("a table has no %s", option)
}

func (w *World) node(name string) *node { return w.names[name] }

// run plays until a moment, or until an invariant breaks.
func (w *World) run(until time.Duration) {
	for w.failure == nil {
		do := w.next(until)
		if do == nil {
			return
		}
		do()
		w.step()
	}
}

// step lets every region act that something has happened to.
func (w *World) step() {
	for range stepsMax {
		if len(w.dirty) == 0 || w.failure != nil {
			return
		}
		for _, id := range slices.Sorted(maps.Keys(w.dirty)) {
			delete(w.dirty, id)
			w.nodes[id-1].step()
		}
	}
	w.fail("liveness", "the regions never rest")
}

// play runs a script's commands, each at its time, and then lets the world come
// to rest.
func (w *World) play() {
	for _, n := range w.nodes {
		n.start()
	}
	w.step()
	for _, c := range w.script.Commands {
		w.run(c.At)
		if w.failure != nil {
			return
		}
		w.trace.line(w.now, "do", "%s", c)
		if err := commands[c.Name](w, c); err != nil {
			w.fail("script", "%s: %v", c, err)
		}
		w.step()
	}
	w.settle()
}
