package store

import (
	"encoding/binary"

	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/table"
)

// Cause says why a record changed.
type Cause uint8

const (
	Local   Cause = iota // written here
	Applied              // came from a peer and won
	Expired              // its time was up
)

// Change is one change of one key, as observers see it.
type Change struct {
	Table *table.Table // not to be changed
	Key   record.Key
	// Old and New are the values before and after; nil where the key held or
	// holds nothing, or a tombstone. A record whose time is up counts as present
	// until it is collected. The time in a local New's Version is not known yet:
	// observers must not depend on it.
	Old, New *record.Record
	Cause    Cause
	// Version is that of the record that takes effect, a tombstone's too; of a
	// local one the time is missing.
	Version record.Version
}

// Observer is called for every change, under the key's lock, before the batch
// commits; what it writes commits with the change or not at all (DATA 11). It is
// not called for a record that lost, nor for a version that is already here
// (DATA 6), so what it derives from Old and New is right whatever the order in
// which changes arrive. It must not block; an error refuses the whole batch.
type Observer interface {
	Observe(c Change, into *Writes) error
}

// Writes collects what observers add to a batch, in the index keyspace of one
// table.
type Writes struct {
	table  record.TableID
	ops    []kv.Op
	images []kv.Op // to be sealed (sealImages)
}

// Set writes a key.
func (w *Writes) Set(key, value []byte) {
	w.ops = append(w.ops, kv.Op{Kind: kv.Set, Key: IndexKey(w.table, key), Value: value})
}

// Delete removes a key.
func (w *Writes) Delete(key []byte) {
	w.ops = append(w.ops, kv.Op{Kind: kv.Delete, Key: IndexKey(w.table, key)})
}

// IndexKey is the engine's key of what an observer wrote for a table under key,
// for reading it back in View. A prefix of key gives a prefix of the result.
func IndexKey(id record.TableID, key []byte) []byte {
	dst := make([]byte, 0, 9+len(key))
	dst = binary.BigEndian.AppendUint64(append(dst, spaceIndex), uint64(id))
	return append(dst, key...)
}

// IndexPrefixSize is how much longer IndexKey's result is than its key.
const IndexPrefixSize = 9

// ReadRecord reads a record in a View: false for a tombstone, too. The caller
// judges expiry.
func ReadRecord(r kv.Reader, key record.Key) (record.Record, bool, error) {
	rec, found, err := load(r, dataKey(key))
	if err != nil || !found || rec.Tombstone || rec.Expired {
		return record.Record{}, false, err
	}
	return rec, true, nil
}

// observe adds to a batch what follows from one change: the index of times of
// death, the image, what observers write.
func (s *Store) observe(c Change, into *Writes) error {
	if c.Old == nil && c.New == nil {
		return nil
	}
	indexExpiry(c, into)
	image(c, into)
	into.table = c.Table.ID
	for _, o := range s.config.Observers {
		if err := o.Observe(c, into); err != nil {
			return err
		}
	}
	return nil
}

// present answers the record for a Change: nil for a tombstone.
func present(r record.Record, found bool) *record.Record {
	if !found || r.Tombstone || r.Expired {
		return nil
	}
	return &r
}
