package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/meridian-run/meridian/internal/hlc"
	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/record"
)

// collectMax bounds what one Collect removes of each kind, so that it never
// holds writers up for long.
const (
	collectTombstonesMax = 4096
	collectLogMax        = 65536
)

// Collected counts what a Collect removed.
type Collected struct {
	Tombstones int
	Entries    int
	Receipts   int
	// Relay counts references of relay lists.
	Relay int
	// More says that the bound was met and another step has work to do.
	More bool
}

// Collect is one step of forgetting what every region has applied: it raises the
// frontiers from the reports, persists both, and removes tombstones and log
// entries that the frontier has passed; nothing of these is removed for its age
// (DATA 14). Receipts beyond their bounds go, too (DATA 8).
// Call it every second or so, and from one goroutine only.
func (s *Store) Collect(ctx context.Context) (Collected, error) {
	p, err := s.BeginCollect()
	return wait(ctx, p, err)
}

// BeginCollect is the first half of Collect: commits that build on each other and
// become durable in their order.
func (s *Store) BeginCollect() (*Pending[Collected], error) {
	c := collection{store: s}
	if err := c.gone(); err != nil {
		return nil, fmt.Errorf("collect: %w", err)
	}
	if err := c.saveFrontiers(); err != nil {
		return nil, fmt.Errorf("collect: %w", err)
	}
	tables := *s.tables.Load()
	for _, id := range slices.Sorted(maps.Keys(tables)) {
		if err := c.tombstones(id); err != nil {
			return nil, fmt.Errorf("collect tombstones: %w", err)
		}
		if err := c.receipts(id); err != nil {
			return nil, fmt.Errorf("collect receipts: %w", err)
		}
		if err := c.imaged(id, tables[id]); err != nil {
			return nil, fmt.Errorf("trim images: %w", err)
		}
	}
	if err := c.trimLog(); err != nil {
		return nil, fmt.Errorf("collect log: %w", err)
	}
	if err := c.retain(); err != nil {
		return nil, fmt.Errorf("let the log go: %w", err)
	}
	if err := c.relay(); err != nil {
		return nil, fmt.Errorf("collect relay lists: %w", err)
	}
	return await(s, c.sequence, func() (Collected, error) {
		for _, effect := range c.effects {
			effect()
		}
		return c.Collected, nil
	}), nil
}

// collection is one step of collecting.
type collection struct {
	Collected
	store    *Store
	sequence uint64   // of its last commit
	effects  []func() // once all is durable
}

// commit writes ops, which need no stamp.
func (c *collection) commit(lockKeys [][]byte, ops func(kv.Reader) ([]kv.Op, error)) error {
	p, err := c.store.commit(lockKeys, ops)
	if err == nil {
		c.sequence = max(c.sequence, p.Sequence)
	}
	return err
}

// saveFrontiers raises the frontiers from the reports and persists both.
func (c *collection) saveFrontiers() error {
	s := c.store
	raised, reports := s.raiseReached()
	if len(raised)+len(reports) == 0 {
		return nil
	}
	ops := raised.ops()
	for region, encoded := range reports {
		ops = append(ops, kv.Op{Key: reportKey(region), Value: encoded})
	}
	ops = append(ops, stateOp())
	p, err := s.engine.Begin(nil, func(kv.Reader) (*kv.Batch, error) {
		return &kv.Batch{Ops: ops, Seal: func(sequence uint64, ops []kv.Op) {
			s.sealFrontiers(raised, ops)
			s.sealState(sequence, ops[len(ops)-1])
		}}, nil
	})
	if err == nil {
		c.sequence = p.Sequence
	}
	return s.noteFrozen(err)
}

// raiseReached computes the frontiers that have risen, and takes the reports
// that are not persisted yet. A report that is lost with a failed commit comes
// again.
func (s *Store) raiseReached() (rise, map[record.RegionID][]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	own := s.report()
	before := *s.frontiers.Load()
	after := maps.Clone(before)
	for id, t := range *s.tables.Load() {
		f := before[id]
		f.Reached = max(f.Reached, s.reached(t, own))
		f.Seen = max(f.Seen, f.Reached)
		after[id] = f
	}
	reports := map[record.RegionID][]byte{}
	for region := range s.unsaved {
		reports[region] = s.reports[region].encode()
	}
	clear(s.unsaved)
	return rises(before, after), reports
}

// tombstone is a candidate for collection.
type tombstone struct {
	index []byte // its key in the tombstone keyspace
	data  []byte
	time  hlc.Time
}

// of reports whether the tombstone is what its key holds now. Its place may be
// behind its version's: where it was buried, or came back and was logged again.
func (t tombstone) of(current record.Record) bool {
	return (current.Tombstone || current.Expired) && current.Version.Time <= t.time
}

