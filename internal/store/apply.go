package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/meridian-run/meridian/internal/hlc"
	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/table"
)

// Apply is a batch from a peer's log.
type Apply struct {
	// Origin is the region whose log it comes from.
	Origin record.RegionID
	// Cursor is the position in that log behind the batch.
	Cursor Cursor
	// Time, if not zero, is the origin's promise that all its writes up to Time
	// are at or before Cursor: a heartbeat (DATA 14).
	Time    hlc.Time
	Records []Shipped
	// Frontiers are those that the sender trimmed to (DATA 7).
	Frontiers map[record.TableID]hlc.Time
	// Resend says that Records are of a resend: current records, not news. Those
	// that are not here are judged by why (DATA 18).
	Resend bool
	// Relayed says that Records are of a relay: what the peer has of a dead
	// origin (DATA 13). Cursor is zero then.
	Relayed Relayed
	// Join, if not nil, is noted with the batch: how far a table is copied by it
	// (DATA 16). Cursor is zero then.
	Join *Join
}

// ApplyResult counts what a batch did.
type ApplyResult struct {
	// Applied records won; Stale ones lost or were here already.
	Applied, Stale int
	// Conflicts are writes, of either side, that were discarded unseen.
	Conflicts int
	// Outdated counts the records of a resend that are long gone here, and that
	// this region has now deleted where they came from.
	Outdated int
}

// ApplyMax bounds the records of one Apply.
const ApplyMax = 100_000

// incoming is one record of an Apply.
type incoming struct {
	key    record.Key
	data   []byte
	table  table.Table
	record record.Record
	lack   lack
}

// Apply merges a peer's records and moves the peer's cursor in the same batch,
// so that the effect happens once (DATA 12), and returns when that is durable.
// It refuses the whole batch if a record is malformed, of a table that is not
// held here (ErrNoTable), or from a clock too far ahead (ErrSkew).
func (s *Store) Apply(ctx context.Context, a Apply) (ApplyResult, error) {
	p, err := s.BeginApply(a)
	return wait(ctx, p, err)
}

// BeginApply is the first half of Apply. Batches of one origin are to be finished
// in the order in which they began.
func (s *Store) BeginApply(a Apply) (*Pending[ApplyResult], error) {
	s.changing.RLock()
	defer s.changing.RUnlock()
	if err := s.closedLog(a); err != nil {
		return nil, err
	}
	list, err := s.check(a)
	if err != nil {
		return nil, fmt.Errorf("apply from region %d: %w", a.Origin, err)
	}
	if len(list)+len(a.Frontiers) == 0 && s.at(a.Origin, a.Cursor) && a.Join == nil && a.Relayed.Origin == 0 {
		s.promise(a)
		return answer(s, 0, ApplyResult{}), nil
	}
	var buried burials
	if a.Resend {
		if list, err = s.reconcile(list, &buried); err != nil {
			return buried.failed(s, fmt.Errorf("apply from region %d: %w", a.Origin, err))
		}
	}
	if err := s.restate(list, &buried); err != nil {
		return buried.failed(s, fmt.Errorf("apply from region %d: %w", a.Origin, err))
	}
	m, own, err := s.mergeAll(a, list)
	if err != nil {
		return buried.failed(s, s.noteFrozen(err))
	}
	done := func() (ApplyResult, error) {
		buried.settle(s)
		s.settle(a, m)
		m.result.Conflicts += buried.conflicts
		m.result.Outdated = buried.records
		return m.result, nil
	}
	return &Pending[ApplyResult]{Sequence: own.Sequence, store: s, own: own, done: done}, nil
}

// mergeAll commits a batch's records, merged with what is here.
func (s *Store) mergeAll(a Apply, list []incoming) (m *merger, own *kv.Pending, err error) {
	lockKeys := make([][]byte, len(list)+1)
	for i := range list {
		lockKeys[i] = list[i].data
	}
	lockKeys[len(list)] = cursorKey(a.Origin, 0)
	own, err = s.engine.Begin(lockKeys, func(r kv.Reader) (*kv.Batch, error) {
		m = &merger{store: s, reader: r, frontiers: told(*s.frontiers.Load(), a.Frontiers), sent: a.Frontiers, from: a.listing()}
		for i := range list {
			if err := m.merge(&list[i]); err != nil {
				return nil, err
			}
		}
		m.finish(a)
		return &kv.Batch{Ops: m.ops, Seal: m.seal}, nil
	})
	return m, own, err
}

