package store

import (
	"encoding/binary"
	"fmt"
	"maps"
	"time"

	"github.com/meridian-run/meridian/internal/hlc"
	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/record"
)

// Defaults of the bounds of what is kept of each table's discarded writes
// (DATA 8): enough to look through, and a month to notice.
const (
	ReceiptsMax = 10_000
	ReceiptAge  = 30 * 24 * time.Hour
)

// keeper collects the receipts of one batch.
type keeper struct {
	store  *Store
	reader kv.Reader
	floors map[record.TableID]hlc.Time // those that the batch raises
	kept   map[string]record.Record    // by key: those of this batch
	places []kv.Op                     // the receipts, and their places
	// made are those that this region is to tell the others of.
	made []mention
	// conflicted and refused are the tables of receipts that are new, and of writes
	// that were discarded here and are too old to be kept.
	conflicted, refused []record.TableID
}

// keep writes what is kept of a write that was discarded unseen: a pure function
// of it, so that all regions write the same, once (DATA 8). made says that the
// others are to be told.
func (k *keeper) keep(in *incoming, loser record.Record, made bool) error {
	if in.table.Memory {
		return nil // nobody reads it; the write that it goes with has its receipt
	}
	at := receiptKey(in.data, loser.Version)
	loser, known, changed, err := k.join(at, loser)
	if err != nil || !changed {
		return err
	}
	if !known && loser.Version.Time <= max((*k.store.floors.Load())[in.key.Table], k.floors[in.key.Table]) {
		if in.kind == record.KindRecord {
			k.refused = append(k.refused, in.key.Table)
		}
		return nil
	}
	if k.kept == nil {
		k.kept = map[string]record.Record{}
	}
	k.kept[string(at)] = loser
	k.places = append(k.places, kv.Op{Key: at, Value: encode(loser)}, kv.Op{Key: receiptPlace(at, loser.Version.Time)})
	if !known {
		k.conflicted = append(k.conflicted, in.key.Table)
	}
	if made {
		k.made = append(k.made, mention{Kind: record.KindReceipt, Key: in.key, Loser: loser.Version})
	}
	return nil
}

// join is a receipt with what is kept of the same write already; changed says
// whether that is more.
func (k *keeper) join(at []byte, loser record.Record) (joined record.Record, known, changed bool, err error) {
	kept, known := k.kept[string(at)]
	if !known {
		if kept, known, err = load(k.reader, at); err != nil || !known {
			return loser, false, true, err
		}
	}
	joined, changed, err = record.JoinReceipts(kept, loser)
	return joined, true, changed, err
}

// floor takes over what a peer says of a table's floor, and tells the others: the
// peer may be gone before they have heard of it.
func (k *keeper) floor(in *incoming) {
	id := in.key.Table
	if in.floor <= max((*k.store.floors.Load())[id], k.floors[id]) {
		return
	}
	if k.floors == nil {
		k.floors = map[record.TableID]hlc.Time{}
	}
	k.floors[id] = in.floor
	k.made = append(k.made, mention{Kind: record.KindFloor, Key: in.key})
}

// settle counts, once durable.
func (k *keeper) settle() {
	k.store.noteConflicts(k.conflicted)
	k.store.mu.Lock()
	defer k.store.mu.Unlock()
	for _, id := range k.refused {
		k.store.receiptsOf(id).Dropped++
	}
}

// parseReceipt decodes a receipt that came from a peer: nothing but what
// record.ReceiptOf makes.
func parseReceipt(src []byte) (record.Record, error) {
	r, err := record.Parse(src)
	if err == nil && (r.Expired || r.Sequence != 0 || len(r.Context) > 0) {
		err = fmt.Errorf("%w: a receipt has a context, a sequence or an expiry bit", record.ErrMalformed)
	}
	return r, err
}

func parseFloor(src []byte) (hlc.Time, error) {
	if len(src) != 8 {
		return 0, fmt.Errorf("%w: floor of %d bytes", record.ErrMalformed, len(src))
	}
	return hlc.Time(binary.BigEndian.Uint64(src)), nil
}

// floorOps are a batch's operations that raise floors, to be sealed.
func floorOps(raised map[record.TableID]hlc.Time) []kv.Op {
	var ops []kv.Op
	for id, t := range raised {
		ops = append(ops, kv.Op{Key: floorKey(id), Value: binary.BigEndian.AppendUint64(nil, uint64(t))})
	}
	return ops
}

// sealFloors publishes raised floors in commit order, so that none ever falls.
func (s *Store) sealFloors(ops []kv.Op) {
	if len(ops) == 0 {
		return
	}
	next := maps.Clone(*s.floors.Load())
	for _, op := range ops {
		id := record.TableID(binary.BigEndian.Uint64(op.Key[2:]))
		next[id] = max(next[id], hlc.Time(binary.BigEndian.Uint64(op.Value)))
		binary.BigEndian.PutUint64(op.Value, uint64(next[id]))
	}
	s.floors.Store(&next)
}

// tableReceipts is what is known of one table's receipts.
type tableReceipts struct {
	ReceiptStats
	// counted says that Kept is right.
	counted bool
}

// ReceiptStats counts one table's receipts.
type ReceiptStats struct {
	// Kept is how many there are, Dropped how many have been let go, or were too
	// old to be kept, since Open.
	Kept, Dropped uint64
	// Floor is the time of the newest write whose receipt was let go, in any
	// region; receipts of older ones are not kept.
	Floor hlc.Time
}

// ReceiptStats answers the counts of all tables that are held here, as of the
// last Collect.
func (s *Store) ReceiptStats() map[record.TableID]ReceiptStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	floors := *s.floors.Load()
	out := map[record.TableID]ReceiptStats{}
	for id := range *s.tables.Load() {
		stats := s.receiptsOf(id).ReceiptStats
		stats.Floor = floors[id]
		out[id] = stats
	}
	return out
}

// receiptsOf answers a table's counts; the caller holds mu.
func (s *Store) receiptsOf(id record.TableID) *tableReceipts {
	known := s.receipts[id]
	if known == nil {
		known = &tableReceipts{}
		s.receipts[id] = known
	}
	return known
}

// recount makes the next Collect count the tables' receipts; call it when a batch
// with some is visible.
func (s *Store) recount(tables []record.TableID) {
	if len(tables) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range tables {
		s.receiptsOf(id).counted = false
	}
}
