package control

import (
	"bytes"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/table"
)

var day = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// testScribe has a fixed time and a fixed source of ids.
func testScribe(seed uint64) scribe {
	return scribe{now: day, rand: rand.NewChaCha8([32]byte{byte(seed)})}
}

func keyed(name string) table.Table {
	return table.Table{Name: name, Key: table.Attribute{Name: "pk", Type: "S"}}
}

func founded(t *testing.T, tables ...table.Table) *State {
	t.Helper()
	s, err := Found("notes", Seed{Spec: []byte("v1"), Source: "file", Regions: []string{"us", "eu"}, Tables: tables}, day, testScribe(1).rand)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// next applies a change as change does.
func next(s *State, fn func(*State) error) (*State, error) {
	n := s.clone()
	if err := fn(n); err != nil {
		return nil, err
	}
	n.normalize()
	n.Revision++
	return n, n.descend(s)
}

func applied(t *testing.T, s *State, a ApplySpec) *State {
	t.Helper()
	n, err := next(s, func(s *State) error { return testScribe(2).apply(s, a) })
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func refused(t *testing.T, s *State, a ApplySpec, want error, words ...string) {
	t.Helper()
	before := s.clone()
	_, err := next(s, func(s *State) error { return testScribe(2).apply(s, a) })
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want one that is %v", err, want)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("error %q does not say %q", err, word)
		}
	}
	if diff := cmp.Diff(before, s); diff != "" {
		t.Errorf("a refused change touched the state: %s", diff)
	}
}

func TestFoundGivesIDsInFileOrder(t *testing.T) {
	s := founded(t, keyed("notes"))
	want := []Region{{Name: "us", ID: 1}, {Name: "eu", ID: 2}}
	if diff := cmp.Diff(s.Regions, want); diff != "" {
		t.Error(diff)
	}
	notes, _ := s.Table("notes")
	replicas := []table.Replica{{Region: "eu", ID: 2}, {Region: "us", ID: 1}}
	if diff := cmp.Diff(notes.Replicas, replicas); diff != "" {
		t.Error(diff)
	}
	if notes.Created != day.UnixMilli() || notes.SchemaVersion != 1 || notes.Revision != 1 || notes.State != table.Active {
		t.Errorf("%+v", notes)
	}
}

func TestApplyCreatesAndUpdatesTables(t *testing.T) {
	s := founded(t, keyed("notes"), keyed("users"))
	notes, users := keyed("notes"), keyed("users")
	notes.Replicas = []table.Replica{{Region: "us"}}
	s2 := applied(t, s, ApplySpec{IfRevision: 1, Seed: Seed{Spec: []byte("v2"), Regions: []string{"us", "eu"}, Tables: []table.Table{notes, users, keyed("more")}}})
	before, _ := s.Table("notes")
	after, _ := s2.Table("notes")
	if after.ID != before.ID || after.SchemaVersion != 2 || after.Revision != 2 || !slices.Equal(after.Regions(), []string{"us"}) {
		t.Errorf("updated: %+v", after)
	}
	sameBefore, _ := s.Table("users")
	sameAfter, _ := s2.Table("users")
	if diff := cmp.Diff(sameBefore, sameAfter); diff != "" {
		t.Errorf("a table that did not change: %s", diff)
	}
	if more, ok := s2.Table("more"); !ok || more.Revision != 2 || more.Owner != table.OwnerSpec {
		t.Errorf("created: %+v", more)
	}
	if s2.SpecRevision != 2 || string(s2.Spec) != "v2" {
		t.Errorf("spec %q at %d", s2.Spec, s2.SpecRevision)
	}
}

