package store

import (
	"cmp"
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
	Time hlc.Time
	// Records are records, receipts and floors.
	Records []Shipped
	// Frontiers are those that the sender trimmed to (DATA 7).
	Frontiers map[record.TableID]hlc.Time
	// Resend says that Records are of a resend: current records, not news. Those
	// that are not here are judged by why (DATA 18).
	Resend bool
	// Lost says that this region has lost history, or was away for longer than
	// logs are kept: its vector may have passed what was never sent to it, writes to
	// a table that their origin does not hold any more.
	Lost bool
	// Relayed says that Records are of a relay: what the peer has of a dead
	// origin (DATA 13). Cursor is zero then.
	Relayed Relayed
	// Join, if not nil, is noted with the batch: how far a table is copied by it
	// (DATA 16). Cursor is zero then.
	Join *Join
	// Given is what the peer held before a resend of which this batch is the last:
	// this region has now as much.
	Given Holdings
}

// ApplyResult counts what a batch did.
type ApplyResult struct {
	// Applied records won; Stale ones lost or were here already.
	Applied, Stale int
	// Conflicts are writes that were discarded unseen, of either side or as a peer
	// tells, of which there was no receipt here.
	Conflicts int
	// Outdated counts the records of a resend that are long gone here, and that
	// this region has now deleted where they came from.
	Outdated int
}

// ApplyMax bounds the records of one Apply.
const ApplyMax = 100_000

