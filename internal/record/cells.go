package record

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/meridian-run/meridian/internal/hlc"
	"github.com/meridian-run/meridian/internal/item"
)

// The cells of a record, in the order in which they are written; numbers are
// unsigned varints, texts have their length before them:
//
//	stamps:   count | stamp…        but the first, which is the record's own version, log and context
//	stamp:    ownVersion, or 0 | epoch | time, 8 | node | region | log, 8;   count | entry of context…
//	entry:    epoch | time, 8 | node | region | log, 8 | mark
//	floor:    flags | stamp
//	expires:  0, or stamp + 1
//	values:   0 for a counter, or stamp + 1, for each attribute of Value
//	removed:  count | (name | flags | stamp)…
//	counters: count | (name | flags | stamp | base | increments | increments taken)…
//
// A stamp or an increment of the record's own version does not repeat it, so
// that it can be patched later.
const (
	ownVersion = 1 // of a stamp, and the latest of an increment
	sameFirst  = 2 // of an increment: its first version is its latest

	floorWritten = 1
	floorDeleted = 2
	isExpired    = 4

	baseFloor   = 1
	baseRemoved = 2
)

// stamp is what registers that were written together share.
type stamp struct {
	version Version
	log     LogID
	context []Seen
}

// cellWriter encodes the cells of one record.
type cellWriter struct {
	own     Version
	stamps  []stamp // the first is the record's own
	hasOwn  bool
	content []byte
}

// appendCells encodes a into r's Cells and Context.
func appendCells(r *Record, a *attributes) {
	w := cellWriter{own: r.Version, stamps: []stamp{{version: r.Version, log: r.Log}}}
	w.floor(a)
	if a.timed {
		w.number(w.stamp(a.expires) + 1)
	} else {
		w.number(0)
	}
	w.values(a.cells)
	w.removed(a.cells)
	w.counters(a.cells)
	r.Context = w.stamps[0].context
	r.Cells = w.bytes()
}

func (w *cellWriter) number(n int) { w.content = binary.AppendUvarint(w.content, uint64(n)) }

func (w *cellWriter) text(s string) {
	w.number(len(s))
	w.content = append(w.content, s...)
}

// stamp answers the number of a register's stamp.
func (w *cellWriter) stamp(r Record) int {
	if r.Version == w.own && !w.hasOwn {
		w.hasOwn = true
		w.stamps[0].context = r.Context
	}
	for i, s := range w.stamps {
		if s.version == r.Version && slices.Equal(s.context, r.Context) {
			return i
		}
	}
	w.stamps = append(w.stamps, stamp{r.Version, r.Log, r.Context})
	return len(w.stamps) - 1
}

func (w *cellWriter) floor(a *attributes) {
	if a.floor.Version.IsZero() {
		w.content = append(w.content, 0)
		return
	}
	flags := byte(floorWritten)
	if a.deleted {
		flags |= floorDeleted
	}
	w.content = append(w.content, flags|expiredFlag(a.floor))
	w.number(w.stamp(a.floor))
}

func expiredFlag(r Record) byte {
	if r.Expired {
		return isExpired
	}
	return 0
}

func (w *cellWriter) values(cells []cell) {
	for i := range cells {
		switch c := &cells[i]; {
		case !c.live():
		case c.counts():
			w.number(0)
		default:
			w.number(w.stamp(c.base) + 1)
		}
	}
}

func (w *cellWriter) removed(cells []cell) {
	w.count(cells, func(c *cell) bool { return !c.live() && !c.counts() }, func(c *cell) {
		w.text(c.name)
		w.content = append(w.content, expiredFlag(c.base))
		w.number(w.stamp(c.base))
	})
}

func (w *cellWriter) counters(cells []cell) {
	w.count(cells, (*cell).counts, func(c *cell) {
		w.text(c.name)
		switch {
		case c.onFloor:
			w.content = append(w.content, baseFloor)
		case c.base.Tombstone:
			w.content = append(w.content, baseRemoved|expiredFlag(c.base))
			w.number(w.stamp(c.base))
		default:
			w.content = append(w.content, 0)
			w.number(w.stamp(c.base))
			w.text(string(c.base.Value))
		}
		w.increments(c.adds)
		w.increments(c.taken)
	})
}

