package primary

import (
	"time"

	"golang.org/x/sys/unix"
)

// clockMonotonic is CLOCK_MONOTONIC of <time.h>, which goes on while the machine
// sleeps, unlike CLOCK_UPTIME_RAW.
const clockMonotonic = 6

// Clock reads a clock that only goes forward, and runs while the machine sleeps:
// a laptop that wakes up must know that its lease is over.
func Clock() time.Duration {
	var now unix.Timespec
	if err := unix.ClockGettime(clockMonotonic, &now); err != nil {
		panic("read CLOCK_MONOTONIC: " + err.Error())
	}
	return time.Duration(now.Nano())
}
