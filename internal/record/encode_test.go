package record

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/meridian-run/meridian/internal/hlc"
)

func TestEncodingRoundTrips(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := mergeAll(t, history(t))
		r.Sequence = rapid.Uint64().Draw(t, "sequence")
		r.Expires = rapid.Int64().Draw(t, "expires")
		r.Expired = rapid.Bool().Draw(t, "expired")
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
		r.Sequence = 0
		if got, err := Parse(Append(nil, r, true)); err != nil || got.Sequence != 0 {
			t.Fatalf("shipped: sequence %d, %v", got.Sequence, err)
		}
	})
}

// DATA 1: a seal patches bytes that were encoded before.
func TestPatching(t *testing.T) {
	want := written("value", regionA, 1234, saw(regionB, 10))
	want.Sequence = 99
	before := want
	before.Version.Time, before.Sequence = 0, 0
	encoded := Append(nil, before, false)
	PatchTime(encoded, 1234)
	PatchSequence(encoded, 99)
	got, err := Parse(encoded)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(got, want); d != "" {
		t.Errorf("got (-), want (+):\n%s", d)
	}
	if sequence, err := SequenceOf(encoded); sequence != 99 || err != nil {
		t.Errorf("sequence %d, %v", sequence, err)
	}
}

func TestVersionOrderIsByteOrder(t *testing.T) {
	draw := rapid.Custom(func(t *rapid.T) Version {
		return Version{
			Epoch:  rapid.Uint32().Draw(t, "epoch"),
			Time:   hlc.Time(rapid.Uint64().Draw(t, "time")),
			Region: RegionID(rapid.Uint16().Draw(t, "region")),
			Node:   rapid.Uint16().Draw(t, "node"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		v, w := draw.Draw(t, "v"), draw.Draw(t, "w")
		var a, b [VersionSize]byte
		v.Put(a[:])
		w.Put(b[:])
		if bytes.Compare(a[:], b[:]) != v.Compare(w) {
			t.Fatalf("%v and %v: bytes say %d", v, w, bytes.Compare(a[:], b[:]))
		}
		if ParseVersion(a[:]) != v {
			t.Fatalf("%v comes back as %v", v, ParseVersion(a[:]))
		}
	})
}

// DATA 23: what this release does not know, it refuses.
func TestParseRefuses(t *testing.T) {
	good := func() []byte { return Append(nil, written("value", regionB, 20, saw(regionA, 10)), false) }
	change := func(at int, to byte) []byte {
		b := good()
		b[at] = to
		return b
	}
	self := written("v", regionB, 20)
	self.Context = []Seen{saw(regionB, 10)}
	above := written("v", regionB, 20)
	above.Context = []Seen{saw(regionA, 30)}
	unsorted := written("v", regionC, 20)
	unsorted.Context = []Seen{saw(regionB, 10), saw(regionA, 10)}
	tests := map[string][]byte{
		"nothing":                 nil,
		"half a header":           good()[:HeaderSize-1],
		"a newer format":          change(0, Format+1),
		"an unknown flag":         change(1, 0x80),
		"a tombstone with value":  change(1, flagTombstone),
		"an unknown section":      change(HeaderSize, 60),
		"a section twice":         append(good(), tagValue, 0),
		"a cut section":           good()[:len(good())-1],
		"no value":                good()[:HeaderSize],
		"a context of its own":    Append(nil, self, false),
		"a context above itself":  Append(nil, above, false),
		"a context out of order":  Append(nil, unsorted, false),
		"an empty context":        append(append([]byte{}, good()[:HeaderSize]...), tagContext, 0, tagValue, 0),
		"a value that is too big": Append(nil, Record{Value: make([]byte, ValueMax+1)}, false),
	}
	for name, src := range tests {
		if _, err := Parse(src); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v, want %v", name, err, ErrMalformed)
		}
	}
}

// What parses is canonical: encoding it again gives the same bytes, so equal
// records are equal bytes.
func FuzzParse(f *testing.F) {
	f.Add(Append(nil, written("value", regionB, 20, saw(regionA, 10), discardedSeen(regionC, 11)), false))
	f.Add(Append(nil, tombstone(written("", regionB, 20)), false))
	f.Fuzz(func(t *testing.T, src []byte) {
		r, err := Parse(src)
		if err != nil {
			return
		}
		if again := Append(nil, r, false); !bytes.Equal(again, src) {
			t.Errorf("%x parses to %+v and encodes to %x", src, r, again)
		}
		other := written("other", regionC, 15)
		_, _ = Merge(r, other, Frontiers{})
		_, _ = Merge(other, r, Frontiers{Current: 10, Incoming: 12})
		r.ByAttribute = true
		_, _ = Merge(r, other, Frontiers{})
		_, _ = Trim(r, Frontiers{Current: 10, Reached: 10})
	})
}
