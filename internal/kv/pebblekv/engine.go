package pebblekv

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/meridian-run/meridian/internal/kv"
)

// Config says where an engine lives and how much memory it takes.
type Config struct {
	// Dir is the directory; it is made if it is not there.
	Dir string
	// CacheBytes is for blocks read from disk; default 16 MiB. Pebble takes its
	// memtables out of the same allowance, so room for two comes on top.
	CacheBytes int64
	// MemtableBytes is how much is written before it is flushed to a table;
	// default 16 MiB. Up to four times as much may be held while flushes lag.
	MemtableBytes uint64
	// Forgetful makes Crash undo what was not synced. It costs a little time at
	// each write and keeps removed files a little longer.
	Forgetful bool
	// Notice, if not nil, is told in Pebble's words what operators may want to
	// know. It must not block.
	Notice func(message string)

	// inner is the file system below; tests make it fail. Pebble 2.1.7 may panic in
	// a compaction whose manifest failed, which ends the process; tests of failing
	// disks go without.
	inner       vfs.FS
	uncompacted bool
}

// Engine is one open directory. Open makes it.
type Engine struct {
	db        *pebble.DB
	disk      *disk
	forgetful *forgetful // nil unless configured
	locks     kv.Locks
	watermark kv.Watermark
	gate      kv.Gate
	unsynced  unsynced

	// mu makes one order of {sequence, Seal, visible}. It guards what follows.
	mu     sync.Mutex
	last   uint64 // highest visible sequence
	broken bool   // Pebble panicked in a commit: it must not be called to write or close
}

var _ kv.Engine = (*Engine)(nil)

// Open opens or makes the directory. It refuses one that another process holds.
func Open(c Config) (*Engine, error) {
	if c.CacheBytes == 0 {
		c.CacheBytes = 16 << 20
	}
	if c.MemtableBytes == 0 {
		c.MemtableBytes = 16 << 20
	}
	if c.inner == nil {
		c.inner = vfs.Default
	}
	if err := c.inner.MkdirAll(c.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("make data directory: %w", err)
	}
	e := &Engine{}
	inner := c.inner
	if c.Forgetful {
		var err error
		if e.forgetful, err = newForgetful(c.inner, c.Dir); err != nil {
			return nil, fmt.Errorf("open data directory: %w", err)
		}
		inner = e.forgetful
	}
	failed := make(chan error, 1)
	e.disk = &disk{FS: inner, closing: make(chan struct{}), failed: func(err error) {
		e.freeze(err)
		failed <- err
	}}
	db, err := openPebble(c.Dir, e.options(c), failed)
	if err != nil {
		if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES) {
			return nil, fmt.Errorf("open data directory %s: another process uses it, or it is not yours: %w", c.Dir, err)
		}
		if pebble.IsCorruptionError(err) {
			err = fmt.Errorf("%w: %w", kv.ErrCorrupt, err)
		}
		return nil, fmt.Errorf("open data directory %s: %w", c.Dir, err)
	}
	e.db = db
	return e, nil
}

// openPebble opens the directory. Where the disk fails meanwhile Pebble would try
// for ever, on a disk that drops everything: it is left to that, and its memory
// is lost until the process ends, as is the directory's lock.
func openPebble(dir string, o *pebble.Options, failed <-chan error) (*pebble.DB, error) {
	type opened struct {
		db  *pebble.DB
		err error
	}
	done := make(chan opened, 1)
	go func() {
		db, err := pebble.Open(dir, o)
		done <- opened{db, err}
	}()
	select {
	case d := <-done:
		return d.db, d.err
	case err := <-failed:
		return nil, fmt.Errorf("%w: %w", kv.ErrFrozen, err)
	}
}

func (e *Engine) options(c Config) *pebble.Options {
	o := &pebble.Options{
		FS:                          e.disk,
		CacheSize:                   c.CacheBytes + 2*int64(c.MemtableBytes),
		MemTableSize:                c.MemtableBytes,
		MemTableStopWritesThreshold: 4,
		L0CompactionThreshold:       4,
		L0StopWritesThreshold:       24,
		MaxOpenFiles:                512,
		FormatMajorVersion:          pebble.FormatNewest,
		DisableAutomaticCompactions: c.uncompacted,
		Logger:                      logger{e, c.Notice},
		CompactionConcurrencyRange:  func() (lower, upper int) { return 1, 2 },
		EventListener:               &pebble.EventListener{DataCorruption: e.damaged, BackgroundError: e.unflushed},
	}
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	return o
}

// freeze stops the watermark where it is: which commits a failed sync has lost
// is not known, so none that waits counts (DATA 4).
func (e *Engine) freeze(cause error) { e.watermark.Freeze(0, cause) }

// damaged freezes the engine over a block whose checksum is wrong, be it a reader
// or a compaction that has met it. What is whole can still be read.
func (e *Engine) damaged(info pebble.DataCorruptionInfo) {
	e.freeze(fmt.Errorf("%w: %s: %w", kv.ErrCorrupt, info.Path, info.Details))
}

// unflushed stops writing once a flush or a compaction has failed. Pebble goes on
// trying, and once its memory is full lets writers wait, who then wait for ever.
func (e *Engine) unflushed(err error) {
	if !pebble.IsCorruptionError(err) && !errors.Is(err, pebble.ErrCancelledCompaction) {
		e.disk.hide(err)
	}
}