// incoming is one item of an Apply.
type incoming struct {
	kind   record.Kind
	key    record.Key
	data   []byte
	table  *table.Table
	record record.Record // the record, or the receipt
	floor  hlc.Time
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
	if len(list)+len(a.Frontiers) == 0 && (a.Cursor == Cursor{} || s.at(a.Origin, a.Cursor)) && a.Join == nil && a.Relayed.Origin == 0 && len(a.Given.Tables) == 0 {
		s.promise(a)
		return answer(s, 0, ApplyResult{}), nil
	}
	var buried burials
	if a.Resend {
		if list, err = s.reconcile(list, a.Lost, &buried); err != nil {
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

// retells reports whether receipts in the batch are to be told of again. What is
// copied from a donor, or relayed, its origins have told everybody, or the relayer.
func (a Apply) retells() bool { return a.Resend && a.Join == nil && a.Relayed.Origin == 0 }

// mergeAll commits a batch's records, merged with what is here.
func (s *Store) mergeAll(a Apply, list []incoming) (m *merger, own *kv.Pending, err error) {
	lockKeys := make([][]byte, len(list)+1)
	for i := range list {
		lockKeys[i] = list[i].data
	}
	lockKeys[len(list)] = cursorKey(a.Origin, 0)
	own, err = s.engine.Begin(lockKeys, func(r kv.Reader) (*kv.Batch, error) {
		one := s.merger(r)
		m = &one
		m.frontiers, m.sent, m.from = s.told(*s.frontiers.Load(), a.Frontiers), a.Frontiers, a.listing()
		for _, t := range a.Frontiers { // a write below one would be seen by all
			m.own = max(m.own, t)
		}
		if a.Join != nil {
			m.everywhere = a.Frontiers
		}
		for i := range list {
			if err := m.take(&list[i], a.retells()); err != nil {
				return nil, err
			}
		}
		m.finish(a)
		return &kv.Batch{Ops: m.ops, Seal: m.seal}, nil
	})
	if err == nil {
		s.recount(m.conflicted)
	}
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
		in, err := s.incoming(shipped)
		if err != nil {
			return nil, err
		}
		newest = max(newest, in.record.Version.Time, in.floor)
		list[i] = in
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

// incoming decodes one item.
func (s *Store) incoming(shipped Shipped) (incoming, error) {
	t, err := s.table(shipped.Key.Table)
	if err != nil {
		return incoming{}, err
	}
	if err := checkKey(shipped.Key); err != nil {
		return incoming{}, err
	}
	in := incoming{kind: shipped.Kind, key: shipped.Key, data: dataKey(shipped.Key), table: t}
	switch shipped.Kind {
	case record.KindRecord:
		if in.record, err = record.Parse(shipped.Record); err == nil {
			in.record, _ = timed(t, in.record) // its sender may not know of that yet
		}
	case record.KindReceipt:
		in.record, err = parseReceipt(shipped.Record)
	case record.KindFloor:
		in.floor, err = parseFloor(shipped.Record)
	default:
		err = fmt.Errorf("%w: item kind %d", record.ErrMalformed, shipped.Kind)
	}
	return in, err
}

// merger builds the batch of one Apply. Its operations begin with the records, in
// the order of merging; finish adds the rest, and says where what a seal has to
// stamp stands.
type merger struct {
	keeper
	frontiers map[record.TableID]frontier
	sent      map[record.TableID]hlc.Time
	ops       []kv.Op
	extra     []kv.Op // need no stamp: places of tombstones, relay lists
	from      place   // where the batch stands, for the relay lists
	// everywhere is up to when every region has what a copy brings; nil if it is none.
	everywhere map[record.TableID]hlc.Time
	listed     int
	writes     Writes
	written    int      // records
	own        hlc.Time // highest time among our own writes that came back, and frontiers
	pending    map[string]record.Record
	raised     rise
	taken      []TableMark
	result     ApplyResult

	// returned are our own writes that had been lost here, to be logged again, with
	// the places of their tombstones (DATA 5).
	returned       []mention
	returnedPlaces []kv.Op
	entry          appending
	at             struct{ state, images, log, places, frontiers, floors, end int }
}

// merger is one for a batch that decides on r.
func (s *Store) merger(r kv.Reader) merger { return merger{keeper: keeper{store: s, reader: r}} }

// take takes in one item. Receipts of a resend are told of again: their first
// teller may have lost them.
func (m *merger) take(in *incoming, resend bool) error {
	if in.record.Version.Region == m.store.config.Region {
		m.own = max(m.own, in.record.Version.Time)
	}
	switch in.kind {
	case record.KindReceipt:
		m.listReceipt(in)
		return m.keep(in, in.record, resend)
	case record.KindFloor:
		m.floor(in)
		return nil
	}
	return m.merge(in)
}

// merge joins one incoming record with the current one.
func (m *merger) merge(in *incoming) error {
	stored, found, err := m.current(in.data)
	if err != nil {
		return err
	}
	current, late := timed(in.table, stored)
	m.list(in, current, found)
	known := m.frontiers[in.key.Table]
	frontiers := record.Frontiers{Current: known.Seen, Incoming: m.sent[in.key.Table], Reached: known.Reached}
	out := record.Merged{Replaced: true, Changed: true}
	if found {
		out, err = record.Merge(current, in.record, frontiers)
	} else {
		out.Record, err = record.Trim(in.record, frontiers)
	}
	if err != nil {
		return err
	}
	for _, receipt := range out.Receipts {
		if err := m.keep(in, receipt, true); err != nil {
			return err
		}
	}
	if !out.Replaced {
		m.result.Stale++
		if late {
			err = m.store.retime(in.table, in.data, stored, out.Record, &m.writes)
		}
	} else {
		m.result.Applied++
		change := Change{Table: in.table, Key: in.key, Old: present(stored, found), New: present(out.Record, true), Cause: m.store.cause(current, out.Record), Version: out.Record.Version}
		err = m.store.observe(change, &m.writes)
	}
	if err == nil && (out.Changed || late) {
		m.put(in, out)
	}
	return err
}

// cause says why a record that came from a peer takes effect: it is what was here
// and has expired there, by a clock that may be ahead of ours, or it won.
func (s *Store) cause(current, next record.Record) Cause {
	due := next.Expires != 0 && next.Expires <= s.config.Wall().Add(s.config.SkewMax).Unix()
	if next.Expired && due && next.Version == current.Version {
		return Expired
	}
	return Applied
}

// current answers what a key holds, this batch's own writes included: a peer may
// name a key twice.
func (m *merger) current(data []byte) (record.Record, bool, error) {
	if r, ok := m.pending[string(data)]; ok {
		return r, true, nil
	}
	return load(m.reader, data)
}

// put writes what a merge has left. A write of this region that its directory has
// lost, restored from a copy, is logged again: a region that had not pulled it
// before hears of it from no other (DATA 5).
func (m *merger) put(in *incoming, out record.Merged) {
	if m.pending == nil {
		m.pending = map[string]record.Record{}
	}
	m.pending[string(in.data)] = out.Record
	m.ops = append(m.ops, kv.Op{Key: in.data, Value: encode(out.Record)})
	m.written++
	gone := out.Record.Tombstone || out.Record.Expired
	if !out.Replaced && !(gone && out.Record.ByAttribute) { // those may have another version now
		return
	}
	place := kv.Op{Key: tombstoneKey(in.data, out.Record.Version.Time)}
	v := out.Record.Version
	switch {
	case v.Region == m.store.config.Region && !m.store.covers(in.key.Table, v, out.Record.Log):
		m.returned = append(m.returned, mention{Key: in.key})
		if gone {
			m.returnedPlaces = append(m.returnedPlaces, place)
		}
	case gone:
		m.extra = append(m.extra, place)
	}
}

// finish adds what goes with the records: the sequencer's state, tombstones'
// places, relay lists, receipts, observers' writes, the cursor and the applied vector, an entry of the
// log, raised frontiers and floors.
func (m *merger) finish(a Apply) {
	m.at.state = len(m.ops)
	m.ops = append(m.ops, stateOp())
	m.ops = append(append(append(m.ops, m.extra...), m.places...), m.writes.ops...)
	m.at.images = len(m.ops)
	m.ops = append(m.ops, m.writes.images...)
	if a.Cursor != (Cursor{}) {
		value := appendCursor(nil, a.Cursor)
		m.ops = append(m.ops, kv.Op{Key: cursorKey(a.Origin, 0), Value: value},
			kv.Op{Key: cursorKey(a.Origin, a.Cursor.Log), Value: value})
	}
	if a.Join != nil {
		m.ops = append(m.ops, a.Join.op())
	}
	m.ops = append(m.ops, a.Relayed.ops()...)
	m.taken = m.store.taken(a.Given)
	m.ops = append(m.ops, takenOps(m.taken)...)
	m.finishLog()
	m.raised = rises(*m.store.frontiers.Load(), m.frontiers)
	m.at.frontiers = len(m.ops)
	m.ops = append(m.ops, m.raised.ops()...)
	m.at.floors = len(m.ops)
	m.ops = append(m.ops, floorOps(m.floors)...)
	m.at.end = len(m.ops)
	m.result.Conflicts += len(m.conflicted)
}

// finishLog adds an entry of the log, if there is anything that the others are to
// hear of from this region.
func (m *merger) finishLog() {
	mentions := append(m.returned, m.made...)
	m.at.log, m.at.places = len(m.ops), len(m.ops)
	if len(mentions) == 0 {
		return
	}
	entry, op := m.store.append(mentions, 0)
	m.entry = entry
	m.ops = append(m.ops, op)
	m.at.places = len(m.ops)
	m.ops = append(m.ops, m.returnedPlaces...)
}

// seal notes the commit in every record that it touches (DATA 3). A write of our
// own that comes back and is newer than our clock raises the clock: this
// directory has lost history (DATA 5).
func (m *merger) seal(sequence uint64, ops []kv.Op) {
	s := m.store
	for _, op := range ops[:m.written] {
		record.PatchSequence(op.Value, sequence)
	}
	s.sequencer.clock.Raise(m.own)
	s.sealFrontiers(m.raised, ops[m.at.frontiers:m.at.floors])
	s.sealFloors(ops[m.at.floors:m.at.end])
	if m.entry.store != nil {
		t := s.sequencer.clock.Next(s.config.Wall(), 0) // above the frontiers
		m.entry.seal(sequence, t, ops[m.at.log])
		patchTombstones(ops[m.at.places:m.at.frontiers], t)
	}
	s.sealImages(sequence, 0, ops[m.at.images:m.at.images+len(m.writes.images)])
	s.sealState(sequence, ops[m.at.state])
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
	s.settleTaken(m.taken)
	if a.Join != nil {
		s.joins[a.Join.Table] = a.Join.Clone()
	}
	s.mu.Unlock()
	s.promise(a)
	s.counters.listed.Add(int64(m.listed))
	s.counters.applied.Add(uint64(m.result.Applied))
	s.counters.stale.Add(uint64(m.result.Stale))
	m.entry.settle()
	m.keeper.settle()
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
	slices.SortFunc(out, func(a, b Cursor) int { return cmp.Compare(a.Version.Time, b.Version.Time) }) // epochs do not order lives
	return out
}
