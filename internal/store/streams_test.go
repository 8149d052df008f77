package store_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/meridian-run/meridian/internal/kv/memkv"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

// enabled is when the stream of the tests was enabled.
const enabled = 1_700_000_000_000

// streaming opens a region whose table has a stream from the first write on.
func streaming(t *testing.T, id record.RegionID) *region {
	r := newRegion(t, id, nil, nil)
	r.SetTables(nil)
	adoptStream(t, r)
	return r
}

func adoptStream(t *testing.T, r *region) {
	t.Helper()
	r.tables = slices.Clone(r.tables)
	r.tables[0].Stream = &table.Stream{View: table.ViewNewOld, Created: enabled}
	if err := r.Renew(t.Context(), r.tables); err != nil {
		t.Fatal(err)
	}
	r.SetTables(r.tables)
}

// consumer follows a stream from shard to shard, as AWS's libraries do.
type consumer struct {
	region *region
	at     store.ImageCursor
	images []store.Image
}

// poll reads a few images, and goes on to the child of a shard that is over.
func (c *consumer) poll(fail func(format string, args ...any)) (more bool) {
	l, err := c.region.Stream(notes, enabled)
	if err != nil {
		fail("region %d: %v", c.region.id, err)
	}
	if c.at == (store.ImageCursor{}) {
		c.at = l.Shards[0].After
	}
	b, over, err := c.region.StreamImages(c.region.t.Context(), notes, enabled, c.at, store.Limit{Entries: 2})
	if err != nil {
		fail("region %d behind %v: %v", c.region.id, c.at, err)
	}
	c.images, c.at = append(c.images, b.Images...), b.Next
	if over {
		for _, s := range l.Shards {
			if s.Parent == b.Next.Log {
				c.at = s.After
				return true
			}
		}
	}
	return b.More
}

// D1: whatever was written, applied, expired and restarted, the stream of a
// region is each state of each item, once and in order, and makes up its table.
func TestD1_StreamMakesUpTheTable(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		regions := []*region{streaming(t, 1), streaming(t, 2), streaming(t, 3)}
		var consumers []*consumer
		for _, r := range regions {
			consumers = append(consumers, &consumer{region: r})
		}
		for _, part := range rapid.SliceOfN(rapid.IntRange(0, 8), 1, 8).Draw(rt, "parts") {
			run(regions, actions(rt))
			r := regions[part%3]
			switch part / 3 {
			case 0:
				r.restart()
			case 1:
				dying := key("dying")
				if _, err := r.Update(t.Context(), []record.Key{dying}, func(tx *store.Tx) error {
					return tx.Put(dying, []byte("soon"), store.PutOptions{Expires: r.now.Unix() + 1})
				}); err != nil {
					rt.Fatal(err)
				}
				for _, each := range regions {
					each.advance(2 * time.Second)
				}
				if _, err := r.Expire(t.Context()); err != nil {
					rt.Fatal(err)
				}
			}
			consumers[part%3].poll(rt.Fatalf)
		}
		catchUp(regions)
		for _, c := range consumers {
			for c.poll(rt.Fatalf) {
			}
			c.check(rt)
		}
	})
}

// check replays what was read onto an empty map.
func (c *consumer) check(rt *rapid.T) {
	last := map[string]*record.Record{}
	for n, i := range c.images {
		k := string(i.Key.Partition)
		if d := cmp.Diff(i.Old, last[k]); d != "" {
			rt.Fatalf("region %d, image %d of %s: old image (-), state before (+):\n%s", c.region.id, n, k, d)
		}
		if last[k] = i.New; i.New == nil {
			delete(last, k)
		}
	}
	held := map[string]string{}
	if err := c.region.Scan(c.region.t.Context(), store.Scan{Table: notes}, func(k record.Key, r record.Record) (bool, error) {
		held[string(k.Partition)] = string(r.Value)
		return true, nil
	}); err != nil {
		rt.Fatal(err)
	}
	replayed := map[string]string{}
	for k, r := range last {
		if r.Expires == 0 || r.Expires > c.region.now.Unix() {
			replayed[k] = string(r.Value)
		}
	}
	if d := cmp.Diff(replayed, held); d != "" {
		rt.Fatalf("region %d: the stream (-) is not the table (+):\n%s", c.region.id, d)
	}
}

