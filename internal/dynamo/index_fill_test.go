package dynamo

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/kv/memkv"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

const filledTable = record.TableID(9)

// history is regions of one table whose indexes change while it is written.
type history struct {
	t       *testing.T
	random  *rand.Rand
	clock   time.Time
	tables  []table.Table // by revision
	regions []*filling
}

// filling is one region: its store, and the revision of the table that it has
// adopted.
type filling struct {
	id       record.RegionID
	engine   *memkv.Engine
	store    *store.Store
	revision int
}

func newHistory(t *testing.T, seed uint64) *history {
	h := &history{t: t, random: rand.New(rand.NewPCG(seed, 4)), clock: time.Unix(1_700_000_000, 0)}
	first := table.Table{ID: filledTable, Name: "events", Key: table.Attribute{Name: "pk", Type: "S"}, TTL: "dies", State: table.Active, Owner: table.OwnerAPI}
	first.Replicas = []table.Replica{{Region: "eu", ID: 1}, {Region: "us", ID: 2}}
	first.Indexes = []table.Index{h.index("one")}
	h.tables = []table.Table{first}
	for id := range 2 {
		r := &filling{id: record.RegionID(id + 1), engine: memkv.New(memkv.Config{})}
		h.open(r)
		h.regions = append(h.regions, r)
	}
	t.Cleanup(func() {
		for _, r := range h.regions {
			_ = r.store.Close()
		}
	})
	return h
}

func (h *history) index(name string) table.Index {
	a := func() table.Attribute {
		return table.Attribute{Name: []string{"a", "b", "c"}[h.random.IntN(3)], Type: "S"}
	}
	x := table.Index{Name: name, Key: a(), Projection: []string{"ALL", "KEYS_ONLY"}[h.random.IntN(2)]}
	if sort := a(); sort != x.Key {
		x.Sort = &sort
	}
	return x
}

func (h *history) open(r *filling) {
	h.t.Helper()
	var err error
	r.store, err = store.Open(context.Background(), store.Config{
		Engine: r.engine, World: "test", RegionName: fmt.Sprint(r.id), Region: r.id,
		Wall: func() time.Time { return h.clock }, IndexStep: 3, Observers: []store.Observer{IndexObserver{}},
	})
	h.must(err)
	h.adopt(r, r.revision)
}

func (h *history) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *history) adopt(r *filling, revision int) {
	h.t.Helper()
	r.revision = revision
	tables := []table.Table{h.tables[revision]}
	h.must(r.store.Renew(context.Background(), tables))
	r.store.SetTables(tables)
}

// change adds a revision: an index is added, removed, or made anew.
func (h *history) change() {
	before := h.tables[len(h.tables)-1]
	t := before.Clone()
	name := []string{"one", "two"}[h.random.IntN(2)]
	t.Indexes = slices.DeleteFunc(t.Indexes, func(x table.Index) bool { return x.Name == name })
	if h.random.IntN(3) > 0 {
		t.Indexes = append(t.Indexes, h.index(name))
	}
	t.AddedSince(uint64(len(h.tables)), before)
	h.tables = append(h.tables, t)
}

func (h *history) write(r *filling) {
	h.t.Helper()
	it := item.Make(item.Attribute{Name: "pk", Value: item.Value{Kind: item.S, Text: fmt.Sprint(h.random.IntN(40))}})
	for _, name := range []string{"a", "b", "c"} {
		switch h.random.IntN(5) {
		case 0:
		case 1:
			it = it.Set(name, item.Value{Kind: item.N, Text: "7"})
		default:
			it = it.Set(name, item.Value{Kind: item.S, Text: []string{"x", "y", "z\x00"}[h.random.IntN(3)]})
		}
	}
	if h.random.IntN(4) == 0 {
		it = it.Set("dies", item.Int(h.clock.Unix()+int64(h.random.IntN(20))))
	}
	key := record.Key{Table: filledTable, Partition: item.AppendOrdered(nil, it.Get("pk"))}
	_, err := r.store.Update(context.Background(), []record.Key{key}, func(tx *store.Tx) error {
		if h.random.IntN(5) == 0 {
			return tx.Delete(key)
		}
		return tx.Put(key, item.Encode(nil, it), store.PutOptions{})
	})
	h.must(err)
}

func (h *history) pull(to, from *filling) {
	h.t.Helper()
	for {
		after, _ := to.store.Cursor(from.id)
		b, err := from.store.ReadLog(context.Background(), after, store.Limit{Entries: 3}, nil)
		h.must(err)
		_, err = to.store.Apply(context.Background(), store.Apply{Origin: from.id, Cursor: b.To, Records: b.Records, Frontiers: b.Frontiers})
		h.must(err)
		if b.From == b.To || h.random.IntN(3) == 0 {
			return
		}
	}
}

// crash ends a region in the middle; its control state may be older afterwards
// than what it had adopted.
func (h *history) crash(r *filling) {
	h.t.Helper()
	h.must(r.engine.Crash())
	_ = r.store.Close() // says that it has crashed
	r.engine = r.engine.Reopen(memkv.Config{})
	if h.random.IntN(2) == 0 {
		r.revision = h.random.IntN(r.revision + 1)
	}
	h.open(r)
}

