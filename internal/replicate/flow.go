package replicate

import (
	"fmt"
	"time"
)

// Flow says when the next piece may go: while the window has room, and not faster
// than a rate. The zero Flow has the default window and no rate.
type Flow struct {
	// Window is how many bytes may be under way; default WindowBytes.
	Window uint64
	// Rate is how many bytes may go a second; 0 is no limit. A burst of a tenth of
	// a second is let through.
	Rate uint64

	under uint64
	free  time.Time // when what was sent has paid its time
}

// Wait answers whether a piece has to wait: for an Ack, if until is zero, or until
// then.
func (f *Flow) Wait(now time.Time) (until time.Time, wait bool) {
	window := f.Window
	if window == 0 {
		window = WindowBytes
	}
	if f.under >= window {
		return time.Time{}, true
	}
	return f.free, f.Rate > 0 && now.Before(f.free)
}

// Sent counts a piece of size bytes.
func (f *Flow) Sent(size int, now time.Time) {
	f.under += uint64(size)
	if f.Rate == 0 {
		return
	}
	if burst := now.Add(-time.Second / 10); f.free.Before(burst) {
		f.free = burst
	}
	f.free = f.free.Add(time.Duration(uint64(size) * uint64(time.Second) / f.Rate))
}

// Acked takes an Ack; an error ends the stream.
func (f *Flow) Acked(a *Ack) error {
	if a.Bytes > f.under {
		return fmt.Errorf("acknowledged %d bytes of %d that are under way", a.Bytes, f.under)
	}
	f.under -= a.Bytes
	return nil
}

// Empty reports whether all that was sent is acknowledged.
func (f *Flow) Empty() bool { return f.under == 0 }
