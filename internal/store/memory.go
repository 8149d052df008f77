package store

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/table"
)

// RequestID tells a write of a primary table, and the retries of it, from all others.
type RequestID [16]byte

// What a primary remembers is bounded by count and time: a client's retries are
// over long before.
const (
	MemorySlots = 1 << 16
	MemoryAge   = 15 * time.Minute
)

// Memory is what the primary of a table remembers of the writes that have an id,
// forwarded or not (DATA 21): the answer of each, in the batch of its effect. It
// lies in a ring of records of a table beside (table.Remembered), so that it
// survives a restart, and reaches the next primary with the writes. Its methods
// are safe for concurrent use.
type Memory struct {
	store *Store
	table record.TableID

	mu    sync.Mutex // guards what follows
	next  uint64     // number of the next write
	known map[RequestID]uint64
	ring  []RequestID // by slot
	turns turns
}

// OpenMemory reads what is remembered of a table. Only the table's primary has
// use for it, and once it is the primary: others' memories go on being written.
func (s *Store) OpenMemory(ctx context.Context, t table.Table) (*Memory, error) {
	m := &Memory{
		store: s, table: t.Remembered().ID,
		known: map[RequestID]uint64{}, ring: make([]RequestID, MemorySlots),
	}
	err := s.Scan(ctx, Scan{Table: m.table}, func(key record.Key, r record.Record) (bool, error) {
		e, err := parseRemembered(r.Value)
		if err == nil {
			m.note(e.id, e.number)
		}
		return true, err
	})
	if err != nil {
		return nil, fmt.Errorf("what is remembered of table %s: %w", t.Name, err)
	}
	return m, nil
}

// note takes an entry in; the caller holds mu, or nobody else has m.
func (m *Memory) note(id RequestID, number uint64) {
	slot := number % MemorySlots
	if old := m.ring[slot]; m.known[old]%MemorySlots == slot {
		delete(m.known, old)
	}
	m.ring[slot], m.known[id] = id, number
	m.next = max(m.next, number+1)
}

// Remembering is one write with an id under way.
type Remembering struct {
	key record.Key // none, if what is remembered is no record
	put func(tx *Tx, answer []byte) error
	end func()
}

// Begin answers what was answered to a write before, durably, or begins it: the
// caller then ends it, whatever becomes of it. It waits for the same write where
// that is under way.
func (m *Memory) Begin(ctx context.Context, id RequestID) (r *Remembering, answer []byte, err error) {
	if err := m.turns.take(ctx, id); err != nil {
		return nil, nil, err
	}
	answer, known, err := m.recall(ctx, id)
	if known || err != nil {
		m.turns.leave(id)
		return nil, answer, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	number := m.next
	m.next++
	put := false
	return &Remembering{
		key: m.key(number),
		put: func(tx *Tx, answer []byte) error {
			put = true
			return tx.Put(m.key(number), remembered{id: id, number: number, at: tx.Now, answer: answer}.encode(), PutOptions{})
		},
		end: func() {
			if put {
				m.mu.Lock()
				m.note(id, number)
				m.mu.Unlock()
			}
			m.turns.leave(id)
		},
	}, nil, nil
}

// recall answers what is known of a write whose turn it is.
func (m *Memory) recall(ctx context.Context, id RequestID) (answer []byte, known bool, err error) {
	m.mu.Lock()
	number, known := m.known[id]
	m.mu.Unlock()
	if !known {
		return nil, false, nil
	}
	return m.answered(ctx, id, number)
}

// answered reads an answer. One that is too old, or was overwritten, is
// forgotten.
func (m *Memory) answered(ctx context.Context, id RequestID, number uint64) (answer []byte, known bool, err error) {
	r, found, err := m.store.Get(ctx, m.key(number))
	if err != nil {
		return nil, false, err
	}
	if found {
		e, err := parseRemembered(r.Value)
		if err != nil {
			return nil, false, err
		}
		if e.id == id && m.store.config.Wall().Sub(e.at) < MemoryAge {
			return e.answer, true, nil
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known[id] == number {
		delete(m.known, id)
	}
	return nil, false, nil
}

func (m *Memory) key(number uint64) record.Key {
	return record.Key{Table: m.table, Partition: binary.BigEndian.AppendUint32(nil, uint32(number%MemorySlots))}
}

// Keys are the keys that the write's transaction has to have, for Put.
func (r *Remembering) Keys() []record.Key {
	if r.key.Table == 0 {
		return nil
	}
	return []record.Key{r.key}
}

// Put remembers the answer, in the transaction that has the effect.
func (r *Remembering) Put(tx *Tx, answer []byte) error { return r.put(tx, answer) }

// End ends the write, whether it had its effect, or had none, or nobody knows:
// a retry looks at what is in the store.
func (r *Remembering) End() { r.end() }

// remembered is a record of a memory: number, wall clock, id, answer.
type remembered struct {
	id     RequestID
	number uint64
	at     time.Time
	answer []byte
}

const rememberedSize = 8 + 8 + 16

func (e remembered) encode() []byte {
	dst := make([]byte, 0, rememberedSize+len(e.answer))
	dst = binary.BigEndian.AppendUint64(dst, e.number)
	dst = binary.BigEndian.AppendUint64(dst, uint64(e.at.UnixMilli()))
	return append(append(dst, e.id[:]...), e.answer...)
}

func parseRemembered(raw []byte) (e remembered, err error) {
	if len(raw) < rememberedSize {
		return e, fmt.Errorf("a remembered write of %d bytes is malformed", len(raw))
	}
	e.number = binary.BigEndian.Uint64(raw)
	e.at = time.UnixMilli(int64(binary.BigEndian.Uint64(raw[8:])))
	copy(e.id[:], raw[16:])
	e.answer = slices.Clone(raw[rememberedSize:])
	return e, nil
}