func (h *history) step(r *filling) {
	h.t.Helper()
	switch h.random.IntN(20) {
	case 0:
		h.crash(r)
	case 1:
		h.change()
	case 2, 3:
		h.adopt(r, len(h.tables)-1)
	case 4:
		h.clock = h.clock.Add(time.Duration(h.random.IntN(5)) * time.Second)
	case 5:
		_, err := r.store.Expire(context.Background())
		h.must(err)
	case 6, 7, 8:
		_, err := r.store.Index(context.Background())
		h.must(err)
	case 9, 10, 11:
		h.pull(r, h.regions[2-r.id])
	default:
		h.write(r)
	}
}

// check compares the entries of the indexes that are whole with what the records
// say; at the end all are, and there is nothing else.
func (h *history) check(r *filling, when string, end bool) {
	h.t.Helper()
	t := h.tables[r.revision]
	want := map[string][]byte{}
	entries := func(x table.Index) {
		h.must(r.store.Scan(context.Background(), store.Scan{Table: filledTable}, func(_ record.Key, rec record.Record) (bool, error) {
			it, err := item.Decode(rec.Value)
			if entry := indexEntry(&t, x, it); entry != nil {
				want[string(store.IndexKey(filledTable, entry))] = indexValue(&t, x, it, rec.Expires)
			}
			return true, err
		}))
	}
	prefixes := [][]byte{}
	for _, x := range t.Indexes {
		whole, err := r.store.IndexWhole(filledTable, x)
		h.must(err)
		if whole {
			entries(x)
			prefixes = append(prefixes, store.IndexKey(filledTable, store.IndexPrefix(x)))
		} else if end {
			h.t.Fatalf("%s: region %d has not filled %s", when, r.id, x.Name)
		}
	}
	got := map[string][]byte{}
	h.must(r.store.View(context.Background(), func(reader kv.Reader) error {
		it := reader.Scan(kv.Range{From: store.IndexKey(filledTable, nil), To: store.IndexKey(filledTable+1, nil)})
		for it.Next() {
			of := slices.ContainsFunc(prefixes, func(p []byte) bool { return bytes.HasPrefix(it.Key(), p) })
			if !of && (!end || it.Key()[store.IndexPrefixSize] == 'm') {
				continue
			}
			if expires, _, err := splitIndexValue(it.Value()); of && !end && (err != nil || expires != 0 && expires <= h.clock.Unix()) {
				continue // not seen any more
			}
			got[string(it.Key())] = bytes.Clone(it.Value())
		}
		return it.Close()
	}))
	if !maps.EqualFunc(got, want, bytes.Equal) {
		h.t.Fatalf("%s: region %d at revision %d with %+v:\ngot  %q\nwant %q", when, r.id, r.revision, t.Indexes, slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
}

func (h *history) settle(r *filling) {
	h.t.Helper()
	h.adopt(r, len(h.tables)-1)
	for more := true; more; {
		done, err := r.store.Index(context.Background())
		h.must(err)
		more = done.More
	}
	for more := true; more; {
		done, err := r.store.Expire(context.Background())
		h.must(err)
		more = done.More
	}
}

// D2, DATA 11: whatever is written, applied, deleted and expires while indexes
// are added and removed, in whatever order regions hear of it and wherever they
// crash, an index that answers has the entries of the records, and no others are
// left.
func TestD2_IndexesThatAreAddedOnlineAreThoseOfTheRecords(t *testing.T) {
	for seed := range uint64(60) {
		h := newHistory(t, seed)
		for n := range 200 {
			r := h.regions[h.random.IntN(2)]
			h.step(r)
			h.check(r, fmt.Sprintf("seed %d, step %d", seed, n), false)
		}
		for _, r := range h.regions {
			h.settle(r)
			h.check(r, fmt.Sprintf("seed %d, at the end", seed), true)
		}
	}
}

// D2: filling goes on where it was after a crash, in bounded steps.
func TestD2_FillingAnIndexGoesOnAfterACrash(t *testing.T) {
	h := newHistory(t, 1)
	r := h.regions[0]
	const records = 50
	for i := range records {
		key := record.Key{Table: filledTable, Partition: fmt.Append(nil, i)}
		it := item.Make(item.Attribute{Name: "pk", Value: item.Value{Kind: item.S, Text: fmt.Sprint(i)}}, item.Attribute{Name: "a", Value: item.Value{Kind: item.S, Text: "x"}})
		_, err := r.store.Update(t.Context(), []record.Key{key}, func(tx *store.Tx) error { return tx.Put(key, item.Encode(nil, it), store.PutOptions{}) })
		h.must(err)
	}
	next := h.tables[0].Clone()
	next.Indexes = []table.Index{{Name: "two", Key: table.Attribute{Name: "a", Type: "S"}, Projection: "KEYS_ONLY", Since: 1}}
	h.tables = append(h.tables, next)
	h.adopt(r, 1)
	looked, steps := 0, 0
	for {
		done, err := r.store.Index(t.Context())
		h.must(err)
		if looked += done.Records; !done.More {
			break
		}
		if steps++; steps == 4 {
			if looked == 0 || looked == records {
				t.Fatalf("%d records in %d steps", looked, steps)
			}
			h.must(r.engine.Crash())
			_ = r.store.Close()
			r.engine = r.engine.Reopen(memkv.Config{})
			h.open(r)
		}
	}
	if looked != records {
		t.Errorf("looked at %d records of %d", looked, records)
	}
	h.check(r, "filled", true)
}
