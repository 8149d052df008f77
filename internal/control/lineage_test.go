package control

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"
)

// why changes a state: a drain of us for a reason.
func why(t *testing.T, s *State, reason string) *State {
	t.Helper()
	n, err := next(s, func(s *State) error { return testScribe(5).drain(s, Drain{Region: "us", Why: reason}) })
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestLineageTellsWhereAStateCameFrom(t *testing.T) {
	first := founded(t, keyed("notes"))
	second := why(t, first, "a")
	third := why(t, second, "b")
	second2 := why(t, first, "x")
	third2 := why(t, second2, "b")
	elsewhere := first.clone()
	elsewhere.ID = "another"
	for _, x := range []struct {
		what     string
		s, known *State
		want     relation
	}{
		{"nothing is known", third, nil, newer},
		{"itself", third, third.clone(), same},
		{"the next", second, first, newer},
		{"two further", third, first, newer},
		{"two before", first, third, older},
		{"the same change made twice", why(t, first, "a"), second, same},
		{"another change of one revision", second2, second, apart},
		{"what came from that", third2, second, apart},
		{"what came before that", second, third2, apart},
		{"equal contents that came another way", third2, third, apart},
		{"another world", elsewhere, first, apart},
	} {
		if got := x.s.against(x.known); got != x.want {
			t.Errorf("%s: %v, want %v", x.what, got, x.want)
		}
	}
}

// States of versions that kept no lineage: each node reads the same id into one,
// and what comes after it has a lineage.
func TestStatesWithoutLineage(t *testing.T) {
	old := why(t, founded(t, keyed("notes")), "a")
	old.Lineage = nil
	onDisk, err := old.JSON()
	if err != nil {
		t.Fatal(err)
	}
	docs, err := encodeState(old)
	if err != nil {
		t.Fatal(err)
	}
	var bare map[string]any
	if err := json.Unmarshal(docs[worldKey], &bare); err != nil || bare["lineage"] != nil {
		t.Fatalf("not what another version writes: %s, %v", docs[worldKey], err)
	}
	a, err := ParseState(onDisk, "notes")
	if err != nil {
		t.Fatal(err)
	}
	b, err := decodeState(docs, "notes")
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Lineage) != lineageID || !bytes.Equal(a.Lineage, b.Lineage) || a.against(b) != same {
		t.Errorf("lineage %x from the disk, %x from etcd", a.Lineage, b.Lineage)
	}
	n := why(t, b, "b")
	if n.against(a) != newer || a.against(n) != older || n.against(why(t, b, "c")) != apart {
		t.Error("what came after it is not told apart")
	}
	// A node of that version makes a change: what it forgot is trusted.
	forgot := why(t, n, "c")
	forgot.Lineage = nil
	if err := forgot.complete("notes"); err != nil || forgot.against(n) != newer {
		t.Errorf("it is not taken: %v", err)
	}
}

func TestLineageIsBounded(t *testing.T) {
	first := founded(t)
	s := first
	for i := range lineageKept + 20 {
		s = why(t, s, fmt.Sprint(i))
	}
	if got := len(s.Lineage); got != lineageKept*lineageID {
		t.Errorf("%d bytes are kept", got)
	}
	if s.against(first) != newer || first.against(s) != older {
		t.Error("beyond what is kept the revision counts")
	}
	long := s.clone()
	long.Lineage = make([]byte, lineageMax+lineageID)
	cut := s.clone()
	cut.Lineage = cut.Lineage[1:]
	for _, wrong := range []*State{long, cut} {
		if err := wrong.check("notes"); err == nil {
			t.Errorf("a lineage of %d bytes is taken", len(wrong.Lineage))
		}
	}
}
