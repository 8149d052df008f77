package store

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-run/meridian/internal/record"
)

func sampleEntry() entry {
	return entry{
		Version: record.Version{Epoch: 1, Time: 10, Region: 2, Node: 3},
		Ordinal: 7,
		Mentions: []mention{
			{Key: record.Key{Table: 5, Partition: []byte("p"), Sort: []byte("s")}},
			{Kind: record.KindReceipt, Key: record.Key{Table: 6, Partition: []byte("q")}, Loser: record.Version{Time: 9, Region: 4}},
			{Kind: record.KindFloor, Key: record.Key{Table: 7}},
		},
	}
}

func TestEntryRoundTrips(t *testing.T) {
	encoded := appendEntry(nil, sampleEntry())
	patchEntry(encoded, 11, 8)
	want := sampleEntry()
	want.Version.Time, want.Ordinal = 11, 8
	got, err := parseEntry(encoded)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(got, want); d != "" {
		t.Errorf("got (-), want (+):\n%s", d)
	}
}

func FuzzParseEntry(f *testing.F) {
	f.Add(appendEntry(nil, sampleEntry()))
	f.Fuzz(func(t *testing.T, src []byte) {
		e, err := parseEntry(src)
		if err != nil {
			return
		}
		if again, err := parseEntry(appendEntry(nil, e)); err != nil || !cmp.Equal(again, e) {
			t.Errorf("%x: %+v comes back as %+v, %v", src, e, again, err)
		}
	})
}

// A receipt's place by time leads back to it.
func TestReceiptPlaceRoundTrips(t *testing.T) {
	receipt := receiptKey(dataKey(record.Key{Table: 5, Partition: []byte("p"), Sort: []byte("s")}), record.Version{Time: 77, Region: 3})
	got, at, err := parseReceiptPlace(receiptPlace(receipt, 77))
	if err != nil || at != 77 || !bytes.Equal(got, receipt) {
		t.Errorf("got %x at %d, %v; want %x", got, at, err, receipt)
	}
	data, loser, err := parseReceiptKey(receipt)
	if err != nil || loser != (record.Version{Time: 77, Region: 3}) || string(data.Sort) != "s" {
		t.Errorf("got %+v, %v, %v", data, loser, err)
	}
}

func FuzzParseDataKey(f *testing.F) {
	f.Add(dataKey(record.Key{Table: 5, Partition: []byte("p\x00q"), Sort: []byte("s")}))
	f.Fuzz(func(t *testing.T, src []byte) {
		k, err := parseDataKey(src)
		if err != nil {
			return
		}
		if again := dataKey(k); !bytes.Equal(again[11:], src[11:]) {
			t.Errorf("%x: %+v comes back as %x", src, k, again)
		}
		_, _ = parseIdentity(src)
	})
}

// A tombstone's index entry leads back to its record, and its time is where the
// seal patches it.
func TestTombstoneKeyRoundTrips(t *testing.T) {
	data := dataKey(record.Key{Table: 5, Partition: []byte("p"), Sort: []byte("s")})
	index := tombstoneKey(data, 0x0102030405060708)
	if !bytes.Equal(index[offsetTombstoneTime:offsetTombstoneTime+8], []byte{1, 2, 3, 4, 5, 6, 7, 8}) {
		t.Errorf("the time is not at its offset in %x", index)
	}
	got, at, err := parseTombstoneKey(index)
	if err != nil || at != 0x0102030405060708 || !bytes.Equal(got, data) {
		t.Errorf("got %x at %x, %v; want %x", got, at, err, data)
	}
}
