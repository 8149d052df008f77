package primary

import (
	"time"

	"golang.org/x/sys/unix"
)

// Clock reads a clock that only goes forward, and runs while the machine sleeps:
// a laptop that wakes up must know that its lease is over.
func Clock() time.Duration {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		panic("read CLOCK_BOOTTIME: " + err.Error()) // Linux has it since 2.6.39
	}
	return time.Duration(now.Nano())
}
