package record

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/meridian-run/meridian/internal/hlc"
	"github.com/meridian-run/meridian/internal/item"
)

// deed is what one local write of a history did, and what its writer had seen.
type deed struct {
	version Version
	log     LogID
	all     bool // a Put, or a delete where sets is nil
	sets    map[string]string
	removes []string
	adds    map[string]int64
	past    map[Version]bool
}

// writes reports whether the deed gave a name a new value, or took it.
func (d deed) writes(name string) bool {
	_, set := d.sets[name]
	return d.all || set || slices.Contains(d.removes, name)
}

// play is a history of one key in a table that merges by attribute: k is its key
// attribute, v a counter.
type play struct {
	clock hlc.Time
	held  map[RegionID]Record
	knows map[RegionID]map[Version]bool
	deeds []deed
	all   []Record
	pasts []map[Version]bool // what is in each of all
}

func newPlay() *play {
	return &play{held: map[RegionID]Record{}, knows: map[RegionID]map[Version]bool{regionA: {}, regionB: {}, regionC: {}}}
}

// value is a stored item of texts, and of numbers where they look like ones.
func value(sets map[string]string) []byte {
	var it []item.Attribute
	for name, text := range sets {
		v := item.Text(text)
		if n, err := item.Number(text); err == nil {
			v = n
		}
		it = append(it, item.Attribute{Name: name, Value: v})
	}
	return item.Encode(nil, item.Make(it...))
}

// do writes in a region, and stamps as a seal would.
func (p *play) do(t fatal, region RegionID, d deed) Record {
	t.Helper()
	p.clock++
	d.version = Version{Time: p.clock, Region: region}
	d.log = logOf(region)
	next := Record{Version: Version{Region: region}, Log: d.log}
	current, found := p.held[region]
	var change *Change
	if d.all {
		next.Tombstone = d.sets == nil
	} else {
		change = &Change{Attributes: slices.Clone(d.removes)}
		for name := range d.sets {
			change.Attributes = append(change.Attributes, name)
		}
		for name, n := range d.adds {
			sum := &item.Sum{}
			sum.Add(item.Int(n))
			change.Adds = append(change.Adds, Add{name, sum})
		}
	}
	if !next.Tombstone {
		next.Value = value(d.sets)
	}
	r, err := Rewrite(current, found, next, change, Frontiers{})
	if err != nil {
		t.Fatalf("write: %v", err)
	}
	r.Version.Time = p.clock
	d.past = clonePast(p.knows[region])
	p.deeds = append(p.deeds, d)
	p.knows[region][d.version] = true
	p.held[region] = r
	p.keep(region)
	return r
}

func (p *play) keep(region RegionID) {
	p.all = append(p.all, p.held[region])
	p.pasts = append(p.pasts, clonePast(p.knows[region]))
}

func clonePast(past map[Version]bool) map[Version]bool {
	out := map[Version]bool{}
	for v := range past {
		out[v] = true
	}
	return out
}

// pull merges record i of the history into what a region holds.
func (p *play) pull(t fatal, region RegionID, i int) Merged {
	t.Helper()
	m := Merged{Record: p.all[i]}
	if current, ok := p.held[region]; ok {
		m = merged(t, current, p.all[i], Frontiers{})
	}
	p.held[region] = m.Record
	for v := range p.pasts[i] {
		p.knows[region][v] = true
	}
	p.keep(region)
	return m
}

// drawn is a random history.
func drawn(t *rapid.T) *play {
	p := newPlay()
	for range rapid.IntRange(1, 10).Draw(t, "steps") {
		region := RegionID(rapid.IntRange(1, 3).Draw(t, "region"))
		if len(p.all) > 0 && rapid.Bool().Draw(t, "pull") {
			p.pull(t, region, rapid.IntRange(0, len(p.all)-1).Draw(t, "from"))
		}
		p.do(t, region, drawDeed(t))
	}
	return p
}

