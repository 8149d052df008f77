package function

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/meridian-run/meridian/internal/trouble"
)

// PayloadMax bounds a call's payload and its response, in bytes: Lambda's limit
// for synchronous calls.
const PayloadMax = 6 << 20

// Config says what to run and how.
type Config struct {
	// Name is the service's name, for the log and the function's environment.
	Name string
	// Bundle is the path of a directory or zip that holds bootstrap.
	Bundle string
	// Dir is where this runner alone keeps its state: an extracted zip and the
	// records of its processes. It is made when missing.
	Dir string
	// Region is told to the function as AWS_REGION.
	Region string
	// Env is added to the function's environment and wins over what the runner
	// sets. Nothing is inherited from this process.
	Env map[string]string
	// Memory is told to the function, in MB. Default 128.
	Memory int
	// Timeout of one call, from the moment an instance takes it. Default 30 s.
	Timeout time.Duration
	// InitTimeout is how long an instance may take to ask for its first work.
	// Default 10 s.
	InitTimeout time.Duration
	// Concurrency is the most instances at a time. Default 10.
	Concurrency int
	// Queue is how many calls may wait while Concurrency instances are busy,
	// beyond those for which one is starting. Default 10 for each instance.
	Queue int
	// QueueWait is how long such a call waits, while no instance is starting,
	// before ErrTooManyRequests. Default 1 s.
	QueueWait time.Duration
	// Idle is how long an unused instance is kept. Default 5 min.
	Idle time.Duration
	// Log gets what instances print, line by line, and why they failed; the caller
	// has put the service's name into it. Default: discarded.
	Log *slog.Logger
	// Events are called as things happen; nil fields are not.
	Events Events
}

// Events are callbacks for metrics. They are called from several goroutines and
// must not block.
type Events struct {
	// Started: an instance asked for its first work, took after its start.
	Started func(took time.Duration)
	// Ended: an instance is no more.
	Ended func(reason error)
	// Called: a call ended. Checks are not counted.
	Called func(took time.Duration, err error)
}

func (c *Config) fill() error {
	if c.Name == "" || c.Bundle == "" || c.Dir == "" {
		return errors.New("function: Name, Bundle and Dir must be set")
	}
	setDefault(&c.Memory, 128)
	setDefault(&c.Timeout, 30*time.Second)
	setDefault(&c.InitTimeout, 10*time.Second)
	setDefault(&c.Concurrency, 10)
	setDefault(&c.Queue, 10*c.Concurrency)
	setDefault(&c.QueueWait, time.Second)
	setDefault(&c.Idle, 5*time.Minute)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}

func setDefault[T int | time.Duration](field *T, value T) {
	if *field <= 0 {
		*field = value
	}
}

// Runner runs one function. Calls wait until Run has begun.
type Runner struct {
	cfg    Config
	log    *slog.Logger
	bundle string   // the directory that holds bootstrap
	hold   *os.File // keeps it there until Run returns; nil if it is the user's own

	// starts carries one entry for each instance that pool counts as starting,
	// so its size is the most of them and sending never blocks.
	starts chan startRequest
	// reap wakes the reaper when an instance rests; one entry is as good as two.
	reap  chan struct{}
	group sync.WaitGroup
	// noStart is that instances do not start.
	noStart trouble.Trouble

	mu        sync.Mutex // guards what follows
	pool      pool[*instance]
	instances map[*instance]struct{}
	// retired: Retire was called; drained is closed when the last instance has
	// ended after that. closed: Run is ending all.
	retired, closed bool
	drained         chan struct{}
	// lost is when a call was last lost, with its instance, if none has been
	// answered since.
	lost time.Time
}

// startRequest asks for one more instance.
type startRequest struct{ forCheck bool }

// New checks the bundle and prepares it; it starts nothing. A bundle whose
// bootstrap is built for another system is refused.
func New(cfg Config) (*Runner, error) {
	if err := cfg.fill(); err != nil {
		return nil, err
	}
	bundle, hold, err := openBundle(cfg.Bundle, cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("function %s: %w", cfg.Name, err)
	}
	return &Runner{
		cfg:       cfg,
		log:       cfg.Log,
		bundle:    bundle,
		hold:      hold,
		starts:    make(chan startRequest, cfg.Concurrency),
		reap:      make(chan struct{}, 1),
		pool:      pool[*instance]{max: cfg.Concurrency, queue: cfg.Queue},
		instances: map[*instance]struct{}{},
		drained:   make(chan struct{}),
	}, nil
}

// Run ends what a killed process left behind, then serves calls until ctx ends,
// or until the last call of a runner that was retired has ended. It returns when
// every instance and goroutine has ended. It runs once.
func (r *Runner) Run(ctx context.Context) error {
	defer letGo(r.hold)
	if err := endLeftovers(r.instanceDir(), r.log); err != nil {
		return fmt.Errorf("function %s: %w", r.cfg.Name, err)
	}
	starterDone := make(chan struct{})
	stop := make(chan struct{})
	go func() {
		defer close(starterDone)
		r.startInstances(stop)
	}()
	r.reapIdle(ctx)
	r.close()
	close(stop)
	<-starterDone
	r.group.Wait()
	return nil
}

