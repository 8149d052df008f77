package hlc

import "time"

// Time is a hybrid logical time: nanoseconds since 1970 UTC that follow the wall
// clock, never repeat in one region and never run back. Zero is before every
// write. The counter of a classic hybrid clock lives in the low bits: a region
// that writes faster than its clock ticks runs ahead by one nanosecond a write.
type Time uint64

// Of converts a wall clock reading. Readings before 1970 give zero.
func Of(wall time.Time) Time {
	if ns := wall.UnixNano(); ns > 0 {
		return Time(ns)
	}
	return 0
}

// Wall converts back, for display and for skew checks.
func (t Time) Wall() time.Time { return time.Unix(0, int64(t)) }

// Clock remembers the last time given out. It is owned by whoever sequences
// writes, under that owner's lock: the methods are not safe for concurrent use.
// The zero value is ready.
type Clock struct{ last Time }

// Next stamps a write: the largest of the wall clock, the last stamp plus one
// and floor plus one, where floor is the highest time among the records that
// the write replaces (DATA 1).
func (c *Clock) Next(wall time.Time, floor Time) Time {
	c.last = max(Of(wall), c.last+1, floor+1)
	return c.last
}

// Raise makes every later stamp higher than t; a start calls it with the
// persisted floor, a reconciliation with what peers hold.
func (c *Clock) Raise(t Time) { c.last = max(c.last, t) }

// Last is the highest time given out or raised to.
func (c *Clock) Last() Time { return c.last }