func drawDeed(t *rapid.T) deed {
	text := func() string { return rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "text") }
	number := func() string { return fmt.Sprint(rapid.IntRange(0, 2).Draw(t, "number")) }
	switch rapid.IntRange(0, 9).Draw(t, "deed") {
	case 0:
		return deed{all: true}
	case 1:
		return deed{all: true, sets: map[string]string{"k": "K", "a": text()}}
	case 2:
		return deed{all: true, sets: map[string]string{"k": "K", "b": text(), "v": number()}}
	case 3, 4:
		return deed{sets: map[string]string{"k": "K", rapid.SampledFrom([]string{"a", "b"}).Draw(t, "name"): text()}}
	case 5:
		return deed{removes: []string{"a"}}
	case 6:
		return deed{sets: map[string]string{"k": "K", "v": number()}}
	default:
		d := deed{adds: map[string]int64{"v": int64(rapid.IntRange(-3, 5).Draw(t, "add"))}}
		if rapid.Bool().Draw(t, "create") {
			d.sets = map[string]string{"k": "K"}
		}
		return d
	}
}

// latest is the last deed that wrote a name.
func (p *play) latest(name string) (last deed, ok bool) {
	for _, d := range p.deeds {
		if d.writes(name) && last.version.Compare(d.version) < 0 {
			last, ok = d, true
		}
	}
	return last, ok
}

// want is the item that the history must end with, by the rules alone.
func (p *play) want() map[string]string {
	want := map[string]string{}
	for _, name := range []string{"k", "a", "b", "v"} {
		if d, ok := p.latest(name); ok && d.sets[name] != "" {
			want[name] = d.sets[name]
		}
	}
	base, _ := p.latest("v")
	total, counted := int64(0), false
	for _, d := range p.deeds {
		if n, ok := d.adds["v"]; ok && p.reset(d) == base.version {
			total, counted = total+n, true
		}
	}
	if counted {
		var n int64
		_, _ = fmt.Sscan(want["v"], &n)
		want["v"] = fmt.Sprint(total + n)
	}
	return want
}

// reset is the value of the counter that an increment was made to: the last
// that its writer had seen, itself left out.
func (p *play) reset(increment deed) (last Version) {
	for _, d := range p.deeds {
		if d.writes("v") && increment.past[d.version] && last.Compare(d.version) < 0 {
			last = d.version
		}
	}
	return last
}

func show(t fatal, r Record) map[string]string {
	t.Helper()
	out := map[string]string{}
	if r.Tombstone {
		return out
	}
	it, err := item.Decode(r.Value)
	if err != nil {
		t.Fatalf("decode: %v", err)
	}
	for _, a := range it {
		out[a.Name] = a.Value.Text
	}
	return out
}

// DATA 10: attributes and increments are merged each by itself: what remains is
// the last value of each, and all increments of the last value, in any order and
// any number of times.
func TestDATA10_MergesEachAttributeByItself(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawn(t)
		want := mergeAll(t, p.all)
		if d := cmp.Diff(show(t, want), p.want()); d != "" {
			t.Fatalf("got (-), want (+):\n%s\nof %v", d, p.deeds)
		}
		shuffled := rapid.Permutation(p.all).Draw(t, "order")
		if d := cmp.Diff(mergeAll(t, shuffled), want); d != "" {
			t.Fatalf("another order gives another record:\n%s", d)
		}
		again := append(slices.Clone(shuffled), rapid.SliceOf(rapid.SampledFrom(p.all)).Draw(t, "again")...)
		if d := cmp.Diff(mergeAll(t, again), want); d != "" {
			t.Fatalf("repeats give another record:\n%s", d)
		}
	})
}

func TestDATA10_IsCommutativeAssociativeIdempotent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		merge := func(a, b Record) Record { return merged(t, a, b, Frontiers{}).Record }
		p := drawn(t)
		pick := func(name string) Record { return rapid.SampledFrom(p.all).Draw(t, name) }
		a, b, c := pick("a"), pick("b"), pick("c")
		if d := cmp.Diff(merge(a, b), merge(b, a)); d != "" {
			t.Fatalf("not commutative:\n%s", d)
		}
		if d := cmp.Diff(merge(merge(a, b), c), merge(a, merge(b, c))); d != "" {
			t.Fatalf("not associative:\n%s", d)
		}
		if d := cmp.Diff(merge(a, a), a); d != "" {
			t.Fatalf("not idempotent:\n%s", d)
		}
		ab := merge(a, b)
		if m := merged(t, ab, b, Frontiers{}); m.Changed || m.Replaced || len(m.Receipts) > 0 && !slices.ContainsFunc(merged(t, a, b, Frontiers{}).Receipts, func(r Record) bool { return r.Version == m.Receipts[0].Version }) {
			t.Fatalf("merging again changes: %+v", m)
		}
	})
}