// D2: a table with items gets a ttl by the spec, and keeps it: regions may have
// removed items by it.
func TestD2_ApplyAddsATTL(t *testing.T) {
	s := founded(t, keyed("notes"))
	apply := func(s *State, ttl string) (*State, error) {
		notes, n := keyed("notes"), s.clone()
		notes.TTL = ttl
		return n, testScribe(2).apply(n, ApplySpec{IfRevision: s.SpecRevision, Seed: Seed{Spec: []byte(ttl), Regions: []string{"us", "eu"}, Tables: []table.Table{notes}}})
	}
	added, err := apply(s, "until")
	if err != nil {
		t.Fatal(err)
	}
	have, _ := added.Table("notes")
	if have.TTL != "until" || have.TTLSince != added.Tables[0].Revision || have.TTLSince == 0 {
		t.Errorf("added: %+v", have)
	}
	for _, ttl := range []string{"", "another"} {
		if _, err := apply(added, ttl); !errors.Is(err, ErrTableInvalid) || !strings.Contains(err.Error(), "the ttl of table notes is until and cannot change or go") {
			t.Errorf("ttl %q: %v", ttl, err)
		}
	}
	if same, err := apply(added, "until"); err != nil || same.Tables[0].TTLSince != have.TTLSince {
		t.Errorf("again: %v", err)
	}
}

// Items that are there would be merged in another way.
func TestApplyRefusesWhatWouldLeaveItemsOut(t *testing.T) {
	s := founded(t, keyed("notes"))
	merging := keyed("notes")
	merging.Merge = table.MergeAttributes // regions that know of it and those that do not would merge one item in two ways
	for _, changed := range []table.Table{merging} {
		n := s.clone()
		err := testScribe(2).apply(n, ApplySpec{Seed: Seed{Spec: []byte("v2"), Regions: []string{"us", "eu"}, Tables: []table.Table{changed}}})
		if !errors.Is(err, ErrTableInvalid) || !strings.Contains(err.Error(), "cannot change while it exists") {
			t.Errorf("got %v", err)
		}
	}
}

// D2: an index that is added to a table says when, one that goes and comes back
// with other keys is another one.
func TestD2_ApplyAddsAndRemovesIndexes(t *testing.T) {
	s := founded(t, keyed("notes"))
	apply := func(s *State, indexes ...table.Index) (*State, []table.Index) {
		t.Helper()
		notes := keyed("notes")
		notes.Indexes = indexes
		n := applied(t, s, ApplySpec{IfRevision: s.SpecRevision, Seed: Seed{Spec: []byte("v2"), Regions: []string{"us", "eu"}, Tables: []table.Table{notes}}})
		after, _ := n.Table("notes")
		return n, after.Indexes
	}
	index := func(name, key string) table.Index {
		return table.Index{Name: name, Key: table.Attribute{Name: key, Type: "S"}, Projection: "ALL"}
	}
	s2, got := apply(s, index("by-owner", "owner"))
	if len(got) != 1 || got[0].Since != s2.Revision {
		t.Errorf("added: %+v", got)
	}
	s3, got := apply(s2, index("by-color", "color"), index("by-owner", "owner"))
	if len(got) != 2 || got[0].Since != s3.Revision || got[1].Since != s2.Revision {
		t.Errorf("another one: %+v", got)
	}
	s4, got := apply(s3, index("by-owner", "maker"))
	if len(got) != 1 || got[0].Since != s4.Revision {
		t.Errorf("with another key: %+v", got)
	}
	if _, got = apply(s4); len(got) != 0 {
		t.Errorf("removed: %+v", got)
	}
}

func TestApplyTheSameChangesNothing(t *testing.T) {
	s := founded(t, keyed("notes"))
	n := s.clone()
	if err := testScribe(2).apply(n, ApplySpec{Seed: Seed{Spec: []byte("v1"), Source: "elsewhere", Regions: []string{"us", "eu"}, Tables: []table.Table{keyed("notes")}}}); err != nil {
		t.Fatal(err)
	}
	if same, err := sameDocuments(s, n); !same || err != nil {
		t.Errorf("applying the applied spec changes the state: %v", err)
	}
}

