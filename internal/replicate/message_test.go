package replicate_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/replicate"
)

func messages() []replicate.Message {
	at := replicate.Cursor{Log: 0xfeed, Sequence: 42, Version: record.Version{Epoch: 1, Time: 1e18, Region: 2, Node: 3}}
	return []replicate.Message{
		&replicate.Hello{Min: 1, Max: 2, World: "notes", Region: "eu-west-1", ID: 2, Origin: 1, Cursor: at, Kind: replicate.KindResend, Revision: 7},
		&replicate.Welcome{Protocol: 1, Region: "us-east-1", ID: 1, Log: 0xbeef, End: 99, Revision: 8},
		&replicate.Refuse{Reason: replicate.RefusedCursorTrimmed, Text: "log begins at 100"},
		&replicate.Ask{Tables: []replicate.AskTable{
			{Table: 7, Since: 12, From: []byte("dfrom"), Known: true},
			{Table: 1 << 60, Marks: []replicate.Mark{{Log: 0xfeed, Time: 1e18}, {Log: 1, Time: 2}}},
		}},
		&replicate.Holdings{
			Tables: []record.TableID{7, 1 << 60}, Logs: []replicate.OriginMark{{Origin: 1, Log: 0xfeed, Time: 1e18}},
			More: []replicate.TableMark{{Table: 7, OriginMark: replicate.OriginMark{Origin: 2, Log: 3, Time: 4}, Single: true}},
		},
		&replicate.Vector{Origins: []replicate.OriginCursor{{Origin: 1, Cursor: at}, {Origin: 3}}},
		&replicate.Piece{
			Table: 7, Final: true, Gap: true, Closed: true, Last: replicate.Mark{Log: 3, Time: 4}, Upto: []replicate.Mark{{Log: 5, Time: 6}},
			To: at, Next: []byte("r"), Revision: 8, Frontier: 9, Records: []replicate.Shipped{{Key: record.Key{Table: 7, Partition: []byte("p")}, Record: []byte("value")}},
		},
		&replicate.Piece{},
		&replicate.State{Revision: 9, Data: []byte(`{"revision":9}`)},
		&replicate.Frame{
			From: at, To: replicate.Cursor{Log: 0xfeed, Sequence: 44, Version: at.Version}, Time: 5, Sent: 6, Backlog: 7, Revision: 8,
			Scan: true, ScanDone: true, ScanEnd: true,
			Frontiers: []replicate.Frontier{{Table: 1 << 60, Time: 4}},
			Report:    replicate.Report{{Origin: 3, Time: 77}},
			Records: []replicate.Shipped{
				{Key: record.Key{Table: 1 << 60, Partition: []byte("p"), Sort: []byte("s")}, Record: []byte("value")},
				{Key: record.Key{Table: 2, Partition: []byte{}}, Record: nil},
			},
		},
		&replicate.Frame{From: at, To: at, Time: 1},
		&replicate.Ack{Cursor: at, Bytes: 1 << 20},
	}
}

func TestMessagesComeBackAsTheyWere(t *testing.T) {
	for _, m := range messages() {
		got, err := replicate.Parse(replicate.Append(nil, m))
		if err != nil {
			t.Errorf("%T: %v", m, err)
			continue
		}
		if diff := cmp.Diff(m, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%T (-want +got):\n%s", m, diff)
		}
	}
}

func TestParseRefusesEveryCutAndTail(t *testing.T) {
	for _, m := range messages() {
		whole := replicate.Append(nil, m)
		for size := range whole {
			if _, err := replicate.Parse(whole[:size]); !errors.Is(err, replicate.ErrMalformed) {
				t.Errorf("%T cut to %d of %d bytes: %v", m, size, len(whole), err)
			}
		}
		if _, err := replicate.Parse(append(whole, 0)); !errors.Is(err, replicate.ErrMalformed) {
			t.Errorf("%T with a byte more: %v", m, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, m := range messages() {
		f.Add(replicate.Append(nil, m))
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		m, err := replicate.Parse(input)
		if err != nil {
			return
		}
		if again := replicate.Append(nil, m); !bytes.Equal(again, input) {
			t.Fatalf("%x reads as %+v and writes as %x", input, m, again)
		}
	})
}