// DATA 8, 10: whoever takes the records, in whatever order, no write vanishes
// that nobody had seen; and none leaves a receipt that everybody had.
func TestDATA10_NothingIsLostSilently(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawn(t)
		receipts := map[Version]Record{}
		records := rapid.Permutation(p.all).Draw(t, "order")
		current := records[0]
		for _, r := range records[1:] {
			m := merged(t, current, r, Frontiers{})
			current = m.Record
			for _, receipt := range m.Receipts {
				if known, ok := receipts[receipt.Version]; ok {
					var err error
					if receipt, _, err = JoinReceipts(known, receipt); err != nil {
						t.Fatal(err)
					}
				}
				receipts[receipt.Version] = receipt
			}
		}
		kept := p.pulled(t)
		for v, r := range kept {
			if known, ok := receipts[v]; ok {
				r, _, _ = JoinReceipts(known, r)
			}
			receipts[v] = r
		}
		p.checkSets(t, receipts)
		p.checkAdds(t, receipts)
	})
}

// pulled are the receipts that the regions made themselves while they played.
func (p *play) pulled(t fatal) map[Version]Record {
	t.Helper()
	out := map[Version]Record{}
	for i, a := range p.all {
		for _, b := range p.all[:i] {
			for _, r := range merged(t, a, b, Frontiers{}).Receipts {
				if known, ok := out[r.Version]; ok {
					r, _, _ = JoinReceipts(known, r)
				}
				out[r.Version] = r
			}
		}
	}
	return out
}

func (p *play) checkSets(t fatal, receipts map[Version]Record) {
	t.Helper()
	for _, d := range p.deeds {
		var lost map[string]string
		if r, ok := receipts[d.version]; ok {
			lost = show(t, r)
		}
		for name, text := range d.sets {
			concurrent, seen, equal := false, false, false
			for _, e := range p.deeds {
				if !e.writes(name) || e.version == d.version {
					continue
				}
				concurrent = concurrent || !e.past[d.version] && !d.past[e.version]
				seen = seen || e.past[d.version]
				equal = equal || e.sets[name] == text
			}
			last, _ := p.latest(name)
			if lost[name] != "" && !concurrent {
				t.Fatalf("%s=%s of %v has a receipt, and nothing was concurrent: %v", name, text, d.version, p.deeds)
			}
			if last.version != d.version && !seen && !equal && lost[name] != text {
				t.Fatalf("%s=%s of %v vanished, receipt %v: %v", name, text, d.version, lost, p.deeds)
			}
		}
	}
}

func (p *play) checkAdds(t fatal, receipts map[Version]Record) {
	t.Helper()
	base, _ := p.latest("v")
	type group struct {
		reset  Version
		region RegionID
	}
	unseen, all, first, clean := map[group]int64{}, map[group]int64{}, map[group]Version{}, map[group]bool{}
	for _, d := range p.deeds {
		n, ok := d.adds["v"]
		if !ok || p.reset(d) == base.version {
			continue
		}
		g := group{p.reset(d), d.version.Region}
		if _, known := first[g]; !known {
			first[g], clean[g] = d.version, true
		}
		all[g] += n
		seen := false
		for _, e := range p.deeds {
			if e.writes("v") {
				seen = seen || e.past[d.version]
				clean[g] = clean[g] && (e.past[d.version] || d.past[e.version])
			}
		}
		if !seen {
			unseen[g] += n
		}
	}
	for g, v := range first {
		var lost int64
		r, ok := receipts[v]
		if ok {
			a, err := expand(r)
			if err != nil {
				t.Fatalf("%v", err)
			}
			for _, n := range a.cell("v").adds {
				_, _ = fmt.Sscan(n.sum.Text(), &lost)
			}
		}
		if clean[g] && lost != 0 {
			t.Fatalf("increments of %v have a receipt of %d, and nothing was concurrent: %v", v, lost, p.deeds)
		}
		single := p.resets() == 1
		if single && lost != unseen[g] {
			t.Fatalf("increments of %v: receipt of %d, lost %d: %v", v, lost, unseen[g], p.deeds)
		}
	}
}

// resets counts the deeds that set the counter.
func (p *play) resets() (n int) {
	for _, d := range p.deeds {
		if d.writes("v") {
			n++
		}
	}
	return n
}

