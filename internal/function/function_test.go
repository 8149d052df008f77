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

func touch(t testing.TB, file string) {
	t.Helper()
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}
