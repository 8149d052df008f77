package event

import "sync"

// Kept is how many events a Log holds; older ones are dropped. A region that
// flaps once a second shows its last eight minutes.
const Kept = 512

// Log keeps the latest events and wakes who waits for new ones. The zero value
// is ready; methods are safe for concurrent use.
type Log struct {
	mu     sync.Mutex // guards all below
	events []Event    // the latest, oldest first
	next   uint64     // number of events ever added
	wake   chan struct{}
}

// Add appends an event.
func (l *Log) Add(e Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.events) == Kept {
		copy(l.events, l.events[1:])
		l.events = l.events[:Kept-1]
	}
	l.events = append(l.events, e)
	l.next++
	if l.wake != nil {
		close(l.wake)
		l.wake = nil
	}
}

// Since returns the kept events after the first n ever added, and how many were
// ever added: the n of the next call.
func (l *Log) Since(n uint64) ([]Event, uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := l.next - uint64(len(l.events))
	from := max(n, first)
	if from >= l.next {
		return nil, l.next
	}
	return append([]Event(nil), l.events[from-first:]...), l.next
}

// Wake returns a channel that closes at the next Add.
func (l *Log) Wake() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.wake == nil {
		l.wake = make(chan struct{})
	}
	return l.wake
}
