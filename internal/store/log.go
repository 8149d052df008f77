package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/meridian-run/meridian/internal/hlc"
	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/record"
)

// Cursor is a position in a region's change log: everything up to and with the
// entry that it names. The zero cursor is before the first entry of the first
// log.
type Cursor struct {
	Log      record.LogID
	Sequence uint64
	// Version is the version of the entry at Sequence. A log that holds another
	// one there is not the log that the cursor was taken from (DATA 5).
	Version record.Version
}

// LogLink is one life of the change log: from one start of the store to the
// next (DATA 5).
type LogLink struct {
	ID record.LogID
	// Start is the sequence that the life began after; StartVersion the version
	// of the last entry before it.
	Start        uint64
	StartVersion record.Version
	// End and EndVersion are those of the last entry; of a life without entries,
	// of its start. Zero while Open.
	End        uint64
	EndVersion record.Version
	// Open marks the current life.
	Open bool
}

// Position is how far this region's own log has come.
type Position struct {
	// Cursor is the last durable entry.
	Cursor Cursor
	// Durable is the engine's watermark: every commit up to it, of any kind.
	Durable uint64
	// Time is a promise: every write of this region with a time up to it is at
	// or before Cursor (DATA 14).
	Time hlc.Time
}

// linksMax bounds the chain that is kept: enough lives to tell a peer that
// returns late from a stranger.
const linksMax = 1024

var (
	keyState = []byte{spaceMeta, 's'} // sequence, time, ordinal: written by every batch
	keyChain = []byte{spaceMeta, 'c'} // all links, written by every start
	keyTrim  = []byte{spaceMeta, 't'} // trim mark
)

const stateSize = 1 + 8 + 8 + 8

// stateOp is a batch's write of the sequencer's state, to be sealed.
func stateOp() kv.Op { return kv.Op{Key: keyState, Value: make([]byte, stateSize)} }

// sealState fills in what a later start goes on from: the sequence, the floor
// of the clock, the ordinal of the last entry. Seal functions end with it.
func (s *Store) sealState(sequence uint64, op kv.Op) {
	op.Value[0] = Format
	binary.BigEndian.PutUint64(op.Value[1:], sequence)
	binary.BigEndian.PutUint64(op.Value[9:], uint64(s.sequencer.clock.Last()))
	binary.BigEndian.PutUint64(op.Value[17:], s.sequencer.ordinal)
	s.sealed.Store(sequence)
}

// openLog reads where the last life ended and opens a new one behind it.
func (s *Store) openLog() (*kv.Pending, error) {
	sequence, err := s.loadState()
	if err != nil {
		return nil, err
	}
	if err := s.loadChain(); err != nil {
		return nil, err
	}
	if err := s.loadTrim(); err != nil {
		return nil, err
	}
	s.engine.StartAt(sequence)
	s.sealed.Store(sequence)
	if err := s.endLastLink(); err != nil {
		return nil, err
	}
	next := LogLink{ID: s.config.NewLogID(), Start: sequence, Open: true}
	if n := len(s.chain); n > 0 {
		next.StartVersion = s.chain[n-1].EndVersion
	}
	if slices.ContainsFunc(s.chain, func(l LogLink) bool { return l.ID == next.ID }) || next.ID == 0 {
		return nil, fmt.Errorf("log id %x was drawn before: the random source is broken", uint64(next.ID))
	}
	s.chain = append(s.chain, next)
	if n := len(s.chain); n > linksMax {
		s.chain = slices.Delete(s.chain, 0, n-linksMax)
	}
	s.log = next.ID
	s.sequencer.last = Cursor{Log: next.ID, Sequence: next.Start, Version: next.StartVersion}
	s.began = s.sequencer.clock.Last()
	s.position = Position{Cursor: s.sequencer.last, Time: s.began}
	s.ordinal = s.sequencer.ordinal
	first, err := s.loadUnsettled()
	if err != nil {
		return nil, err
	}
	return s.commit(nil, func(kv.Reader) ([]kv.Op, error) {
		return append(first,
			kv.Op{Key: keyIdentity, Value: s.identity().encode()},
			kv.Op{Key: keyChain, Value: encodeChain(s.chain)},
		), nil
	})
}

// commit writes ops, which need no stamp.
func (s *Store) commit(lockKeys [][]byte, ops func(kv.Reader) ([]kv.Op, error)) (*kv.Pending, error) {
	p, err := s.engine.Begin(lockKeys, func(r kv.Reader) (*kv.Batch, error) {
		list, err := ops(r)
		if err != nil {
			return nil, err
		}
		return s.unstamped(list), nil
	})
	return p, s.noteFrozen(err)
}

// unstamped is the batch of ops that need no stamp; nil of none.
func (s *Store) unstamped(ops []kv.Op) *kv.Batch {
	if len(ops) == 0 {
		return nil
	}
	return &kv.Batch{Ops: append(ops, stateOp()), Seal: func(sequence uint64, ops []kv.Op) {
		s.sealState(sequence, ops[len(ops)-1])
	}}
}

