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

// Join is how far this region has copied a table that others had before it
// (DATA 16). It is kept until MarkWhole.
type Join struct {
	Table record.TableID
	// Since is the control revision that gave the region the table.
	Since uint64
	// Donor is whom it is copied from.
	Donor record.RegionID
	// Mark is where the donor's scan goes on; Scanned says that it is over.
	Mark    []byte
	Scanned bool
	// Records counts what has come.
	Records uint64
	// Tails has the origins whose logs are to be pulled for this table, and from
	// where on: at first what the donor had applied before its scan. An origin goes
	// from it when that is done.
	Tails map[record.RegionID]Cursor
	// Restarts counts how often the copy began anew.
	Restarts uint64
}

// Clone answers a Join that shares no map.
func (j Join) Clone() Join {
	j.Tails = maps.Clone(j.Tails)
	return j
}

// joinKey is where the copying of a table stands.
func joinKey(id record.TableID) []byte {
	return binary.BigEndian.AppendUint64([]byte{spaceMeta, 'j'}, uint64(id))
}

func (j Join) op() kv.Op { return kv.Op{Key: joinKey(j.Table), Value: j.encode()} }

func (j Join) encode() []byte {
	dst := []byte{Format}
	if j.Scanned {
		dst = append(dst, 1)
	} else {
		dst = append(dst, 0)
	}
	dst = binary.BigEndian.AppendUint64(dst, j.Since)
	dst = binary.BigEndian.AppendUint64(dst, j.Records)
	dst = binary.BigEndian.AppendUint64(dst, j.Restarts)
	dst = binary.BigEndian.AppendUint16(dst, uint16(j.Donor))
	dst = binary.AppendUvarint(dst, uint64(len(j.Mark)))
	dst = append(dst, j.Mark...)
	for _, o := range slices.Sorted(maps.Keys(j.Tails)) {
		dst = binary.BigEndian.AppendUint16(dst, uint16(o))
		dst = appendCursor(dst, j.Tails[o])
	}
	return dst
}

func parseJoin(key, value []byte) (Join, error) {
	k, p := parser{src: key[2:]}, parser{src: value}
	j := Join{Table: record.TableID(k.uint64()), Tails: map[record.RegionID]Cursor{}}
	head := p.take(2)
	j.Since, j.Records, j.Restarts = p.uint64(), p.uint64(), p.uint64()
	j.Donor, j.Mark = record.RegionID(p.uint16()), bytes.Clone(p.bytes())
	for len(p.src) > 0 && !p.failed {
		o := record.RegionID(p.uint16())
		j.Tails[o] = p.cursor()
	}
	if k.failed || p.failed || head[0] != Format {
		return Join{}, fmt.Errorf("the progress of a copy is damaged: %x is %x", key, value)
	}
	j.Scanned = head[1] == 1
	return j, nil
}

func (s *Store) loadJoins() error {
	prefix := []byte{spaceMeta, 'j'}
	it := s.engine.Scan(kv.Range{From: prefix, To: successor(prefix)})
	for it.Next() {
		j, err := parseJoin(it.Key(), it.Value())
		if err != nil {
			return errors.Join(err, it.Close())
		}
		s.joins[j.Table] = j
	}
	return errors.Join(it.Err(), it.Close())
}

// Join answers how far a table was copied, durably; false if it was not begun.
func (s *Store) Join(id record.TableID) (Join, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j, ok := s.joins[id]
	return j.Clone(), ok
}

// BeginJoin notes where the copying of a table stands, for example that it
// begins. Later steps go with the batches that they bring (Apply.Join).
func (s *Store) BeginJoin(j Join) (*Pending[None], error) {
	if _, err := s.table(j.Table); err != nil {
		return nil, err
	}
	return s.change([]kv.Op{j.op()}, func() { s.settleJoin(j) })
}

func (s *Store) settleJoin(j Join) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.joins[j.Table] = j.Clone()
}

// joined drops the progress of tables that are whole.
func (s *Store) joined(ids []record.TableID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		delete(s.joins, id)
	}
}

// forgetJoins drops the progress of tables that are emptied.
func (s *Store) forgetJoins(ids []record.TableID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		delete(s.joins, id)
		maps.DeleteFunc(s.relayed, func(o tableOrigin, _ hlc.Time) bool { return o.Table == id })
	}
}

// DonorVector is what this region has applied of every origin, its own log
// included: what a donor fixes before its scan (DATA 16). All of it is durable.
func (s *Store) DonorVector() map[record.RegionID]Cursor {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := maps.Clone(s.cursors)
	v[s.config.Region] = s.position.Cursor
	return v
}

// Fraction is which part of a table's records lies before a mark of its scan:
// they stand in the order of a hash. What comes behind the records is small.
func Fraction(mark []byte) float64 {
	const hash = 1 + 8
	switch {
	case len(mark) < hash+2:
		return 0
	case mark[0] != spaceData:
		return 1
	}
	return float64(binary.BigEndian.Uint16(mark[hash:])) / (1 << 16)
}
