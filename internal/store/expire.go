package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/meridian-run/meridian/internal/hlc"
	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/table"
)

const (
	// expireBatch bounds the records of one commit of an expiry: their keys are
	// locked for some milliseconds at most.
	expireBatch = 256
	// indexBatch bounds the records that one step reads to rebuild the index.
	indexBatch = 4096
)

// Swept says what one step of expiry did.
type Swept struct {
	// Records were visible until their time was up and are buried now.
	Records int
	// Behind is how long the time of the oldest one was up when the step began.
	Behind time.Duration
	// More says that the bound was met and another step has work to do.
	More bool
}

// Expire is one step of burying the records whose time is up, by this region's
// clock. A derived tombstone takes the place of exactly the version that it is
// made of (DATA 9): whatever has been written since, here or elsewhere, beats it.
// What every region has applied is removed at once. Every region finds by itself
// what dies in it, so nothing of this goes to the log.
//
// Call it once a second or so, again at once while there is more, and from one
// goroutine only.
func (s *Store) Expire(ctx context.Context) (Swept, error) {
	p, err := s.BeginExpire()
	return wait(ctx, p, err)
}

// BeginExpire is the first half of Expire: one commit for each table that has
// something to bury.
func (s *Store) BeginExpire() (*Pending[Swept], error) {
	s.changing.RLock()
	defer s.changing.RUnlock()
	w := sweep{store: s, now: s.config.Wall(), buried: map[record.TableID]int{}}
	tables := *s.tables.Load()
	for _, id := range slices.Sorted(maps.Keys(tables)) {
		if err := w.index(id); err != nil {
			return nil, fmt.Errorf("index expiry of table %s: %w", tables[id].Name, err)
		}
		if err := w.table(tables[id]); err != nil {
			return nil, fmt.Errorf("expire records of table %s: %w", tables[id].Name, err)
		}
	}
	return await(s, w.sequence, w.done), nil
}

// sweep is one step of expiry.
type sweep struct {
	Swept
	store    *Store
	now      time.Time
	buried   map[record.TableID]int
	sequence uint64 // of its last commit
}

// done counts what was buried, once that is durable.
func (w *sweep) done() (Swept, error) {
	for id, n := range w.buried {
		w.store.counters.expired.Add(uint64(n))
		if w.store.config.Events.Expired != nil {
			w.store.config.Events.Expired(id, n)
		}
	}
	return w.Swept, nil
}

// death is an entry of the index.
type death struct {
	key     []byte // in the index
	data    []byte
	expires int64
}

// table buries what is due in one table, the oldest first.
func (w *sweep) table(t *table.Table) error {
	list, err := w.store.due(t.ID, w.now)
	if err != nil || len(list) == 0 {
		return err
	}
	w.More = w.More || len(list) == expireBatch
	w.Behind = max(w.Behind, w.now.Sub(time.Unix(list[0].expires, 0)))
	lockKeys := make([][]byte, len(list))
	for i := range list {
		lockKeys[i] = list[i].data
	}
	var f *funeral
	own, err := w.store.engine.Begin(lockKeys, func(r kv.Reader) (*kv.Batch, error) {
		f = &funeral{edit: edit{store: w.store}, reached: (*w.store.frontiers.Load())[t.ID].Reached}
		for _, d := range list {
			if err := f.add(r, t, d); err != nil {
				return nil, err
			}
		}
		return f.batch(), nil
	})
	if err != nil {
		return w.store.noteFrozen(err)
	}
	w.sequence = own.Sequence
	w.Records += f.buried
	w.buried[t.ID] += f.buried
	return nil
}

// due lists some of a table's records whose time is up.
func (s *Store) due(id record.TableID, now time.Time) (list []death, err error) {
	prefix := tableKey(spaceExpiry, id)
	it := s.engine.Scan(kv.Range{From: append(slices.Clone(prefix), 0), To: appendTime(slices.Clone(prefix), now.Unix()+1)})
	defer func() { err = errors.Join(err, it.Close()) }()
	for len(list) < expireBatch && it.Next() {
		d, err := parseExpiryKey(slices.Clone(it.Key()))
		if err != nil {
			return nil, err
		}
		list = append(list, d)
	}
	return list, it.Err()
}

