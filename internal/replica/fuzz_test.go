package replica_test

import (
	"context"
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"github.com/meridian-run/meridian/internal/kv/memkv"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/replica"
	"github.com/meridian-run/meridian/internal/replicate"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

// FuzzSession gives both ends of a stream whatever a peer might send: messages with
// their lengths before them. A session may end with an error and nothing else.
func FuzzSession(f *testing.F) {
	at := replicate.Cursor{Log: 3, Sequence: 4, Version: record.Version{Time: 5, Region: 2}}
	hello := &replicate.Hello{Min: 1, Max: 2, World: "w", Region: "b", ID: 2, Origin: 1}
	welcome := &replicate.Welcome{Protocol: 2, Region: "b", ID: 2}
	strange := *hello
	strange.Cursor = at
	resend := *hello
	resend.Kind = replicate.KindResend
	for _, messages := range [][]replicate.Message{
		{hello, &replicate.Ack{Bytes: 1}},
		{&strange},
		{&resend, &replicate.Ack{}},
		{welcome, &replicate.State{Revision: 2}, &replicate.Frame{To: at, Revision: 9}},
		{welcome, &replicate.Frame{To: at, Time: 1, Report: replicate.Report{{Origin: 1, Time: 9}}, Records: []replicate.Shipped{
			{Key: key(notes, "k"), Record: []byte("no record")}, {Kind: record.KindFloor, Key: record.Key{Table: notes}},
		}}},
	} {
		var seed []byte
		for _, m := range messages {
			raw := replicate.Append(nil, m)
			seed = append(binary.BigEndian.AppendUint16(seed, uint16(len(raw))), raw...)
		}
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		var in [][]byte
		for len(input) > 2 && len(in) < 100 {
			size := min(int(binary.BigEndian.Uint16(input)), len(input)-2)
			in = append(in, input[2:2+size])
			input = input[2+size:]
		}
		r, s := alone(t)
		defer s.Close()
		now := time.Unix(1_800_000_000, 0)
		r.Step(now)
		pull, err := r.Dialed(replica.Dial{Peer: "b"}, now)
		if err != nil {
			t.Fatal(err)
		}
		for _, session := range []replica.Session{pull, r.Accept("b")} {
			r.Ended(session, stepAll(session, now, in), now)
		}
	})
}

// alone is region a of a world of two, without its peer.
func alone(t *testing.T) (*replica.Replica, *store.Store) {
	s, err := store.Open(t.Context(), store.Config{Engine: memkv.New(memkv.Config{}), Region: 1, World: "w", RegionName: "a"})
	if err != nil {
		t.Fatal(err)
	}
	tables := []table.Table{{ID: notes, Name: "notes", Revision: 1, State: table.Active, Replicas: []table.Replica{{Region: "a", ID: 1}, {Region: "b", ID: 2}}}}
	s.SetTables(tables)
	r := replica.New(replica.Config{Store: s, World: "w", Region: "a", Open: func(context.Context, string) (replica.Stream, error) {
		return nil, errors.New("not here")
	}})
	r.SetControl(replica.Control{Revision: 1, Tables: tables, Peers: []replica.Peer{{Name: "b", ID: 2}}})
	return r, s
}

func stepAll(s replica.Session, now time.Time, in [][]byte) error {
	for range 1000 {
		out, err := s.Step(now, in)
		if err != nil || !out.Again && in == nil {
			return err
		}
		in = nil
	}
	return errors.New("it does not come to rest")
}
