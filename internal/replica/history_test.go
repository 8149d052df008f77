package replica_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/meridian-run/meridian/internal/kv/memkv"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/replica"
	"github.com/meridian-run/meridian/internal/replicate"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

// history is regions whose disks sync when told to, in virtual time: nothing moves
// but by a command. A stream is named by who opened it: b<a is b's end of b's pull
// from a, a>b is a's end of the same.
type history struct {
	now     time.Duration
	regions map[string]*region
	ends    map[string]*streamEnd
	disks   map[string]*memkv.Engine
	lives   record.LogID
}

type region struct {
	name    string
	id      record.RegionID
	skew    time.Duration
	engine  *memkv.Engine
	store   *store.Store
	replica *replica.Replica
	said    []string
	writes  []*store.Pending[store.Commit]
}

type streamEnd struct {
	region  *region
	session replica.Session
	in      [][]byte
	other   *streamEnd
	older   bool
}

func TestHistories(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		h := &history{regions: map[string]*region{}, ends: map[string]*streamEnd{}, disks: map[string]*memkv.Engine{}}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			out := h.run(t, d)
			for _, name := range []string{"a", "b", "c"} {
				if r := h.regions[name]; r != nil {
					out += strings.Join(r.said, "")
					r.said = nil
				}
			}
			return out
		})
	})
}

func (h *history) run(t *testing.T, d *datadriven.TestData) string {
	arg := func(i int) string { return d.CmdArgs[i].String() }
	switch d.Cmd {
	case "start":
		for i := range d.CmdArgs {
			h.start(t, arg(i), memkv.New(memkv.Config{Hold: true}))
		}
	case "crash": // forgets what was not synced; a copy of the rest may be kept
		r := h.regions[arg(0)]
		if err := r.engine.Crash(); err != nil {
			t.Error(err)
		}
		h.disks[arg(0)], r.writes = r.engine, nil
		if len(d.CmdArgs) > 1 {
			h.disks[arg(1)] = r.engine
		}
	case "restart": // on its own disk, or on a copy
		h.start(t, arg(0), h.disks[arg(len(d.CmdArgs)-1)].Reopen(memkv.Config{Hold: true}))
	case "control":
		return h.control(t, d)
	case "pass":
		var ms int
		d.ScanArgs(t, "ms", &ms)
		h.now += time.Duration(ms) * time.Millisecond
	case "clock":
		var ms int
		d.ScanArgs(t, "ahead", &ms)
		h.regions[arg(0)].skew = time.Duration(ms) * time.Millisecond
	case "put":
		return h.regions[arg(0)].put(t, arg(1))
	case "sync":
		h.regions[arg(0)].sync(t)
	case "fail":
		h.regions[arg(0)].engine.Fail(errors.New("the disk is gone"))
	case "region":
		return h.step(h.regions[arg(0)])
	case "open":
		return h.open(arg(0), arg(1), d.HasArg("older"))
	case "fails":
		h.regions[arg(0)].replica.DialFailed(replica.Dial{Peer: arg(1)}, errors.New("no route"), h.at(h.regions[arg(0)]))
	case "step":
		var names []string
		for i := range d.CmdArgs {
			names = append(names, arg(i))
		}
		return h.turn(strings.Join(names, " "))
	case "send": // a message of the test's to an end
		h.ends[arg(0)].in = append(h.ends[arg(0)].in, []byte(d.Input))
	case "holds":
		return h.regions[arg(0)].holds(t)
	default:
		return "unknown command " + d.Cmd
	}
	return ""
}

var began = time.Unix(1_800_000_000, 0)

func (h *history) at(r *region) time.Time { return began.Add(h.now + r.skew) }

