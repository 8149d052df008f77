package replicate

import (
	"math"

	"github.com/meridian-run/meridian/internal/hlc"
	"github.com/meridian-run/meridian/internal/record"
)

// Limits of the messages of relays and copies.
const (
	tablesMax  = 1 << 14
	marksMax   = 1 << 10 // lives of a log: store keeps as many
	fromMax    = keyMax + 64
	originsMax = 1 << 10
)

// Mark is a place in one life of an origin's log, by time.
type Mark struct {
	Log  record.LogID
	Time hlc.Time
}

// AskTable is what a stream of a relay, a copy or a tail is to bring of a table.
type AskTable struct {
	Table record.TableID
	// Since is the control revision that gave the asker the table: who does not
	// know of it yet cannot serve (DATA 16). Zero for a relay.
	Since uint64
	// Marks are what the asker of a relay has of the origin.
	Marks []Mark
	// From is where a copy that broke off goes on.
	From []byte
	// Known asks only whether the source knows that the asker has been given the
	// table, and so counts it for what it may forget.
	Known bool
}

// Ask follows the Hello of a relay, a copy or a tail.
type Ask struct {
	Tables []AskTable
}

// OriginCursor is how far a donor has applied an origin's log.
type OriginCursor struct {
	Origin record.RegionID
	Cursor Cursor
}

// Vector is what a donor had applied, durably, before its scan; its own log is in
// it (DATA 16). It comes before the first Piece of a copy.
type Vector struct {
	Origins []OriginCursor
}

// Piece is a part of what was asked for.
type Piece struct {
	Table record.TableID
	// Final says that nothing follows, on any table.
	Final bool
	// Gap says that the relayer's list no longer reaches back to the asker's marks:
	// only a resend has all.
	Gap bool
	// Closed says that the relayer takes nothing more of the origin itself, so that
	// this is the last it will ever have (DATA 13).
	Closed bool
	// Last is the place of the last reference of a relay; Upto says up to where,
	// per life of the log, the relayer has nothing else and lacks nothing.
	Last Mark
	Upto []Mark
	// To is where the log of a tail has been read.
	To Cursor
	// Next is where the scan of a copy goes on; empty at its end.
	Next []byte
	// Revision is the control revision that last changed the table (DATA 25).
	Revision uint64
	// Frontier is what the records are trimmed to (DATA 7).
	Frontier hlc.Time
	Records  []Shipped
}

func (*Ask) kind() byte    { return kindAsk }
func (*Vector) kind() byte { return kindVector }
func (*Piece) kind() byte  { return kindPiece }

func (e *encoder) ask(m *Ask) {
	e.uint(uint64(len(m.Tables)))
	for _, t := range m.Tables {
		e.uint(uint64(t.Table))
		e.uint(t.Since)
		e.marks(t.Marks)
		e.bytes(t.From)
		e.flags(t.Known)
	}
}

func (e *encoder) marks(marks []Mark) {
	e.uint(uint64(len(marks)))
	for _, m := range marks {
		e.mark(m)
	}
}

func (e *encoder) mark(m Mark) {
	e.uint(uint64(m.Log))
	e.uint(uint64(m.Time))
}

func (e *encoder) vector(m *Vector) {
	e.uint(uint64(len(m.Origins)))
	for _, o := range m.Origins {
		e.uint(uint64(o.Origin))
		e.cursor(o.Cursor)
	}
}

func (e *encoder) piece(m *Piece) {
	e.uint(uint64(m.Table))
	e.flags(m.Final, m.Gap, m.Closed)
	e.mark(m.Last)
	e.marks(m.Upto)
	e.cursor(m.To)
	e.bytes(m.Next)
	e.uint(m.Revision)
	e.uint(uint64(m.Frontier))
	e.records(m.Records)
}

func (d *decoder) ask() *Ask {
	m := &Ask{}
	if n := d.count(tablesMax, 5); n > 0 {
		m.Tables = make([]AskTable, n)
		for i := range m.Tables {
			m.Tables[i] = AskTable{Table: record.TableID(d.uint()), Since: d.uint(), Marks: d.marks(), From: d.some(fromMax), Known: d.flags(1) != 0}
		}
	}
	return m
}

func (d *decoder) marks() []Mark {
	n := d.count(marksMax, 2)
	if n == 0 {
		return nil
	}
	marks := make([]Mark, n)
	for i := range marks {
		marks[i] = d.mark()
	}
	return marks
}

func (d *decoder) mark() Mark {
	return Mark{Log: record.LogID(d.uint()), Time: hlc.Time(d.limited(math.MaxInt64))}
}

// some is bytes, nil for none.
func (d *decoder) some(limit int) []byte {
	if b := d.bytes(limit); len(b) > 0 {
		return b
	}
	return nil
}

func (d *decoder) vector() *Vector {
	m := &Vector{}
	if n := d.count(originsMax, 10); n > 0 {
		m.Origins = make([]OriginCursor, n)
		for i := range m.Origins {
			m.Origins[i] = OriginCursor{Origin: d.region(), Cursor: d.cursor()}
		}
	}
	return m
}

func (d *decoder) piece() *Piece {
	m := &Piece{Table: record.TableID(d.uint())}
	flags := d.flags(3)
	m.Final, m.Gap, m.Closed = flags&1 != 0, flags&2 != 0, flags&4 != 0
	m.Last, m.Upto, m.To = d.mark(), d.marks(), d.cursor()
	m.Next = d.some(fromMax)
	m.Revision = d.uint()
	m.Frontier = hlc.Time(d.uint())
	m.Records = d.records()
	return m
}
