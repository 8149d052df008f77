package store

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/record"
)

// trimMark is the last entry that collection removed.
type trimMark struct {
	Cursor  Cursor
	Ordinal uint64
}

func encodeChain(chain []LogLink) []byte {
	dst := []byte{Format}
	for _, l := range chain {
		dst = appendCursor(dst, Cursor{Log: l.ID, Sequence: l.Start, Version: l.StartVersion})
		dst = appendCursor(dst, Cursor{Sequence: l.End, Version: l.EndVersion})
		if l.Open {
			dst = append(dst, 1)
		} else {
			dst = append(dst, 0)
		}
	}
	return dst
}

func (s *Store) loadChain() error {
	raw, err := s.engine.Get(keyChain)
	if errors.Is(err, kv.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	p := parser{src: raw}
	if f := p.take(1); f == nil || f[0] != Format {
		return fmt.Errorf("the chain of logs is damaged: %x", raw)
	}
	for len(p.src) > 0 {
		start, end, open := p.cursor(), p.cursor(), p.take(1)
		if p.failed {
			return fmt.Errorf("the chain of logs is damaged: %x", raw)
		}
		s.chain = append(s.chain, LogLink{
			ID: start.Log, Start: start.Sequence, StartVersion: start.Version,
			End: end.Sequence, EndVersion: end.Version, Open: open[0] == 1,
		})
	}
	return nil
}

func (s *Store) loadTrim() error {
	raw, err := s.engine.Get(keyTrim)
	if errors.Is(err, kv.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	p := parser{src: raw}
	s.trimmed = trimMark{Cursor: p.cursor(), Ordinal: p.uint64()}
	if p.failed || len(p.src) != 0 {
		return fmt.Errorf("the trim mark is damaged: %x", raw)
	}
	return nil
}

func (m trimMark) encode() []byte {
	return binary.BigEndian.AppendUint64(appendCursor(nil, m.Cursor), m.Ordinal)
}

// loadCursors reads how far each origin was applied.
func (s *Store) loadCursors() error {
	it := s.engine.Scan(kv.Range{From: []byte{spaceCursor}, To: []byte{spaceCursor + 1}})
	for it.Next() {
		p := parser{src: it.Key()[1:]}
		region, log := record.RegionID(p.uint16()), record.LogID(p.uint64())
		v := parser{src: it.Value()}
		c := v.cursor()
		if p.failed || v.failed || len(p.src)+len(v.src) != 0 {
			return errors.Join(fmt.Errorf("cursor %x is damaged: %x", it.Key(), it.Value()), it.Close())
		}
		if log != 0 {
			s.vector[origin{region, log}] = c
			continue
		}
		s.cursors[region] = c
		s.applied[region] = c.Version.Time
	}
	return errors.Join(it.Err(), it.Close())
}

func appendCursor(dst []byte, c Cursor) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(c.Log))
	dst = binary.BigEndian.AppendUint64(dst, c.Sequence)
	var v [record.VersionSize]byte
	c.Version.Put(v[:])
	return append(dst, v[:]...)
}

func (p *parser) cursor() Cursor {
	return Cursor{Log: record.LogID(p.uint64()), Sequence: p.uint64(), Version: p.version()}
}