// check decodes a batch and refuses what must not come in.
func (s *Store) check(a Apply) ([]incoming, error) {
	if a.Origin == 0 || a.Origin == s.config.Region {
		return nil, fmt.Errorf("origin %d is not a peer", a.Origin)
	}
	if len(a.Records) > ApplyMax {
		return nil, fmt.Errorf("%d records: at most %d", len(a.Records), ApplyMax)
	}
	limit := hlc.Of(s.config.Wall().Add(s.config.SkewMax))
	newest := max(a.Time, a.Cursor.Version.Time)
	for _, f := range a.Frontiers {
		newest = max(newest, f) // our clock is to be raised to it
	}
	list := make([]incoming, len(a.Records))
	for i, shipped := range a.Records {
		t, err := s.table(shipped.Key.Table)
		if err != nil {
			return nil, err
		}
		if err := checkKey(shipped.Key); err != nil {
			return nil, err
		}
		r, err := record.Parse(shipped.Record)
		if err != nil {
			return nil, err
		}
		newest = max(newest, r.Version.Time)
		list[i] = incoming{key: shipped.Key, data: dataKey(shipped.Key), table: t, record: r}
	}
	if newest > limit {
		ahead := newest.Wall().Sub(s.config.Wall())
		if s.config.Events.Skew != nil {
			s.config.Events.Skew(a.Origin, ahead)
		}
		return nil, fmt.Errorf("%w: its clock is %v ahead of ours, at most %v are followed; check time synchronisation of both",
			ErrSkew, ahead.Round(time.Millisecond), s.config.SkewMax)
	}
	return s.dropClosed(list), nil
}

// merger builds the batch of one Apply. Its operations begin with the records.
type merger struct {
	store      *Store
	reader     kv.Reader
	frontiers  map[record.TableID]frontier
	sent       map[record.TableID]hlc.Time
	ops        []kv.Op // records, then the sequencer's state, then extra
	extra      []kv.Op
	from       place // where the batch stands, for the relay lists
	listed     int
	writes     Writes
	written    int
	own        hlc.Time // highest time among our own writes that came back
	pending    map[string]record.Record
	raised     rise
	receipts   map[string]bool // by key: those of this batch
	conflicted []record.TableID
	result     ApplyResult
}

// merge joins one incoming record with the current one.
func (m *merger) merge(in *incoming) error {
	current, found, err := m.current(in.data)
	if err != nil {
		return err
	}
	m.list(in, current, found)
	if in.record.Version.Region == m.store.config.Region {
		m.own = max(m.own, in.record.Version.Time)
	}
	frontier := m.frontiers[in.key.Table].Seen
	out := record.Merged{Record: in.record, Replaced: true, Changed: true}
	if found {
		out = record.Merge(current, in.record, record.Frontiers{Current: frontier, Incoming: m.sent[in.key.Table]})
	} else {
		out.Record.Context = record.TrimContext(in.record, slices.Clone(in.record.Context), frontier)
	}
	if out.Receipt != nil {
		if err := m.receipt(in, *out.Receipt); err != nil {
			return err
		}
	}
	if !out.Replaced {
		m.result.Stale++
	} else {
		m.result.Applied++
		change := Change{Table: in.table, Key: in.key, Old: present(current, found), New: present(out.Record, true), Cause: Applied}
		if err := m.store.observe(change, &m.writes); err != nil {
			return err
		}
	}
	if out.Changed {
		m.put(in.data, out)
	}
	return nil
}

// current answers what a key holds, this batch's own writes included: a peer may
// name a key twice.
func (m *merger) current(data []byte) (record.Record, bool, error) {
	if r, ok := m.pending[string(data)]; ok {
		return r, true, nil
	}
	return load(m.reader, data)
}

func (m *merger) put(data []byte, out record.Merged) {
	if m.pending == nil {
		m.pending = map[string]record.Record{}
	}
	m.pending[string(data)] = out.Record
	m.ops = append(m.ops, kv.Op{Key: data, Value: encode(out.Record)})
	m.written++
	if out.Replaced && (out.Record.Tombstone || out.Record.Expired) {
		m.extra = append(m.extra, kv.Op{Key: tombstoneKey(data, out.Record.Version.Time)})
	}
}