// edit builds a batch that changes records in place: their versions stay, and
// nothing of it goes to the log.
type edit struct {
	store  *Store
	ops    []kv.Op // records, then the sequencer's state, then extra
	extra  []kv.Op
	writes Writes
	left   int // records
	images int // where the images begin
}

// funeral builds the batch that buries some records of one table: those that
// stay are derived tombstones.
type funeral struct {
	edit
	reached hlc.Time
	buried  int
}

// add buries a record, unless its key holds another by now: then only the entry
// of the index goes.
func (f *funeral) add(r kv.Reader, t *table.Table, d death) error {
	current, found, err := load(r, d.data)
	if err != nil {
		return err
	}
	f.extra = append(f.extra, kv.Op{Kind: kv.Delete, Key: d.key})
	if !found || !dies(current) || current.Expires != d.expires {
		return nil
	}
	key, err := parseDataKey(d.data)
	if err != nil {
		return err
	}
	change := Change{Table: t, Key: key, Old: &current, Cause: Expired, Version: current.Version}
	if err := f.store.observe(change, &f.writes); err != nil {
		return err
	}
	f.buried++
	if current.Version.Time <= f.reached { // its tombstone could go at once (DATA 14)
		f.extra = append(f.extra, kv.Op{Kind: kv.Delete, Key: d.data})
		return nil
	}
	tomb := current
	tomb.Expired = true
	f.ops = append(f.ops, kv.Op{Key: d.data, Value: encode(tomb)})
	f.extra = append(f.extra, kv.Op{Key: tombstoneKey(d.data, tomb.Version.Time)})
	return nil
}

// batch is the batch, once all is in it.
func (e *edit) batch() *kv.Batch {
	e.left = len(e.ops)
	e.ops = append(e.ops, stateOp())
	e.ops = append(append(e.ops, e.extra...), e.writes.ops...)
	e.images = len(e.ops)
	e.ops = append(e.ops, e.writes.images...)
	return &kv.Batch{Ops: e.ops, Seal: e.seal}
}

// seal notes the commit in every record (DATA 3). None is stamped: the version
// stays what it was (DATA 9).
func (e *edit) seal(sequence uint64, ops []kv.Op) {
	for _, op := range ops[:e.left] {
		record.PatchSequence(op.Value, sequence)
	}
	e.store.sealImages(sequence, 0, ops[e.images:])
	e.store.sealState(sequence, ops[e.left])
}

// dies reports whether a record is alive and has a time to die.
func dies(r record.Record) bool { return r.Expires != 0 && !r.Tombstone && !r.Expired }

// indexExpiry adds to a change what it means for the index of times of death.
func indexExpiry(c Change, into *Writes) {
	var before, after int64
	if c.Old != nil {
		before = c.Old.Expires
	}
	if c.New != nil {
		after = c.New.Expires
	}
	if before == after {
		return
	}
	data := dataKey(c.Key)
	if before != 0 {
		into.ops = append(into.ops, kv.Op{Kind: kv.Delete, Key: expiryKey(data, before)})
	}
	if after != 0 {
		into.ops = append(into.ops, kv.Op{Key: expiryKey(data, after)})
	}
}

// expiryKey indexes a record by its time of death, in Unix seconds.
func expiryKey(data []byte, expires int64) []byte {
	dst := append(make([]byte, 0, len(data)+8), spaceExpiry)
	dst = append(dst, data[1:9]...)
	return append(appendTime(dst, expires), data[9:]...)
}

// appendTime writes a signed time so that the order of bytes is that of times.
func appendTime(dst []byte, t int64) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(t)^1<<63)
}

// parseExpiryKey undoes expiryKey; the result shares key's memory.
func parseExpiryKey(key []byte) (death, error) {
	if len(key) < 1+8+8+2+2 || key[0] != spaceExpiry {
		return death{}, fmt.Errorf("%w: %x", errBadKey, key)
	}
	data := append(append([]byte{spaceData}, key[1:9]...), key[17:]...)
	return death{key: key, data: data, expires: int64(binary.BigEndian.Uint64(key[9:]) ^ 1<<63)}, nil
}
