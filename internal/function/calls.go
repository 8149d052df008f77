package function

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// Invoke calls the function with an event and returns its response. id becomes
// the call's AwsRequestID, which functions take for unique; one is made if it is
// empty. When ctx ends first the call returns, and the instance goes on to its
// own deadline.
func (r *Runner) Invoke(ctx context.Context, id string, payload []byte) ([]byte, error) {
	begin := time.Now()
	response, err := r.call(ctx, id, payload, false)
	if r.cfg.Events.Called != nil {
		r.cfg.Events.Called(time.Since(begin), err)
	}
	return response, err
}

// Check is Invoke for health checks: it does not count as use. It goes before
// calls that wait, and waits for a small part of the time that ctx leaves it
// only: if all instances go on working for so long, the error is ErrBusy. That
// is no excuse for a function that hangs: once a call was lost, at its deadline
// or with its process, the error is ErrTimeout until a call is answered, or none
// was lost for twice the timeout.
func (r *Runner) Check(ctx context.Context, id string, payload []byte) ([]byte, error) {
	return r.call(ctx, id, payload, true)
}

func (r *Runner) call(ctx context.Context, id string, payload []byte, check bool) ([]byte, error) {
	if len(payload) > PayloadMax {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrRequestTooLarge, len(payload), PayloadMax)
	}
	in, err := r.acquire(ctx, check)
	if err != nil {
		return nil, err
	}
	if id == "" {
		id = uuid.NewString()
	}
	return in.invoke(ctx, id, payload)
}

// acquire returns an instance without work, waiting for one if need be.
func (r *Runner) acquire(ctx context.Context, check bool) (*instance, error) {
	r.mu.Lock()
	if r.retired || r.closed {
		defer r.mu.Unlock()
		if r.retired {
			return nil, ErrRetired
		}
		return nil, ErrClosed
	}
	if in, ok := r.pool.take(); ok {
		in.inUse = !check
		r.mu.Unlock()
		return in, nil
	}
	if check {
		w, grow := r.pool.waitFirst()
		r.startIf(grow, check)
		r.mu.Unlock()
		return r.awaitForCheck(ctx, w)
	}
	w, grow := r.pool.wait()
	r.startIf(grow, check)
	r.mu.Unlock()
	if w == nil {
		return nil, fmt.Errorf("%w: all %d instances of %s are busy and %d calls wait", ErrTooManyRequests, r.cfg.Concurrency, r.cfg.Name, r.cfg.Queue)
	}
	return r.await(ctx, w)
}

// patience is how long a call waits for an instance that has answered its last
// call to ask for more work, before another is started: it usually does so
// within 0.1 ms, and a cold start takes some milliseconds.
const patience = 5 * time.Millisecond

// await waits for w's outcome, ctx or the queue's limit.
func (r *Runner) await(ctx context.Context, w *waiter[*instance]) (*instance, error) {
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for patient := true; ; {
		select {
		case o := <-w.outcome:
			return r.taken(o, false)
		case <-ctx.Done():
			return r.leave(w, false, ctx.Err())
		case <-limit.C:
			// A cold start has InitTimeout of its own.
			if r.starting(patient) || patient {
				patient = false
				limit.Reset(r.cfg.QueueWait)
				continue
			}
			return r.leave(w, false, fmt.Errorf("%w: all %d instances of %s stayed busy for %v", ErrTooManyRequests, r.cfg.Concurrency, r.cfg.Name, r.cfg.QueueWait))
		}
	}
}

// checkPart is the part of a check's time for which it waits for an instance
// while others work: the rest must do for the check itself.
const checkPart = 4

// awaitForCheck waits for w's outcome: while the first instances start, until
// ctx ends; while instances work, for a part of that.
func (r *Runner) awaitForCheck(ctx context.Context, w *waiter[*instance]) (*instance, error) {
	wait := r.cfg.QueueWait
	if deadline, ok := ctx.Deadline(); ok {
		wait = time.Until(deadline) / checkPart
	}
	limit := time.NewTimer(wait)
	defer limit.Stop()
	for {
		select {
		case o := <-w.outcome:
			return r.taken(o, true)
		case <-ctx.Done():
			return r.leave(w, true, cmp.Or(r.busy(), ctx.Err()))
		case <-limit.C:
			if err := r.busy(); err != nil {
				return r.leave(w, true, err)
			}
		}
	}
}

// busy says why a check gets no instance although some work; nil if none does.
func (r *Runner) busy() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	working := r.pool.live - r.pool.starting
	switch {
	case working <= 0:
		return nil
	case !r.lost.IsZero() && time.Since(r.lost) <= 2*r.cfg.Timeout:
		return fmt.Errorf("%w: all instances of %s are busy, and none has answered since one was lost %v ago",
			ErrTimeout, r.cfg.Name, time.Since(r.lost).Round(time.Millisecond))
	}
	return fmt.Errorf("%w: %d instances of %s work", ErrBusy, working, r.cfg.Name)
}

func (r *Runner) taken(o outcome[*instance], check bool) (*instance, error) {
	if o.err != nil {
		return nil, o.err
	}
	r.mu.Lock()
	o.instance.inUse = !check
	r.mu.Unlock()
	return o.instance, nil
}

// leave gives up waiting. An outcome that was sent meanwhile is used, so that no
// instance is lost.
func (r *Runner) leave(w *waiter[*instance], check bool, reason error) (*instance, error) {
	r.mu.Lock()
	left := r.pool.leave(w)
	r.drainedIf()
	r.mu.Unlock()
	if left {
		return nil, reason
	}
	return r.taken(<-w.outcome, check)
}

// starting reports whether an instance is starting; with grow it starts one if
// a call waits for it.
func (r *Runner) starting(grow bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if grow {
		r.startIf(r.pool.growAnyway(), false)
	}
	return r.pool.starting > 0
}
