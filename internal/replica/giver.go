package replica

import (
	"fmt"
	"time"

	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/replicate"
	"github.com/meridian-run/meridian/internal/store"
)

// giving is what a giver gives: the tail of a dead origin, a table, what the log
// has for a table.
type giving interface {
	// asked takes the Ask, and answers messages that come before the first Piece.
	asked(a *replicate.Ask) ([]replicate.Message, error)
	// read begins to read the next piece.
	read() (reading, error)
}

// reading is a piece that is being read.
type reading interface {
	Ready() bool
	sequence() uint64
	piece() (*replicate.Piece, error)
}

// pieceOf is a reading of the store.
type pieceOf[T any] struct {
	*store.Pending[T]
	made func(T) *replicate.Piece
}

func (p pieceOf[T]) sequence() uint64 { return p.Sequence }

func (p pieceOf[T]) piece() (*replicate.Piece, error) {
	value, err := p.Finish()
	if err != nil {
		return nil, err
	}
	return p.made(value), nil
}

// giver is the sending end of a relay, a copy or a tail.
type giver struct {
	replica *Replica
	peer    string
	giving  giving
	flow    replicate.Flow
	asked   bool
	final   bool
	reading reading
	until   time.Time // when the wait for the Ask, or for acks, ends
}

var _ ender = (*giver)(nil)

// newGiver judges a Hello. An error that is a Refuse is to be sent.
func (r *Replica) newGiver(peer string, h *replicate.Hello, now time.Time) (*giver, *replicate.Welcome, error) {
	view, id := (&sender{replica: r, peer: peer}).view(now)
	config := replicate.SourceConfig{World: r.config.World, Region: r.config.Region, ID: r.self, Peer: peer, PeerID: id}
	_, welcome, refuse := config.Judge(h, view)
	if refuse != nil {
		return nil, nil, refuse
	}
	g := &giver{replica: r, peer: peer, until: now.Add(timeoutOpen)}
	switch h.Kind {
	case replicate.KindRelay:
		g.giving = &relayGiving{replica: r, asker: id, origin: h.Origin}
	case replicate.KindCopy:
		g.giving = &copyGiving{replica: r, asker: id}
		g.flow.Rate = r.config.CopyRate
	default:
		g.giving = &tailGiving{replica: r, peer: peer, asker: id, after: storeCursor(h.Cursor)}
	}
	return g, welcome, nil
}

// Step implements Session.
func (g *giver) Step(now time.Time, in [][]byte) (Out, error) {
	out, err := g.step(now, in)
	if err != nil {
		return refused(err), err
	}
	return out, nil
}

func (g *giver) step(now time.Time, in [][]byte) (Out, error) {
	for _, raw := range in {
		m, err := replicate.Parse(raw)
		if err != nil {
			return Out{}, malformed("%v", err)
		}
		before, err := g.receive(m)
		if err != nil {
			return Out{}, err
		}
		g.until = now.Add(timeoutOpen)
		if len(before) > 0 {
			return Out{Send: before, Again: true}, nil
		}
	}
	if !g.asked || g.final {
		return g.patience(now)
	}
	return g.give(now)
}

func (g *giver) receive(m replicate.Message) (before [][]byte, err error) {
	switch m := m.(type) {
	case *replicate.Ack:
		if err := g.flow.Acked(m); err != nil {
			return nil, malformed("%v", err)
		}
		return nil, nil
	case *replicate.Ask:
		if g.asked {
			break
		}
		g.asked = true
		messages, err := g.giving.asked(m)
		for _, x := range messages {
			before = append(before, replicate.Append(nil, x))
		}
		return before, err
	}
	return nil, malformed("%T out of turn", m)
}

// patience waits for the Ask, or for the last acks.
func (g *giver) patience(now time.Time) (Out, error) {
	if g.final && g.flow.Empty() {
		return Out{Finished: true}, nil
	}
	if !now.Before(g.until) {
		return Out{}, errSilent
	}
	return Out{Until: g.until}, nil
}

// give sends the next piece when it is durable (DATA 3) and the flow lets it.
func (g *giver) give(now time.Time) (Out, error) {
	if until, wait := g.flow.Wait(now); wait {
		return Out{Until: until}, nil
	}
	if g.reading == nil {
		var err error
		if g.reading, err = g.giving.read(); err != nil {
			return Out{}, unready(err)
		}
	}
	if !g.reading.Ready() {
		return Out{Durable: g.reading.sequence()}, nil
	}
	p, err := g.reading.piece()
	g.reading = nil
	if err != nil {
		return Out{}, unready(err)
	}
	g.final = p.Final
	message := replicate.Append(make([]byte, 0, p.Size()), p)
	g.flow.Sent(len(message), now)
	return Out{Send: [][]byte{message}, Again: true}, nil
}

// ended implements ender.
func (g *giver) ended(error, time.Time) end { return end{} }

// unready makes a refusal of an error, unless it is one.
func unready(err error) error {
	if refuse, ok := err.(*replicate.Refuse); ok {
		return refuse
	}
	return &replicate.Refuse{Reason: replicate.RefusedUnready, Text: err.Error()}
}

// shares answers a table that an asker holds too, for which all is known that the
// asker's revision says (DATA 16, 22).
func (r *Replica) shares(asker record.RegionID, a replicate.AskTable) (revision uint64, err error) {
	if have := r.Control().Revision; have < a.Since {
		return 0, unready(fmt.Errorf("%s is at control revision %d, before %d", r.config.Region, have, a.Since))
	}
	revision, ok := r.sharedWith(asker)[a.Table]
	if !ok {
		return 0, unready(fmt.Errorf("table id %x is not in both regions", uint64(a.Table)))
	}
	return revision, nil
}

// one is the table of an Ask for one.
func one(a *replicate.Ask) (replicate.AskTable, error) {
	if len(a.Tables) != 1 {
		return replicate.AskTable{}, malformed("an ask for %d tables, one is due", len(a.Tables))
	}
	return a.Tables[0], nil
}