func (h *history) start(t *testing.T, name string, engine *memkv.Engine) {
	r := &region{name: name, id: record.RegionID(name[0]-'a') + 1, engine: engine}
	if old := h.regions[name]; old != nil {
		r.said = old.said
	}
	opened := make(chan struct{})
	go func() {
		defer close(opened)
		var err error
		r.store, err = store.Open(context.Background(), store.Config{
			Engine: engine, Region: r.id, World: "w", RegionName: name,
			Wall:     func() time.Time { return h.at(r) },
			NewLogID: func() record.LogID { h.lives++; return h.lives<<4 | record.LogID(9+r.id) },
		})
		if err != nil {
			t.Error(err)
		}
	}()
	for waiting := true; waiting; {
		select {
		case <-opened:
			waiting = false
		case <-time.After(time.Millisecond):
			engine.Sync()
		}
	}
	r.replica = replica.New(replica.Config{
		Store: r.store, World: "w", Region: name, Events: r.events(),
		Now:  func() time.Time { return h.at(r) },
		Rand: rand.New(rand.NewPCG(1, uint64(r.id))),
		Adopt: func(revision uint64, _ []byte) error {
			r.say("is passed control revision %d", revision)
			return nil
		},
	})
	h.regions[name] = r
	h.tell(r, 1, []string{"a", "b"}, []string{"a", "b"})
}

func (r *region) say(format string, args ...any) {
	r.said = append(r.said, fmt.Sprintf("%s %s\n", r.name, fmt.Sprintf(format, args...)))
}

func (r *region) events() replica.Events {
	return replica.Events{
		Connected:    func(peer string) { r.say("tells: connected to %s", peer) },
		Disconnected: func(peer string, err error) { r.say("tells: no connection to %s: %v", peer, err) },
		Skew:         func(peer string, err error) { r.say("tells: skew of %s is %t", peer, err != nil) },
		Resend:       func(peer, why string) { r.say("tells: resend by %s: %s", peer, why) },
	}
}

// control tells a region a revision: which regions there are, which hold the table.
func (h *history) control(t *testing.T, d *datadriven.TestData) string {
	var revision int
	var world, held []string
	d.ScanArgs(t, "revision", &revision)
	for _, a := range d.CmdArgs {
		switch a.Key {
		case "world":
			world = a.Vals
		case "table":
			held = a.Vals
		}
	}
	h.tell(h.regions[d.CmdArgs[0].String()], uint64(revision), world, held)
	return ""
}

func (h *history) tell(r *region, revision uint64, world, held []string) {
	c := replica.Control{Revision: revision, Encoded: []byte("state")}
	notes := table.Table{ID: notes, Name: "notes", Revision: revision, State: table.Active}
	for _, name := range held {
		notes.Replicas = append(notes.Replicas, table.Replica{Region: name, ID: record.RegionID(name[0]-'a') + 1})
	}
	for _, name := range world {
		if name != r.name {
			c.Peers = append(c.Peers, replica.Peer{Name: name, ID: record.RegionID(name[0]-'a') + 1})
		}
	}
	c.Tables = []table.Table{notes}
	r.store.SetTables(c.Tables)
	r.replica.SetControl(c)
}

// put commits, and does not wait.
func (r *region) put(t *testing.T, name string) string {
	k := key(notes, name)
	p, err := r.store.BeginUpdate([]record.Key{k}, func(tx *store.Tx) error {
		return tx.Put(k, []byte(name+" of "+r.name), store.PutOptions{})
	})
	if err != nil {
		return err.Error()
	}
	r.writes = append(r.writes, p)
	return ""
}

// sync makes all durable; whoever waits for a write goes on.
func (r *region) sync(t *testing.T) {
	r.engine.Sync()
	for _, p := range r.writes {
		if _, err := p.Finish(); err != nil {
			t.Error(err)
		}
	}
	r.writes = nil
}

// step is a step of a region as a whole.
func (h *history) step(r *region) string {
	now := h.at(r)
	w := r.replica.Step(now)
	var out strings.Builder
	for _, d := range w.Dial {
		fmt.Fprintf(&out, "dial %s for %v\n", d.Peer, d.Kind)
	}
	select {
	case <-r.replica.Ready():
		fmt.Fprintf(&out, "ready; ")
	default:
		fmt.Fprintf(&out, "not ready: %s; ", r.replica.Waiting())
	}
	return out.String() + waits(w.Durable, w.Until, now) + "\n"
}

func waits(durable uint64, until, now time.Time) string {
	var list []string
	if durable > 0 {
		list = append(list, fmt.Sprintf("commit %d to be durable", durable))
	}
	if !until.IsZero() {
		list = append(list, until.Sub(now).Round(time.Millisecond).String())
	}
	if len(list) == 0 {
		return "waits for a message"
	}
	return "waits for " + strings.Join(list, ", ")
}

