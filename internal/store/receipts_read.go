package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/cespare/xxhash/v2"

	"github.com/meridian-run/meridian/internal/hlc"
	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/record"
)

var (
	// ErrNoReceipt wraps an id that no receipt has, or has any more.
	ErrNoReceipt = errors.New("no such receipt")
	// ErrPast wraps when the value of a receipt that is to be restored has died.
	ErrPast = errors.New("its time to live is over")
)

// Receipt is a write that was discarded by one that had not seen it, and what its
// key holds now.
type Receipt struct {
	// ID names it in all regions alike: the time of the write, and a hash of table,
	// key and version.
	ID   string
	Key  record.Key
	Lost record.Record
	// Current is what readers see; Found is false if that is nothing.
	Current record.Record
	Found   bool
}

// ReceiptQuery says which receipts to list.
type ReceiptQuery struct {
	Table record.TableID
	// Partition and Sort narrow it to a partition, and to one key of it; nil is any.
	Partition, Sort []byte
	// Limit is how many to list at most; 0 is all.
	Limit int
}

// Receipts lists receipts, those of the newest writes first; more says that Limit
// left some out. What it shows is durable.
func (s *Store) Receipts(ctx context.Context, q ReceiptQuery) (list []Receipt, more bool, err error) {
	if _, err := s.table(q.Table); err != nil {
		return nil, false, err
	}
	err = s.View(ctx, func(r kv.Reader) error {
		keys, err := q.find(r)
		if err != nil {
			return err
		}
		if more = q.Limit > 0 && len(keys) > q.Limit; more {
			keys = keys[:q.Limit]
		}
		for _, key := range keys {
			one, err := s.receipt(r, key)
			if err != nil {
				return err
			}
			list = append(list, one)
		}
		return nil
	})
	return list, more, err
}

// find answers the keys of the receipts that are asked for, and of one more than
// the limit.
func (q ReceiptQuery) find(r kv.Reader) (keys [][]byte, err error) {
	if q.Partition != nil {
		return q.ofPartition(r)
	}
	from := tableKey(spacePlaces, q.Table)
	it := r.Scan(kv.Range{From: from, To: successor(from), Reverse: true})
	defer func() { err = errors.Join(err, it.Close()) }()
	for (q.Limit == 0 || len(keys) <= q.Limit) && it.Next() {
		key, _, err := parseReceiptPlace(it.Key())
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, it.Err()
}

// ofPartition finds the receipts of one partition.
func (q ReceiptQuery) ofPartition(r kv.Reader) (keys [][]byte, err error) {
	from := partitionKey(q.Table, q.Partition)
	from[0] = spaceReceipts
	it := r.Scan(kv.Range{From: from, To: successor(from)})
	defer func() { err = errors.Join(err, it.Close()) }()
	times := map[string]hlc.Time{}
	for it.Next() {
		key, loser, err := parseReceiptKey(it.Key())
		if err != nil {
			return nil, err
		}
		if q.Sort != nil && !bytes.Equal(key.Sort, q.Sort) {
			continue
		}
		keys = append(keys, bytes.Clone(it.Key()))
		times[string(it.Key())] = loser.Time
	}
	slices.SortStableFunc(keys, func(a, b []byte) int {
		if times[string(a)] > times[string(b)] {
			return -1
		}
		return 1
	})
	return keys, it.Err()
}

// receipt reads one by its key, with what the record's key holds now.
func (s *Store) receipt(r kv.Reader, at []byte) (Receipt, error) {
	key, _, err := parseReceiptKey(at)
	if err != nil {
		return Receipt{}, err
	}
	lost, found, err := load(r, at)
	if err != nil || !found {
		return Receipt{}, errors.Join(err, fmt.Errorf("%w at %x", ErrNoReceipt, at))
	}
	out := Receipt{ID: receiptID(at, lost.Version.Time), Key: key, Lost: lost}
	out.Current, out.Found, err = load(r, dataKey(key))
	out.Found = out.Found && visible(out.Current, s.config.Wall())
	return out, err
}

func receiptID(at []byte, t hlc.Time) string {
	return fmt.Sprintf("%016x-%08x", uint64(t), uint32(xxhash.Sum64(at)))
}

// Receipt answers the receipt of an id, of whatever table is held here.
func (s *Store) Receipt(ctx context.Context, id string) (out Receipt, err error) {
	err = s.View(ctx, func(r kv.Reader) error {
		at, err := s.receiptAt(r, id)
		if err != nil {
			return err
		}
		out, err = s.receipt(r, at)
		return err
	})
	return out, err
}

// receiptAt finds the key of an id.
func (s *Store) receiptAt(r kv.Reader, id string) ([]byte, error) {
	if len(id) != 16+1+8 {
		return nil, fmt.Errorf("%w: %q", ErrNoReceipt, id)
	}
	at, err := strconv.ParseUint(id[:16], 16, 64)
	if err != nil {
		return nil, fmt.Errorf("%w: %q", ErrNoReceipt, id)
	}
	for _, t := range slices.Sorted(maps.Keys(*s.tables.Load())) {
		prefix := binary.BigEndian.AppendUint64(tableKey(spacePlaces, t), at)
		found, err := named(r, prefix, id, hlc.Time(at))
		if found != nil || err != nil {
			return found, err
		}
	}
	return nil, fmt.Errorf("%w: %q", ErrNoReceipt, id)
}

// named looks among the places of one time for the receipt of an id.
func named(r kv.Reader, prefix []byte, id string, t hlc.Time) (found []byte, err error) {
	it := r.Scan(kv.Range{From: prefix, To: successor(prefix)})
	defer func() { err = errors.Join(err, it.Close()) }()
	for it.Next() {
		key, _, err := parseReceiptPlace(it.Key())
		if err != nil {
			return nil, err
		}
		if receiptID(key, t) == id {
			return key, nil
		}
	}
	return nil, it.Err()
}

// Restore writes the value that a receipt keeps again, as an ordinary new write:
// it has a version of its own, observers see it, and it replaces what the key
// holds. A receipt of a delete deletes. In a table that merges by attribute it
// sets, removes and adds what was lost, and leaves the rest of the item alone. The
// receipt stays.
func (s *Store) Restore(ctx context.Context, id string) (Receipt, Commit, error) {
	found, err := s.Receipt(ctx, id)
	if err != nil {
		return Receipt{}, Commit{}, err
	}
	lost := found.Lost
	if t, held := s.Table(found.Key.Table); held && !lost.ByAttribute {
		lost, _ = timed(&t, lost)
	}
	commit, err := s.Update(ctx, []record.Key{found.Key}, func(tx *Tx) error {
		switch {
		case lost.ByAttribute:
			return tx.restoreAttributes(found.Key, lost)
		case lost.Tombstone:
			return tx.Delete(found.Key)
		case !visible(lost, tx.Now):
			return fmt.Errorf("%w since Unix second %d", ErrPast, lost.Expires)
		}
		return tx.Put(found.Key, lost.Value, PutOptions{Expires: lost.Expires})
	})
	return found, commit, err
}
