package store

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/meridian-run/meridian/internal/hlc"
	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/table"
)

// Holdings says what a region has, durably, of the tables that it shares with
// another: up to where it has applied which logs (DATA 5, 18). It shows the other
// what that has lost, and after a resend, what came with it.
type Holdings struct {
	// Tables are those that the region has whole. All that follows is about them.
	Tables []record.TableID
	// Logs are lives of logs, up to where all of them is there or superseded, in each
	// of the tables.
	Logs []OriginMark
	// More is that for one table, where it is more. Single says of a write that it is
	// there, and nothing of those before it.
	More []TableMark
}

// OriginMark is a place in one life of an origin's log.
type OriginMark struct {
	Origin record.RegionID
	Mark
}

// TableMark is that for one table.
type TableMark struct {
	Table record.TableID
	OriginMark
	Single bool
}

// BeginHoldings tells of tables and the logs of origins; of the writes of one
// region, the asker, single ones too.
func (s *Store) BeginHoldings(asker record.RegionID, tables []record.TableID, origins []record.RegionID) (*Pending[Holdings], error) {
	var h Holdings
	for _, id := range tables {
		if t, held := s.Table(id); held && s.complete(&t) {
			h.Tables = append(h.Tables, id)
		}
	}
	slices.Sort(h.Tables)
	known := s.holdings(&h, origins)
	for _, id := range h.Tables {
		upto := map[record.LogID]hlc.Time{}
		if err := s.listedEnds(id, asker, upto); err != nil {
			return nil, fmt.Errorf("holdings of region %d: %w", asker, err)
		}
		for _, m := range marks(upto) {
			o := tableOrigin{id, origin{asker, m.Log}}
			if m.Time > max(known[o.origin], s.relayedUpto(o)) {
				h.More = append(h.More, TableMark{id, OriginMark{asker, m}, true})
			}
		}
	}
	return answer(s, s.sealed.Load(), h), nil
}

// holdings fills in what memory has, and answers the logs.
func (s *Store) holdings(h *Holdings, origins []record.RegionID) map[origin]hlc.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := map[origin]hlc.Time{}
	for o, c := range s.vector {
		if slices.Contains(origins, o.Region) {
			known[o] = c.Version.Time
		}
	}
	if slices.Contains(origins, s.config.Region) {
		for _, l := range s.chain {
			known[origin{s.config.Region, l.ID}] = s.endOf(l)
		}
	}
	for o, t := range known {
		h.Logs = append(h.Logs, OriginMark{o.Region, Mark{o.Log, t}})
	}
	slices.SortFunc(h.Logs, compareMarks)
	for o, t := range s.relayed {
		if slices.Contains(h.Tables, o.Table) && slices.Contains(origins, o.Region) && t > known[o.origin] {
			h.More = append(h.More, TableMark{Table: o.Table, OriginMark: OriginMark{o.Region, Mark{o.Log, t}}})
		}
	}
	slices.SortFunc(h.More, func(a, b TableMark) int {
		return cmp.Or(cmp.Compare(a.Table, b.Table), compareMarks(a.OriginMark, b.OriginMark))
	})
	return known
}

func compareMarks(a, b OriginMark) int {
	return cmp.Or(cmp.Compare(a.Origin, b.Origin), cmp.Compare(a.Log, b.Log))
}

// endOf is the time of the last durable entry of a life; the caller holds mu.
func (s *Store) endOf(l LogLink) hlc.Time {
	if l.Open {
		return s.position.Cursor.Version.Time
	}
	return l.EndVersion.Time
}

func (s *Store) relayedUpto(o tableOrigin) hlc.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.relayed[o]
}

// complete reports whether this region serves a table, and has it whole.
func (s *Store) complete(t *table.Table) bool {
	own, _, held := t.Holder(s.config.Region)
	whole, err := s.holdsWhole(t)
	return held && own.Complete() && whole && err == nil
}

// Lost lists what a peer holds of this region's own writes, and this directory has
// never had: it is older than it was, or new.
func (s *Store) Lost(h Holdings) (list []TableMark) {
	for _, m := range s.each(h, true) {
		if m.Origin == s.config.Region && !s.made(m) {
			list = append(list, m)
		}
	}
	return list
}

// each lists holdings by table, for the tables that this region serves too: of
// those that have, or had from the beginning, both.
func (s *Store) each(h Holdings, single bool) (list []TableMark) {
	for _, id := range h.Tables {
		t, held := s.Table(id)
		if own, _, _ := t.Holder(s.config.Region); !held || !own.Complete() {
			continue
		}
		for _, m := range h.Logs {
			list = append(list, TableMark{Table: id, OriginMark: m})
		}
		for _, m := range h.More {
			if m.Table == id && (single || !m.Single) {
				list = append(list, m)
			}
		}
	}
	return list
}

// made reports whether a place is of this region's own history: on its chain, of
// before what is kept of the chain, or given back to it since.
func (s *Store) made(m TableMark) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.chain {
		if l.ID == m.Log {
			return m.Time <= s.endOf(l) || m.Time <= s.relayed[tableOrigin{m.Table, origin{m.Origin, m.Log}}]
		}
	}
	if len(s.chain) == linksMax && m.Time <= s.chain[0].StartVersion.Time {
		return true
	}
	return m.Time <= s.relayed[tableOrigin{m.Table, origin{m.Origin, m.Log}}]
}

// taken is what this region has of logs when a resend of all that a peer has is
// over: as much as the peer, of the regions that hold the table now. What the peer
// had of others, it may have had before they left.
func (s *Store) taken(h Holdings) (list []TableMark) {
	for _, m := range s.each(h, false) {
		if t, _ := s.Table(m.Table); holds(t, m.Origin) {
			list = append(list, m)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(list, func(m TableMark) bool {
		o := origin{m.Origin, m.Log}
		if m.Time <= s.vector[o].Version.Time || m.Time <= s.relayed[tableOrigin{m.Table, o}] {
			return true
		}
		return m.Origin == s.config.Region && slices.ContainsFunc(s.chain, func(l LogLink) bool { return l.ID == m.Log && m.Time <= s.endOf(l) })
	})
}

// takenOps persist it.
func takenOps(list []TableMark) (ops []kv.Op) {
	for _, m := range list {
		key := relayedKey(tableOrigin{m.Table, origin{m.Origin, m.Log}})
		ops = append(ops, kv.Op{Key: key, Value: binary.BigEndian.AppendUint64(nil, uint64(m.Time))})
	}
	return ops
}

// settleTaken takes it over, once durable; the caller holds mu.
func (s *Store) settleTaken(list []TableMark) {
	for _, m := range list {
		o := tableOrigin{m.Table, origin{m.Origin, m.Log}}
		s.relayed[o] = max(s.relayed[o], m.Time)
	}
}