func (w *cellWriter) count(cells []cell, of func(*cell) bool, write func(*cell)) {
	n := 0
	for i := range cells {
		if of(&cells[i]) {
			n++
		}
	}
	w.number(n)
	for i := range cells {
		if of(&cells[i]) {
			write(&cells[i])
		}
	}
}

func (w *cellWriter) increments(list []increment) {
	w.number(len(list))
	for _, n := range list {
		var flags byte
		if n.last == w.own {
			flags |= ownVersion
		}
		if n.first == n.last {
			flags |= sameFirst
		}
		w.content = append(w.content, flags)
		if flags&ownVersion == 0 {
			w.content = appendOrigin(w.content, n.last, n.log)
		}
		if flags&sameFirst == 0 {
			w.content = appendMoment(w.content, n.first)
		}
		w.text(n.sum.Text())
	}
}

// appendOrigin writes a version and the log that it is of.
func appendOrigin(dst []byte, v Version, log LogID) []byte {
	dst = appendMoment(dst, v)
	dst = binary.AppendUvarint(dst, uint64(v.Region))
	return binary.BigEndian.AppendUint64(dst, uint64(log))
}

// appendMoment writes a version, but for its region.
func appendMoment(dst []byte, v Version) []byte {
	dst = binary.AppendUvarint(dst, uint64(v.Epoch))
	dst = binary.BigEndian.AppendUint64(dst, uint64(v.Time))
	return binary.AppendUvarint(dst, uint64(v.Node))
}

// bytes are the stamps and what was written with them.
func (w *cellWriter) bytes() []byte {
	dst := binary.AppendUvarint(nil, uint64(len(w.stamps)-1))
	for _, s := range w.stamps[1:] {
		if s.version == w.own {
			dst = append(dst, ownVersion)
		} else {
			dst = appendOrigin(append(dst, 0), s.version, s.log)
		}
		dst = binary.AppendUvarint(dst, uint64(len(s.context)))
		for _, e := range s.context {
			dst = appendOrigin(dst, e.Version, e.Log)
			mark := byte(0)
			if e.Discarded {
				mark = 1
			}
			dst = append(dst, mark)
		}
	}
	return append(dst, w.content...)
}

// cellReader decodes the cells of one record; once something does not fit, bad
// is set and everything after that reads as zero.
type cellReader struct {
	own    Record
	rest   []byte
	bad    bool
	stamps []stamp
}

// parseCells takes a record apart whose attributes are parts.
func parseCells(r Record, parts []item.Part) (attributes, error) {
	d := cellReader{own: Record{Version: r.Version, Log: r.Log}, rest: r.Cells}
	d.readStamps(stamp{r.Version, r.Log, r.Context})
	a := attributes{floor: Record{Tombstone: true}, cells: make([]cell, 0, len(parts)+1)}
	if flags := d.byte(); flags&floorWritten != 0 {
		a.floor = d.register(flags)
		a.deleted, a.floor.Tombstone = flags&floorDeleted != 0, true
	}
	if n := d.number(); n > 0 {
		a.timed, a.expires = true, d.stamped(n-1)
		a.expires.Expires, a.expires.Tombstone, a.expires.Expired = r.Expires, r.Expires == 0, r.Expired
	}
	for _, p := range parts {
		if n := d.number(); n > 0 {
			c := cell{name: p.Name, base: d.stamped(n - 1)}
			c.base.Value = p.Value
			a.cells = append(a.cells, c)
		}
	}
	for n := d.count(); n > 0; n-- {
		c := cell{name: d.text()}
		c.base = d.register(d.byte())
		c.base.Tombstone = true
		d.insert(&a, c)
	}
	for n := d.count(); n > 0; n-- {
		d.insert(&a, d.counter(&a))
	}
	if r.Expired && !a.timed {
		a.timed, a.expires = true, Record{Version: r.Version, Log: r.Log, Tombstone: true, Expired: true}
	}
	if d.bad || len(d.rest) > 0 {
		return attributes{}, fmt.Errorf("%w: the cells of its attributes do not fit", ErrMalformed)
	}
	return a, nil
}

