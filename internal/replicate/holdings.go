package replicate

import (
	"math"

	"github.com/meridian-run/meridian/internal/hlc"
	"github.com/meridian-run/meridian/internal/record"
)

// holdingsMax bounds the lives of logs that a message names.
const holdingsMax = 1 << 16

// Holdings is what a source has, durably, before it reads anything. It follows the
// Welcome of a pull: about the receiver's own log, so that a receiver which has lost
// a part of that notices before it takes anything (DATA 5); of a resend about all
// logs, because who has been given all has as much then (DATA 18).
type Holdings struct {
	// Tables are those that the source has whole. All that follows is about them.
	Tables []record.TableID
	// Logs are lives of logs, up to where all of them is there or superseded, in each
	// of the tables.
	Logs []OriginMark
	// More is that for one table, where it is more.
	More []TableMark
}

// OriginMark is a place in one life of an origin's log.
type OriginMark struct {
	Origin record.RegionID
	Log    record.LogID
	Time   hlc.Time
}

// TableMark is that for one table. Single says of a write that it is there, and
// nothing of those before it.
type TableMark struct {
	Table record.TableID
	OriginMark
	Single bool
}

func (*Holdings) kind() byte { return kindHoldings }

func (e *encoder) holdings(m *Holdings) {
	e.uint(uint64(len(m.Tables)))
	for _, t := range m.Tables {
		e.uint(uint64(t))
	}
	e.uint(uint64(len(m.Logs)))
	for _, l := range m.Logs {
		e.originMark(l)
	}
	e.uint(uint64(len(m.More)))
	for _, l := range m.More {
		e.uint(uint64(l.Table))
		e.originMark(l.OriginMark)
		e.flags(l.Single)
	}
}

func (e *encoder) originMark(m OriginMark) {
	e.uint(uint64(m.Origin))
	e.uint(uint64(m.Log))
	e.uint(uint64(m.Time))
}

func (d *decoder) holdings() *Holdings {
	m := &Holdings{}
	for range d.count(tablesMax, 1) {
		m.Tables = append(m.Tables, record.TableID(d.uint()))
	}
	for range d.count(holdingsMax, 3) {
		m.Logs = append(m.Logs, d.originMark())
	}
	for range d.count(holdingsMax, 5) {
		m.More = append(m.More, TableMark{Table: record.TableID(d.uint()), OriginMark: d.originMark(), Single: d.flags(1) != 0})
	}
	return m
}

func (d *decoder) originMark() OriginMark {
	return OriginMark{Origin: d.region(), Log: record.LogID(d.uint()), Time: hlc.Time(d.limited(math.MaxInt64))}
}
