package region

import (
	"testing"
	"time"
)

func TestWindowForgetsWhatIsOldButKeepsTheTotals(t *testing.T) {
	var w window
	start := time.Now()
	for range 10 {
		w.add(start, time.Second, true)
	}
	for i := range 100 {
		w.add(start.Add(windowAge), time.Duration(i+1)*time.Millisecond, false)
	}
	requests, errors, p50, p99 := w.digest(start.Add(windowAge + time.Second))
	if requests != 110 || errors != 10 || p50 != 51*time.Millisecond || p99 != 100*time.Millisecond {
		t.Errorf("digest = %d requests, %d errors, p50 %v, p99 %v; want 110, 10, 51ms, 100ms", requests, errors, p50, p99)
	}
	for range windowSize {
		w.add(start.Add(windowAge), time.Microsecond, false)
	}
	if _, _, p50, p99 := w.digest(start.Add(windowAge)); p50 != time.Microsecond || p99 != time.Microsecond {
		t.Errorf("after %d more: p50 %v, p99 %v, want only those", windowSize, p50, p99)
	}
}
