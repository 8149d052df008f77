package store

import (
	"bytes"
	"context"
	"errors"

	"github.com/meridian-run/meridian/internal/hlc"
	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/record"
)

// Chunk is a piece of all that a table holds, tombstones included.
type Chunk struct {
	Records []Shipped
	// Next is where the following chunk begins; nil after the last.
	Next []byte
	// Frontier is what the records are trimmed to (DATA 7).
	Frontier hlc.Time
}

// ReadTable reads a table's current records from where a chunk's Next says (nil
// is the beginning), up to about limit bytes and at least one record. It returns
// once all of them are durable (DATA 3).
func (s *Store) ReadTable(ctx context.Context, id record.TableID, from []byte, limit int) (Chunk, error) {
	p, err := s.BeginReadTable(id, from, limit)
	return wait(ctx, p, err)
}

// BeginReadTable is the first half of ReadTable.
func (s *Store) BeginReadTable(id record.TableID, from []byte, limit int) (*Pending[Chunk], error) {
	if _, err := s.table(id); err != nil {
		return nil, err
	}
	prefix := tableKey(spaceData, id)
	if !bytes.HasPrefix(from, prefix) {
		from = prefix
	}
	snapshot, frontiers := s.snapshot()
	c := Chunk{Frontier: frontiers[id].Seen}
	sequence := snapshot.Sequence()
	err := c.read(snapshot, kv.Range{From: from, To: successor(prefix)}, limit)
	if err = errors.Join(err, snapshot.Close()); err != nil {
		return nil, err
	}
	return answer(s, sequence, c), nil
}

func (c *Chunk) read(r kv.Reader, within kv.Range, limit int) (err error) {
	it := r.Scan(within)
	defer func() { err = errors.Join(err, it.Close()) }()
	for size := 0; it.Next(); {
		if size >= limit && len(c.Records) > 0 {
			c.Next = bytes.Clone(it.Key())
			return nil
		}
		key, err := parseDataKey(it.Key())
		if err != nil {
			return err
		}
		raw := bytes.Clone(it.Value())
		if len(raw) < record.HeaderSize {
			return record.ErrMalformed
		}
		record.PatchSequence(raw, 0)
		c.Records = append(c.Records, Shipped{Key: key, Record: raw})
		size += len(raw) + len(it.Key())
	}
	return it.Err()
}
