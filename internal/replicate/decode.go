package replicate

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/meridian-run/meridian/internal/hlc"
	"github.com/meridian-run/meridian/internal/record"
)

// Limits of what a message may hold. They bound the memory that a peer can make
// us take, well above what our own encoder writes.
const (
	nameMax      = 255
	textMax      = 1 << 10
	stateMax     = 8 << 20
	keyMax       = 8 << 10 // DynamoDB: 2 KB and 1 KB, before escaping
	recordMax    = 8 << 20
	recordsMax   = 1 << 16
	frontiersMax = 1 << 14
	reportMax    = 1 << 10
)

// ErrMalformed is wrapped by every error of Parse.
var ErrMalformed = errors.New("malformed message")

// Parse decodes a message. Byte slices in it refer to src.
func Parse(src []byte) (Message, error) {
	if len(src) == 0 {
		return nil, fmt.Errorf("%w: it is empty", ErrMalformed)
	}
	d := decoder{src: src[1:]}
	m := d.message(src[0])
	if d.err == nil && len(d.src) > 0 {
		d.fail("%d bytes follow its end", len(d.src))
	}
	if d.err != nil {
		return nil, fmt.Errorf("%w: %s at byte %d of %d", ErrMalformed, d.err, len(src)-len(d.src), len(src))
	}
	return m, nil
}

func (d *decoder) message(kind byte) Message {
	switch kind {
	case kindHello:
		return d.hello()
	case kindWelcome:
		return &Welcome{
			Protocol: d.uint16(), Region: d.string(nameMax), ID: d.region(),
			Log: record.LogID(d.uint()), End: d.uint(), Revision: d.uint(),
		}
	case kindRefuse:
		return &Refuse{Reason: Reason(d.limited(math.MaxUint8)), Text: d.string(textMax)}
	case kindState:
		return &State{Revision: d.uint(), Data: d.bytes(stateMax)}
	case kindFrame:
		return d.frame()
	case kindAck:
		return &Ack{Cursor: d.cursor(), Bytes: d.uint()}
	case kindAsk:
		return d.ask()
	case kindVector:
		return d.vector()
	case kindPiece:
		return d.piece()
	case kindHoldings:
		return d.holdings()
	}
	d.fail("kind %d is unknown", kind)
	return nil
}

// decoder reads fields from src until the first error, after which every field
// is zero.
type decoder struct {
	src []byte
	err error
}

func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf(format, args...)
	}
}

func (d *decoder) uint() uint64 {
	if d.err != nil {
		return 0
	}
	v, n := binary.Uvarint(d.src)
	if n <= 0 || n > 1 && d.src[n-1] == 0 { // one value has one encoding
		d.fail("bad integer")
		return 0
	}
	d.src = d.src[n:]
	return v
}

func (d *decoder) limited(limit uint64) uint64 {
	v := d.uint()
	if v > limit {
		d.fail("%d is over the limit of %d", v, limit)
		return 0
	}
	return v
}

func (d *decoder) uint16() uint16          { return uint16(d.limited(math.MaxUint16)) }
func (d *decoder) region() record.RegionID { return record.RegionID(d.uint16()) }

func (d *decoder) take(size int) []byte {
	if d.err == nil && size > len(d.src) {
		d.fail("it ends early")
	}
	if d.err != nil {
		return nil
	}
	b := d.src[:size:size]
	d.src = d.src[size:]
	return b
}

func (d *decoder) bytes(limit int) []byte  { return d.take(int(d.limited(uint64(limit)))) }
func (d *decoder) string(limit int) string { return string(d.bytes(limit)) }

func (d *decoder) flags(count int) byte {
	b := d.take(1)
	if b == nil {
		return 0
	}
	if b[0]>>count != 0 {
		d.fail("unknown flags %08b", b[0])
	}
	return b[0]
}

func (d *decoder) cursor() Cursor {
	var c Cursor
	if b := d.take(8); b != nil {
		c.Log = record.LogID(binary.BigEndian.Uint64(b))
	}
	c.Sequence = d.uint()
	if b := d.take(record.VersionSize); b != nil {
		c.Version = record.ParseVersion(b)
	}
	return c
}

func (d *decoder) hello() *Hello {
	h := &Hello{Min: d.uint16(), Max: d.uint16(), World: d.string(nameMax), Region: d.string(nameMax)}
	h.ID, h.Origin = d.region(), d.region()
	h.Cursor = d.cursor()
	h.Kind = d.streamKind()
	h.Revision = d.uint()
	return h
}

func (d *decoder) streamKind() Kind {
	b := d.take(1)
	if b == nil {
		return 0
	}
	if Kind(b[0]) >= kinds {
		d.fail("streams of kind %d are unknown", b[0])
	}
	return Kind(b[0])
}

// count reads how many elements follow, each of at least size bytes.
func (d *decoder) count(limit, size int) int {
	n := int(d.limited(uint64(limit)))
	if n*size > len(d.src) {
		d.fail("%d elements do not fit into the %d bytes that are left", n, len(d.src))
		return 0
	}
	return n
}

func (d *decoder) frame() *Frame {
	flags := d.flags(3)
	f := &Frame{Scan: flags&1 != 0, ScanDone: flags&2 != 0, ScanEnd: flags&4 != 0, From: d.cursor(), To: d.cursor()}
	f.Time = hlc.Time(d.uint())
	f.Sent = int64(d.limited(math.MaxInt64))
	f.Backlog = d.uint()
	f.Revision = d.uint()
	if n := d.count(frontiersMax, 2); n > 0 {
		f.Frontiers = make([]Frontier, n)
		for i := range f.Frontiers {
			f.Frontiers[i] = Frontier{Table: record.TableID(d.uint()), Time: hlc.Time(d.uint())}
		}
	}
	if n := d.count(reportMax, 2); n > 0 {
		f.Report = make(Report, n)
		for i := range f.Report {
			f.Report[i] = Applied{Origin: d.region(), Time: hlc.Time(d.uint())}
		}
	}
	f.Records = d.records()
	return f
}

func (d *decoder) records() []Shipped {
	n := d.count(recordsMax, 5)
	if n == 0 {
		return nil
	}
	records := make([]Shipped, n)
	for i := range records {
		records[i] = d.shipped()
	}
	return records
}

func (d *decoder) shipped() Shipped {
	var kind record.Kind
	if b := d.take(1); b != nil {
		if kind = record.Kind(b[0]); kind >= record.KindEnd {
			d.fail("item kind %d is unknown", b[0])
		}
	}
	return Shipped{
		Kind: kind,
		Key: record.Key{
			Table:     record.TableID(d.uint()),
			Partition: d.bytes(keyMax),
			Sort:      d.bytes(keyMax),
		},
		Record: d.bytes(recordMax),
	}
}
