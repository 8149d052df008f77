package function

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

// roleVar makes the test binary a function instead: a bundle's bootstrap is a
// link to it.
const roleVar = "MERIDIAN_TEST_ROLE"

func TestMain(m *testing.M) {
	switch role := os.Getenv(roleVar); role {
	case "":
		os.Exit(m.Run())
	case "function":
		lambda.Start(underTest)
	case "exits":
		fmt.Fprintln(os.Stderr, "no such table: notes")
		os.Exit(3)
	case "hangs":
		select {}
	case "reports":
		url := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/init/error"
		_, err := http.Post(url, "application/json", strings.NewReader(`{"errorType":"Config","errorMessage":"bad key"}`))
		log.Fatal(err)
	case "owner":
		ownLeftover()
	}
}

// order is what a test asks the function to do.
type order struct {
	Do, File string
	Size     int
}

// did is what it did.
type did struct {
	PID   int
	ID    string
	Env   []string
	Fill  string
	Child int
}

func underTest(ctx context.Context, o order) (did, error) {
	call, _ := lambdacontext.FromContext(ctx)
	d := did{PID: os.Getpid(), ID: call.AwsRequestID}
	switch o.Do {
	case "env":
		d.Env = os.Environ()
	case "print":
		fmt.Println("one\ntwo")
		fmt.Fprint(os.Stderr, "no newline")
	case "wait": // until the file exists
		os.WriteFile(o.File+"."+d.ID, nil, 0o600)
		for {
			if _, err := os.Stat(o.File); err == nil {
				break
			}
			<-time.After(time.Millisecond)
		}
	case "hang":
		child := exec.Command("sleep", "1000")
		if err := child.Start(); err != nil {
			return d, err
		}
		os.WriteFile(o.File, fmt.Append(nil, child.Process.Pid), 0o600)
		<-time.After(time.Hour)
	case "escape": // a child in a session of its own, outside of our group
		child := exec.Command("sleep", "1000")
		child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if o.File == "bare" {
			child.Env = []string{"NONE=1"}
		}
		if err := child.Start(); err != nil {
			return d, err
		}
		d.Child = child.Process.Pid
	case "crash":
		fmt.Fprintln(os.Stderr, "out of luck")
		os.Exit(7)
	case "fail":
		return d, errors.New("no such note")
	case "fill":
		d.Fill = strings.Repeat("x", o.Size)
	}
	return d, nil
}

