package store_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-run/meridian/internal/hlc"
	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/kv/memkv"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

// timing is regions of a table that gets its expiry attribute while it is
// written. Each adopts that when it likes.
type timing struct {
	t       *testing.T
	random  *rand.Rand
	regions []*region
	before  table.Table
	after   table.Table
	knows   []bool
	written map[string]written // the highest version of each key
}

type written struct {
	version record.Version
	item    item.Item // nil: deleted
}

// deaths is an observer whose entries say when records die, as those of secondary
// indexes do.
type deaths struct{}

// entryOf is the key of an item's entry.
func entryOf(name string) []byte { return append(store.IndexPrefix(table.Index{Name: "all"}), name...) }

func (deaths) Observe(c store.Change, into *store.Writes) error {
	if c.Old != nil {
		into.Delete(entryOf(string(c.Key.Partition)))
	}
	if c.New != nil {
		into.Set(entryOf(string(c.Key.Partition)), binary.AppendVarint(nil, c.New.Expires))
	}
	return nil
}

func (deaths) Fill(_ *table.Table, _ table.Index, r record.Record, into *store.Writes) error {
	it, err := item.Decode(r.Value)
	if err == nil {
		into.Set(entryOf(it.Get("pk").Text), binary.AppendVarint(nil, r.Expires))
	}
	return err
}

func newTiming(t *testing.T, seed uint64, merge string) *timing {
	h := &timing{t: t, random: rand.New(rand.NewPCG(seed, 9)), before: tableIn(notes, 1, 2, 3), knows: make([]bool, 3), written: map[string]written{}}
	h.before.Key, h.before.Merge = table.Attribute{Name: "pk", Type: "S"}, merge
	h.before.Indexes = []table.Index{{Name: "all", Key: table.Attribute{Name: "pk", Type: "S"}}}
	h.after = h.before.Clone()
	h.after.TTL = "dies"
	h.after.AddedSince(7, h.before)
	for id := range record.RegionID(3) {
		r := newRegion(t, id+1, nil, func(c *store.Config) {
			c.Observers, c.IndexStep = []store.Observer{deaths{}}, 3
		})
		h.regions = append(h.regions, r)
		h.adopt(int(id), false)
	}
	return h
}

func (h *timing) adopt(i int, knows bool) {
	h.t.Helper()
	h.knows[i] = knows
	h.regions[i].tables = []table.Table{h.before}
	if knows {
		h.regions[i].tables = []table.Table{h.after}
	}
	h.must(h.regions[i].Renew(h.t.Context(), h.regions[i].tables))
	h.regions[i].SetTables(h.regions[i].tables)
}

func (h *timing) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// dies is what an item may say of its expiry.
func (h *timing) dies(now time.Time) item.Value {
	switch h.random.IntN(6) {
	case 0:
		return item.Text("never")
	case 1:
		return item.Int(now.Add(-6 * 365 * 24 * time.Hour).Unix()) // a mistake
	case 2:
		return item.Int(now.Unix() - 100)
	case 3:
		return item.Int(now.Unix() + 1_000_000)
	}
	return item.Int(now.Unix() + int64(h.random.IntN(20)))
}

