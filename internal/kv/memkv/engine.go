package memkv

import (
	"bytes"
	"context"
	"errors"
	"math"
	"slices"
	"sync"

	"github.com/meridian-run/meridian/internal/kv"
)

// Config says how an engine treats durability.
type Config struct {
	// Hold leaves commits unsynced until Sync or SyncTo is called; the default syncs each
	// commit at once.
	Hold bool
}

// Engine is the engine in memory. Its content outlives Close and Crash: Reopen
// answers an engine that goes on with what was durable.
type Engine struct {
	config    Config
	locks     kv.Locks
	watermark kv.Watermark

	mu       sync.RWMutex // guards what follows
	root     *node        // visible
	synced   *node        // durable
	unsynced []moment     // visible and not durable, in commit order
	last     uint64       // highest visible sequence
	failure  error        // the next sync fails with it
	closed   bool
}

// moment is what a commit left behind.
type moment struct {
	sequence uint64
	root     *node
}

var _ kv.Engine = (*Engine)(nil)

// New answers an empty engine.
func New(c Config) *Engine { return &Engine{config: c} }

// Reopen answers a new engine over what e had made durable, as a restart of
// the process would find it. e must be closed or crashed.
func (e *Engine) Reopen(c Config) *Engine {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if !e.closed {
		panic("memkv: Reopen of an engine that is open")
	}
	return &Engine{config: c, root: e.synced, synced: e.synced}
}

// Begin implements kv.Engine.
func (e *Engine) Begin(lockKeys [][]byte, decide func(kv.Reader) (*kv.Batch, error)) (*kv.Pending, error) {
	sequence, err := e.commit(lockKeys, decide)
	if err != nil {
		return nil, err
	}
	if sequence > 0 && !e.config.Hold {
		e.Sync()
	}
	return &kv.Pending{Sequence: sequence, Engine: e}, nil
}

// commit makes a batch visible under the locks of its keys.
func (e *Engine) commit(lockKeys [][]byte, decide func(kv.Reader) (*kv.Batch, error)) (uint64, error) {
	defer e.locks.Lock(lockKeys)()
	if err := e.watermark.Stopped(); err != nil {
		return 0, err
	}
	batch, err := decide(live{e})
	if err != nil || batch == nil || len(batch.Ops) == 0 {
		return 0, err
	}
	ops := own(batch.Ops)
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.watermark.Stopped(); err != nil {
		return 0, err
	}
	sequence := e.last + 1
	if batch.Seal != nil {
		batch.Seal(sequence, ops)
	}
	root := e.root
	for _, op := range ops {
		switch op.Kind {
		case kv.Set:
			root = put(root, op.Key, op.Value)
		case kv.Delete:
			root = remove(root, op.Key, after(op.Key))
		case kv.DeleteRange:
			root = remove(root, op.Key, op.Value)
		}
	}
	e.root, e.last = root, sequence
	e.unsynced = append(e.unsynced, moment{sequence, root})
	return sequence, nil
}

// own copies what the engine will keep.
func own(ops []kv.Op) []kv.Op {
	out := make([]kv.Op, len(ops))
	for i, op := range ops {
		out[i] = kv.Op{Kind: op.Kind, Key: bytes.Clone(op.Key), Value: bytes.Clone(op.Value)}
	}
	return out
}

// Sync makes everything visible durable, unless Fail was called.
func (e *Engine) Sync() { e.SyncTo(math.MaxUint64) }

// SyncTo makes the commits up to sequence durable, as a disk does that is still
// busy with the later ones, unless Fail was called.
func (e *Engine) SyncTo(sequence uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.failure != nil {
		e.watermark.Freeze(e.watermark.Reached()+1, e.failure)
	}
	if e.watermark.Stopped() != nil {
		return
	}
	n := 0
	for n < len(e.unsynced) && e.unsynced[n].sequence <= sequence {
		n++
	}
	if n == 0 {
		return
	}
	last := e.unsynced[n-1]
	e.unsynced = slices.Delete(e.unsynced, 0, n)
	e.synced = last.root
	e.watermark.Advance(last.sequence)
}

// Fail makes the next sync, and so the engine, fail.
func (e *Engine) Fail(cause error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.failure = cause
}

// Crash ends the engine as a power cut would: what was not synced is gone.
func (e *Engine) Crash() error {
	e.watermark.Close()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.root, e.closed = e.synced, true
	return nil
}

// Close syncs and ends the engine.
func (e *Engine) Close() error {
	e.Sync()
	e.watermark.Close()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return kv.ErrClosed
	}
	e.closed = true
	return nil
}

// Get implements kv.Reader.
func (e *Engine) Get(key []byte) ([]byte, error) { return live{e}.Get(key) }

// Scan implements kv.Reader: it iterates over this moment.
func (e *Engine) Scan(r kv.Range) kv.Iterator { return live{e}.Scan(r) }

// Snapshot implements kv.Engine.
func (e *Engine) Snapshot() kv.Snapshot {
	v, err := e.now()
	if err != nil {
		return failed{err}
	}
	return v
}

func (e *Engine) now() (view, error) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.closed {
		return view{}, kv.ErrClosed
	}
	return view{root: e.root, sequence: e.last}, nil
}

// Durable implements kv.Engine.
func (e *Engine) Durable() uint64 { return e.watermark.Reached() }

// Stopped implements kv.Engine.
func (e *Engine) Stopped() error { return e.watermark.Stopped() }

// WaitDurable implements kv.Engine.
func (e *Engine) WaitDurable(ctx context.Context, sequence uint64) error {
	return e.watermark.Wait(ctx, sequence)
}

// StartAt implements kv.Engine.
func (e *Engine) StartAt(sequence uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.last > sequence {
		panic(errors.New("memkv: StartAt after commits"))
	}
	e.last = sequence
	e.watermark.Advance(sequence)
}

// live reads the engine's current root, whatever it is at each call.
type live struct{ e *Engine }

func (l live) Get(key []byte) ([]byte, error) {
	v, err := l.e.now()
	if err != nil {
		return nil, err
	}
	return v.Get(key)
}

func (l live) Scan(r kv.Range) kv.Iterator {
	v, err := l.e.now()
	if err != nil {
		return failed{err}
	}
	return v.Scan(r)
}

// failed is the snapshot and the iterator of a closed engine.
type failed struct{ err error }

func (f failed) Get([]byte) ([]byte, error) { return nil, f.err }
func (f failed) Scan(kv.Range) kv.Iterator  { return f }
func (f failed) Sequence() uint64           { return 0 }
func (f failed) Next() bool                 { return false }
func (f failed) Key() []byte                { return nil }
func (f failed) Value() []byte              { return nil }
func (f failed) Err() error                 { return f.err }
func (f failed) Close() error               { return nil }
