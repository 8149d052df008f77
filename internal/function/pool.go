package function

import (
	"slices"
	"time"
)

// pool decides which instance takes which call, when another one is needed and
// which has been idle for too long. It knows no process, lock or clock: the
// runner calls it under its mutex, with the time, and does what it returns.
type pool[I comparable] struct {
	max   int // instances
	queue int // waiting calls beyond those for which an instance is starting

	live     int // starting, idle and busy
	starting int
	freeing  int       // have answered and are about to ask for work
	idle     []rest[I] // by since, the latest use last
	waiting  []*waiter[I]
}

// rest is an idle instance and the time of its last use.
type rest[I comparable] struct {
	instance I
	since    time.Time
}

// waiter is a call that waits for an instance. Exactly one outcome is sent,
// unless leave took the waiter out first.
type waiter[I comparable] struct{ outcome chan outcome[I] }

// outcome is an instance, or why there is none.
type outcome[I comparable] struct {
	instance I
	err      error
}

// take pops the instance that was used last, so that surplus ones age.
func (p *pool[I]) take() (instance I, ok bool) {
	if len(p.idle) == 0 {
		return instance, false
	}
	instance = p.idle[len(p.idle)-1].instance
	p.idle = p.idle[:len(p.idle)-1]
	return instance, true
}

// wait queues a call. start says that the caller must start an instance; nil
// says that the queue is full.
func (p *pool[I]) wait() (w *waiter[I], start bool) {
	if p.room() <= 0 && len(p.waiting)-p.starting >= p.queue {
		return nil, false
	}
	w = &waiter[I]{outcome: make(chan outcome[I], 1)}
	p.waiting = append(p.waiting, w)
	return w, p.grow()
}

// waitFirst queues a call before all others, whatever the bound. It is for health
// checks, of which there is one at a time. start is as for wait.
func (p *pool[I]) waitFirst() (w *waiter[I], start bool) {
	w = &waiter[I]{outcome: make(chan outcome[I], 1)}
	p.waiting = slices.Insert(p.waiting, 0, w)
	return w, p.grow()
}

func (p *pool[I]) room() int { return p.max - p.live }

// grow reports whether one more instance should start, and counts it: each
// waiting call for which none is starting or about to be free gets one start,
// and all are bounded by max.
func (p *pool[I]) grow() bool {
	return p.starting+p.freeing < len(p.waiting) && p.growAnyway()
}

// growAnyway is grow for a call that has waited for long enough for those that
// are about to be free.
func (p *pool[I]) growAnyway() bool {
	if p.starting >= len(p.waiting) || p.room() <= 0 {
		return false
	}
	p.starting++
	p.live++
	return true
}

// leave takes out a call that no longer waits. False says that its outcome had
// been sent already and must be taken care of.
func (p *pool[I]) leave(w *waiter[I]) bool {
	at := slices.Index(p.waiting, w)
	if at < 0 {
		return false
	}
	p.waiting = slices.Delete(p.waiting, at, at+1)
	return true
}

// offer gives an instance without work to the oldest waiting call, or lets it
// rest. used is the time of its last use that counts; one that was never used
// is not kept: keep is then false, and the caller ends it.
func (p *pool[I]) offer(instance I, used time.Time) (keep bool) {
	if len(p.waiting) > 0 {
		p.next().outcome <- outcome[I]{instance: instance}
		return true
	}
	if used.IsZero() {
		return false
	}
	at, _ := slices.BinarySearchFunc(p.idle, used, func(r rest[I], t time.Time) int {
		if r.since.After(t) {
			return 1
		}
		return -1
	})
	p.idle = slices.Insert(p.idle, at, rest[I]{instance: instance, since: used})
	return true
}

func (p *pool[I]) next() *waiter[I] {
	w := p.waiting[0]
	p.waiting = slices.Delete(p.waiting, 0, 1)
	return w
}

// started says that a starting instance asked for its first work. Where nobody
// waits any more, used decides whether it is kept, as for offer.
func (p *pool[I]) started(instance I, used time.Time) (keep bool) {
	p.starting--
	return p.offer(instance, used)
}

// startFailed says that a starting instance ended: the oldest waiting call gets
// the error. start is as for wait.
func (p *pool[I]) startFailed(err error) (start bool) {
	p.starting--
	p.live--
	if len(p.waiting) > 0 {
		p.next().outcome <- outcome[I]{err: err}
	}
	return p.grow()
}

// gone says that an instance that had started is no more. start is as for wait.
func (p *pool[I]) gone(instance I) (start bool) {
	p.live--
	p.idle = slices.DeleteFunc(p.idle, func(r rest[I]) bool { return r.instance == instance })
	return p.grow()
}

// expire takes out the instances that nobody used since before and returns them
// to be ended; next is the last use of the one that expires next.
func (p *pool[I]) expire(before time.Time) (ended []I, next time.Time) {
	n := 0
	for n < len(p.idle) && !p.idle[n].since.After(before) {
		ended = append(ended, p.idle[n].instance)
		n++
	}
	p.idle = slices.Delete(p.idle, 0, n)
	if len(p.idle) > 0 {
		next = p.idle[0].since
	}
	return ended, next
}

// retire takes out all idle instances and returns them to be ended.
func (p *pool[I]) retire() (ended []I) {
	for _, r := range p.idle {
		ended = append(ended, r.instance)
	}
	p.idle = nil
	return ended
}

// close fails all waiting calls.
func (p *pool[I]) close(err error) {
	for len(p.waiting) > 0 {
		p.next().outcome <- outcome[I]{err: err}
	}
	p.idle = nil
}
