package store

import (
	"encoding/binary"

	"github.com/meridian-run/meridian/internal/hlc"
	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/record"
)

// appending is the log entry of a batch, encoded and not yet stamped. The zero
// value is of a batch that has none.
type appending struct {
	store  *Store
	cursor Cursor
	// ordinal is known once sealed.
	ordinal uint64
}

// append makes the log entry of a batch, and the operation that writes it; epoch
// is the highest of what it mentions.
func (s *Store) append(mentions []mention, epoch uint32) (appending, kv.Op) {
	version := record.Version{Epoch: epoch, Region: s.config.Region, Node: s.config.Node}
	value := appendEntry(nil, entry{Version: version, Mentions: mentions})
	return appending{store: s, cursor: Cursor{Log: s.log, Version: version}}, kv.Op{Key: logKey(s.log, 0), Value: value}
}

// seal gives the entry its place: a sequence, a time, an ordinal. Version order is
// log order (DATA 1).
func (a *appending) seal(sequence uint64, t hlc.Time, op kv.Op) {
	sequencer := &a.store.sequencer
	sequencer.ordinal++
	a.ordinal = sequencer.ordinal
	a.cursor.Sequence, a.cursor.Version.Time = sequence, t
	sequencer.last = a.cursor
	binary.BigEndian.PutUint64(op.Key[offsetLogSequence:], sequence)
	patchEntry(op.Value, t, a.ordinal)
}

// settle takes over, once durable, that the entry is in the log.
func (a *appending) settle() {
	if a.store != nil {
		a.store.advance(a.cursor, a.ordinal)
	}
}

// patchTombstones gives tombstones the time from which on they may go: when every
// region has applied the entry that they are of.
func patchTombstones(ops []kv.Op, t hlc.Time) {
	for _, op := range ops {
		binary.BigEndian.PutUint64(op.Key[offsetTombstoneTime:], uint64(t))
	}
}
