package sim

import "time"

// epoch is where the simulated wall clocks begin.
var epoch = time.Unix(1_800_000_000, 0).UTC()

// clock is a region's wall clock: it is off, it drifts, and it is stepped.
type clock struct {
	offset time.Duration
	drift  int64         // parts per million
	since  time.Duration // when drift was set
	gained time.Duration // before since, by drift
}

// read answers what the clock shows at a moment of virtual time.
func (c *clock) read(now time.Duration) time.Time {
	return epoch.Add(now + c.offset + c.drifted(now))
}

func (c *clock) drifted(now time.Duration) time.Duration {
	return (now - c.since) * time.Duration(c.drift) / 1_000_000
}

// step moves the clock by d, back if d is negative.
func (c *clock) step(d time.Duration) { c.offset += d }

// run makes the clock gain ppm millionths from now on.
func (c *clock) run(now time.Duration, ppm int64) {
	c.offset += c.drifted(now)
	c.gained += c.drifted(now)
	c.since, c.drift = now, ppm
}

// mend sets the clock right.
func (c *clock) mend(now time.Duration) { *c = clock{since: now, gained: c.gained + c.drifted(now)} }

// steady is a clock that nobody steps, and that drifts like this one (DATA 19).
func (c *clock) steady(now time.Duration) time.Duration { return now + c.gained + c.drifted(now) }
