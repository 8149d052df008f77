package store_test

import (
	"errors"
	"fmt"
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

// keep makes a region keep images of notes from here on.
func keep(t *testing.T, r *region, images *table.Images) {
	t.Helper()
	r.tables = slices.Clone(r.tables)
	r.tables[0].Images = images
	if err := r.Renew(t.Context(), r.tables); err != nil {
		t.Fatal(err)
	}
	r.SetTables(r.tables)
	collect(t, r)
}

func collect(t *testing.T, r *region) {
	t.Helper()
	for more := true; more; {
		done, err := r.Collect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		more = done.More
	}
}

var aDay = &table.Images{KeepSeconds: 86400, Bytes: 1 << 30}

// imaging opens a region that keeps images.
func imaging(t *testing.T, id record.RegionID) *region {
	r := newRegion(t, id, nil, nil)
	keep(t, r, aDay)
	return r
}

// images reads all images behind a cursor, a few at a time.
func images(t *testing.T, r *region, after store.ImageCursor) (out []store.Image, next store.ImageCursor) {
	t.Helper()
	for {
		b, err := r.Images(t.Context(), notes, after, store.Limit{Entries: 3})
		if err != nil {
			t.Fatal(err)
		}
		out, after = append(out, b.Images...), b.Next
		if !b.More {
			return out, after
		}
	}
}

func shown(list []store.Image) (out []string) {
	show := func(r *record.Record) string {
		if r == nil {
			return "-"
		}
		return string(r.Value)
	}
	for _, i := range list {
		cause := map[store.Cause]string{store.Local: "local", store.Applied: "applied", store.Expired: "expired"}[i.Cause]
		out = append(out, fmt.Sprintf("%s %s: %s>%s by %d", cause, i.Key.Partition, show(i.Old), show(i.New), i.Version.Region))
	}
	return out
}

// DATA 11: local, applied and expired changes are in the log alike, each state
// that took effect once, with its version and both images.
func TestDATA11_ImagesOfEveryChange(t *testing.T) {
	a, b := newRegion(t, 1, nil, nil), imaging(t, 2)
	a.at(10).put(key("k"), "a")
	lost := a.read(store.Cursor{}, store.Limit{})
	first := b.at(20).put(key("k"), "b")
	b.take(a, lost) // loses
	b.take(a, lost)
	a.pull(b)
	a.at(30).put(key("k"), "c")
	b.pull(a)
	b.pull(a)
	b.at(40).remove(key("k"))
	b.remove(key("never"))
	if _, err := b.Update(t.Context(), []record.Key{key("x"), key("y")}, func(tx *store.Tx) error {
		return errors.Join(tx.Put(key("x"), []byte("1"), store.PutOptions{Expires: start.Unix() + 5}), tx.Put(key("y"), []byte("2"), store.PutOptions{}))
	}); err != nil {
		t.Fatal(err)
	}
	b.advance(6 * time.Second)
	if _, err := b.Expire(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, _ := images(t, b, store.ImageCursor{})
	want := []string{
		"local k: ->b by 2", "applied k: b>c by 1", "local k: c>- by 2",
		"local x: ->1 by 2", "local y: ->2 by 2", "expired x: 1>- by 2",
	}
	if d := cmp.Diff(shown(got), want); d != "" {
		t.Fatalf("got (-), want (+):\n%s", d)
	}
	if got[0].Version != first.Version || got[0].New.Version != first.Version || got[1].Old.Version != first.Version {
		t.Errorf("versions %v, %v, %v; want %v", got[0].Version, got[0].New.Version, got[1].Old.Version, first.Version)
	}
	if got[0].Cursor.Sequence != first.Sequence || !got[0].Time.Equal(b.now.Add(-6*time.Second).Truncate(time.Millisecond)) {
		t.Errorf("sequence %d at %v, want %d", got[0].Cursor.Sequence, got[0].Time, first.Sequence)
	}
	if got[3].Cursor.Sequence != got[4].Cursor.Sequence || got[3].New.Expires != start.Unix()+5 {
		t.Errorf("two changes of one commit: %+v, %+v", got[3], got[4])
	}
	if got[5].Version != got[3].Version {
		t.Errorf("an expiry has version %v, want that of the record, %v", got[5].Version, got[3].Version)
	}
}

// The images of a key are its states one after the other: each one's old image
// is the one before's new, whatever arrives in whatever order.
func TestImagesChain(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		regions := []*region{imaging(t, 1), imaging(t, 2), imaging(t, 3)}
		run(regions, actions(rt))
		catchUp(regions)
		for _, r := range regions {
			last := map[string]*record.Record{}
			all, _ := images(t, r, store.ImageCursor{})
			for n, i := range all {
				k := string(i.Key.Partition) + "/" + string(i.Key.Sort)
				if d := cmp.Diff(i.Old, last[k]); d != "" {
					rt.Fatalf("region %d, image %d of %s: old image (-), state before (+):\n%s", r.id, n, k, d)
				}
				last[k] = i.New
			}
			for k, rec := range last {
				if rec == nil {
					continue
				}
				p, _, _ := cutKey(k)
				if got := r.value(key(p)); got != string(rec.Value) {
					rt.Fatalf("region %d holds %q under %s, its last image %q", r.id, got, k, rec.Value)
				}
			}
		}
	})
}

