package store

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/meridian-run/meridian/internal/hlc"
	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/table"
)

// Report is what one region has applied, durably: for each origin, itself
// included, the time up to which it holds all of that origin's writes (DATA 14).
type Report struct {
	Applied map[record.RegionID]hlc.Time
}

// frontier is what is known of one table. Both values are facts about all of the
// table's regions and never fall.
type frontier struct {
	// Seen is the highest frontier that any region told us, or that we found.
	// Contexts are trimmed to it and receipts judged by it (DATA 7).
	Seen hlc.Time
	// Reached is the frontier that we found ourselves, from reports that took
	// effect in the order of their region's log. Only it lets tombstones go: a
	// peer's word may come before what the peer had waited for (DATA 14).
	Reached hlc.Time
}

func (f frontier) put(dst []byte) {
	binary.BigEndian.PutUint64(dst, uint64(f.Seen))
	binary.BigEndian.PutUint64(dst[8:], uint64(f.Reached))
}

// Frontier answers the frontier that this region trims a table to.
func (s *Store) Frontier(id record.TableID) hlc.Time { return (*s.frontiers.Load())[id].Seen }

// Report answers what this region has applied. It may be sent once all of this
// region's log before it was sent; it names durable positions only.
func (s *Store) Report() Report {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.report()
}

// report is Report; the caller holds mu.
func (s *Store) report() Report {
	r := Report{Applied: maps.Clone(s.applied)}
	r.Applied[s.config.Region] = s.position.Time
	return r
}

// SetReport takes over what a peer has applied, in place of what it reported
// before. Call it only after all that precedes the report in the peer's log stream
// was applied here (DATA 14), and the peer has shown what it holds of this region's
// own writes, or sent it (Lost).
func (s *Store) SetReport(region record.RegionID, r Report) {
	if region == s.config.Region || s.isGone(region) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.met[region] = true
	s.setReport(region, r)
}

// setReport is SetReport; the caller holds mu.
func (s *Store) setReport(region record.RegionID, r Report) {
	applied := maps.Clone(r.Applied)
	maps.DeleteFunc(applied, func(o record.RegionID, _ hlc.Time) bool { return s.isGone(o) })
	if !maps.Equal(s.reports[region].Applied, applied) {
		s.reports[region] = Report{Applied: applied}
		s.unsaved[region] = true
	}
}

// Forget drops what a peer has reported, when it comes to pull from a cursor: its
// directory may be an older one than the report was of, and what it does not have
// any more must not be forgotten here (DATA 14, 18). Its next report follows.
func (s *Store) Forget(region record.RegionID, at Cursor) {
	if s.isGone(region) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.setReport(region, Report{Applied: map[record.RegionID]hlc.Time{s.config.Region: at.Version.Time}})
}

// reached computes a table's frontier: the lowest time that any of its regions
// reports for any of its regions, those that are leaving too; the caller holds
// mu. A region that still copies the table has applied what it reports without
// this table's records: until it has them the frontier stays (DATA 16).
func (s *Store) reached(t *table.Table, own Report) hlc.Time {
	lowest := ^hlc.Time(0)
	for _, by := range t.Holders() {
		if !by.Complete() {
			return 0
		}
		r := s.reports[by.ID]
		if by.ID == s.config.Region {
			r = own
		}
		for _, of := range t.Holders() {
			lowest = min(lowest, r.Applied[of.ID])
		}
	}
	if len(t.Replicas) == 0 {
		return 0
	}
	return min(lowest, s.believes(t))
}

// believes answers up to where a frontier can be true of this directory: what it
// has applied itself, and of its own writes what it had at the start, as long as a
// peer may hold others. A higher one was reached with the help of a life whose
// directory was newer; the writes that this one makes have not seen what it lost
// (DATA 5, 7). Who still copies a table makes none, and takes its donor's word. The
// caller holds mu.
func (s *Store) believes(t *table.Table) hlc.Time {
	own, _, _ := t.Holder(s.config.Region)
	if !own.Complete() {
		return ^hlc.Time(0)
	}
	if whole, err := s.holdsWhole(t); err != nil || !whole {
		return 0
	}
	limit := ^hlc.Time(0)
	for _, r := range t.Holders() {
		if r.ID == s.config.Region {
			continue
		}
		limit = min(limit, s.applied[r.ID])
		if !s.met[r.ID] {
			limit = min(limit, s.began)
		}
	}
	return limit
}

