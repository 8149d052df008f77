package function

import "time"

// Retire is for a runner whose place another one has taken. Calls that come
// later get ErrRetired; those that it has, waiting ones included, end as they
// would have. Then Run returns: within QueueWait, InitTimeout and Timeout
// together. The two may share their Dir meanwhile.
func (r *Runner) Retire() {
	r.mu.Lock()
	r.retired = true
	idle := r.pool.retire()
	for _, in := range idle {
		in.leaving = true
	}
	r.drainedIf()
	r.mu.Unlock()
	for _, in := range idle {
		in.end(ErrRetired)
	}
}

// drainedIf lets Run return if the runner is retired and has no work left. r.mu
// is held.
func (r *Runner) drainedIf() {
	if !r.retired || r.pool.live > 0 || len(r.pool.waiting) > 0 {
		return
	}
	select {
	case <-r.drained:
	default:
		close(r.drained)
	}
}

// rest is the use for whose sake an instance may be kept, if any. r.mu is held.
func (r *Runner) rest(in *instance) time.Time {
	if r.retired {
		return time.Time{}
	}
	return in.used
}