func cutKey(text string) (partition, sort string, ok bool) {
	for i := range text {
		if text[i] == '/' {
			return text[:i], text[i+1:], true
		}
	}
	return text, "", false
}

// DATA 3: an image that a crash could undo is not shown, nor counted as expired
// what is not buried for good.
func TestDATA3_ImagesAreDurable(t *testing.T) {
	s, engine := driven(t, 1)
	notesIn := tableIn(notes, 1, 2)
	notesIn.Images = aDay
	s.SetTables([]table.Table{notesIn})
	begun, err := s.BeginCollect()
	if err != nil {
		t.Fatal(err)
	}
	put, err := s.BeginUpdate([]record.Key{key("a")}, func(tx *store.Tx) error {
		return tx.Put(key("a"), []byte("1"), store.PutOptions{Expires: 1})
	})
	if err != nil {
		t.Fatal(err)
	}
	engine.SyncTo(put.Sequence)
	if _, err := begun.Finish(); err != nil {
		t.Fatal(err)
	}
	if _, err := put.Finish(); err != nil {
		t.Fatal(err)
	}
	count := func() int {
		b, err := s.Images(t.Context(), notes, store.ImageCursor{}, store.Limit{})
		if err != nil {
			t.Fatal(err)
		}
		return len(b.Images)
	}
	expired, err := s.BeginExpire()
	if err != nil || expired.Ready() {
		t.Fatalf("ready before the sync, or %v", err)
	}
	if n := count(); n != 1 || s.Stats().Expired != 0 {
		t.Errorf("before the sync %d images, %d expired", n, s.Stats().Expired)
	}
	engine.SyncTo(expired.Sequence)
	if done, err := expired.Finish(); err != nil || done.Records != 1 {
		t.Fatalf("%+v, %v", done, err)
	}
	if n := count(); n != 2 || s.Stats().Expired != 1 {
		t.Errorf("after the sync %d images, %d expired", n, s.Stats().Expired)
	}
}