// bundle makes a directory whose bootstrap is this test binary.
func bundle(t testing.TB) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(self, filepath.Join(dir, "bootstrap")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// under runs a function in a role, until the test ends.
type under struct {
	*Runner
	started chan time.Duration
	ended   chan error
	log     *buffer
	ran     chan error // what Run returned
	stop    func()
}

func run(t testing.TB, role string, change func(*Config)) *under {
	t.Helper()
	u := &under{started: make(chan time.Duration, 100), ended: make(chan error, 100), log: &buffer{}}
	cfg := Config{
		Name: "api", Bundle: bundle(t), Dir: t.TempDir(), Region: "eu-west-1",
		Env: map[string]string{roleVar: role, "TABLE_NAME": "notes"},
		Log: slog.New(slog.NewJSONHandler(u.log, nil)).With("service", "api"),
		Events: Events{
			Started: func(took time.Duration) { u.started <- took },
			Ended:   func(reason error) { u.ended <- reason },
		},
	}
	if change != nil {
		change(&cfg)
	}
	var err error
	if u.Runner, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	u.ran = make(chan error, 1)
	go func() {
		u.ran <- u.Run(ctx)
		close(u.ran)
	}()
	u.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-u.ran; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(u.stop)
	return u
}

func (u *under) order(o order) (did, error) {
	payload, err := json.Marshal(o)
	if err != nil {
		return did{}, err
	}
	response, err := u.Invoke(context.Background(), "", payload)
	if err != nil {
		return did{}, err
	}
	var d did
	return d, json.Unmarshal(response, &d)
}

func (u *under) mustOrder(t testing.TB, o order) did {
	t.Helper()
	d, err := u.order(o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// buffer is a log that may be read while it is written.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// until waits for a condition that another process brings about.
func until(t testing.TB, what string, condition func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for !condition() {
		select {
		case <-deadline:
			t.Fatalf("waited 10 s for %s", what)
		case <-time.After(2 * time.Millisecond):
		}
	}
}

func TestF1_NothingRunsWhileIdle(t *testing.T) {
	u := run(t, "function", func(c *Config) { c.Idle = 50 * time.Millisecond })
	if got := u.Instances(); got != 0 {
		t.Fatalf("got %d instances before the first call, want 0", got)
	}
	first := u.mustOrder(t, order{})
	if second := u.mustOrder(t, order{}); second.PID != first.PID || second.ID == first.ID {
		t.Errorf("got process %d call %s after process %d call %s, want the same process and another call", second.PID, second.ID, first.PID, first.ID)
	}
	if reason := <-u.ended; !errors.Is(reason, errIdle) {
		t.Errorf("the instance ended because of %v, want %v", reason, errIdle)
	}
	if got := u.Instances(); got != 0 {
		t.Errorf("got %d instances after the idle time, want 0", got)
	}
	if third := u.mustOrder(t, order{}); third.PID == first.PID {
		t.Error("the first process answered after its end")
	}
}

func TestF1_ScalesWithLoadUpToConcurrency(t *testing.T) {
	u := run(t, "function", func(c *Config) {
		c.Concurrency, c.Queue, c.QueueWait = 3, 1, 20*time.Millisecond
	})
	file := filepath.Join(t.TempDir(), "go")
	pids := make(chan int, 3)
	for range 3 {
		go func() {
			d, err := u.order(order{Do: "wait", File: file})
			if err != nil {
				t.Error(err)
			}
			pids <- d.PID
		}()
	}
	until(t, "three calls in three instances", func() bool {
		began, _ := filepath.Glob(file + ".*")
		return len(began) == 3
	})
	if got := u.Instances(); got != 3 {
		t.Errorf("got %d instances for 3 calls, want 3", got)
	}
	if _, err := u.order(order{}); !errors.Is(err, ErrTooManyRequests) {
		t.Errorf("the call beyond the concurrency got %v, want %v", err, ErrTooManyRequests)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	all := []int{<-pids, <-pids, <-pids}
	slices.Sort(all)
	if got := len(slices.Compact(all)); got != 3 {
		t.Errorf("3 calls at once had %d processes, want 3", got)
	}
	if d := u.mustOrder(t, order{}); !slices.Contains(all, d.PID) {
		t.Error("a new process was started although three are idle")
	}
	if got := len(u.started); got != 3 {
		t.Errorf("got %d starts, want 3", got)
	}
}

func TestWaitingCallsAreBounded(t *testing.T) {
	u := run(t, "function", func(c *Config) { c.Concurrency, c.Queue, c.QueueWait = 1, 1, time.Hour })
	file := filepath.Join(t.TempDir(), "go")
	results := make(chan error, 2)
	call := func() {
		_, err := u.order(order{Do: "wait", File: file})
		results <- err
	}
	go call()
	until(t, "the first call", func() bool {
		began, _ := filepath.Glob(file + ".*")
		return len(began) == 1
	})
	go call()
	until(t, "the second call to wait", func() bool {
		u.mu.Lock()
		defer u.mu.Unlock()
		return len(u.pool.waiting) == 1
	})
	if _, err := u.order(order{}); !errors.Is(err, ErrTooManyRequests) {
		t.Errorf("got %v with a full queue, want %v", err, ErrTooManyRequests)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(<-results, <-results); err != nil {
		t.Error(err)
	}
}

func TestDeadlineKillsTheProcessGroup(t *testing.T) {
	u := run(t, "function", func(c *Config) { c.Timeout = 300 * time.Millisecond })
	file := filepath.Join(t.TempDir(), "child")
	if _, err := u.order(order{Do: "hang", File: file}); !errors.Is(err, ErrTimeout) {
		t.Fatalf("got %v, want %v", err, ErrTimeout)
	}
	if reason := <-u.ended; !errors.Is(reason, ErrTimeout) {
		t.Errorf("the instance ended because of %v, want %v", reason, ErrTimeout)
	}
	var child int
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Sscan(string(text), &child)
	until(t, "the child's end", func() bool { return startTime(child) == "" })
	u.mustOrder(t, order{})
}

func TestCallerMayLeaveBeforeTheAnswer(t *testing.T) {
	u := run(t, "function", nil)
	file := filepath.Join(t.TempDir(), "go")
	payload, _ := json.Marshal(order{Do: "wait", File: file})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() {
		_, err := u.Invoke(ctx, "", payload)
		done <- err
	}()
	until(t, "the call", func() bool {
		began, _ := filepath.Glob(file + ".*")
		return len(began) == 1
	})
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	until(t, "the instance to rest", func() bool {
		u.mu.Lock()
		defer u.mu.Unlock()
		return len(u.pool.idle) == 1
	})
	u.mustOrder(t, order{})
	if got := len(u.started); got != 1 {
		t.Errorf("got %d starts, want 1", got)
	}
}

func TestInitFailuresSayWhy(t *testing.T) {
	for _, c := range []struct{ role, want string }{
		{"exits", "exit status 3: no such table: notes"},
		{"reports", "Config: bad key"},
		{"hangs", "did not ask for work within"},
	} {
		t.Run(c.role, func(t *testing.T) {
			u := run(t, c.role, func(cfg *Config) { cfg.InitTimeout = 2 * time.Second })
			if c.role == "hangs" {
				u.cfg.InitTimeout = 50 * time.Millisecond
			}
			_, err := u.order(order{})
			if !errors.Is(err, ErrInit) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %v with %q", err, ErrInit, c.want)
			}
			<-u.ended
			if !strings.Contains(u.log.String(), c.want) {
				t.Errorf("the log does not tell %q:\n%s", c.want, u.log)
			}
			if got := u.Instances(); got != 0 {
				t.Errorf("got %d instances, want 0", got)
			}
		})
	}
}

// Health checks start a broken function again and again; the log tells of the
// first time, and of its recovery.
func TestFunctionThatDoesNotStartIsToldOnce(t *testing.T) {
	u := run(t, "exits", nil)
	for range 20 {
		if _, err := u.Check(context.Background(), "", []byte("{}")); !errors.Is(err, ErrInit) {
			t.Fatalf("got %v, want %v", err, ErrInit)
		}
		<-u.ended
	}
	if got := strings.Count(u.log.String(), "\n"); got != 2 { // its own line, and ours
		t.Errorf("got %d lines, want 2:\n%s", got, u.log)
	}
	u.cfg.Env = map[string]string{roleVar: "function"}
	u.mustOrder(t, order{})
	if !strings.Contains(u.log.String(), "function starts again") {
		t.Errorf("the log does not tell that it starts again:\n%s", u.log)
	}
}

func TestLinesThatWereHeldBackComeLater(t *testing.T) {
	log := &buffer{}
	l := &lines{log: slog.New(slog.NewTextHandler(log, nil)), request: func() string { return "" }}
	l.hold()
	for n := range backMax + 10 {
		fmt.Fprintf(l, "line-%d\n", n)
	}
	if log.String() != "" {
		t.Errorf("held back, and yet logged:\n%s", log)
	}
	l.release()
	fmt.Fprintln(l, "after")
	if got := strings.Count(log.String(), "\n"); got != backMax+1 || strings.Contains(log.String(), "line-9\n") || !strings.Contains(log.String(), "line-10\n") {
		t.Errorf("got %d lines, want the latest %d and one more:\n%s", got, backMax, log)
	}
}

func TestCrashFailsTheCallAndIsReplaced(t *testing.T) {
	u := run(t, "function", nil)
	before := u.mustOrder(t, order{})
	_, err := u.order(order{Do: "crash"})
	if !errors.Is(err, ErrCrashed) || !strings.Contains(err.Error(), "out of luck") {
		t.Errorf("got %v, want %v with its last line", err, ErrCrashed)
	}
	if after := u.mustOrder(t, order{}); after.PID == before.PID {
		t.Error("the crashed process answered")
	}
}

func TestKilledIdleInstanceIsReplaced(t *testing.T) {
	u := run(t, "function", nil)
	d := u.mustOrder(t, order{})
	killGroup(d.PID)
	<-u.ended
	if after := u.mustOrder(t, order{}); after.PID == d.PID {
		t.Error("the killed process answered")
	}
}

func TestHandlerErrorKeepsTheInstance(t *testing.T) {
	u := run(t, "function", nil)
	before := u.mustOrder(t, order{})
	_, err := u.order(order{Do: "fail"})
	var reported *HandlerError
	if !errors.As(err, &reported) || reported.Message != "no such note" || !errors.Is(err, ErrHandler) {
		t.Errorf("got %v, want the function's own error", err)
	}
	if after := u.mustOrder(t, order{}); after.PID != before.PID {
		t.Error("an error ended the process")
	}
}

func TestPayloadsAreBounded(t *testing.T) {
	u := run(t, "function", nil)
	if d := u.mustOrder(t, order{Do: "fill", Size: 5 << 20}); len(d.Fill) != 5<<20 {
		t.Errorf("got %d bytes, want %d", len(d.Fill), 5<<20)
	}
	if _, err := u.order(order{Do: "fill", Size: PayloadMax}); !errors.Is(err, ErrResponseTooLarge) {
		t.Errorf("got %v, want %v", err, ErrResponseTooLarge)
	}
	if _, err := u.Invoke(context.Background(), "", make([]byte, PayloadMax+1)); !errors.Is(err, ErrRequestTooLarge) {
		t.Errorf("got %v, want %v", err, ErrRequestTooLarge)
	}
	u.mustOrder(t, order{})
}

func TestOutputGoesToTheLogLineByLine(t *testing.T) {
	u := run(t, "function", nil)
	id := u.mustOrder(t, order{Do: "print"}).ID
	u.stop()
	type line struct{ Msg, Service, Stream, Line, Request string }
	var got []line
	decoder := json.NewDecoder(strings.NewReader(u.log.String()))
	for decoder.More() {
		var l line
		if err := decoder.Decode(&l); err != nil {
			t.Fatal(err)
		}
		if l.Line != "" {
			got = append(got, l)
		}
	}
	for _, want := range []line{
		{"function output", "api", "stdout", "one", id},
		{"function output", "api", "stdout", "two", id},
		{"function output", "api", "stderr", "no newline", id},
	} {
		if !slices.Contains(got, want) {
			t.Errorf("no line %+v in the log, only %+v", want, got)
		}
	}
}

// One id leads from the client through the function to every line of the log.
func TestCallHasTheIDThatItWasGiven(t *testing.T) {
	u := run(t, "function", nil)
	call := func(id, do string) (did, error) {
		payload, _ := json.Marshal(order{Do: do})
		response, err := u.Invoke(context.Background(), id, payload)
		var d did
		json.Unmarshal(response, &d)
		return d, err
	}
	if d, err := call("first", ""); err != nil || d.ID != "first" {
		t.Errorf("the function saw call %q (%v), want first", d.ID, err)
	}
	if d, err := call("", ""); err != nil || len(d.ID) != 36 {
		t.Errorf("the function saw call %q (%v), want a new id", d.ID, err)
	}
	call("failing", "fail")
	call("crashing", "crash")
	<-u.ended
	for message, want := range map[string]string{
		"function returned an error": "failing", "out of luck": "crashing", "function instance ended": "crashing",
	} {
		found := false
		for line := range strings.Lines(u.log.String()) {
			found = found || strings.Contains(line, message) && strings.Contains(line, `"request":"`+want+`"`)
		}
		if !found {
			t.Errorf("no line with %q names request %s:\n%s", message, want, u.log)
		}
	}
}

func TestEnvironmentIsClean(t *testing.T) {
	t.Setenv("AWS_SECRET_ACCESS_KEY", "of the host")
	u := run(t, "function", nil)
	d := u.mustOrder(t, order{Do: "env"})
	env := map[string]string{}
	for _, e := range d.Env {
		name, value, _ := strings.Cut(e, "=")
		env[name] = value
	}
	if got, ok := env["AWS_SECRET_ACCESS_KEY"]; ok {
		t.Errorf("the function inherited a secret: %q", got)
	}
	for name, want := range map[string]string{
		"AWS_REGION": "eu-west-1", "AWS_LAMBDA_FUNCTION_NAME": "api", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
		"TABLE_NAME": "notes", "LAMBDA_TASK_ROOT": u.bundle, "_HANDLER": "bootstrap", "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
	} {
		if got := env[name]; got != want {
			t.Errorf("got %s=%q, want %q", name, got, want)
		}
	}
}

func TestChecksAreNoUse(t *testing.T) {
	u := run(t, "function", nil)
	if _, err := u.Check(context.Background(), "", []byte("{}")); err != nil {
		t.Fatal(err)
	}
	if reason := <-u.ended; !errors.Is(reason, errNotUsed) {
		t.Errorf("the instance ended because of %v, want %v", reason, errNotUsed)
	}
	if got := u.Instances(); got != 0 {
		t.Errorf("got %d instances after a check, want 0", got)
	}
}

// busy lets the function's only instance work until the test ends.
func busy(t *testing.T, u *under) (release func()) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "go")
	done := make(chan struct{})
	go func() {
		defer close(done)
		u.order(order{Do: "wait", File: file})
	}()
	until(t, "the call", func() bool {
		began, _ := filepath.Glob(file + ".*")
		return len(began) == 1
	})
	return sync.OnceFunc(func() {
		touch(t, file)
		<-done
	})
}

// A check is told that all instances work, and in time to say so.
func TestCheckOfABusyFunctionIsToldSo(t *testing.T) {
	u := run(t, "function", func(c *Config) { c.Concurrency, c.QueueWait = 1, time.Hour })
	release := busy(t, u)
	defer release()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if _, err := u.Check(ctx, "", []byte("{}")); !errors.Is(err, ErrBusy) || ctx.Err() != nil {
		t.Errorf("got %v, deadline %v, want %v before it", err, ctx.Err(), ErrBusy)
	}
	release()
	if _, err := u.Check(context.Background(), "", []byte("{}")); err != nil {
		t.Errorf("got %v when it was free again", err)
	}
}

// Calls that wait do not keep a check from its instance.
func TestCheckGoesBeforeCallsThatWait(t *testing.T) {
	u := run(t, "function", func(c *Config) { c.Concurrency, c.QueueWait = 1, time.Hour })
	release := busy(t, u)
	defer release()
	waiting := func(n int) func() bool {
		return func() bool {
			u.mu.Lock()
			defer u.mu.Unlock()
			return len(u.pool.waiting) == n
		}
	}
	order1, _ := json.Marshal(order{Do: "wait", File: filepath.Join(t.TempDir(), "never")})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	go u.Invoke(ctx, "", order1)
	until(t, "a call to wait", waiting(1))
	checked := make(chan error, 1)
	go func() {
		_, err := u.Check(ctx, "", []byte("{}"))
		checked <- err
	}()
	until(t, "the check to wait", waiting(2))
	release()
	if err := <-checked; err != nil {
		t.Errorf("the check got %v", err)
	}
}

// A function whose calls all hang is busy, but not well.
func TestCheckOfAHangingFunctionFails(t *testing.T) {
	u := run(t, "function", func(c *Config) { c.Concurrency, c.Timeout = 1, 5*time.Second })
	u.mustOrder(t, order{})
	u.order(order{Do: "crash"})
	release := busy(t, u)
	defer release()
	check := func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		_, err := u.Check(ctx, "", []byte("{}"))
		return err
	}
	if err := check(); !errors.Is(err, ErrTimeout) {
		t.Errorf("got %v after a call was lost, want %v", err, ErrTimeout)
	}
	release()
	defer busy(t, u)()
	if err := check(); !errors.Is(err, ErrBusy) {
		t.Errorf("got %v after a call was answered, want %v", err, ErrBusy)
	}
}

func TestRunEndsEverything(t *testing.T) {
	u := run(t, "function", nil)
	d := u.mustOrder(t, order{})
	u.stop()
	if startTime(d.PID) != "" {
		t.Error("a process outlived its runner")
	}
	if _, err := u.order(order{}); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v after the end, want %v", err, ErrClosed)
	}
	if records, _ := os.ReadDir(u.instanceDir()); len(records) != 0 {
		t.Errorf("%d process records are left", len(records))
	}
}

