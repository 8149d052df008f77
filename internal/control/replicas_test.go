package control

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/table"
)

// mine is a table of the API with replicas in regions.
func mine(t *testing.T, s *State, regions ...string) *State {
	t.Helper()
	n, err := next(s, func(s *State) error {
		x := keyed("mine")
		x.Owner = table.OwnerAPI
		for _, r := range regions {
			x.Replicas = append(x.Replicas, table.Replica{Region: r})
		}
		return testScribe(3).create(s, x)
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// placed brings the table mine to these regions.
func placed(s *State, regions ...string) (*State, error) {
	return next(s, func(s *State) error {
		i, _ := s.table("mine")
		return testScribe(4).update(s, i, func(x *table.Table) error {
			x.Replicas = nil
			for _, r := range regions {
				x.Replicas = append(x.Replicas, table.Replica{Region: r})
			}
			return nil
		})
	})
}

// A replica that is removed leaves: it holds records until the others have what
// its region wrote.
func TestARemovedReplicaLeavesFirst(t *testing.T) {
	s := mine(t, founded(t), "us", "eu")
	s, err := placed(s, "us")
	if err != nil {
		t.Fatal(err)
	}
	x, _ := s.Table("mine")
	if x.In("eu") || !slices.Equal(x.Regions(), []string{"us"}) || len(x.Holders()) != 2 {
		t.Errorf("replicas %v, leaving %v", x.Replicas, x.Leaving)
	}
	if _, leaving, ok := x.Holder(2); !leaving || !ok {
		t.Errorf("eu is not leaving: %+v", x)
	}
	if _, err := placed(s, "us", "eu"); !errors.Is(err, ErrTableInvalid) || !strings.Contains(err.Error(), "still being removed") {
		t.Errorf("adding it back too early: %v", err)
	}
	same, err := next(s, func(s *State) error { return testScribe(4).left(s, x.ID, 1) })
	if err != nil || len(same.Tables[0].Leaving) != 1 {
		t.Errorf("what does not leave has left: %v, %v", err, same)
	}
	s, err = next(s, func(s *State) error { return testScribe(4).left(s, x.ID, 2) })
	if err != nil {
		t.Fatal(err)
	}
	if x, _ = s.Table("mine"); len(x.Holders()) != 1 || x.Revision != s.Revision {
		t.Errorf("it has left, and is still there: %+v", x)
	}
	s, err = placed(s, "us", "eu")
	if err != nil {
		t.Fatal(err)
	}
	if x, _ = s.Table("mine"); x.Replicas[0].Since != s.Revision || x.Replicas[0].Complete() {
		t.Errorf("added again: %+v", x.Replicas)
	}
}

// The region that leaves may be the only one with all records.
func TestAReplicaLeavesOnlyTheWhole(t *testing.T) {
	s := mine(t, founded(t), "us")
	s, err := placed(s, "us", "eu")
	if err != nil {
		t.Fatal(err)
	}
	if s, err = placed(s, "eu"); err != nil {
		t.Fatal(err)
	}
	x, _ := s.Table("mine")
	since := x.Replicas[0].Since
	leave := func(s *State) error { return testScribe(4).left(s, x.ID, 1) }
	if _, err := next(s, leave); err == nil || !strings.Contains(err.Error(), "eu has not copied table mine yet") {
		t.Errorf("left without a copy: %v", err)
	}
	for _, wrong := range []struct {
		region record.RegionID
		since  uint64
	}{{1, since}, {2, since + 1}} {
		n := s.clone()
		testScribe(4).copied(n, x.ID, wrong.region, wrong.since)
		if diff := cmp.Diff(n.Tables, s.Tables); diff != "" {
			t.Errorf("region %d, since %d: %s", wrong.region, wrong.since, diff)
		}
	}
	s, err = next(s, func(s *State) error { testScribe(4).copied(s, x.ID, 2, since); return leave(s) })
	if err != nil {
		t.Fatal(err)
	}
	if x, _ = s.Table("mine"); len(x.Holders()) != 1 || !x.Replicas[0].Complete() {
		t.Errorf("%+v", x)
	}
}

// Nothing takes the last region away that has all of a table.
func TestTheLastWholeReplicaStays(t *testing.T) {
	s := mine(t, founded(t), "us")
	s, err := placed(s, "us", "eu")
	if err != nil {
		t.Fatal(err)
	}
	if s, err = placed(s, "eu"); err != nil {
		t.Fatal(err)
	}
	// us has all and leaves; what eu has is not known.
	if err := testScribe(5).closeRegion(s.clone(), "us", false); !errors.Is(err, ErrRegionInUse) || !strings.Contains(err.Error(), "mine") {
		t.Errorf("the region that has all of it was removed: %v", err)
	}
	if _, err := placed(s, "us"); err == nil {
		t.Error("the replica that copies was taken away")
	}
}

func TestDeletedTablesAreNamed(t *testing.T) {
	s := founded(t, keyed("notes"))
	id := s.Tables[0].ID
	s = applied(t, s, ApplySpec{Drop: []string{"notes", "notes"}, Seed: Seed{Spec: []byte("v2"), Regions: []string{"us", "eu"}}})
	if want := []Dropped{{ID: id, Revision: s.Revision}}; !slices.Equal(s.Dropped, want) || len(s.Tables) != 0 {
		t.Errorf("dropped %v, want %v", s.Dropped, want)
	}
	if got := s.DroppedSince(s.Revision - 1); len(got) != 1 || got[0].ID != id {
		t.Errorf("dropped after the revision before: %v", got)
	}
	if got := s.DroppedSince(s.Revision); len(got) != 0 {
		t.Errorf("dropped after this one: %v", got)
	}
	docs, err := encodeState(s)
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeState(docs, "notes")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(got.Dropped, s.Dropped); diff != "" {
		t.Error(diff)
	}
	for i := range DroppedMax {
		s.Tables = []table.Table{{ID: record.TableID(i + 1), Name: fmt.Sprint("table", i)}}
		s.dropTable(0)
	}
	if len(s.Dropped) != DroppedMax || s.Dropped[0].ID != 1 {
		t.Errorf("%d are named, the first is %v", len(s.Dropped), s.Dropped[0])
	}
}