// change is an operation that is one commit of ops, which need no stamp. done,
// if not nil, takes its effects once they are durable.
func (s *Store) change(ops []kv.Op, done func()) (*Pending[None], error) {
	own, err := s.commit(nil, func(kv.Reader) ([]kv.Op, error) { return ops, nil })
	if err != nil {
		return nil, err
	}
	return &Pending[None]{Sequence: own.Sequence, store: s, own: own, done: func() (None, error) {
		if done != nil {
			done()
		}
		return None{}, nil
	}}, nil
}

func (s *Store) loadState() (sequence uint64, err error) {
	raw, err := s.engine.Get(keyState)
	if errors.Is(err, kv.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if len(raw) != stateSize || raw[0] != Format {
		return 0, fmt.Errorf("sequencer state is damaged: %x", raw)
	}
	s.sequencer.clock.Raise(hlc.Time(binary.BigEndian.Uint64(raw[9:])))
	s.sequencer.ordinal = binary.BigEndian.Uint64(raw[17:])
	return binary.BigEndian.Uint64(raw[1:]), nil
}

// endLastLink notes where the life before this one ended: at its last entry
// that survived.
func (s *Store) endLastLink() error {
	if len(s.chain) == 0 {
		return nil
	}
	l := &s.chain[len(s.chain)-1]
	l.Open, l.End, l.EndVersion = false, l.Start, l.StartVersion
	it := s.engine.Scan(kv.Range{From: logKey(l.ID, 0), To: successor(logKey(l.ID, 0)[:9]), Reverse: true})
	if it.Next() {
		e, err := parseEntryHead(it.Value())
		if err != nil {
			return errors.Join(err, it.Close())
		}
		l.End, l.EndVersion = logSequence(it.Key()), e.Version
	} else if s.trimmed.Cursor.Log == l.ID {
		l.End, l.EndVersion = s.trimmed.Cursor.Sequence, s.trimmed.Cursor.Version
	}
	return errors.Join(it.Err(), it.Close())
}

func logSequence(key []byte) uint64 { return binary.BigEndian.Uint64(key[offsetLogSequence:]) }

// Chain answers the lives of this region's log, oldest first.
func (s *Store) Chain() []LogLink {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.chain)
}

// Position answers how far the log has come; nothing in it is undone by a crash.
func (s *Store) Position() Position {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.position
	p.Durable = s.engine.Durable()
	return p
}

// advance notes a durable entry and wakes senders.
func (s *Store) advance(c Cursor, ordinal uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.Sequence > s.position.Cursor.Sequence {
		s.position.Cursor = c
		s.position.Time = max(s.position.Time, c.Version.Time)
		s.ordinal = ordinal
	}
	if s.appended != nil {
		close(s.appended)
		s.appended = nil
	}
}

// Appended answers a channel that is closed at the next durable entry. Take it
// before reading the log, so that no entry slips between.
func (s *Store) Appended() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.appended == nil {
		s.appended = make(chan struct{})
	}
	return s.appended
}

// Heartbeat takes a time under the sequencer, makes it the floor of every later
// write, also after a restart, and answers it with the last entry before it
// (DATA 14). Peers that are at Cursor have applied everything of this region up
// to Time.
func (s *Store) Heartbeat(ctx context.Context) (Position, error) {
	p, err := s.BeginHeartbeat()
	return wait(ctx, p, err)
}

// BeginHeartbeat is the first half of Heartbeat.
func (s *Store) BeginHeartbeat() (*Pending[Position], error) { return s.BeginRaise(0) }

// Raise makes every later write's time higher than t; a reconciliation calls it
// with the highest version of ours that peers hold (DATA 5).
func (s *Store) Raise(ctx context.Context, t hlc.Time) error {
	p, err := s.BeginRaise(t)
	_, err = wait(ctx, p, err)
	return err
}

// BeginRaise is the first half of Raise, and a heartbeat above floor.
func (s *Store) BeginRaise(floor hlc.Time) (*Pending[Position], error) {
	var p Position
	var ordinal uint64
	own, err := s.engine.Begin(nil, func(kv.Reader) (*kv.Batch, error) {
		return &kv.Batch{Ops: []kv.Op{stateOp()}, Seal: func(sequence uint64, ops []kv.Op) {
			p.Time = s.sequencer.clock.Next(s.config.Wall(), floor)
			p.Cursor, ordinal = s.sequencer.last, s.sequencer.ordinal
			s.sealState(sequence, ops[0])
		}}, nil
	})
	if err != nil {
		return nil, s.noteFrozen(err)
	}
	done := func() (Position, error) {
		s.beaten(p, ordinal)
		p.Durable = s.engine.Durable()
		return p, nil
	}
	return &Pending[Position]{Sequence: own.Sequence, store: s, own: own, done: done}, nil
}

// beaten takes over, once durable, what a heartbeat promises.
func (s *Store) beaten(p Position, ordinal uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.position.Cursor.Sequence < p.Cursor.Sequence {
		s.position.Cursor, s.ordinal = p.Cursor, ordinal
	}
	s.position.Time = max(s.position.Time, p.Time)
}
