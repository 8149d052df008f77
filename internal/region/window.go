package region

import (
	"slices"
	"sync"
	"time"
)

const (
	// windowSize is how many requests the percentiles are of.
	windowSize = 2048
	// windowAge is how old a request may be to count.
	windowAge = 5 * time.Minute
)

// window is what a service's requests of the last minutes took.
type window struct {
	mu       sync.Mutex // guards all below
	requests uint64
	errors   uint64
	samples  []sample // a ring once full
	next     int
}

type sample struct {
	at   time.Time
	took time.Duration
}

func (w *window) add(now time.Time, took time.Duration, failed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.requests++
	if failed {
		w.errors++
	}
	if len(w.samples) < windowSize {
		w.samples = append(w.samples, sample{now, took})
		return
	}
	w.samples[w.next] = sample{now, took}
	w.next = (w.next + 1) % windowSize
}

// digest gives the totals since the start and the percentiles of the window.
func (w *window) digest(now time.Time) (requests, errors uint64, p50, p99 time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	recent := make([]time.Duration, 0, len(w.samples))
	for _, s := range w.samples {
		if now.Sub(s.at) <= windowAge {
			recent = append(recent, s.took)
		}
	}
	if len(recent) > 0 {
		slices.Sort(recent)
		p50, p99 = recent[len(recent)/2], recent[len(recent)*99/100]
	}
	return w.requests, w.errors, p50, p99
}
