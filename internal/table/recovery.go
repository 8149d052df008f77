package table

import (
	"fmt"
	"time"
)

// recoveryDaysMax is DynamoDB's reach of point-in-time recovery.
const recoveryDaysMax = 35

// Recovery says how far back a table can be restored to any point in time: each
// region keeps the changes since.
type Recovery struct {
	Days int `json:"days"`
	// Since is when it was enabled, in Unix milliseconds.
	Since int64 `json:"since,omitempty"`
}

// Keep is how long an image is kept.
func (r Recovery) Keep() time.Duration { return time.Duration(r.Days) * 24 * time.Hour }

func (r *Recovery) check() error {
	if r == nil || r.Days >= 1 && r.Days <= recoveryDaysMax {
		return nil
	}
	return fmt.Errorf("recovery: %d days, it must be from 1 to %d", r.Days, recoveryDaysMax)
}

func sameRecovery(a, b *Recovery) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// Recoverable answers for how long each region keeps the changes of a table, so
// that it can be restored to any point in time since; false if none are kept for
// that.
func (t Table) Recoverable() (keep time.Duration, ok bool) {
	if t.Recovery != nil {
		keep = t.Recovery.Keep()
	}
	if t.Images != nil {
		keep = max(keep, t.Images.Keep())
	}
	return keep, keep > 0
}