// Images go by age and by size, and a reader that came too late is told so.
func TestImagesAreTrimmed(t *testing.T) {
	r := newRegion(t, 1, nil, nil)
	keep(t, r, &table.Images{KeepSeconds: 3600, Bytes: 10_000})
	value := string(make([]byte, 500))
	r.put(key("a"), value)
	_, early := images(t, r, store.ImageCursor{})
	r.advance(30 * time.Minute)
	r.put(key("a"), value)
	_, late := images(t, r, store.ImageCursor{})
	r.advance(31 * time.Minute)
	collect(t, r)
	log, err := r.ImageLog(notes)
	if err != nil || log.Number != 1 || !log.Since.Equal(start) {
		t.Fatalf("got %+v, %v", log, err)
	}
	if got, _ := images(t, r, early); len(got) != 1 {
		t.Errorf("behind the last one that is gone there is %d", len(got))
	}
	for range 30 {
		r.put(key("b"), value)
	}
	collect(t, r)
	if log, err = r.ImageLog(notes); err != nil || log.Bytes > 10_000 || log.Bytes < 8000 {
		t.Fatalf("got %+v, %v", log, err)
	}
	for _, cursor := range []store.ImageCursor{early, late} {
		if _, err := r.Images(t.Context(), notes, cursor, store.Limit{}); !errors.Is(err, store.ErrCursorTrimmed) {
			t.Errorf("%v: %v", cursor, err)
		}
	}
	all, next := images(t, r, store.ImageCursor{})
	if uint64(len(all)) != log.Number {
		t.Errorf("%d images, counted %d", len(all), log.Number)
	}
	r.advance(2 * time.Hour)
	collect(t, r)
	r.restart()
	if got, at := images(t, r, next); len(got) != 0 || at != next {
		t.Errorf("got %v at %v, want none at %v", shown(got), at, next)
	}
	r.put(key("c"), "x")
	if got, _ := images(t, r, next); len(got) != 1 {
		t.Errorf("behind an empty log there is %d", len(got))
	}
}

// A log that was given up and begun again has a gap, and its readers are told.
func TestImagesEndAndBegin(t *testing.T) {
	r := imaging(t, 1)
	r.put(key("a"), "1")
	_, before := images(t, r, store.ImageCursor{})
	keep(t, r, nil)
	if _, err := r.Images(t.Context(), notes, before, store.Limit{}); !errors.Is(err, store.ErrNoImages) {
		t.Errorf("off: %v", err)
	}
	r.put(key("a"), "2")
	keep(t, r, aDay)
	r.put(key("a"), "3")
	if _, err := r.Images(t.Context(), notes, before, store.Limit{}); !errors.Is(err, store.ErrCursorTrimmed) {
		t.Errorf("a cursor of before the gap: %v", err)
	}
	if got, _ := images(t, r, store.ImageCursor{}); !slices.Equal(shown(got), []string{"local a: 2>3 by 1"}) {
		t.Errorf("got %v", shown(got))
	}
}

// DATA 5: a cursor of a life that was undone is refused, although its sequence
// is there again.
func TestDATA5_ImagesOfARestoredDirectory(t *testing.T) {
	engine := memkv.New(memkv.Config{})
	r := newRegion(t, 1, engine, nil)
	keep(t, r, aDay)
	r.put(key("a"), "1")
	_, kept := images(t, r, store.ImageCursor{})
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	lost := newRegion(t, 1, engine.Reopen(memkv.Config{}), nil)
	lost.tables[0].Images = aDay
	lost.SetTables(lost.tables)
	lost.put(key("a"), "lost")
	_, ahead := images(t, lost, kept)

	restored := newRegion(t, 1, engine.Reopen(memkv.Config{}), nil)
	restored.tables[0].Images = aDay
	restored.SetTables(restored.tables)
	for range 3 {
		restored.put(key("a"), "again")
	}
	if _, err := restored.Images(t.Context(), notes, ahead, store.Limit{}); !errors.Is(err, store.ErrCursorUnknown) {
		t.Errorf("a cursor of the life that was undone: %v", err)
	}
	if got, _ := images(t, restored, kept); len(got) != 3 {
		t.Errorf("behind the copy there are %v", shown(got))
	}
}

func TestImageCursorText(t *testing.T) {
	for _, c := range []store.ImageCursor{{}, {Log: 0xfedcba9876543210, Sequence: 1<<64 - 1, Index: 1<<32 - 1}} {
		if got, err := store.ParseImageCursor(c.String()); err != nil || got != c {
			t.Errorf("%v: %v, %v", c, got, err)
		}
	}
	for _, text := range []string{"x", "1-2", "1-2-3-4", "zz-1-1", "1--1", "1-1-99999999999"} {
		if got, err := store.ParseImageCursor(text); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}