// Equal records are equal bytes, and a record takes itself apart and together.
func TestCellsAreCanonical(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawn(t)
		r := mergeAll(t, p.all)
		encoded := Append(nil, r, false)
		if len(encoded) > Size(r) {
			t.Fatalf("%d bytes, Size said %d", len(encoded), Size(r))
		}
		got, err := Parse(encoded)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(got, r); d != "" {
			t.Fatalf("got (-), want (+):\n%s", d)
		}
		again, err := Trim(got, Frontiers{})
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(again, r); d != "" {
			t.Fatalf("taken apart and together, got (-), want (+):\n%s", d)
		}
	})
}

// DATA 1: a seal patches only the version; the cells speak of it without
// repeating it.
func TestD8_CellsNeedNoStamp(t *testing.T) {
	p := newPlay()
	p.do(t, regionB, deed{all: true, sets: map[string]string{"k": "K", "a": "x", "v": "1"}})
	p.pull(t, regionA, 0)
	d := deed{sets: map[string]string{"k": "K", "a": "y"}, adds: map[string]int64{"v": 2}}
	want := p.do(t, regionA, d)
	q := newPlay()
	q.do(t, regionB, deed{all: true, sets: map[string]string{"k": "K", "a": "x", "v": "1"}})
	q.pull(t, regionA, 0)
	q.clock = 1 << 40
	early := q.do(t, regionA, d)
	encoded := Append(nil, early, false)
	PatchTime(encoded, want.Version.Time)
	if !bytes.Equal(encoded, Append(nil, want, false)) {
		t.Error("records that differ in their time alone differ in more bytes")
	}
	r, err := Parse(encoded)
	if err != nil {
		t.Fatal(err)
	}
	if got := show(t, r); got["v"] != "3" || got["a"] != "y" {
		t.Errorf("got %v", got)
	}
}

// D7, DATA 10: what replaced a lost attribute was written by whoever wrote that
// attribute, or set that counter, not by the latest writer of the item.
func TestD7_WinnerOfAnAttribute(t *testing.T) {
	p := newPlay()
	p.do(t, regionA, deed{all: true, sets: map[string]string{"k": "K", "a": "0", "v": "1"}}) // 0
	p.pull(t, regionB, 0)
	p.pull(t, regionC, 0)
	p.do(t, regionA, deed{sets: map[string]string{"k": "K", "a": "lost"}, adds: map[string]int64{"v": 7}}) // 3
	set := p.do(t, regionB, deed{sets: map[string]string{"k": "K", "a": "kept", "v": "100"}})              // 4
	p.do(t, regionC, deed{sets: map[string]string{"k": "K", "u": "other"}})                                // 5
	p.pull(t, regionC, 4)
	got := p.pull(t, regionC, 3)
	if len(got.Receipts) == 0 || got.Record.Version.Region != regionC {
		t.Fatalf("receipts %v beside %v", got.Receipts, got.Record.Version)
	}
	for _, r := range got.Receipts {
		winner, err := Winner(r, got.Record)
		if err != nil || winner != set.Version {
			t.Errorf("%+v was replaced by %v (%v), want %v", r.Version, winner, err, set.Version)
		}
	}
}

// DATA 14: what was removed is kept until every region has applied that, and
// then forgotten; contexts go too.
func TestDATA14_AttributeTombstonesGoWithTheFrontier(t *testing.T) {
	p := newPlay()
	p.do(t, regionA, deed{all: true, sets: map[string]string{"k": "K", "a": "x"}})
	p.pull(t, regionB, 0)
	old := p.do(t, regionA, deed{sets: map[string]string{"k": "K", "a": "y"}})
	removed := p.do(t, regionB, deed{removes: []string{"a"}})
	r := merged(t, removed, old, Frontiers{}).Record
	if got := show(t, r); got["a"] != "" || r.Cells == nil {
		t.Fatalf("got %v", got)
	}
	if again := merged(t, r, old, Frontiers{}); again.Changed {
		t.Errorf("the old value is back: %+v", again)
	}
	kept, err := Trim(r, Frontiers{Current: 3, Reached: 2})
	if err != nil {
		t.Fatal(err)
	}
	if a, _ := expand(kept); len(a.cells) != 2 {
		t.Errorf("below the removal: %+v", a.cells)
	}
	gone, err := Trim(r, Frontiers{Current: 3, Reached: 3})
	if err != nil {
		t.Fatal(err)
	}
	if a, _ := expand(gone); len(a.cells) != 1 || gone.Context != nil {
		t.Errorf("behind it: %+v", a)
	}
	if m := merged(t, gone, r, Frontiers{Current: 3, Reached: 3, Incoming: 3}); m.Changed || len(m.Receipts) > 0 {
		t.Errorf("a copy that keeps it still changes something: %+v", m)
	}
}