// open opens a stream; an older release of the one that opens it speaks protocol 1.
func (h *history) open(by, peer string, older bool) string {
	r, p := h.regions[by], h.regions[peer]
	s, err := r.replica.Dialed(replica.Dial{Peer: peer}, h.at(r))
	if err != nil {
		return err.Error() + "\n"
	}
	mine := &streamEnd{region: r, session: s, older: older}
	theirs := &streamEnd{region: p, session: p.replica.Accept(by), other: mine}
	mine.other = theirs
	if old := h.ends[peer+">"+by]; old != nil {
		h.ends["older "+peer+">"+by] = old
	}
	h.ends[by+"<"+peer], h.ends[peer+">"+by] = mine, theirs
	return ""
}

// turn steps one end with what has come, until it waits.
func (h *history) turn(name string) string {
	e := h.ends[name]
	if e == nil {
		return "there is no such stream\n"
	}
	var out strings.Builder
	for {
		in := e.in
		e.in = nil
		o, err := e.session.Step(h.at(e.region), in)
		for _, m := range o.Send {
			fmt.Fprintf(&out, "sends %s\n", message(m))
			if e.older {
				m = asOlder(m)
			}
			e.other.in = append(e.other.in, m)
		}
		if err != nil {
			fmt.Fprintf(&out, "ends: %v\n", err)
			e.region.replica.Ended(e.session, err, h.at(e.region))
			delete(h.ends, name)
			return out.String()
		}
		if !o.Again {
			return out.String() + waits(o.Durable, o.Until, h.at(e.region)) + "\n"
		}
	}
}

// asOlder is what an older release sends.
func asOlder(raw []byte) []byte {
	m, _ := replicate.Parse(raw)
	hello, ok := m.(*replicate.Hello)
	if !ok {
		return raw
	}
	hello.Max = 1
	return replicate.Append(nil, hello)
}

// message shows what matters of a message.
func message(raw []byte) string {
	m, err := replicate.Parse(raw)
	if err != nil {
		return err.Error()
	}
	switch m := m.(type) {
	case *replicate.Hello:
		return fmt.Sprintf("hello: %v from %v", m.Kind, m.Cursor)
	case *replicate.Welcome:
		return fmt.Sprintf("welcome: protocol %d", m.Protocol)
	case *replicate.Holdings:
		return fmt.Sprintf("holdings: tables %v, logs %v, more %v", m.Tables, m.Logs, m.More)
	case *replicate.Refuse:
		return m.Error()
	case *replicate.State:
		return fmt.Sprintf("state %d", m.Revision)
	case *replicate.Ack:
		return fmt.Sprintf("ack %v", m.Cursor)
	case *replicate.Frame:
		return "frame " + frame(m)
	}
	return fmt.Sprintf("%T", m)
}

func frame(f *replicate.Frame) string {
	var items []string
	for _, x := range f.Records {
		items = append(items, item(x.Kind)+string(x.Key.Partition))
	}
	s := fmt.Sprintf("%v..%v [%s]", f.From, f.To, strings.Join(items, " "))
	for _, mark := range []struct {
		on   bool
		text string
	}{{f.Scan, "scan"}, {f.ScanDone, "done"}, {f.ScanEnd, "end"}, {len(f.Report) > 0, "report"}} {
		if mark.on {
			s += " " + mark.text
		}
	}
	return s
}

func item(k record.Kind) string {
	return [...]string{record.KindRecord: "", record.KindReceipt: "receipt:", record.KindFloor: "floor:"}[k]
}

// holds lists what is visible in a region, and how far it has applied.
func (r *region) holds(t *testing.T) string {
	p, err := r.store.BeginReadTable(notes, nil, 1<<20)
	if err != nil {
		return err.Error()
	}
	r.engine.Sync()
	chunk, err := p.Finish()
	if err != nil {
		return err.Error()
	}
	var names []string
	for _, x := range chunk.Records {
		names = append(names, item(x.Kind)+string(x.Key.Partition))
	}
	slices.Sort(names)
	return fmt.Sprintf("[%s]\n", strings.Join(names, " "))
}