// receipt keeps what a conflict discarded, once (DATA 8).
func (m *merger) receipt(in *incoming, loser record.Record) error {
	if in.table.Memory {
		return nil // nobody reads it; the write that it goes with has its receipt
	}
	key := receiptKey(in.data, loser.Version)
	if m.receipts[string(key)] {
		return nil
	}
	if known, err := has(m.reader, key); known || err != nil {
		return err
	}
	if m.receipts == nil {
		m.receipts = map[string]bool{}
	}
	m.receipts[string(key)] = true
	m.extra = append(m.extra, kv.Op{Key: key, Value: encode(loser)})
	m.conflicted = append(m.conflicted, in.key.Table)
	m.result.Conflicts++
	return nil
}

// finish adds what goes with the records: the cursor, the applied vector, raised
// frontiers, the sequencer's state.
func (m *merger) finish(a Apply) {
	m.ops = append(m.ops, stateOp())
	m.ops = append(append(m.ops, m.extra...), m.writes.ops...)
	if a.Cursor != (Cursor{}) {
		value := appendCursor(nil, a.Cursor)
		m.ops = append(m.ops, kv.Op{Key: cursorKey(a.Origin, 0), Value: value},
			kv.Op{Key: cursorKey(a.Origin, a.Cursor.Log), Value: value})
	}
	if a.Join != nil {
		m.ops = append(m.ops, a.Join.op())
	}
	m.ops = append(m.ops, a.Relayed.ops()...)
	m.raised = rises(*m.store.frontiers.Load(), m.frontiers)
	m.ops = append(m.ops, m.raised.ops()...)
}

// seal notes the commit in every record that it touches (DATA 3). A write of our
// own that comes back and is newer than our clock raises the clock: this
// directory has lost history (DATA 5).
func (m *merger) seal(sequence uint64, ops []kv.Op) {
	for _, op := range ops[:m.written] {
		record.PatchSequence(op.Value, sequence)
	}
	m.store.sequencer.clock.Raise(m.own)
	m.store.sealFrontiers(m.raised, ops[len(ops)-len(m.raised):])
	m.store.sealState(sequence, ops[m.written])
}

// settle takes over, once durable, what the batch said about its origin.
func (s *Store) settle(a Apply, m *merger) {
	s.mu.Lock()
	if a.Cursor != (Cursor{}) {
		s.cursors[a.Origin] = a.Cursor
		s.vector[origin{a.Origin, a.Cursor.Log}] = a.Cursor
		s.applied[a.Origin] = max(s.applied[a.Origin], a.Cursor.Version.Time)
	}
	s.settleRelayed(a.Relayed)
	if a.Join != nil {
		s.joins[a.Join.Table] = a.Join.Clone()
	}
	s.mu.Unlock()
	s.promise(a)
	s.counters.listed.Add(int64(m.listed))
	s.counters.applied.Add(uint64(m.result.Applied))
	s.counters.stale.Add(uint64(m.result.Stale))
	s.noteConflicts(m.conflicted)
}

// noteConflicts counts receipts that have become durable, by their tables.
func (s *Store) noteConflicts(tables []record.TableID) {
	s.counters.conflicts.Add(uint64(len(tables)))
	if s.config.Events.Conflict == nil {
		return
	}
	for _, id := range tables {
		s.config.Events.Conflict(id)
	}
}

// promise notes an origin's heartbeat. It is not persisted: what it rests on is
// durable, and the next heartbeat repeats it.
func (s *Store) promise(a Apply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.applied[a.Origin] = max(s.applied[a.Origin], a.Time)
}

// at reports whether an origin's cursor is c already.
func (s *Store) at(region record.RegionID, c Cursor) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cursors[region] == c
}

// Cursor answers how far an origin's log was applied here; false if never.
func (s *Store) Cursor(region record.RegionID) (Cursor, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.cursors[region]
	return c, ok
}

// Vector answers, for every life of every origin's log, how far it was applied
// here (DATA 5, 18).
func (s *Store) Vector(region record.RegionID) []Cursor {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Cursor
	for o, c := range s.vector {
		if o.Region == region {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b Cursor) int { return a.Version.Compare(b.Version) })
	return out
}
