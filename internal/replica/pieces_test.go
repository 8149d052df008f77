package replica_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/meridian-run/meridian/internal/kv/memkv"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/replica"
	"github.com/meridian-run/meridian/internal/replicate"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

// copying is two regions, of which b is given the table of a.
type copying struct {
	*history
	ends []*copyEnd
	acks int  // of pieces of the copy
	hold bool // b's disk does not sync
}

type copyEnd struct {
	streamEnd
	kind  replicate.Kind
	other *copyEnd
	over  bool
}

// turn lets everything go on for a moment.
func (c *copying) turn() {
	c.now += 10 * time.Millisecond
	for _, name := range []string{"a", "b"} {
		r := c.regions[name]
		if name == "a" || !c.hold {
			r.engine.Sync()
		}
		for _, d := range r.replica.Step(c.at(r)).Dial {
			s, err := r.replica.Dialed(d, c.at(r))
			if err != nil {
				continue
			}
			peer := c.regions[d.Peer]
			mine := &copyEnd{streamEnd: streamEnd{region: r, session: s}, kind: d.Kind}
			theirs := &copyEnd{streamEnd: streamEnd{region: peer, session: peer.replica.Accept(name)}, kind: d.Kind, other: mine}
			mine.other = theirs
			c.ends = append(c.ends, mine, theirs)
		}
	}
	for _, e := range c.ends {
		c.step(e)
	}
}

func (c *copying) step(e *copyEnd) {
	for again := !e.over; again; {
		in := e.in
		e.in = nil
		out, err := e.session.Step(c.at(e.region), in)
		for _, m := range out.Send {
			if parsed, _ := replicate.Parse(m); parsed != nil && e.kind == replicate.KindCopy {
				if _, ack := parsed.(*replicate.Ack); ack {
					c.acks++
				}
			}
			e.other.in = append(e.other.in, m)
		}
		again = out.Again
		if err != nil || out.Finished {
			e.over, again = true, false
			e.region.replica.Ended(e.session, err, c.at(e.region))
		}
	}
}

// DATA 3, 16: pieces of a copy are begun before those ahead of them are durable, a
// bounded number; what is acknowledged is durable.
func TestDATA16_PiecesAreBegunAheadOfTheDisk(t *testing.T) {
	c := &copying{history: &history{regions: map[string]*region{}, disks: map[string]*memkv.Engine{}}}
	c.start(t, "a", memkv.New(memkv.Config{Hold: true}))
	c.start(t, "b", memkv.New(memkv.Config{Hold: true}))
	a, b := c.regions["a"], c.regions["b"]
	given := func(since uint64, replicas ...table.Replica) {
		notes := table.Table{ID: notes, Name: "notes", Revision: since, State: table.Active, Replicas: replicas}
		for _, r := range c.regions {
			r.store.SetTables([]table.Table{notes})
			peer := replica.Peer{Name: "a", ID: 1}
			if r == a {
				peer = replica.Peer{Name: "b", ID: 2}
			}
			r.replica.SetControl(replica.Control{Revision: since, Encoded: []byte("state"), Peers: []replica.Peer{peer}, Tables: []table.Table{notes}})
		}
	}
	given(2, table.Replica{Region: "a", ID: 1})
	const records = 10 // of more than a third of a piece
	for i := range records {
		k := key(notes, string(rune('a'+i)))
		p, err := a.store.BeginUpdate([]record.Key{k}, func(tx *store.Tx) error {
			return tx.Put(k, bytes.Repeat([]byte{1}, 390_000), store.PutOptions{})
		})
		if err != nil {
			t.Fatal(err)
		}
		a.writes = append(a.writes, p)
	}
	a.sync(t)
	given(3, table.Replica{Region: "a", ID: 1}, table.Replica{Region: "b", ID: 2, Since: 3})
	here := func() (n int) {
		for i := range records {
			if p, err := b.store.BeginGet(key(notes, string(rune('a'+i)))); err == nil && p.Sequence > 0 {
				n++
			}
		}
		return n
	}
	for turn := 0; here() == 0; turn++ {
		if turn > 1000 {
			t.Fatal("no copy begins")
		}
		c.hold = false
		for _, e := range c.ends {
			c.hold = c.hold || e.kind == replicate.KindCopy
		}
		c.turn()
	}
	c.hold = true
	for range 20 {
		c.turn()
	}
	if n := here(); n != records || c.acks != 0 {
		t.Errorf("%d of %d records are begun and %d pieces acknowledged, none is durable", n, records, c.acks)
	}
	c.hold = false
	for range 200 {
		c.turn()
	}
	if whole, err := b.store.Whole(notes); err != nil || whole != 3 || c.acks != 4 {
		t.Errorf("whole since %d with %d pieces acknowledged, want 4: %v", whole, c.acks, err)
	}
}
