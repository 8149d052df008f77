package store

import (
	"bytes"
	"errors"

	"github.com/meridian-run/meridian/internal/hlc"
	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/record"
)

// collectReceiptsMax bounds what one Collect removes of a table's receipts.
const collectReceiptsMax = 4096

// receipts lets go of a table's oldest receipts: those beyond the bounds, and
// those at or below the floor. What goes beyond the floor raises it, and an entry
// of the log tells the others (DATA 8).
func (c *collection) receipts(id record.TableID) error {
	s := c.store
	kept, err := s.countReceipts(id)
	if err != nil {
		return err
	}
	before := (*s.floors.Load())[id]
	list, floor, err := s.oldReceipts(id, kept, before)
	if err != nil || len(list) == 0 {
		return err
	}
	var ops []kv.Op
	for _, receipt := range list {
		ops = append(ops, kv.Op{Kind: kv.Delete, Key: receipt.place}, kv.Op{Kind: kv.Delete, Key: receipt.key})
	}
	if floor == before {
		err = c.commit(nil, func(kv.Reader) ([]kv.Op, error) { return ops, nil })
	} else {
		err = c.raiseFloor(id, floor, ops)
	}
	if err != nil {
		return err
	}
	c.More = c.More || len(list) == collectReceiptsMax
	c.Receipts += len(list)
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.receiptsOf(id)
	known.Kept -= min(known.Kept, uint64(len(list)))
	known.Dropped += uint64(len(list))
	return nil
}

// raiseFloor commits ops with a table's new floor, and an entry of the log that
// names it.
func (c *collection) raiseFloor(id record.TableID, floor hlc.Time, ops []kv.Op) error {
	s := c.store
	entry, logOp := s.append([]mention{{Kind: record.KindFloor, Key: record.Key{Table: id}}}, 0)
	all := append([]kv.Op{logOp, stateOp()}, floorOps(map[record.TableID]hlc.Time{id: floor})...)
	all = append(all, ops...)
	p, err := s.engine.Begin(nil, func(kv.Reader) (*kv.Batch, error) {
		return &kv.Batch{Ops: all, Seal: func(sequence uint64, ops []kv.Op) {
			entry.seal(sequence, s.sequencer.clock.Next(s.config.Wall(), 0), ops[0])
			s.sealFloors(ops[2:3])
			s.sealState(sequence, ops[1])
		}}, nil
	})
	if err != nil {
		return s.noteFrozen(err)
	}
	c.sequence = p.Sequence
	c.effects = append(c.effects, entry.settle)
	return nil
}

// countReceipts answers how many receipts a table has.
func (s *Store) countReceipts(id record.TableID) (n uint64, err error) {
	s.mu.Lock()
	known := s.receiptsOf(id)
	n, counted := known.Kept, known.counted
	known.counted = true // a batch from here on makes it wrong again
	s.mu.Unlock()
	if counted {
		return n, nil
	}
	n = 0
	from := tableKey(spacePlaces, id)
	it := s.engine.Scan(kv.Range{From: from, To: successor(from)})
	for it.Next() {
		n++
	}
	err = errors.Join(it.Err(), it.Close())
	s.mu.Lock()
	defer s.mu.Unlock()
	known.Kept, known.counted = n, known.counted && err == nil
	return n, err
}

// oldReceipt is one that may go.
type oldReceipt struct{ place, key []byte }

// oldReceipts lists a table's oldest receipts that are beyond its bounds or not
// above its floor, and the floor without them.
func (s *Store) oldReceipts(id record.TableID, kept uint64, floor hlc.Time) (list []oldReceipt, _ hlc.Time, err error) {
	aged := hlc.Of(s.config.Wall().Add(-s.config.ReceiptAge))
	beyond := int(kept) - s.config.ReceiptsMax
	from := tableKey(spacePlaces, id)
	it := s.engine.Scan(kv.Range{From: from, To: successor(from)})
	defer func() { err = errors.Join(err, it.Close()) }()
	for len(list) < collectReceiptsMax && it.Next() {
		key, t, err := parseReceiptPlace(it.Key())
		if err != nil {
			return nil, 0, err
		}
		if t > floor && t >= aged && len(list) >= beyond {
			break
		}
		floor = max(floor, t)
		list = append(list, oldReceipt{place: bytes.Clone(it.Key()), key: key})
	}
	return list, floor, it.Err()
}
