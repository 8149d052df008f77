package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/meridian-run/meridian/internal/hlc"
	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/table"
)

// ErrNotLocked is a programming error: a transaction touched a key that Update
// was not given.
var ErrNotLocked = errors.New("key is not among the transaction's keys")

// Commit says what an Update did. Both are zero if no record was written.
type Commit struct {
	Sequence uint64
	Version  record.Version
}

// PutOptions are what a record has beside its value.
type PutOptions struct {
	// Expires is when the record dies, in Unix seconds; 0 is never. A table with an
	// expiry attribute takes it from the item instead.
	Expires int64
	// Changed says what of the item the operation wrote, in a table that merges by
	// attribute (DATA 10); nil is all of it, as a Put does.
	Changed *record.Change
}

// Tx is what decide works with. It is valid only during the call.
type Tx struct {
	// Now is the wall clock at the start of the transaction.
	Now time.Time

	store  *Store
	reader kv.Reader
	slots  []slot
	index  map[string]int // by data key; only for many slots
	read   uint64         // highest sequence among what was revealed
	viewed bool
	beside []kv.Op // joins the batch; not of a table
}

// slot is one locked key.
type slot struct {
	key     record.Key
	data    []byte
	table   *table.Table
	loaded  bool
	found   bool
	current record.Record
	write   *record.Record
	changed *record.Change // nil: all of it
}

// slotsLinear is up to how many keys a search beats a map.
const slotsLinear = 8

// Update locks keys, calls decide, commits what it wrote in one batch with its
// log entry, and returns when that is durable (DATA 1). An error of decide
// changes nothing and is returned as it is, but only once all state that decide
// read is durable: a failed condition reveals state (DATA 3). The same holds for
// a decide that writes nothing.
//
// If ctx ends during the wait for durability, the outcome is unknown: the batch
// may or may not survive.
func (s *Store) Update(ctx context.Context, keys []record.Key, decide func(*Tx) error) (Commit, error) {
	if err := ctx.Err(); err != nil {
		return Commit{}, err
	}
	p, err := s.BeginUpdate(keys, decide)
	return wait(ctx, p, err)
}

// BeginUpdate is the first half of Update: what was written is visible when it
// returns, and not yet durable. An error of decide comes from the second half.
func (s *Store) BeginUpdate(keys []record.Key, decide func(*Tx) error) (*Pending[Commit], error) {
	s.changing.RLock()
	defer s.changing.RUnlock()
	tx, err := s.begin(keys)
	if err != nil {
		return nil, err
	}
	lockKeys := make([][]byte, len(tx.slots))
	for i := range tx.slots {
		lockKeys[i] = tx.slots[i].data
	}
	var decided error
	var p *plan
	own, err := s.engine.Begin(lockKeys, func(r kv.Reader) (*kv.Batch, error) {
		tx.reader = r
		if decided = decide(tx); decided != nil {
			return nil, decided
		}
		var err error
		if p, err = tx.plan(); err != nil {
			return nil, err
		}
		if p == nil {
			return s.unstamped(tx.beside), nil
		}
		return &kv.Batch{Ops: p.ops, Seal: p.seal}, nil
	})
	if decided != nil || (err == nil && own.Sequence == 0) {
		return await(s, tx.revealed(), func() (Commit, error) { return Commit{}, decided }), nil
	}
	if err != nil {
		return nil, s.noteFrozen(err)
	}
	done := func() (Commit, error) {
		if p == nil {
			return Commit{}, nil // nothing was logged
		}
		p.entry.settle()
		s.counters.written.Add(uint64(p.records))
		return Commit{Sequence: p.entry.cursor.Sequence, Version: p.entry.cursor.Version}, nil
	}
	return &Pending[Commit]{Sequence: own.Sequence, store: s, own: own, done: done}, nil
}

