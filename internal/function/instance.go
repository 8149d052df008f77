package function

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/google/uuid"
)

// instance is one process of the function and its Runtime API.
type instance struct {
	runner *Runner
	id     string
	log    *slog.Logger
	began  time.Time
	server *http.Server
	cmd    *exec.Cmd
	// What it prints; the last line of stderr tells why it ended.
	stdout, stderr *lines
	// gone is closed when the process is no more.
	gone chan struct{}
	// work carries the next invocation to the parked request for it; one is in
	// flight at most, so a send never blocks.
	work chan *invocation

	// forCheck says that a health check asked for the start.
	forCheck bool
	// The runner's mutex guards these: used is the end of the last call that
	// counts as use, inUse that one is in flight, freeing that it is answered but
	// the process has not asked for more, leaving that it is not wanted any more.
	used                    time.Time
	inUse, freeing, leaving bool

	mu    sync.Mutex // guards what follows
	ready bool       // has asked for its first work
	// collected says that the process id may be another's.
	collected bool
	current   *invocation
	latest    string // the id of current, or of the one before
	reason    error  // why it ends; the first one given
	watch     *time.Timer
}

// invocation is one call on its way through an instance.
type invocation struct {
	id       string
	payload  []byte
	deadline time.Time
	answered bool        // guarded by the instance's mutex
	result   chan result // one is sent
}

type result struct {
	response []byte
	err      error
}

func (i *invocation) answer(response []byte, err error) {
	if !i.answered {
		i.answered = true
		i.result <- result{response: response, err: err}
	}
}

// start starts a process. It must be called on the thread that the runner holds
// for it.
func start(r *Runner, forCheck bool) (*instance, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the runtime API: %w", err)
	}
	id := uuid.NewString()
	in := &instance{
		runner: r, id: id, forCheck: forCheck,
		log:   r.log.With("instance", id[:8]),
		began: time.Now(),
		gone:  make(chan struct{}),
		work:  make(chan *invocation, 1),
	}
	in.server = in.newServer()
	in.stdout = &lines{log: in.log, stream: "stdout", request: in.request}
	in.stderr = &lines{log: in.log, stream: "stderr", request: in.request}
	if r.noStart.Quiet(in.began) {
		in.stdout.hold()
		in.stderr.hold()
	}
	in.cmd = exec.Command(filepath.Join(r.bundle, "bootstrap"))
	in.cmd.Dir = r.bundle
	in.cmd.Env = environment(r.cfg, r.bundle, id, listener.Addr().String())
	in.cmd.Stdout, in.cmd.Stderr = in.stdout, in.stderr
	in.cmd.SysProcAttr = processAttributes()
	// A child that keeps the output open must not hold back the end.
	in.cmd.WaitDelay = time.Second
	if err := in.cmd.Start(); err != nil {
		listener.Close()
		return nil, fmt.Errorf("start %s: %w", in.cmd.Path, err)
	}
	record := r.recordPath(id)
	if err := writeRecord(record, id, in.cmd.Process.Pid); err != nil {
		in.log.Warn("function instance has no record: it would survive a kill of this process", "error", err)
	}
	in.watch = time.AfterFunc(r.cfg.InitTimeout, func() {
		in.end(fmt.Errorf("%w: it did not ask for work within %v", ErrInit, r.cfg.InitTimeout))
	})
	r.group.Go(func() { in.server.Serve(listener) }) // ends by Close
	r.group.Go(func() { in.wait(record) })
	return in, nil
}

// wait collects the process, answers for it and forgets it.
func (in *instance) wait(record string) {
	status := in.collect()
	close(in.gone)
	in.server.Close()
	os.Remove(record)
	in.stdout.end()
	lastWords := in.stderr.end()

	in.mu.Lock()
	in.watch.Stop()
	hadStarted, reason := in.ready, in.reason
	if reason == nil {
		reason = in.died(status, lastWords)
	}
	log := in.log
	if in.current != nil {
		if !in.current.answered || errors.Is(reason, ErrTimeout) {
			in.runner.callLost()
		}
		log = log.With("request", in.current.id)
		in.current.answer(nil, reason)
		in.current = nil
	}
	in.mu.Unlock()
	switch {
	case errors.Is(reason, ErrInit):
		in.runner.tellNoStart(reason)
	case errors.Is(reason, ErrCrashed), errors.Is(reason, ErrTimeout):
		log.Error("function instance ended", "reason", reason)
	default:
		log.Debug("function instance ended", "reason", reason)
	}
	in.runner.ended(in, hadStarted, reason)
}

// request is the id of the call that it works on, or worked on last.
func (in *instance) request() string {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.latest
}

// collect waits for the process and kills what it left behind: before the
// process is collected, because afterwards its id may be another's.
func (in *instance) collect() error {
	if awaitExit(in.cmd.Process.Pid) {
		in.seal()
		return in.cmd.Wait()
	}
	defer in.seal()
	return in.cmd.Wait()
}

func (in *instance) seal() {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.reason == nil { // it was not end that killed it, with all that is its
		killTree(in.cmd.Process.Pid, in.id)
	}
	in.collected = true
}

// died says why a process ended that was not told to. in.mu is held.
func (in *instance) died(status error, lastWords string) error {
	kind := ErrCrashed
	if !in.ready {
		kind = ErrInit
	}
	how := "it exited with status 0"
	if status != nil {
		how = status.Error()
	}
	if lastWords != "" {
		return fmt.Errorf("%w: %s: %s", kind, how, lastWords)
	}
	return fmt.Errorf("%w: %s", kind, how)
}

// end kills the process with all that it started; wait does the rest. The first
// reason stays.
func (in *instance) end(reason error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.reason == nil {
		in.reason = reason
	}
	if !in.collected {
		killTree(in.cmd.Process.Pid, in.id)
	}
}

// invoke gives the instance a call and waits for its response or ctx. The
// instance keeps working when ctx ends first, and is killed at the deadline.
func (in *instance) invoke(ctx context.Context, id string, payload []byte) ([]byte, error) {
	inv := &invocation{id: id, payload: payload, result: make(chan result, 1)}
	in.mu.Lock()
	if in.collected {
		in.mu.Unlock()
		return nil, fmt.Errorf("%w: the instance ended before it took the call", ErrCrashed)
	}
	timeout := in.runner.cfg.Timeout
	inv.deadline = time.Now().Add(timeout)
	in.current, in.latest = inv, id
	in.watch = time.AfterFunc(timeout, func() { in.expire(inv) })
	in.work <- inv
	in.mu.Unlock()
	select {
	case r := <-inv.result:
		return r.response, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// expire ends the instance if inv is still what it works on.
func (in *instance) expire(inv *invocation) {
	reason := fmt.Errorf("%w after %v", ErrTimeout, in.runner.cfg.Timeout)
	in.mu.Lock()
	if in.current != inv {
		in.mu.Unlock()
		return
	}
	// The caller need not wait for the process to be collected.
	inv.answer(nil, reason)
	in.mu.Unlock()
	in.end(reason)
}
