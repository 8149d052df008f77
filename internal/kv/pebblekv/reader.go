package pebblekv

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/meridian-run/meridian/internal/kv"
)

// reader reads a database or a snapshot of it for callers inside the gate.
type reader struct {
	from   pebble.Reader
	engine *Engine
}

func (r reader) Get(key []byte) ([]byte, error) {
	value, closer, err := r.from.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, kv.ErrNotFound
	}
	if err != nil {
		return nil, readError(err)
	}
	out := bytes.Clone(value)
	if out == nil {
		out = []byte{}
	}
	return out, closer.Close()
}

// readError says of a failed read that it met damage, if it did.
func readError(err error) error {
	switch {
	case err == nil:
		return nil
	case pebble.IsCorruptionError(err):
		return fmt.Errorf("read: %w: %w", kv.ErrCorrupt, err)
	}
	return fmt.Errorf("read: %w", err)
}

// decider reads for one decision, mostly keys that are not there yet. Its Get
// goes through an iterator, which asks the filters of the lowest level too:
// Pebble's own Get does not, and an absent key costs a block, from the disk where
// the data are larger than memory. The iterator is of the moment of the first
// Get; keys that are locked do not change until the decision is made.
type decider struct {
	reader
	seeker *pebble.Iterator // nil before the first Get
}

func (d *decider) Get(key []byte) ([]byte, error) {
	if d.seeker == nil {
		it, err := d.from.NewIter(&pebble.IterOptions{UseL6Filters: true})
		if err != nil {
			return nil, readError(err)
		}
		d.seeker = it
	}
	if !d.seeker.SeekPrefixGE(key) || !bytes.Equal(d.seeker.Key(), key) {
		if err := d.seeker.Error(); err != nil {
			return nil, readError(err)
		}
		return nil, kv.ErrNotFound
	}
	value, err := d.seeker.ValueAndErr()
	if err != nil {
		return nil, readError(err)
	}
	return append(make([]byte, 0, len(value)), value...), nil
}

// close ends the decision. An error of a read has been told already.
func (d *decider) close() {
	if d.seeker != nil {
		_ = d.seeker.Close()
	}
}

func (r reader) Scan(b kv.Range) kv.Iterator {
	if !r.engine.gate.Enter() {
		return failed{kv.ErrClosed}
	}
	it, err := r.from.NewIter(&pebble.IterOptions{LowerBound: b.From, UpperBound: b.To})
	if err != nil {
		r.engine.gate.Leave()
		return failed{err}
	}
	return &iterator{engine: r.engine, inner: it, reverse: b.Reverse}
}

// Get implements kv.Reader.
func (e *Engine) Get(key []byte) ([]byte, error) {
	if !e.gate.Enter() {
		return nil, kv.ErrClosed
	}
	defer e.gate.Leave()
	return reader{e.db, e}.Get(key)
}

// Scan implements kv.Reader: it iterates over the moment of the call.
func (e *Engine) Scan(r kv.Range) kv.Iterator { return reader{e.db, e}.Scan(r) }

// Snapshot implements kv.Engine.
func (e *Engine) Snapshot() kv.Snapshot {
	if !e.gate.Enter() {
		return failed{kv.ErrClosed}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.db.NewSnapshot()
	return &snapshot{reader: reader{s, e}, inner: s, sequence: e.last}
}

// snapshot holds the gate until it is closed.
type snapshot struct {
	reader
	inner    *pebble.Snapshot
	sequence uint64
}

func (s *snapshot) Sequence() uint64 { return s.sequence }

func (s *snapshot) Close() error {
	defer s.engine.gate.Leave()
	return s.inner.Close()
}

// iterator holds the gate until it is closed.
type iterator struct {
	engine  *Engine
	inner   *pebble.Iterator
	reverse bool
	started bool
}

func (i *iterator) Next() bool {
	switch {
	case i.started && i.reverse:
		return i.inner.Prev()
	case i.started:
		return i.inner.Next()
	}
	i.started = true
	if i.reverse {
		return i.inner.Last()
	}
	return i.inner.First()
}

func (i *iterator) Key() []byte   { return i.inner.Key() }
func (i *iterator) Value() []byte { return i.inner.Value() }
func (i *iterator) Err() error    { return readError(i.inner.Error()) }

func (i *iterator) Close() error {
	defer i.engine.gate.Leave()
	return i.inner.Close()
}

// failed is the snapshot and the iterator of a closed engine.
type failed struct{ err error }

var (
	_ kv.Snapshot = failed{}
	_ kv.Iterator = failed{}
)

func (f failed) Get([]byte) ([]byte, error) { return nil, f.err }
func (f failed) Scan(kv.Range) kv.Iterator  { return f }
func (f failed) Sequence() uint64           { return 0 }
func (f failed) Next() bool                 { return false }
func (f failed) Key() []byte                { return nil }
func (f failed) Value() []byte              { return nil }
func (f failed) Err() error                 { return f.err }
func (f failed) Close() error               { return nil }