func TestApplyRefuses(t *testing.T) {
	s := founded(t, keyed("notes"))
	s, err := next(s, func(s *State) error {
		x := keyed("mine")
		x.Owner = table.OwnerAPI
		return testScribe(3).create(s, x)
	})
	if err != nil {
		t.Fatal(err)
	}
	both := []string{"us", "eu"}
	notes := []table.Table{keyed("notes")}
	other := keyed("notes")
	other.Key.Name = "id"

	refused(t, s, ApplySpec{IfRevision: 9, Seed: Seed{Regions: both, Tables: notes}}, ErrRevision, "at 1", "not at 9")
	refused(t, s, ApplySpec{Seed: Seed{Regions: both}}, ErrTableDropped, "notes", "drop")
	refused(t, s, ApplySpec{Seed: Seed{Regions: both, Tables: []table.Table{keyed("notes"), keyed("mine")}}}, ErrOwner, "mine", "tables API")
	refused(t, s, ApplySpec{Seed: Seed{Regions: both, Tables: []table.Table{other}}}, ErrTableInvalid, "pk S", "id S")
	refused(t, s, ApplySpec{Seed: Seed{Regions: []string{"us"}, Tables: notes}}, ErrRegionStays, "meridian region remove eu")
	refused(t, s, ApplySpec{Drop: []string{"mine"}, Seed: Seed{Regions: both, Tables: notes}}, ErrTableDropped, "mine")
	away := keyed("notes")
	away.Replicas = []table.Replica{{Region: "mars"}}
	refused(t, s, ApplySpec{Seed: Seed{Regions: both, Tables: []table.Table{away}}}, ErrRegionUnknown, "mars", "us, eu")

	dropped := applied(t, s, ApplySpec{Drop: []string{"notes"}, Seed: Seed{Spec: []byte("v2"), Regions: both}})
	if _, ok := dropped.Table("notes"); ok {
		t.Error("a table that was named as one to drop is still there")
	}
}

func TestAPIDoesNotTouchTheSpecsTables(t *testing.T) {
	s := founded(t, keyed("notes"))
	_, err := owned(s, "notes")
	if !errors.Is(err, ErrOwner) || !strings.Contains(err.Error(), "the spec") {
		t.Error(err)
	}
	if _, err := owned(s, "none"); !errors.Is(err, ErrTableUnknown) {
		t.Error(err)
	}
	if err := testScribe(2).create(s.clone(), keyed("notes")); !errors.Is(err, ErrTableExists) || !strings.Contains(err.Error(), "the spec") {
		t.Error(err)
	}
}