func (s *Store) begin(keys []record.Key) (*Tx, error) {
	if len(keys) == 0 || len(keys) > entryKeysMax {
		return nil, fmt.Errorf("update of %d keys: want 1 to %d", len(keys), entryKeysMax)
	}
	tx := &Tx{store: s, Now: s.config.Wall(), slots: make([]slot, len(keys))}
	for i, key := range keys {
		t, err := s.writable(key.Table)
		if err != nil {
			return nil, err
		}
		if err := checkKey(key); err != nil {
			return nil, err
		}
		tx.slots[i] = slot{key: key, data: dataKey(key), table: t}
	}
	if len(keys) > slotsLinear {
		tx.index = make(map[string]int, len(keys))
		for i := range tx.slots {
			tx.index[string(tx.slots[i].data)] = i
		}
	}
	return tx, nil
}

func checkKey(k record.Key) error {
	if len(k.Partition) > record.KeyPartMax || len(k.Sort) > record.KeyPartMax {
		return fmt.Errorf("key parts of %d and %d bytes: at most %d each", len(k.Partition), len(k.Sort), record.KeyPartMax)
	}
	return nil
}

func (tx *Tx) slot(key record.Key) (*slot, error) {
	if tx.index != nil {
		if i, ok := tx.index[string(dataKey(key))]; ok {
			return &tx.slots[i], nil
		}
		return nil, ErrNotLocked
	}
	for i := range tx.slots {
		k := tx.slots[i].key
		if k.Table == key.Table && bytes.Equal(k.Partition, key.Partition) && bytes.Equal(k.Sort, key.Sort) {
			return &tx.slots[i], nil
		}
	}
	return nil, ErrNotLocked
}

// Get answers the record of a locked key; false if there is none, a tombstone,
// or one whose time is up. It sees the transaction's own writes, with no
// version.
func (tx *Tx) Get(key record.Key) (record.Record, bool, error) {
	sl, err := tx.slot(key)
	if err != nil {
		return record.Record{}, false, err
	}
	r := sl.write
	if r == nil {
		if err := tx.load(sl); err != nil || !sl.found {
			return record.Record{}, false, err
		}
		r = &sl.current
	}
	if !visible(*r, tx.Now) {
		return record.Record{}, false, nil
	}
	return *r, true, nil
}

// Put writes a value. The transaction keeps it until decide returns.
func (tx *Tx) Put(key record.Key, value []byte, o PutOptions) error {
	if len(value) > record.ValueMax {
		return fmt.Errorf("value of %d bytes: at most %d", len(value), record.ValueMax)
	}
	return tx.write(key, record.Record{Value: value, Expires: o.Expires}, o.Changed)
}

// Delete writes a tombstone, whether or not there is a record: a delete wins
// over older writes that have not arrived yet, too.
func (tx *Tx) Delete(key record.Key) error {
	return tx.write(key, record.Record{Tombstone: true}, nil)
}

func (tx *Tx) write(key record.Key, r record.Record, changed *record.Change) error {
	sl, err := tx.slot(key)
	if err != nil {
		return err
	}
	if err := tx.load(sl); err != nil {
		return err
	}
	if sl.write != nil || sl.found && !visible(sl.current, tx.Now) && !sl.current.Tombstone {
		changed = nil // the second write of one transaction, or over what readers did not see any more
	}
	sl.write, sl.changed = &r, changed
	sl.expire(tx.Now)
	return nil
}

// View answers a reader of the current state of everything, for index entries
// in the observers' keyspace (IndexKey). Only locked keys hold still.
func (tx *Tx) View() kv.Reader {
	tx.viewed = true
	return tx.reader
}

func (tx *Tx) load(sl *slot) error {
	if sl.loaded {
		return nil
	}
	var err error
	sl.current, sl.found, err = load(tx.reader, sl.data)
	if err != nil {
		return err
	}
	sl.loaded = true
	tx.read = max(tx.read, sl.current.Sequence)
	return nil
}

// revealed is the sequence that must be durable before anything that decide
// learned may leave (DATA 3).
func (tx *Tx) revealed() uint64 {
	if tx.viewed {
		return tx.store.sealed.Load()
	}
	return tx.read
}

