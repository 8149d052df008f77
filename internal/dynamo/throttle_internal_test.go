package dynamo

import (
	"testing"
	"time"
)

// D1: a bucket holds a burst, refills at its rate, and can be overdrawn.
func TestD1_ABucketFillsAtItsRate(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	var b bucket
	left := func(want float64) {
		t.Helper()
		if got := b.left(2, now); got != want {
			t.Errorf("left %v, want %v", got, want)
		}
	}
	left(600)
	b.take(590)
	left(10)
	b.take(30)
	left(-20)
	now = now.Add(11 * time.Second)
	left(2)
	now = now.Add(-time.Minute) // a clock that went back gives nothing
	left(2)
	now = now.Add(time.Hour)
	left(600)
	b.take(1e9) // many that began at once
	left(-600)
	now = now.Add(301 * time.Second)
	left(2)
}