// startInstances owns the starting of processes. Linux kills a child with the
// thread that started it (Pdeathsig), so the thread is held until all instances
// have been told to end.
func (r *Runner) startInstances(stop <-chan struct{}) {
	runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
	for {
		select {
		case <-stop:
			return
		case request := <-r.starts:
			r.startInstance(request)
		}
	}
}

// startInstance starts one instance, or tells the pool why not.
func (r *Runner) startInstance(request startRequest) {
	in, err := start(r, request.forCheck)
	if err != nil {
		err = fmt.Errorf("%w: %w", ErrInit, err)
		r.tellNoStart(err)
		r.startFailed(err)
		return
	}
	r.mu.Lock()
	closed := r.closed
	r.instances[in] = struct{}{}
	r.mu.Unlock()
	if closed {
		in.end(ErrClosed)
	}
}

// tellNoStart logs that an instance did not start. Health checks try again all
// the time, so it is not logged each time.
func (r *Runner) tellNoStart(reason error) {
	if tell, untold := r.noStart.Again(time.Now()); tell {
		r.log.Error("function does not start", "reason", reason, "others_since_last_line", untold)
	}
}

// startIf asks for an instance that the pool has counted. r.mu is held.
func (r *Runner) startIf(grow, forCheck bool) {
	if grow {
		r.starts <- startRequest{forCheck: forCheck}
	}
}

// started is called by an instance that asks for its first work.
func (r *Runner) started(in *instance, took time.Duration) {
	if r.cfg.Events.Started != nil {
		r.cfg.Events.Started(took)
	}
	if r.noStart.Over() {
		r.log.Info("function starts again")
	}
	in.stdout.release()
	in.stderr.release()
	r.mu.Lock()
	if !in.forCheck {
		in.used = time.Now()
	}
	keep := r.pool.started(in, r.rest(in))
	in.leaving = !keep
	r.mu.Unlock()
	r.rested(in, keep)
}

// answered is called by an instance that answered a call in time. It has work
// until free.
func (r *Runner) answered(in *instance) {
	r.mu.Lock()
	defer r.mu.Unlock()
	in.freeing = true
	r.pool.freeing++
	r.lost = time.Time{}
}

// callLost is called by an instance that ends with a call that it did not answer
// in time.
func (r *Runner) callLost() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lost = time.Now()
}

// settle ends what answered began. r.mu is held.
func (r *Runner) settle(in *instance) {
	if in.freeing {
		in.freeing = false
		r.pool.freeing--
	}
}

// free is called by an instance that asks for more work.
func (r *Runner) free(in *instance) {
	r.mu.Lock()
	r.settle(in)
	if in.inUse {
		in.used, in.inUse = time.Now(), false
	}
	keep := !r.closed && r.pool.offer(in, r.rest(in))
	in.leaving = !keep
	r.mu.Unlock()
	r.rested(in, keep)
}

var errNotUsed = errors.New("started for a health check only, or of a version that was replaced")

func (r *Runner) rested(in *instance, keep bool) {
	if !keep {
		in.end(errNotUsed)
		return
	}
	select {
	case r.reap <- struct{}{}:
	default: // the reaper is about to look anyway
	}
}

// ended is called once by an instance whose process is no more.
func (r *Runner) ended(in *instance, hadStarted bool, reason error) {
	r.mu.Lock()
	delete(r.instances, in)
	r.settle(in)
	if hadStarted {
		r.startIf(r.pool.gone(in), false)
		r.drainedIf()
	}
	r.mu.Unlock()
	if !hadStarted {
		r.startFailed(reason)
	}
	if r.cfg.Events.Ended != nil {
		r.cfg.Events.Ended(reason)
	}
}

func (r *Runner) startFailed(reason error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.startIf(r.pool.startFailed(reason), false)
	r.drainedIf()
}

var errIdle = errors.New("idle")

// reapIdle ends instances that nobody used for Idle, until ctx ends or there will
// never be another.
func (r *Runner) reapIdle(ctx context.Context) {
	timer := time.NewTimer(r.cfg.Idle)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.drained:
			return
		case <-r.reap:
		case <-timer.C:
		}
		now := time.Now()
		r.mu.Lock()
		ended, next := r.pool.expire(now.Add(-r.cfg.Idle))
		for _, in := range ended {
			in.leaving = true
		}
		r.mu.Unlock()
		for _, in := range ended {
			in.end(errIdle)
		}
		if next.IsZero() {
			timer.Stop() // the next rest wakes us
		} else {
			timer.Reset(next.Add(r.cfg.Idle).Sub(now))
		}
	}
}

// close refuses new calls, fails waiting ones and ends all instances.
func (r *Runner) close() {
	r.mu.Lock()
	r.closed = true
	r.pool.close(ErrClosed)
	var all []*instance
	for in := range r.instances {
		all = append(all, in)
	}
	r.mu.Unlock()
	for _, in := range all {
		in.end(ErrClosed)
	}
}

// Instances is how many instances there are: starting, idle and busy.
func (r *Runner) Instances() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.pool.live
}

// Awake reports whether there is an instance for the sake of calls, and not of
// checks only. While it is false, a Check starts a process.
func (r *Runner) Awake() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for in := range r.instances {
		if !in.leaving && (!in.forCheck || in.inUse || !in.used.IsZero()) {
			return true
		}
	}
	return false
}