// plan is a local write, encoded but not yet stamped. Its operations begin with
// the records, then the log entry and the sequencer's state, then tombstones'
// places; the rest needs no stamp.
type plan struct {
	store      *Store
	ops        []kv.Op
	records    int
	stamped    bool     // the records keep the versions that they have
	tombstones int      // operations whose key carries the time
	images     int      // the last operations
	floor      hlc.Time // below which no time is: the highest among the records replaced
	entry      appending
}

// plan encodes what decide wrote; nil if it wrote nothing.
func (tx *Tx) plan() (*plan, error) {
	// Not below the time by which expiries were judged: whoever derives them anew, by
	// the version, finds the same.
	p := &plan{store: tx.store, floor: hlc.Of(tx.Now) - 1}
	var epoch uint32
	var mentions []mention
	var tombstones []kv.Op
	var writes Writes
	for i := range tx.slots {
		sl := &tx.slots[i]
		if sl.write == nil {
			continue
		}
		if err := sl.outdated(); err != nil {
			return nil, err
		}
		next, err := tx.next(sl)
		if err != nil {
			return nil, err
		}
		epoch = max(epoch, next.Version.Epoch)
		p.floor = max(p.floor, sl.current.Version.Time)
		p.ops = append(p.ops, kv.Op{Key: sl.data, Value: encode(next)})
		mentions = append(mentions, mention{Key: sl.key})
		if next.Tombstone {
			tombstones = append(tombstones, kv.Op{Key: tombstoneKey(sl.data, 0)})
		}
		change := Change{Table: sl.table, Key: sl.key, Old: present(sl.current, sl.found), New: present(next, true), Cause: Local, Version: next.Version}
		if err := tx.store.observe(change, &writes); err != nil {
			return nil, err
		}
	}
	if len(mentions) == 0 {
		return nil, nil
	}
	p.records = len(mentions)
	p.log(mentions, epoch, tombstones, append(writes.ops, tx.beside...))
	p.image(writes)
	return p, nil
}

// log adds the log entry to the records, and what goes with them: the places of
// their tombstones, and operations that need no stamp.
func (p *plan) log(mentions []mention, epoch uint32, tombstones, others []kv.Op) {
	entry, op := p.store.append(mentions, epoch)
	p.entry, p.tombstones = entry, len(tombstones)
	p.ops = append(p.ops, op, stateOp())
	p.ops = append(append(p.ops, tombstones...), others...)
}

// image adds what goes to the image log.
func (p *plan) image(w Writes) {
	p.images = len(w.images)
	p.ops = append(p.ops, w.images...)
}

// next is the record that a slot's write becomes, all but the time.
func (tx *Tx) next(sl *slot) (record.Record, error) {
	s := tx.store
	next := *sl.write
	next.Log = s.log
	next.Version = record.Version{Epoch: sl.table.Epoch, Region: s.config.Region, Node: s.config.Node}
	if sl.found {
		next.Version.Epoch = max(next.Version.Epoch, sl.current.Version.Epoch)
	}
	known := (*s.frontiers.Load())[sl.key.Table]
	switch {
	case sl.table.MergesAttributes():
		current, _ := timed(sl.table, sl.current)
		return record.Rewrite(current, sl.found, next, sl.changed, record.Frontiers{Current: known.Seen, Reached: known.Reached})
	case sl.found:
		next.Context = record.Overwrite(sl.current, s.config.Region, s.log, known.Seen)
	}
	return next, nil
}

func encode(r record.Record) []byte {
	return record.Append(make([]byte, 0, record.Size(r)), r, false)
}

// seal stamps the plan in commit order (DATA 1).
func (p *plan) seal(sequence uint64, ops []kv.Op) {
	s := p.store
	t := s.sequencer.clock.Next(s.config.Wall(), p.floor)
	for _, op := range ops[:p.records] {
		if !p.stamped {
			record.PatchTime(op.Value, t)
		}
		record.PatchSequence(op.Value, sequence)
	}
	rest := ops[p.records:]
	p.entry.seal(sequence, t, rest[0])
	patchTombstones(rest[2:2+p.tombstones], t)
	s.sealImages(sequence, t, ops[len(ops)-p.images:])
	s.sealState(sequence, rest[1])
}