func (d *cellReader) insert(a *attributes, c cell) {
	i, known := a.find(c.name)
	if known {
		d.fail()
		return
	}
	a.cells = slices.Insert(a.cells, i, c)
}

func (d *cellReader) counter(a *attributes) cell {
	c := cell{name: d.text()}
	switch flags := d.byte(); {
	case flags&baseFloor != 0:
		c.base, c.onFloor = a.floor, true
	case flags&baseRemoved != 0:
		c.base = d.register(flags)
		c.base.Tombstone = true
	default:
		c.base = d.register(flags)
		c.base.Value = []byte(d.text())
		if _, err := item.DecodeValue(c.base.Value); err != nil {
			d.fail()
		}
	}
	c.adds, c.taken = d.increments(), d.increments()
	if !c.counts() {
		d.fail()
	}
	return c
}

func (d *cellReader) increments() []increment {
	count := d.count()
	if count == 0 {
		return nil
	}
	list := make([]increment, 0, count)
	for ; count > 0 && !d.bad; count-- {
		flags := d.byte()
		n := increment{last: d.own.Version, log: d.own.Log}
		if flags&ownVersion == 0 {
			n.last, n.log = d.origin()
		}
		n.region, n.first = n.last.Region, n.last
		if flags&sameFirst == 0 {
			n.first = d.moment()
			n.first.Region = n.region
		}
		var err error
		if n.sum, err = item.ParseSum(d.text()); err != nil {
			d.fail()
			return nil
		}
		if len(list) > 0 && compareIncrements(list[len(list)-1], n) >= 0 {
			d.fail()
		}
		list = append(list, n)
	}
	return list
}

func (d *cellReader) readStamps(own stamp) {
	n := d.count()
	d.stamps = append(make([]stamp, 0, n+1), own)
	for ; n > 0 && !d.bad; n-- {
		s := stamp{version: own.version, log: own.log}
		if d.byte() != ownVersion {
			s.version, s.log = d.origin()
		}
		for entries := d.count(); entries > 0 && !d.bad; entries-- {
			var e Seen
			e.Version, e.Log = d.origin()
			e.Region, e.Discarded = e.Version.Region, d.byte() == 1
			if len(s.context) > 0 && compareOrigin(s.context[len(s.context)-1], e) >= 0 {
				d.fail()
			}
			s.context = append(s.context, e)
		}
		d.stamps = append(d.stamps, s)
	}
}

// register is a register of the next stamp; the caller gives it its value.
func (d *cellReader) register(flags byte) Record {
	r := d.stamped(d.number())
	r.Expired = flags&isExpired != 0
	return r
}

func (d *cellReader) stamped(i int) Record {
	if i >= len(d.stamps) {
		d.fail()
		return Record{}
	}
	s := d.stamps[i]
	return Record{Version: s.version, Log: s.log, Context: s.context}
}

func (d *cellReader) fail() { d.bad, d.rest = true, nil }

func (d *cellReader) byte() byte {
	if len(d.rest) == 0 {
		d.fail()
		return 0
	}
	b := d.rest[0]
	d.rest = d.rest[1:]
	return b
}

func (d *cellReader) number() int {
	n, used := binary.Uvarint(d.rest)
	if used <= 0 || n > 1<<32 {
		d.fail()
		return 0
	}
	d.rest = d.rest[used:]
	return int(n)
}

// count reads the number of things of which each has at least one byte.
func (d *cellReader) count() int {
	n := d.number()
	if n > len(d.rest) {
		d.fail()
		return 0
	}
	return n
}

func (d *cellReader) text() string {
	n := d.count()
	s := string(d.rest[:n])
	d.rest = d.rest[n:]
	return s
}

func (d *cellReader) fixed() uint64 {
	if len(d.rest) < 8 {
		d.fail()
		return 0
	}
	n := binary.BigEndian.Uint64(d.rest)
	d.rest = d.rest[8:]
	return n
}

func (d *cellReader) moment() Version {
	return Version{Epoch: uint32(d.number()), Time: hlc.Time(d.fixed()), Node: uint16(d.number())}
}

func (d *cellReader) origin() (Version, LogID) {
	v := d.moment()
	v.Region = RegionID(d.number())
	return v, LogID(d.fixed())
}
