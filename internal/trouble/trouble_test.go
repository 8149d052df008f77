package trouble

import (
	"testing"
	"time"
)

func TestToldWhenItBeginsAndOnceAMinute(t *testing.T) {
	var trouble Trouble
	now := time.Unix(1_000_000, 0)
	if trouble.Over() || trouble.Quiet(now) {
		t.Error("there was trouble at the start")
	}
	told, untold := 0, 0
	for range 600 { // twice a second, for five minutes
		tell, since := trouble.Again(now)
		if tell {
			told++
			untold += since
		}
		if !trouble.Quiet(now) {
			t.Error("it would be told of at once again")
		}
		now = now.Add(time.Second / 2)
	}
	if told != 5 || untold != 4*119 {
		t.Errorf("told %d times of %d others, want 5 of %d", told, untold, 4*119)
	}
	if !trouble.Over() || trouble.Over() {
		t.Error("its end is not told once")
	}
	if tell, since := trouble.Again(now); !tell || since != 0 {
		t.Errorf("a new one: told %v, %d before it; want to be told of it alone", tell, since)
	}
}