func (h *timing) write(i int) {
	h.t.Helper()
	r, name := h.regions[i], fmt.Sprint("k", h.random.IntN(12))
	kind := h.random.IntN(6)
	var wrote item.Item
	commit, err := r.Update(h.t.Context(), []record.Key{key(name)}, func(tx *store.Tx) error {
		if kind == 0 {
			return tx.Delete(key(name))
		}
		o := store.PutOptions{}
		wrote = item.Make(item.Attribute{Name: "pk", Value: item.Text(name)})
		if kind < 4 { // an update
			current, found, err := tx.Get(key(name))
			if err != nil {
				return err
			}
			if found {
				wrote, err = item.Decode(current.Value)
				h.must(err)
			}
			o.Changed = &record.Change{Attributes: []string{"pk"}}
		}
		change := func(name string, v item.Value) {
			wrote = wrote.Set(name, v)
			if o.Changed != nil {
				o.Changed.Attributes = append(o.Changed.Attributes, name)
			}
		}
		switch {
		case kind == 1:
			change("x", item.Int(int64(h.random.IntN(100))))
		case kind == 2:
			change("dies", item.Text("")) // named as changed
			wrote = wrote.Remove("dies")
		default:
			change("dies", h.dies(tx.Now))
		}
		return tx.Put(key(name), item.Encode(nil, wrote), o)
	})
	h.must(err)
	if h.written[name].version.Compare(commit.Version) < 0 {
		h.written[name] = written{commit.Version, wrote}
	}
}

// pull takes what another has, unless that knows of the ttl and this one does not:
// frames wait for the revision of their tables (DATA 25).
func (h *timing) pull(to, from int) {
	if to == from || h.knows[from] && !h.knows[to] {
		return
	}
	switch r, f := h.regions[to], h.regions[from]; h.random.IntN(8) {
	case 0: // all that it holds
		c, err := f.ReadTable(h.t.Context(), notes, nil, 1<<20)
		h.must(err)
		_, err = r.Apply(h.t.Context(), store.Apply{Origin: f.id, Records: c.Records, Resend: true, Frontiers: map[record.TableID]hlc.Time{notes: c.Frontier}})
		h.must(err)
	case 1: // a part of its log
		after, _ := r.Cursor(f.id)
		r.take(f, f.read(after, store.Limit{Entries: 2}))
	default:
		r.pull(f)
		r.beat(f)
	}
}

func (h *timing) step() {
	h.t.Helper()
	i := h.random.IntN(3)
	r := h.regions[i]
	switch h.random.IntN(24) {
	case 0:
		h.must(r.engine.(*memkv.Engine).Crash())
		_ = r.Close() // says that it has crashed
		r.open(r.engine.(*memkv.Engine).Reopen(memkv.Config{}))
		if h.knows[i] && h.random.IntN(3) == 0 {
			h.adopt(i, false) // with an older state of control
		}
	case 1, 2:
		h.adopt(i, true)
	case 3, 4:
		passed := time.Duration(h.random.IntN(6)) * time.Second
		for _, r := range h.regions {
			r.advance(passed)
		}
	case 5, 6:
		_, err := r.Expire(h.t.Context())
		h.must(err)
	case 7, 8, 9:
		_, err := r.Index(h.t.Context())
		h.must(err)
	case 10:
		_, err := r.Collect(h.t.Context())
		h.must(err)
	case 11, 12, 13, 14, 15:
		h.pull(i, h.random.IntN(3))
	default:
		r.advance(time.Millisecond)
		h.write(i)
	}
}

// settle lets all regions adopt the ttl, hear of everything and finish.
func (h *timing) settle() {
	h.t.Helper()
	for i := range h.regions {
		h.adopt(i, true)
	}
	settle(h.regions...)
	for _, r := range h.regions {
		for more := true; more; {
			done, err := r.Index(h.t.Context())
			h.must(err)
			more = done.More
		}
		if whole, err := r.TimesWhole(h.after); err != nil || !whole {
			h.t.Fatalf("whole %t, %v", whole, err)
		}
		*r.now = *h.regions[0].now
	}
	for range 2 {
		for _, r := range h.regions {
			for more := true; more; {
				done, err := r.Expire(h.t.Context())
				h.must(err)
				more = done.More
			}
		}
		settle(h.regions...)
	}
}

// says is when an item that is there dies by its attribute; 0 is never.
func says(it item.Item, now time.Time) int64 {
	v := it.Get("dies")
	if at, err := strconv.ParseInt(v.Text, 10, 64); err == nil && v.Kind == item.N && at > now.Unix()-5*365*24*3600 {
		return at
	}
	return 0
}

