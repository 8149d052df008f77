package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/meridian-run/meridian/internal/kv"
)

// What a region remembers of tokens is bounded by age and number: TokenAge is
// DynamoDB's, and tokensMax of 80 bytes each are kept twice.
const (
	TokenAge  = 10 * time.Minute
	tokensMax = 1 << 21
)

// Tokens is what this region remembers of the requests that carry a token of their
// client's: a few bytes each, in the batch of its effect, so that a retry has none.
// It is the region's own and not replicated: it names no table, and nothing in it is
// an item of one. Its methods are safe for concurrent use.
//
// Tokens lie in generations, of which the current and the one before are looked at.
// A new one begins when the current is as old as a token may become, or full; then
// the one before the last goes, in one operation.
type Tokens struct {
	store *Store
	turns turns

	mu         sync.Mutex // guards what follows
	generation uint64
	began      time.Time // the current generation
	count      int       // of its tokens
}

// Tokens is this region's memory of tokens.
func (s *Store) Tokens() *Tokens { return s.tokens }

// tokenKey is where a token lies.
func tokenKey(generation uint64, id RequestID) []byte {
	return append(generationKey(generation), id[:]...)
}

func generationKey(generation uint64) []byte {
	return binary.BigEndian.AppendUint64(append(make([]byte, 0, 1+8+len(RequestID{})), spaceTokens), generation)
}

// loadTokens goes on with the generation where the last life ended. How many tokens
// are in it, and since when, is not known: it may become twice as large and old.
func (s *Store) loadTokens() (err error) {
	s.tokens = &Tokens{store: s, generation: 1, began: s.config.Wall()}
	it := s.engine.Scan(kv.Range{From: []byte{spaceTokens}, To: []byte{spaceTokens + 1}, Reverse: true})
	defer func() { err = errors.Join(err, it.Close()) }()
	if !it.Next() {
		return it.Err()
	}
	if len(it.Key()) != 1+8+len(RequestID{}) {
		return fmt.Errorf("a token under %x: %w", it.Key(), errBadKey)
	}
	s.tokens.generation = binary.BigEndian.Uint64(it.Key()[1:])
	return nil
}

// Begin answers what was remembered of a request before, durably, or begins it, as
// Memory.Begin does.
func (m *Tokens) Begin(ctx context.Context, id RequestID) (r *Remembering, answer []byte, err error) {
	if err := m.turns.take(ctx, id); err != nil {
		return nil, nil, err
	}
	answer, known, err := m.recall(ctx, id)
	if known || err != nil {
		m.turns.leave(id)
		return nil, answer, err
	}
	put := func(tx *Tx, answer []byte) error {
		tx.beside = append(tx.beside, m.keep(id, tx.Now, answer)...)
		return nil
	}
	return &Remembering{put: put, end: func() { m.turns.leave(id) }}, nil, nil
}

// recall answers what is known of a token.
func (m *Tokens) recall(ctx context.Context, id RequestID) (answer []byte, known bool, err error) {
	m.mu.Lock()
	generation := m.generation
	m.mu.Unlock()
	for _, g := range []uint64{generation, generation - 1} {
		raw, err := m.store.engine.Get(tokenKey(g, id))
		if errors.Is(err, kv.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, false, err
		}
		if len(raw) < 8 {
			return nil, false, fmt.Errorf("a token of %d bytes is malformed", len(raw))
		}
		at := time.UnixMilli(int64(binary.BigEndian.Uint64(raw)))
		if m.store.config.Wall().Sub(at) >= TokenAge {
			return nil, false, nil
		}
		return raw[8:], true, m.store.WaitDurable(ctx, m.store.sealed.Load())
	}
	return nil, false, nil
}

// keep answers what remembers a token.
func (m *Tokens) keep(id RequestID, now time.Time, answer []byte) (ops []kv.Op) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.count++; m.count > tokensMax || now.Sub(m.began) >= TokenAge {
		m.generation, m.began, m.count = m.generation+1, now, 1
		ops = append(ops, kv.Op{Kind: kv.DeleteRange, Key: generationKey(0), Value: generationKey(m.generation - 1)})
	}
	value := binary.BigEndian.AppendUint64(nil, uint64(now.UnixMilli()))
	return append(ops, kv.Op{Key: tokenKey(m.generation, id), Value: append(value, answer...)})
}