// tombstones removes a table's tombstones at or below its frontier.
func (c *collection) tombstones(id record.TableID) error {
	for c.Tombstones < collectTombstonesMax {
		list, err := c.store.passedTombstones(id)
		if err != nil || len(list) == 0 {
			return err
		}
		lockKeys := make([][]byte, len(list))
		for i := range list {
			lockKeys[i] = list[i].data
		}
		if err := c.commit(lockKeys, func(r kv.Reader) ([]kv.Op, error) { return c.forget(r, list) }); err != nil {
			return err
		}
	}
	c.More = true
	return nil
}

// passedTombstones lists some that the frontier has passed.
func (s *Store) passedTombstones(id record.TableID) (list []tombstone, err error) {
	limit := (*s.frontiers.Load())[id].Reached
	from := tableKey(spaceTombstones, id)
	to := tombstoneKey(tableKey(spaceData, id), limit+1)
	it := s.engine.Scan(kv.Range{From: from, To: to})
	defer func() { err = errors.Join(err, it.Close()) }()
	for len(list) < 256 && it.Next() {
		data, t, err := parseTombstoneKey(it.Key())
		if err != nil {
			return nil, err
		}
		list = append(list, tombstone{index: append([]byte(nil), it.Key()...), data: data, time: t})
	}
	return list, it.Err()
}

// forget deletes tombstones that are still what their keys hold, and all their
// index entries.
func (c *collection) forget(r kv.Reader, list []tombstone) ([]kv.Op, error) {
	var ops []kv.Op
	for _, t := range list {
		ops = append(ops, kv.Op{Kind: kv.Delete, Key: t.index})
		current, found, err := load(r, t.data)
		if err != nil {
			return nil, err
		}
		if found && t.of(current) {
			ops = append(ops, kv.Op{Kind: kv.Delete, Key: t.data})
			c.Tombstones++
		}
	}
	return ops, nil
}

// trimLog removes the log's entries that every peer has applied.
func (c *collection) trimLog() error {
	limit, chain, before := c.store.trimLimit()
	return c.trim(chain, before, func(e entry) bool { return e.Version.Time > limit })
}

// trim removes the log's entries behind a mark, up to the first that is to stay.
func (c *collection) trim(chain []LogLink, before trimMark, stays func(entry) bool) error {
	s := c.store
	mark, ops := before, []kv.Op(nil)
	for _, l := range chain {
		if !l.Open && l.End <= mark.Cursor.Sequence {
			continue
		}
		next, count, all, err := s.passedEntries(l, mark, stays)
		if err != nil {
			return err
		}
		if count > 0 {
			mark = next
			c.Entries += count
			ops = append(ops, kv.Op{Kind: kv.DeleteRange, Key: logKey(l.ID, 0), Value: logKey(l.ID, mark.Cursor.Sequence+1)})
		}
		c.More = c.More || count == collectLogMax
		if !all || c.More {
			break
		}
	}
	if len(ops) == 0 {
		return nil
	}
	// The mark is known before the entries go: a reader that misses them must
	// find that they were trimmed, not that they never were.
	s.setTrimmed(mark)
	ops = append(ops, kv.Op{Key: keyTrim, Value: mark.encode()})
	return c.commit(nil, func(kv.Reader) ([]kv.Op, error) { return ops, nil })
}

func (s *Store) setTrimmed(m trimMark) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trimmed = m
}

// trimLimit is the time up to which every region that pulls from this one has
// applied this region's log. While one of them copies a table, it counts as having
// nothing: it will pull the log from what its donor had, which is not known here
// (DATA 16).
func (s *Store) trimLimit() (hlc.Time, []LogLink, trimMark) {
	s.mu.Lock()
	defer s.mu.Unlock()
	limit := s.position.Cursor.Version.Time
	for _, t := range *s.tables.Load() {
		for _, r := range t.Holders() {
			if r.ID != s.config.Region && !r.Complete() {
				limit = 0
			}
			if r.ID != s.config.Region {
				limit = min(limit, s.reports[r.ID].Applied[s.config.Region])
			}
		}
	}
	return limit, s.chain, s.trimmed
}

// passedEntries finds the last entry of a life before one that stays, and counts
// those behind mark up to it. all says that the life has no others: it
// may have none at all, if the region was idle for as long as it ran.
func (s *Store) passedEntries(l LogLink, mark trimMark, stays func(entry) bool) (next trimMark, count int, all bool, err error) {
	from := logKey(l.ID, max(mark.Cursor.Sequence, l.Start)+1)
	it := s.engine.Scan(kv.Range{From: from, To: successor(from[:9])})
	defer func() { err = errors.Join(err, it.Close()) }()
	next = mark
	for it.Next() {
		e, err := parseEntryHead(it.Value())
		if err != nil {
			return mark, 0, false, err
		}
		if stays(e) || count == collectLogMax {
			return next, count, false, nil
		}
		next = trimMark{Cursor: Cursor{Log: l.ID, Sequence: logSequence(it.Key()), Version: e.Version}, Ordinal: e.Ordinal}
		count++
	}
	return next, count, true, it.Err()
}