// held is what a region holds, as far as the frontiers let it count.
func (h *timing) held(r *region) map[string]record.Record {
	h.t.Helper()
	var frontier hlc.Time
	for _, r := range h.regions {
		frontier = max(frontier, r.Frontier(notes))
	}
	all := records(h.t, r)
	for at, rec := range all {
		if (rec.Tombstone || rec.Expired) && rec.Version.Time <= frontier {
			delete(all, at)
			continue
		}
		trimmed, err := record.Trim(rec, record.Frontiers{Current: frontier, Reached: frontier})
		h.must(err)
		all[at] = trimmed
	}
	return all
}

func (h *timing) check(when string) {
	h.t.Helper()
	first := h.held(h.regions[0])
	for _, r := range h.regions {
		if diff := cmp.Diff(first, h.held(r)); diff != "" {
			h.t.Fatalf("%s: regions 1 and %d differ: %s", when, r.id, diff)
		}
		mortal, entries := 0, map[string][]byte{}
		for at, rec := range records(h.t, r) {
			if rec.Tombstone {
				continue
			}
			it, err := item.Decode(rec.Value)
			h.must(err)
			want := says(it, *r.now)
			if rec.Expires != want || rec.Expired && (want == 0 || want > r.now.Unix()) || !rec.Expired && want != 0 && want <= r.now.Unix() {
				h.t.Fatalf("%s: region %d: %q dies at %d, expired %t, its attribute says %d of %d", when, r.id, at, rec.Expires, rec.Expired, want, r.now.Unix())
			}
			if !rec.Expired {
				entries[it.Get("pk").Text] = binary.AppendVarint(nil, rec.Expires)
				if rec.Expires != 0 {
					mortal++
				}
			}
		}
		if n := dying(h.t, r); n != mortal {
			h.t.Fatalf("%s: region %d: %d in the index of times of death, want %d", when, r.id, n, mortal)
		}
		h.checkEntries(when, r, entries)
		h.checkWinners(when, r)
	}
}

// checkEntries compares what the observer has written with the records.
func (h *timing) checkEntries(when string, r *region, want map[string][]byte) {
	h.t.Helper()
	got := map[string][]byte{}
	from := store.IndexKey(notes, entryOf(""))
	it := r.engine.Scan(kv.Range{From: from, To: append(bytes.Clone(from), 0xff)})
	for it.Next() {
		got[string(it.Key()[len(from):])] = bytes.Clone(it.Value())
	}
	h.must(it.Close())
	if diff := cmp.Diff(want, got); diff != "" {
		h.t.Fatalf("%s: region %d: entries: %s", when, r.id, diff)
	}
}

// checkWinners finds in a table that merges whole items what was written last.
func (h *timing) checkWinners(when string, r *region) {
	h.t.Helper()
	if h.before.Merge != "" {
		return
	}
	for name, w := range h.written {
		want := ""
		if at := says(w.item, *r.now); w.item != nil && (at == 0 || at > r.now.Unix()) {
			want = string(item.Encode(nil, w.item))
		}
		if got := r.value(key(name)); got != want {
			h.t.Fatalf("%s: region %d: %s is %q, want %q", when, r.id, name, got, want)
		}
	}
}

// D1, DATA 9, 25: whatever is written, applied, deleted and expires while a table
// with items gets a ttl, in whatever order regions hear of it and wherever they
// crash, in the end all hold the same, and each item dies when its attribute says.
func TestD1_ATTLThatIsAddedOnlineIsThatOfTheItems(t *testing.T) {
	for _, merge := range []string{"", table.MergeAttributes} {
		for seed := range uint64(40) {
			h := newTiming(t, seed, merge)
			for range 150 {
				h.step()
			}
			h.settle()
			h.check(fmt.Sprintf("merge %q, seed %d", merge, seed))
			for _, r := range h.regions {
				h.must(r.Close())
			}
		}
	}
}