// DATA 3: a stream begins, and shows images, once they are durable; a crash takes
// back nothing that was shown.
func TestDATA3_StreamsAreDurable(t *testing.T) {
	s, engine := driven(t, 1)
	streamed := tableIn(notes, 1, 2)
	streamed.Stream = &table.Stream{View: table.ViewNew, Created: enabled}
	s.SetTables([]table.Table{streamed})
	if _, err := s.Stream(notes, enabled); !errors.Is(err, store.ErrNoStream) {
		t.Fatalf("before it begins: %v", err)
	}
	begun, err := s.BeginCollect()
	if err != nil {
		t.Fatal(err)
	}
	put, err := s.BeginUpdate([]record.Key{key("a")}, func(tx *store.Tx) error { return tx.Put(key("a"), []byte("1"), store.PutOptions{}) })
	if err != nil {
		t.Fatal(err)
	}
	engine.SyncTo(begun.Sequence)
	l, err := s.Stream(notes, enabled)
	if err != nil {
		t.Fatal(err)
	}
	read := func() int {
		b, _, err := s.StreamImages(t.Context(), notes, enabled, l.Shards[0].After, store.Limit{})
		if err != nil {
			t.Fatal(err)
		}
		return len(b.Images)
	}
	if n := read(); n != 0 {
		t.Errorf("%d images before the sync", n)
	}
	engine.SyncTo(put.Sequence)
	if n := read(); n != 1 {
		t.Errorf("%d images after the sync", n)
	}
}

// A place in a shard is found by time; an empty read moves on, so that a reader
// that finds nothing for long has missed nothing.
func TestD1_StreamPlaces(t *testing.T) {
	r := streaming(t, 1)
	for range 5 {
		r.put(key("a"), "x")
		r.advance(time.Minute)
	}
	l, err := r.Stream(notes, enabled)
	if err != nil {
		t.Fatal(err)
	}
	for minutes, want := range map[int]int{-1: 5, 0: 5, 1: 4, 4: 1, 9: 0} {
		at, err := r.ImageAt(notes, l.Shards[0], l.Durable, start.Add(time.Duration(minutes)*time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		b, _, err := r.StreamImages(t.Context(), notes, enabled, at, store.Limit{})
		if err != nil || len(b.Images) != want {
			t.Errorf("from minute %d on there are %d images, %v; want %d", minutes, len(b.Images), err, want)
		}
	}
	end, _, err := r.StreamImages(t.Context(), notes, enabled, l.Durable, store.Limit{})
	if err != nil {
		t.Fatal(err)
	}
	r.put(record.Key{Table: notes, Partition: []byte("b")}, "y")
	for range 3 {
		r.advance(20 * time.Hour)
		collect(t, r)
		if end, _, err = r.StreamImages(t.Context(), notes, enabled, end.Next, store.Limit{}); err != nil {
			t.Fatalf("a reader that never stopped was left behind: %v", err)
		}
	}
	if _, _, err := r.StreamImages(t.Context(), notes, enabled, l.Shards[0].After, store.Limit{}); !errors.Is(err, store.ErrCursorTrimmed) {
		t.Errorf("the oldest place after two days: %v", err)
	}
}

// DATA 5: a place of a life that was undone is not known any more.
func TestDATA5_StreamsOfARestoredDirectory(t *testing.T) {
	r := streaming(t, 1)
	r.put(key("a"), "1")
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	engine := r.engine.(*memkv.Engine)
	lost := newRegion(t, 1, engine.Reopen(memkv.Config{}), nil)
	adoptStream(t, lost)
	lost.put(key("a"), "lost")
	l, err := lost.Stream(notes, enabled)
	if err != nil {
		t.Fatal(err)
	}
	restored := newRegion(t, 1, engine.Reopen(memkv.Config{}), nil)
	adoptStream(t, restored)
	if _, _, err := restored.StreamImages(t.Context(), notes, enabled, l.Durable, store.Limit{}); !errors.Is(err, store.ErrCursorUnknown) {
		t.Errorf("a place of the life that was undone: %v", err)
	}
}
