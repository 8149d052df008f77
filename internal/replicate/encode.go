package replicate

import (
	"encoding/binary"

	"github.com/meridian-run/meridian/internal/record"
)

// Append encodes a message: a byte for its kind, then its fields in order,
// integers as varints, byte strings with their length before them.
func Append(dst []byte, m Message) []byte {
	e := encoder{append(dst, m.kind())}
	switch m := m.(type) {
	case *Hello:
		e.uint(uint64(m.Min))
		e.uint(uint64(m.Max))
		e.string(m.World)
		e.string(m.Region)
		e.uint(uint64(m.ID))
		e.uint(uint64(m.Origin))
		e.cursor(m.Cursor)
		e.dst = append(e.dst, byte(m.Kind))
		e.uint(m.Revision)
	case *Welcome:
		e.uint(uint64(m.Protocol))
		e.string(m.Region)
		e.uint(uint64(m.ID))
		e.uint(uint64(m.Log))
		e.uint(m.End)
		e.uint(m.Revision)
	case *Refuse:
		e.uint(uint64(m.Reason))
		e.string(m.Text[:min(len(m.Text), textMax)])
	case *State:
		e.uint(m.Revision)
		e.bytes(m.Data)
	case *Frame:
		e.frame(m)
	case *Ack:
		e.cursor(m.Cursor)
		e.uint(m.Bytes)
	case *Ask:
		e.ask(m)
	case *Vector:
		e.vector(m)
	case *Piece:
		e.piece(m)
	case *Holdings:
		e.holdings(m)
	}
	return e.dst
}

type encoder struct{ dst []byte }

func (e *encoder) uint(v uint64) { e.dst = binary.AppendUvarint(e.dst, v) }

func (e *encoder) string(s string) {
	e.uint(uint64(len(s)))
	e.dst = append(e.dst, s...)
}

func (e *encoder) bytes(b []byte) {
	e.uint(uint64(len(b)))
	e.dst = append(e.dst, b...)
}

func (e *encoder) flags(flags ...bool) {
	var b byte
	for i, f := range flags {
		if f {
			b |= 1 << i
		}
	}
	e.dst = append(e.dst, b)
}

func (e *encoder) cursor(c Cursor) {
	e.dst = binary.BigEndian.AppendUint64(e.dst, uint64(c.Log))
	e.uint(c.Sequence)
	var v [record.VersionSize]byte
	c.Version.Put(v[:])
	e.dst = append(e.dst, v[:]...)
}

func (e *encoder) frame(f *Frame) {
	e.flags(f.Scan, f.ScanDone, f.ScanEnd)
	e.cursor(f.From)
	e.cursor(f.To)
	e.uint(uint64(f.Time))
	e.uint(uint64(f.Sent))
	e.uint(f.Backlog)
	e.uint(f.Revision)
	e.uint(uint64(len(f.Frontiers)))
	for _, t := range f.Frontiers {
		e.uint(uint64(t.Table))
		e.uint(uint64(t.Time))
	}
	e.uint(uint64(len(f.Report)))
	for _, a := range f.Report {
		e.uint(uint64(a.Origin))
		e.uint(uint64(a.Time))
	}
	e.records(f.Records)
}

func (e *encoder) records(records []Shipped) {
	e.uint(uint64(len(records)))
	for _, r := range records {
		e.dst = append(e.dst, byte(r.Kind))
		e.uint(uint64(r.Key.Table))
		e.bytes(r.Key.Partition)
		e.bytes(r.Key.Sort)
		e.bytes(r.Record)
	}
}

// Size is about how long a frame is when it is encoded, and not less.
func (f *Frame) Size() int {
	return sizeHead + sizeEach*(len(f.Frontiers)+len(f.Report)) + sizeOf(f.Records)
}

// Size is enough room for the encoded piece.
func (p *Piece) Size() int {
	return sizeHead + sizeEach*len(p.Upto) + len(p.Next) + sizeOf(p.Records)
}

const sizeHead, sizeEach = 256, 48

func sizeOf(records []Shipped) (size int) {
	for _, r := range records {
		size += sizeEach + len(r.Key.Partition) + len(r.Key.Sort) + len(r.Record)
	}
	return size
}
