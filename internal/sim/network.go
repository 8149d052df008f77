package sim

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"time"
)

// network carries streams between regions. Each stream keeps its order, as TCP
// does; streams overtake each other.
type network struct {
	world   *World
	delays  map[pair]time.Duration
	cuts    map[pair]bool // one way
	rand    *rand.Rand
	streams []*stream
	number  int
	// restless makes connections break and attempts arrive twice.
	restless bool
}

// pair is a direction.
type pair struct{ from, to string }

const (
	// delayOneWay is between two regions unless a script says otherwise.
	delayOneWay = 20 * time.Millisecond
	// timeoutDial is how long an attempt waits for a region that does not answer.
	timeoutDial = time.Second
)

// stream is one connection; side 0 has dialled.
type stream struct {
	network *network
	number  int
	names   [2]string
	ends    [2]*end
	late    [2]time.Duration // when the last message of a side arrives
	stalled [2][]parcel      // sent by a side, held back by a cut
	closed  bool
	ghost   *stream // gets a copy of what side 0 sends
	// mute drops what side 1 sends: the stream is a duplicated attempt.
	mute bool
}

// parcel is a message under way; nil data is the end of the stream.
type parcel struct {
	data []byte
	end  bool
}

func newNetwork(w *World) *network {
	return &network{world: w, delays: map[pair]time.Duration{}, cuts: map[pair]bool{}, rand: w.random("network")}
}

// delay draws how long a message travels.
func (n *network) delay(from, to string) time.Duration {
	d, ok := n.delays[pair{from, to}]
	if !ok {
		d = delayOneWay
	}
	if n.restless && n.rand.IntN(50) == 0 {
		d += time.Duration(n.rand.Int64N(int64(500 * time.Millisecond)))
	}
	return d + time.Duration(n.rand.Int64N(int64(d/8)+1))
}

// dial opens a stream; accept gets it at the other side, opened is told on this
// one, with nil if it has failed.
func (n *network) dial(from, to string, accept func(*stream) bool, opened func(*stream)) {
	n.number++
	s := &stream{network: n, number: n.number, names: [2]string{from, to}}
	w := n.world
	w.after(n.delay(from, to), func() {
		if n.cuts[pair{from, to}] || !accept(s) {
			patience := n.delay(to, from)
			if n.cuts[pair{from, to}] || n.cuts[pair{to, from}] {
				patience = timeoutDial
			}
			w.after(patience, func() { opened(nil) })
			return
		}
		n.streams = append(n.streams, s)
		w.after(n.delay(to, from), func() {
			if n.cuts[pair{to, from}] {
				s.close(0)
				w.after(timeoutDial, func() { opened(nil) })
				return
			}
			opened(s)
		})
	})
}

// send sends a message from a side.
func (s *stream) send(side int, data []byte) {
	if s.closed || s.mute && side == 1 {
		return
	}
	s.carry(side, parcel{data: bytes.Clone(data)})
	if s.ghost != nil && side == 0 {
		s.ghost.send(0, data)
	}
}

func (s *stream) carry(side int, p parcel) {
	n := s.network
	from, to := s.names[side], s.names[1-side]
	if n.cuts[pair{from, to}] || len(s.stalled[side]) > 0 {
		s.stalled[side] = append(s.stalled[side], p)
		return
	}
	s.late[side] = max(s.late[side], n.world.now+n.delay(from, to))
	n.world.at(s.late[side], func() {
		if n.cuts[pair{from, to}] || len(s.stalled[side]) > 0 {
			s.stalled[side] = append(s.stalled[side], p)
			return
		}
		s.arrive(1-side, p)
	})
}

func (s *stream) arrive(side int, p parcel) {
	e := s.ends[side]
	if p.end {
		s.forget()
		if e != nil {
			e.broken()
		}
		return
	}
	if e != nil {
		e.arrived(p.data)
	}
}

// close ends the stream from one side; the other hears of it.
func (s *stream) close(side int) {
	if s.ends[side] != nil {
		s.ends[side] = nil
	}
	if s.closed {
		s.forget()
		return
	}
	s.carry(side, parcel{end: true})
	if s.ghost != nil {
		s.ghost.close(side)
	}
}

// reset breaks the stream for both sides at once.
func (s *stream) reset() {
	s.closed = true
	for _, e := range s.ends {
		if e != nil {
			e.broken()
		}
	}
	s.forget()
}

func (s *stream) forget() {
	s.closed = true
	s.network.streams = slices.DeleteFunc(s.network.streams, func(x *stream) bool { return x == s })
}

// cut stops what travels in one direction.
func (n *network) cut(from, to string) { n.cuts[pair{from, to}] = true }

// heal lets it go on: what was held back arrives, or the connection is found to
// be broken.
func (n *network) heal(from, to string) {
	if !n.cuts[pair{from, to}] {
		return
	}
	delete(n.cuts, pair{from, to})
	for _, s := range slices.Clone(n.streams) {
		for side := range s.names {
			if s.names[side] != from || s.names[1-side] != to || len(s.stalled[side]) == 0 {
				continue
			}
			held := s.stalled[side]
			s.stalled[side] = nil
			if n.rand.IntN(2) == 0 {
				s.reset()
				continue
			}
			for _, p := range held {
				s.carry(side, p)
			}
		}
	}
}

// between answers the streams of two regions.
func (n *network) between(a, b string) (list []*stream) {
	for _, s := range n.streams {
		if s.names == [2]string{a, b} || s.names == [2]string{b, a} {
			list = append(list, s)
		}
	}
	return list
}