// Begin implements kv.Engine.
func (e *Engine) Begin(lockKeys [][]byte, decide func(kv.Reader) (*kv.Batch, error)) (*kv.Pending, error) {
	if !e.gate.Enter() {
		return nil, kv.ErrClosed
	}
	defer e.gate.Leave()
	c, err := e.commit(lockKeys, decide)
	if err != nil {
		return nil, err
	}
	if c == nil {
		return &kv.Pending{}, nil
	}
	return &kv.Pending{Sequence: c.sequence, Engine: e, Synced: func(ctx context.Context) error {
		e.follow(c)
		return e.watermark.Wait(ctx, c.sequence)
	}}, nil
}

// commit makes a batch visible under the locks of its keys; nil if there is
// nothing to commit.
func (e *Engine) commit(lockKeys [][]byte, decide func(kv.Reader) (*kv.Batch, error)) (*commit, error) {
	defer e.locks.Lock(lockKeys)()
	if err := e.watermark.Stopped(); err != nil {
		return nil, err
	}
	from := &decider{reader: reader{e.db, e}}
	wanted, err := decide(from)
	from.close()
	if err != nil || wanted == nil || len(wanted.Ops) == 0 {
		return nil, err
	}
	batch, ops, err := e.build(wanted.Ops)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.watermark.Stopped(); err != nil {
		_ = batch.Close()
		return nil, err
	}
	sequence := e.last + 1
	if wanted.Seal != nil {
		wanted.Seal(sequence, ops)
	}
	e.last = sequence
	if err := e.apply(batch); err != nil {
		e.watermark.Freeze(sequence, err)
		return nil, e.watermark.Stopped()
	}
	c := &commit{batch: batch, sequence: sequence}
	e.unsynced.add(c, e.watermark.Reached())
	return c, nil
}

// build encodes operations into a batch that is large enough from the start, so
// that the slices it answers stay where the engine will read them.
func (e *Engine) build(ops []kv.Op) (*pebble.Batch, []kv.Op, error) {
	const headerMax, opMax = 12, 1 + 2*5
	bytes := headerMax
	for _, op := range ops {
		bytes += opMax + len(op.Key) + len(op.Value)
	}
	if bytes > math.MaxInt32 {
		return nil, nil, fmt.Errorf("batch of %d bytes: at most %d", bytes, math.MaxInt32)
	}
	batch := e.db.NewBatchWithSize(bytes)
	stored := make([]kv.Op, len(ops))
	for i, op := range ops {
		var d *pebble.DeferredBatchOp
		switch op.Kind {
		case kv.Set:
			d = batch.SetDeferred(len(op.Key), len(op.Value))
		case kv.Delete:
			d = batch.DeleteDeferred(len(op.Key))
		case kv.DeleteRange:
			d = batch.DeleteRangeDeferred(len(op.Key), len(op.Value))
		}
		copy(d.Key, op.Key)
		copy(d.Value, op.Value)
		if err := d.Finish(); err != nil {
			return nil, nil, err
		}
		stored[i] = kv.Op{Kind: op.Kind, Key: d.Key, Value: d.Value}
	}
	return batch, stored, nil
}

// apply makes a batch visible and asks for its sync; the caller holds mu. Pebble
// panics where it cannot go on: the engine then keeps away from it.
func (e *Engine) apply(batch *pebble.Batch) (err error) {
	defer func() {
		if p := recover(); p != nil {
			e.broken = true
			err = fmt.Errorf("commit: %v", p)
		}
	}()
	return e.db.ApplyNoSyncWait(batch, pebble.Sync)
}

// Durable implements kv.Engine.
func (e *Engine) Durable() uint64 { return e.watermark.Reached() }

// Stopped implements kv.Engine.
func (e *Engine) Stopped() error { return e.watermark.Stopped() }

// StartAt implements kv.Engine.
func (e *Engine) StartAt(sequence uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.last > sequence {
		panic(fmt.Sprintf("pebblekv: StartAt %d after commit %d", sequence, e.last))
	}
	e.last = sequence
	e.watermark.Advance(sequence)
}

// Close waits for calls that are under way and closes the directory.
func (e *Engine) Close() error {
	if !e.gate.Close() {
		return kv.ErrClosed
	}
	e.watermark.Close()
	return e.end()
}

// Crash ends the engine as a power cut would: calls that are under way fail, and
// what was not synced is undone. Only for a forgetful engine.
func (e *Engine) Crash() error {
	if e.forgetful == nil {
		return errors.New("crash: the engine was not opened as forgetful")
	}
	e.watermark.Close()
	e.disk.drop()
	if !e.gate.Close() {
		return kv.ErrClosed
	}
	// Closing reports what the dropped disk left undone: that is the point.
	_ = e.end()
	return e.forgetful.crash()
}

// end closes Pebble, unless it is in no state to be closed: then its files are
// taken away from it, and its memory is lost until the process ends.
func (e *Engine) end() error {
	close(e.disk.closing)
	if e.broken {
		e.disk.drop()
		return errors.New("close: the engine broke in a commit; its directory can be opened again by a new process")
	}
	return e.db.Close()
}

// logger passes Pebble's words on, and freezes instead of ending the process.
type logger struct {
	engine *Engine
	notice func(string)
}

func (l logger) Infof(string, ...any) {}

func (l logger) Errorf(format string, args ...any) {
	if l.notice != nil {
		l.notice(fmt.Sprintf(format, args...))
	}
}

func (l logger) Fatalf(format string, args ...any) {
	err := fmt.Errorf(format, args...)
	l.engine.disk.hide(err)
	l.Errorf("%v", err)
}