// DATA 9: an expiry is a bit on the register of the time to live: who extends
// that has the item back, whole, whoever is later in other attributes.
func TestDATA9_ExpiryOfMergedAttributes(t *testing.T) {
	p := newPlay()
	p.do(t, regionA, deed{all: true, sets: map[string]string{"k": "K", "a": "x"}})
	item := p.held[regionA]
	item.Expires = 100
	p.held[regionA], p.all[0] = item, item
	p.pull(t, regionB, 0)
	dead := item
	dead.Expired = true
	m := merged(t, item, dead, Frontiers{})
	if !m.Replaced || !m.Record.Expired {
		t.Fatalf("the expiry changes nothing: %+v", m)
	}
	other := p.do(t, regionB, deed{sets: map[string]string{"k": "K", "b": "y"}})
	if m := merged(t, dead, other, Frontiers{}); !m.Record.Expired || m.Replaced || len(m.Receipts) > 0 {
		t.Errorf("another attribute: %+v", m)
	}
	extended, err := Rewrite(item, true, Record{
		Version: Version{Region: regionB}, Log: logOf(regionB), Expires: 200, Value: value(map[string]string{"k": "K", "t": "200"}),
	}, &Change{Attributes: []string{"k", "t"}, Expires: true}, Frontiers{})
	if err != nil {
		t.Fatal(err)
	}
	extended.Version.Time = 50
	m = merged(t, dead, extended, Frontiers{})
	if got := show(t, m.Record); m.Record.Expired || m.Record.Expires != 200 || got["a"] != "x" || len(m.Receipts) > 0 {
		t.Errorf("extended: %v, %+v", got, m)
	}
	again := merged(t, extended, dead, Frontiers{})
	if d := cmp.Diff(again.Record, m.Record); d != "" {
		t.Errorf("the other way round:\n%s", d)
	}
}

// A buried record is gone with all that it held; what was written later to it
// is an item of its own.
func TestBuriedRecordsStayBelowWhatIsLater(t *testing.T) {
	p := newPlay()
	p.do(t, regionA, deed{all: true, sets: map[string]string{"k": "K", "a": "x", "v": "1"}})
	old := p.do(t, regionA, deed{adds: map[string]int64{"v": 1}})
	buried, err := Bury(old)
	if err != nil {
		t.Fatal(err)
	}
	m := merged(t, old, buried, Frontiers{})
	if !m.Record.Tombstone || !m.Replaced || len(m.Receipts) > 0 {
		t.Errorf("buried: %+v", m)
	}
	later := p.do(t, regionA, deed{sets: map[string]string{"k": "K", "b": "y"}})
	m = merged(t, later, buried, Frontiers{})
	if got := show(t, m.Record); len(got) != 2 || got["b"] != "y" || len(m.Receipts) > 0 {
		t.Errorf("what was written later: %v, %+v", got, m.Receipts)
	}
	plain, err := Bury(written("x", regionA, 10, saw(regionB, 4)))
	if err != nil || !plain.Expired || plain.Context != nil {
		t.Errorf("of a plain table: %+v, %v", plain, err)
	}
}

// D8: sums are exact, and what does not fit a number is rounded alike everywhere.
func TestD8_CountersAreExact(t *testing.T) {
	p := newPlay()
	p.do(t, regionA, deed{all: true, sets: map[string]string{"k": "K", "v": "0." + strings.Repeat("0", 36) + "1"}})
	p.pull(t, regionB, 0)
	a := p.do(t, regionA, deed{adds: map[string]int64{"v": 7}})
	b := p.do(t, regionB, deed{adds: map[string]int64{"v": -5}})
	m := merged(t, a, b, Frontiers{})
	if got, want := show(t, m.Record)["v"], "2."+strings.Repeat("0", 36)+"1"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