// told answers frontiers with what a sender told merged in, as far as it can be
// believed; before is not changed.
func (s *Store) told(before map[record.TableID]frontier, sent map[record.TableID]hlc.Time) map[record.TableID]frontier {
	s.mu.Lock()
	defer s.mu.Unlock()
	after, cloned := before, false
	for id, t := range sent {
		f := before[id]
		if held, ok := s.Table(id); ok {
			t = min(t, s.believes(&held))
		}
		if t <= f.Seen {
			continue
		}
		if !cloned {
			after, cloned = maps.Clone(before), true
		}
		f.Seen = t
		after[id] = f
	}
	return after
}

// rise is frontiers that a batch raises.
type rise []tableFrontier

type tableFrontier struct {
	table    record.TableID
	frontier frontier
}

// rises lists what is higher in after than in before.
func rises(before, after map[record.TableID]frontier) rise {
	var r rise
	for id, f := range after {
		if f != before[id] {
			r = append(r, tableFrontier{id, f})
		}
	}
	slices.SortFunc(r, func(a, b tableFrontier) int { return cmp.Compare(a.table, b.table) }) // one input, one batch
	return r
}

// ops are the batch's operations that persist the rise, to be sealed.
func (r rise) ops() []kv.Op {
	ops := make([]kv.Op, len(r))
	for i, f := range r {
		ops[i] = kv.Op{Key: frontierKey(f.table), Value: make([]byte, 16)}
	}
	return ops
}

// sealFrontiers publishes a rise in commit order, so that a concurrent one is
// never taken back, and before the batch is visible, so that no reader sees
// records that are trimmed further than it was told. The clock is raised above
// them: a write of ours at or below a frontier would be counted as seen by
// everybody (DATA 7).
func (s *Store) sealFrontiers(r rise, ops []kv.Op) {
	if len(r) == 0 {
		return
	}
	next := maps.Clone(*s.frontiers.Load())
	for i, f := range r {
		known := next[f.table]
		known.Seen = max(known.Seen, f.frontier.Seen)
		known.Reached = max(known.Reached, f.frontier.Reached)
		next[f.table] = known
		known.put(ops[i].Value)
		s.sequencer.clock.Raise(known.Seen)
	}
	s.frontiers.Store(&next)
}

func (s *Store) loadFrontiers() error {
	loaded, floors := map[record.TableID]frontier{}, map[record.TableID]hlc.Time{}
	it := s.engine.Scan(kv.Range{From: []byte{spaceFrontier}, To: []byte{spaceFrontier + 1}})
	for it.Next() {
		k, v := parser{src: it.Key()[2:]}, parser{src: it.Value()}
		switch it.Key()[1] {
		case 't':
			id := record.TableID(k.uint64())
			loaded[id] = frontier{Seen: hlc.Time(v.uint64()), Reached: hlc.Time(v.uint64())}
			s.sequencer.clock.Raise(loaded[id].Seen)
		case 'r':
			id := record.RegionID(k.uint16())
			s.reports[id] = v.report()
		case 'l':
			floors[record.TableID(k.uint64())] = hlc.Time(v.uint64())
		}
		if k.failed || v.failed || len(k.src)+len(v.src) != 0 {
			return errors.Join(fmt.Errorf("frontier %x is damaged: %x", it.Key(), it.Value()), it.Close())
		}
	}
	s.frontiers.Store(&loaded)
	s.floors.Store(&floors)
	return errors.Join(it.Err(), it.Close())
}

func (r Report) encode() []byte {
	var dst []byte
	for _, region := range slices.Sorted(maps.Keys(r.Applied)) {
		dst = binary.BigEndian.AppendUint16(dst, uint16(region))
		dst = binary.BigEndian.AppendUint64(dst, uint64(r.Applied[region]))
	}
	return dst
}

func (p *parser) report() Report {
	r := Report{Applied: map[record.RegionID]hlc.Time{}}
	for len(p.src) > 0 && !p.failed {
		region := record.RegionID(p.uint16())
		r.Applied[region] = hlc.Time(p.uint64())
	}
	return r
}

func has(r kv.Reader, key []byte) (bool, error) {
	_, err := r.Get(key)
	if errors.Is(err, kv.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