func touch(t testing.TB, file string) {
	t.Helper()
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A new version takes the calls while the old one, in the same directory,
// finishes those it has.
func TestU2_RetiredRunnerFinishesItsCalls(t *testing.T) {
	dir := t.TempDir()
	before := run(t, "function", func(c *Config) { c.Dir, c.Concurrency, c.QueueWait = dir, 1, time.Hour })
	idle := before.mustOrder(t, order{})
	release := busy(t, before)
	waiting := make(chan error, 1)
	go func() {
		_, err := before.order(order{})
		waiting <- err
	}()
	until(t, "a call to wait", func() bool {
		before.mu.Lock()
		defer before.mu.Unlock()
		return len(before.pool.waiting) == 1
	})

	after := run(t, "function", func(c *Config) { c.Dir = dir })
	if d := after.mustOrder(t, order{}); d.PID == idle.PID {
		t.Error("the new version has the old one's instance")
	}
	before.Retire()
	if _, err := before.order(order{}); !errors.Is(err, ErrRetired) {
		t.Errorf("a new call got %v from the old version, want %v", err, ErrRetired)
	}
	if got := before.Instances(); got != 1 {
		t.Errorf("the old version has %d instances, want that which works", got)
	}
	release()
	if err := <-waiting; err != nil {
		t.Errorf("the call that waited got %v", err)
	}
	if err := <-before.ran; err != nil {
		t.Errorf("Run of the old version: %v", err)
	}
	until(t, "the old instance's end", func() bool { return startTime(idle.PID) == "" })
	after.mustOrder(t, order{})
}

func TestRetiredRunnerWithoutCallsEndsAtOnce(t *testing.T) {
	for _, used := range []bool{false, true} {
		r, err := New(Config{Name: "api", Bundle: bundle(t), Dir: t.TempDir(), Env: map[string]string{roleVar: "function"}})
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- r.Run(context.Background()) }()
		if used {
			if _, err := r.Invoke(context.Background(), "", []byte("{}")); err != nil {
				t.Fatal(err)
			}
		}
		r.Retire()
		r.Retire()
		if err := <-done; err != nil {
			t.Errorf("used %v: Run: %v", used, err)
		}
	}
}
