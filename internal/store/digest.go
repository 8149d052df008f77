package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/meridian-run/meridian/internal/equality"
	"github.com/meridian-run/meridian/internal/hlc"
	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/record"
)

// Side is a store's part in a comparison of regions.
type Side struct{ store *Store }

var _ equality.Side = Side{}

// Side answers this region's part in comparisons.
func (s *Store) Side() Side { return Side{s} }

// Sums implements equality.Side.
func (s Side) Sums(ctx context.Context, b equality.Basis, ranges []equality.Hashes) ([]equality.Sum, hlc.Time, error) {
	out := make([]equality.Sum, len(ranges))
	timed, err := s.timed(b)
	if err != nil {
		return nil, 0, err
	}
	frontier, err := s.read(ctx, b, func(r kv.Reader) error {
		for i, hashes := range ranges {
			if !hashes.Valid() {
				return fmt.Errorf("range %d to %d of partition hashes is none", hashes.From, hashes.To)
			}
			err := eachHeld(ctx, r, b, hashRange(b.Table, hashes), timed, func(h equality.Held) bool {
				out[i].Add(h)
				return true
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return out, frontier, err
}

// List implements equality.Side.
func (s Side) List(ctx context.Context, b equality.Basis, within equality.Hashes, after *record.Key) (held []equality.Held, more bool, err error) {
	if !within.Valid() {
		return nil, false, fmt.Errorf("range %d to %d of partition hashes is none", within.From, within.To)
	}
	keys := hashRange(b.Table, within)
	if after != nil {
		if from := append(dataKey(record.Key{Table: b.Table, Partition: after.Partition, Sort: after.Sort}), 0); bytes.Compare(from, keys.From) > 0 {
			keys.From = from
		}
	}
	if bytes.Compare(keys.From, keys.To) >= 0 {
		return nil, false, nil
	}
	timed, err := s.timed(b)
	if err != nil {
		return nil, false, err
	}
	_, err = s.read(ctx, b, func(r kv.Reader) error {
		return eachHeld(ctx, r, b, keys, timed, func(h equality.Held) bool {
			if len(held) == equality.KeysMax {
				more = true
				return false
			}
			held = append(held, h)
			return true
		})
	})
	return held, more, err
}

// Look implements equality.Side.
func (s Side) Look(ctx context.Context, b equality.Basis, keys []record.Key) (equality.Looked, error) {
	// Before the records are read: what was applied by then is in them.
	looked := equality.Looked{Applied: s.store.Report().Applied, Held: make([]equality.Held, len(keys))}
	timed, err := s.timed(b)
	if err != nil {
		return looked, err
	}
	looked.Frontier, err = s.read(ctx, b, func(r kv.Reader) error {
		for i, k := range keys {
			k.Table = b.Table
			looked.Held[i].Key = k
			rec, found, err := load(r, dataKey(k))
			if err != nil {
				return err
			}
			if !found {
				continue
			}
			if h, counts := equality.Of(k, timed(rec), b); counts {
				looked.Held[i] = h
			}
		}
		return nil
	})
	return looked, err
}

// read calls fn with a moment of a table that this region holds, waits until
// that moment is durable (DATA 3), and answers the frontier that holds in it.
func (s Side) read(ctx context.Context, b equality.Basis, fn func(kv.Reader) error) (hlc.Time, error) {
	if _, err := s.store.table(b.Table); err != nil {
		return 0, err
	}
	snapshot, frontiers := s.store.snapshot()
	sequence := snapshot.Sequence()
	if err := errors.Join(fn(snapshot), snapshot.Close()); err != nil {
		return 0, err
	}
	return frontiers[b.Table].Seen, s.store.WaitDurable(ctx, sequence)
}

// hashRange is the range of the data keys of some partition hashes.
func hashRange(id record.TableID, hashes equality.Hashes) kv.Range {
	return kv.Range{From: hashKey(id, hashes.From), To: hashKey(id, hashes.To)}
}

func hashKey(id record.TableID, hash uint32) []byte {
	if hash >= equality.Space {
		return successor(tableKey(spaceData, id))
	}
	return binary.BigEndian.AppendUint16(tableKey(spaceData, id), uint16(hash))
}

// eachHeld visits what counts in a range until fn answers false.
func eachHeld(ctx context.Context, r kv.Reader, b equality.Basis, keys kv.Range, timed func(record.Record) record.Record, fn func(equality.Held) bool) (err error) {
	it := r.Scan(keys)
	defer func() { err = errors.Join(err, it.Close()) }()
	for it.Next() {
		if err := ctx.Err(); err != nil {
			return err
		}
		rec, err := record.Parse(it.Value())
		if err != nil {
			return fmt.Errorf("record %x: %w", it.Key(), err)
		}
		key, err := parseDataKey(it.Key())
		if err != nil {
			return err
		}
		if h, counts := equality.Of(key, timed(rec), b); counts && !fn(h) {
			return nil
		}
	}
	return it.Err()
}

// Current is current records of some keys.
type Current struct {
	// Records are as they are shipped; a key that holds nothing has none.
	Records []Shipped
	// Keys is how many of the keys were read: as many as the limit allows.
	Keys int
	// Frontier is what the records are trimmed to (DATA 7).
	Frontier hlc.Time
}

// Current reads the records of keys of one table, up to about limit bytes and at
// least one.
func (s *Store) Current(ctx context.Context, id record.TableID, keys []record.Key, limit int) (c Current, err error) {
	c.Frontier, err = s.Side().read(ctx, equality.Basis{Table: id}, func(r kv.Reader) error {
		for size := 0; c.Keys < len(keys) && size < limit; c.Keys++ {
			k := keys[c.Keys]
			k.Table = id
			raw, err := r.Get(dataKey(k))
			if errors.Is(err, kv.ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			if len(raw) < record.HeaderSize {
				return record.ErrMalformed
			}
			record.PatchSequence(raw, 0)
			size += len(raw)
			c.Records = append(c.Records, Shipped{Key: k, Record: raw})
		}
		return nil
	})
	return c, err
}

// Merge merges what another region holds of some keys of one table, outside of
// its log: the higher versions win, and nothing is lost without a receipt
// (DATA 6, 8). What this region lacks it takes, whatever it has applied before:
// Merge is asked for where two regions differ that should not.
func (s *Store) Merge(ctx context.Context, from record.RegionID, id record.TableID, list []Shipped, frontier hlc.Time) (ApplyResult, error) {
	for i := range list {
		list[i].Key.Table = id
	}
	return s.Apply(ctx, Apply{Origin: from, Records: list, Frontiers: map[record.TableID]hlc.Time{id: frontier}})
}
