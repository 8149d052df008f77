package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/meridian-run/meridian/internal/hlc"
	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/record"
)

const (
	// RelayMax is the default of Config.RelayMax.
	RelayMax = 4_000_000
	// collectRelayMax bounds the references that one Collect removes.
	collectRelayMax = 65536
	// relayKept is the part of RelayMax, in percent, that a list is cut back to.
	relayKept = 90
)

// relayGapKey is where it stands up to which time a list was cut.
func relayGapKey(id record.TableID, at place) []byte {
	dst := binary.BigEndian.AppendUint64([]byte{spaceMeta, 'a'}, uint64(id))
	dst = binary.BigEndian.AppendUint16(dst, uint16(at.origin))
	return binary.BigEndian.AppendUint64(dst, uint64(at.mark.Log))
}

// gap reports whether lists were cut behind what an asker has.
func (s *Store) gap(r kv.Reader, q TailQuery, after map[record.LogID]hlc.Time) (gap bool, err error) {
	prefix := relayGapKey(q.Table, place{origin: q.Origin})
	prefix = prefix[:len(prefix)-8]
	it := r.Scan(kv.Range{From: prefix, To: successor(prefix)})
	defer func() { err = errors.Join(err, it.Close()) }()
	for it.Next() {
		k, v := parser{src: it.Key()[len(prefix):]}, parser{src: it.Value()}
		log, upto := record.LogID(k.uint64()), hlc.Time(v.uint64())
		if k.failed || v.failed {
			return false, fmt.Errorf("relay mark %x is damaged: %x", it.Key(), it.Value())
		}
		gap = gap || upto > after[log]
	}
	return gap, it.Err()
}

// relayGroup is one life of one origin's log in the list of a table.
type relayGroup struct {
	table record.TableID
	at    place // its time is that of the group's first reference
}

// relayGroups finds a table's groups.
func (s *Store) relayGroups(id record.TableID) (groups []relayGroup, err error) {
	prefix := tableKey(spaceRelay, id)
	for from := prefix; from != nil; {
		it := s.engine.Scan(kv.Range{From: from, To: successor(prefix)})
		from = nil
		if it.Next() {
			ref, err := parseRelayKey(it.Key())
			if err != nil {
				return nil, errors.Join(err, it.Close())
			}
			groups = append(groups, relayGroup{id, ref.at})
			from = successor(it.Key()[:offsetRelayTime])
		}
		if err := errors.Join(it.Err(), it.Close()); err != nil {
			return nil, err
		}
	}
	return groups, nil
}

// relay removes what every region has from the lists, and the oldest of what is
// too much: a gap is noted for those who would need it.
func (c *collection) relay() error {
	s := c.store
	if err := s.countRelay(); err != nil {
		return err
	}
	var all []relayGroup
	tables := *s.tables.Load()
	for _, id := range slices.Sorted(maps.Keys(tables)) {
		groups, err := s.relayGroups(id)
		if err != nil {
			return err
		}
		all = append(all, groups...)
		reached := (*s.frontiers.Load())[id].Reached
		for _, g := range groups {
			if room := collectRelayMax - c.Relay; g.at.mark.Time <= reached && room > 0 {
				if err := c.cutRelay(g, room, reached, false); err != nil {
					return err
				}
			}
		}
	}
	if c.Relay >= collectRelayMax {
		c.More = true
		return nil
	}
	if s.relayLength() <= int64(s.config.RelayMax) {
		return nil
	}
	longest, err := s.longest(all)
	if err != nil {
		return err
	}
	c.More = true
	excess := int(s.relayLength() - int64(s.config.RelayMax)*relayKept/100)
	return c.cutRelay(longest, min(excess, collectRelayMax), ^hlc.Time(0), true)
}

// longest finds the longest of groups.
func (s *Store) longest(groups []relayGroup) (longest relayGroup, err error) {
	most := 0
	for _, g := range groups {
		n, _, err := s.relayUpto(g, s.config.RelayMax, ^hlc.Time(0))
		if err != nil {
			return g, err
		}
		if n > most {
			most, longest = n, g
		}
	}
	return longest, nil
}

// relayUpto finds the last of a group's first limit references that are not
// above a time.
func (s *Store) relayUpto(g relayGroup, limit int, upto hlc.Time) (n int, last []byte, err error) {
	from := relayFrom(g.table, place{g.at.origin, Mark{Log: g.at.mark.Log}})
	it := s.engine.Scan(kv.Range{From: from, To: successor(from[:offsetRelayTime])})
	defer func() { err = errors.Join(err, it.Close()) }()
	for n < limit && it.Next() {
		at := hlc.Time(binary.BigEndian.Uint64(it.Key()[offsetRelayTime:]))
		if at > upto {
			break
		}
		n++
		last = append(last[:0], it.Key()...)
	}
	return n, last, it.Err()
}

// cutRelay removes up to limit of a group's references up to a time, and notes
// the last: whoever asks from before it gets a gap. Of references that every
// region had, only one that has lost its directory asks; were it told that this
// is the tail, it would count what it lost as applied.
func (c *collection) cutRelay(g relayGroup, limit int, upto hlc.Time, needed bool) error {
	n, last, err := c.store.relayUpto(g, limit, upto)
	if err != nil || n == 0 {
		return err
	}
	from := relayFrom(g.table, place{g.at.origin, Mark{Log: g.at.mark.Log}})
	ops := []kv.Op{{Kind: kv.DeleteRange, Key: from, Value: append(bytes.Clone(last), 0)}}
	if !c.store.isGone(g.at.origin) { // nobody asks for a tail of one that is gone
		ops = append(ops, kv.Op{Key: relayGapKey(g.table, g.at), Value: bytes.Clone(last[offsetRelayTime:offsetRelayKind])})
		if needed {
			c.store.counters.relayCut.Add(uint64(n))
		}
	}
	if err := c.commit(nil, func(kv.Reader) ([]kv.Op, error) { return ops, nil }); err != nil {
		return err
	}
	c.store.counters.listed.Add(int64(-n))
	c.Relay += n
	return nil
}

// countRelay counts the lists, once: from then on the count follows.
func (s *Store) countRelay() (err error) {
	if s.relayCounted {
		return nil
	}
	it := s.engine.Scan(kv.Range{From: []byte{spaceRelay}, To: []byte{spaceRelay + 1}})
	defer func() { err = errors.Join(err, it.Close()) }()
	n := int64(0)
	for it.Next() {
		n++
	}
	s.relayCounted = true
	s.counters.listed.Store(n)
	return it.Err()
}

// relayLength is how many references the lists have, nearly: one that is listed
// twice counts twice until the next start.
func (s *Store) relayLength() int64 { return max(0, s.counters.listed.Load()) }
