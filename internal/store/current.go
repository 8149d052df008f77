package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/meridian-run/meridian/internal/hlc"
	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/record"
)

// Chunk is a piece of all that a table holds: records, tombstones included, then
// receipts, with the floor below which there are none.
type Chunk struct {
	Records []Shipped
	// Next is where the following chunk begins; nil after the last.
	Next []byte
	// Frontier is what the records are trimmed to (DATA 7).
	Frontier hlc.Time
}

// chunkSpaces are what chunks read, in order.
var chunkSpaces = []struct {
	space byte
	kind  record.Kind
}{{spaceData, record.KindRecord}, {spaceReceipts, record.KindReceipt}}

// ReadTable reads what a table holds now from where a chunk's Next says (nil is the
// beginning), up to about limit bytes and at least one item. It returns once all
// of it is durable (DATA 3).
func (s *Store) ReadTable(ctx context.Context, id record.TableID, from []byte, limit int) (Chunk, error) {
	p, err := s.BeginReadTable(id, from, limit)
	return wait(ctx, p, err)
}

// BeginReadTable is the first half of ReadTable.
func (s *Store) BeginReadTable(id record.TableID, from []byte, limit int) (*Pending[Chunk], error) {
	if _, err := s.table(id); err != nil {
		return nil, err
	}
	snapshot, frontiers := s.snapshot()
	sequence := snapshot.Sequence()
	c := chunk{Chunk: Chunk{Frontier: frontiers[id].Seen}, reader: snapshot, left: limit}
	err := c.read(id, from)
	if err = errors.Join(err, snapshot.Close()); err != nil {
		return nil, err
	}
	return answer(s, sequence, c.Chunk), nil
}

// chunk is one that is being read.
type chunk struct {
	Chunk
	reader kv.Reader
	left   int // bytes
}

// read goes on where from says.
func (c *chunk) read(id record.TableID, from []byte) error {
	if len(from) == 0 {
		if err := c.floor(id); err != nil {
			return err
		}
	}
	begun := len(from) == 0
	for _, part := range chunkSpaces {
		prefix := tableKey(part.space, id)
		within := kv.Range{From: prefix, To: successor(prefix)}
		if !begun {
			if !bytes.HasPrefix(from, prefix) {
				continue
			}
			within.From, begun = from, true
		}
		if err := c.scan(within, part.kind); err != nil || c.Next != nil {
			return err
		}
	}
	if !begun {
		return fmt.Errorf("%w: a chunk of table %x does not begin at %x", errBadKey, uint64(id), from)
	}
	return nil
}

// floor adds the table's floor, if it has one.
func (c *chunk) floor(id record.TableID) error {
	raw, err := c.reader.Get(floorKey(id))
	if errors.Is(err, kv.ErrNotFound) {
		return nil
	}
	if err == nil {
		c.Records = append(c.Records, Shipped{Kind: record.KindFloor, Key: record.Key{Table: id}, Record: raw})
	}
	return err
}

// scan adds items until the chunk is full or the range ends.
func (c *chunk) scan(within kv.Range, kind record.Kind) (err error) {
	it := c.reader.Scan(within)
	defer func() { err = errors.Join(err, it.Close()) }()
	for it.Next() {
		if c.left <= 0 && len(c.Records) > 0 {
			c.Next = bytes.Clone(it.Key())
			return nil
		}
		key, err := parseItemKey(kind, it.Key())
		if err != nil {
			return err
		}
		raw := bytes.Clone(it.Value())
		if len(raw) < record.HeaderSize {
			return record.ErrMalformed
		}
		record.PatchSequence(raw, 0)
		c.Records = append(c.Records, Shipped{Kind: kind, Key: key, Record: raw})
		c.left -= len(raw) + len(it.Key())
	}
	return it.Err()
}

func parseItemKey(kind record.Kind, key []byte) (record.Key, error) {
	if kind == record.KindReceipt {
		k, _, err := parseReceiptKey(key)
		return k, err
	}
	return parseDataKey(key)
}