func TestUpdateKeepsWhatControlGave(t *testing.T) {
	s := founded(t, keyed("notes"))
	n, err := next(s, func(s *State) error {
		return testScribe(2).update(s, 0, func(x *table.Table) error {
			x.ID, x.Name, x.Owner, x.SchemaVersion, x.Created = 7, "renamed", table.OwnerAPI, 99, 1
			x.Indexes = []table.Index{{Name: "by-at", Key: table.Attribute{Name: "at", Type: "N"}, Projection: "ALL"}}
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	want := s.Tables[0].Clone()
	want.Indexes = n.Tables[0].Indexes
	want.SchemaVersion, want.Revision = 2, 2
	if diff := cmp.Diff(n.Tables[0], want); diff != "" {
		t.Error(diff)
	}
}

func TestDrainsHaveAbsoluteEnds(t *testing.T) {
	s := founded(t)
	w := testScribe(2)
	if err := w.drain(s, Drain{Region: "mars"}); !errors.Is(err, ErrRegionUnknown) {
		t.Error(err)
	}
	if err := w.drain(s, Drain{Region: "us", Until: day}); err == nil {
		t.Error("a drain that has ended already was accepted")
	}
	if err := w.drain(s, Drain{Region: "us", Service: "api", Until: day.Add(time.Minute), Why: "drill"}); err != nil {
		t.Fatal(err)
	}
	for at, want := range map[time.Duration]bool{0: true, 59 * time.Second: true, time.Minute: false, time.Hour: false} {
		if _, got := s.Drained("us", "api", day.Add(at)); got != want {
			t.Errorf("drained after %v: %v", at, got)
		}
	}
	if _, got := s.Drained("us", "web", day); got {
		t.Error("another service is drained")
	}
	if err := w.drain(s, Drain{Region: "us"}); err != nil {
		t.Fatal(err)
	}
	if d, ok := s.Drained("us", "web", day.Add(1000*time.Hour)); !ok || d.Service != "" {
		t.Errorf("a region without an end: %+v %v", d, ok)
	}
	// Asked for again, it replaces the first; those that ended long ago go.
	w.now = day.Add(3 * time.Hour)
	if err := w.drain(s, Drain{Region: "us", Why: "again"}); err != nil {
		t.Fatal(err)
	}
	if len(s.Drains) != 1 || s.Drains[0].Why != "again" {
		t.Errorf("drains: %+v", s.Drains)
	}
	if was := w.undrain(s, "us", ""); !was || len(s.Drains) != 0 {
		t.Errorf("drains: %+v, was in force %v", s.Drains, was)
	}
	if w.undrain(s, "us", "") {
		t.Error("a drain that is not there was in force")
	}
}

func TestDocumentsHoldTheWholeState(t *testing.T) {
	s := founded(t, keyed("notes"), keyed("users"))
	if err := testScribe(2).drain(s, Drain{Region: "us", Service: "api", Until: day.Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	s.Tables[0].ID = record.TableID(1<<63 + 12345)
	docs, err := encodeState(s)
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeState(docs, "notes")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(got, s); diff != "" {
		t.Error(diff)
	}
	changed := s.clone()
	changed.Tables = changed.Tables[1:]
	changed.Revision++
	to, err := encodeState(changed)
	if err != nil {
		t.Fatal(err)
	}
	put, gone := difference(docs, to)
	if len(put) != 1 || put[worldKey] == nil || !slices.Equal(gone, []string{"table/notes"}) {
		t.Errorf("deleting one table puts %v and deletes %v", put, gone)
	}
	if s, err := decodeState(documents{}, "notes"); s != nil || err != nil {
		t.Errorf("an empty world: %v, %v", s, err)
	}
	if _, err := decodeState(docs, "other"); !errors.Is(err, ErrWorld) {
		t.Error(err)
	}
}

func TestCacheKeepsTheLastState(t *testing.T) {
	dir := t.TempDir()
	if s, err := Known(dir, "notes"); s != nil || err != nil {
		t.Fatalf("an empty directory: %v, %v", s, err)
	}
	s := founded(t, keyed("notes"))
	for range 2 {
		if err := saveCache(dir, s); err != nil {
			t.Fatal(err)
		}
	}
	// A crash in the middle of a write leaves the old state and a leftover.
	leftover := filepath.Join(dir, cacheFile+".123")
	if err := os.WriteFile(leftover, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := Known(dir, "notes")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(leftover); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the leftover is still there: %v", err)
	}
	if diff := cmp.Diff(got, s); diff != "" {
		t.Error(diff)
	}
	if _, err := Known(dir, "other"); !errors.Is(err, ErrWorld) {
		t.Errorf("another world's directory: %v", err)
	}
	s.Format = Format + 1
	if err := saveCache(dir, s); err != nil {
		t.Fatal(err)
	}
	if _, err := Known(dir, "notes"); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "newer version") {
		t.Errorf("a newer format: %v", err)
	}
}

// FuzzParseState: what a peer passes along is refused or is a state that the
// rest of the package can take.
func FuzzParseState(f *testing.F) {
	s, err := Found("notes", Seed{Spec: []byte("v1"), Regions: []string{"us"}, Tables: []table.Table{keyed("notes")}}, day, testScribe(1).rand)
	if err != nil {
		f.Fatal(err)
	}
	b, err := s.JSON()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"format":1,"world":"notes","id":"x","revision":1,"regions":[{"id":0}]}`))
	f.Add([]byte(`{"format":1,"world":"notes","id":"x","revision":1,"tables":[{"id":"1"},{"id":"1"}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ParseState(b, "notes")
		if err != nil {
			return
		}
		docs, err := encodeState(s)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := decodeState(docs, "notes"); err != nil {
			t.Fatalf("%v: %s", err, b)
		}
		again, err := s.JSON()
		if err != nil {
			t.Fatal(err)
		}
		s2, err := ParseState(again, "notes")
		if err != nil {
			t.Fatal(err)
		}
		if twice, _ := s2.JSON(); !bytes.Equal(again, twice) {
			t.Fatalf("%s became %s", again, twice)
		}
	})
}
