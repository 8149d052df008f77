package kv

import (
	"context"
	"errors"
)

var (
	// ErrNotFound is what Get answers for an absent key.
	ErrNotFound = errors.New("key not found")
	// ErrClosed is what every call answers after Close.
	ErrClosed = errors.New("engine is closed")
	// ErrFrozen wraps the cause after a failed commit or sync: the durable
	// watermark stands still, every Begin is refused, waits for later
	// sequences fail at once, reads of what is durable go on (DATA 4).
	ErrFrozen = errors.New("storage failed: writes are refused")
	// ErrCorrupt wraps which file holds bytes that are not those written. What
	// else the engine holds is not to be trusted with new writes.
	ErrCorrupt = errors.New("damaged on disk")
)

// Reader reads keys in byte order. Byte slices that it returns belong to the
// caller, except an Iterator's, which stay valid until its next move.
type Reader interface {
	// Get answers the key's value, or ErrNotFound.
	Get(key []byte) ([]byte, error)
	// Scan iterates over a range; the caller closes the iterator.
	Scan(r Range) Iterator
}

// Range is the keys from From (included) to To (excluded; nil is the end).
type Range struct {
	From, To []byte
	// Reverse visits the highest key first.
	Reverse bool
}

// Iterator visits a range: for it.Next() { it.Key(), it.Value() }; then Err.
type Iterator interface {
	Next() bool
	Key() []byte
	Value() []byte
	Err() error
	Close() error
}

// Snapshot is a Reader of one moment. Close it soon: it holds back compaction.
type Snapshot interface {
	Reader
	// Sequence is the highest commit that the snapshot may show.
	Sequence() uint64
	Close() error
}

// OpKind says what an Op does.
type OpKind uint8

const (
	Set OpKind = iota
	Delete
	// DeleteRange deletes the keys from Key (included) to Value (excluded).
	DeleteRange
)

// Op is one change of a batch.
type Op struct {
	Kind  OpKind
	Key   []byte
	Value []byte
}

// Batch is changes that commit together or not at all.
type Batch struct {
	Ops []Op
	// Seal, if not nil, is called exactly once, in commit order, with the
	// commit's sequence and the batch's operations as the engine will store them.
	// It may overwrite bytes of keys and values in place, without changing
	// lengths; that is how a version and a sequence enter records that were
	// encoded before the lock was taken (DATA 1). It must not block.
	Seal func(sequence uint64, ops []Op)
}

// Engine is an ordered key-value store with one commit order. All methods are
// safe for concurrent use. kvtest holds every engine to this contract.
type Engine interface {
	Reader
	// Snapshot answers a view of this moment.
	Snapshot() Snapshot
	// Begin locks lockKeys, which need not exist (in an order that cannot
	// deadlock; nil locks nothing), calls decide with a reader of the current
	// state, commits the batch it answers, asks for its sync and returns, without
	// waiting for that. A nil batch, or one without operations, commits nothing
	// and answers sequence 0. The locks are let go as soon as the batch is visible.
	// An error of decide is returned as it is and nothing has changed. Sequences
	// rise by one a commit and go on rising over restarts, from the StartAt that
	// the engine was opened with. Commits become durable in their order.
	Begin(lockKeys [][]byte, decide func(Reader) (*Batch, error)) (*Pending, error)
	// Durable is the watermark: every commit up to it survives a crash.
	Durable() uint64
	// Stopped answers why the watermark stands still for good, ErrFrozen or
	// ErrClosed; nil while it moves.
	Stopped() error
	// WaitDurable returns nil once the watermark has reached sequence, or at
	// once with ErrFrozen, ErrClosed or the context's error.
	WaitDurable(ctx context.Context, sequence uint64) error
	// StartAt sets the sequence that the next commit follows, before the first
	// Begin; store calls it with what it has persisted. Everything up to it is
	// durable.
	StartAt(sequence uint64)
	Close() error
}
