package world

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/meridian-run/meridian/client"
	"github.com/meridian-run/meridian/spec"
)

// notesSpec is examples/notes with a faster clock for scaling to zero.
const notesSpec = `
world: notes
domain: notes.test
regions:
  us-east-1:      {place: Ashburn}
  eu-west-1:      {place: Dublin}
  ap-southeast-2: {place: Sydney}
tables:
  notes: {key: pk}
services:
  api:
    function: {bundle: BUNDLE}
    tables:   [notes]
    health:   {path: /health, every: 1s, fail_after: 3}
    routing:  {policy: latency, ttl: 5s}
`

// bundle is the notes application, built once for all tests of this package.
var bundle = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "meridian-notes")
	if err != nil {
		return "", err
	}
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "bootstrap"), "github.com/meridian-run/meridian/examples/notes")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the notes application: %w\n%s", err, out)
	}
	return dir, nil
})

func TestMain(m *testing.M) {
	if argument := os.Getenv(childVariable); argument != "" {
		if err := runChild(argument); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	code := m.Run()
	if dir, err := bundle(); err == nil {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

func notesBundle(t *testing.T) string {
	t.Helper()
	dir, err := bundle()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// parse reads a spec, in which BUNDLE stands for the notes application.
func parse(t *testing.T, text string) *spec.World {
	t.Helper()
	if strings.Contains(text, "BUNDLE") {
		text = strings.ReplaceAll(text, "BUNDLE", notesBundle(t))
	}
	w, err := spec.Parse("test.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// run starts a world on addresses that no other test uses, and waits until it
// is ready. It ends with the test.
func run(t *testing.T, c Config) *World {
	t.Helper()
	if c.Dir == "" {
		c.Dir = t.TempDir()
	}
	if c.Log == nil {
		c.Log = slog.New(slog.NewTextHandler(logFile(t), &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	return runBound(t, bindSomewhere(t, c))
}

// runAt starts a world at the address that c says.
func runAt(t *testing.T, c Config) *World {
	t.Helper()
	if c.Log == nil {
		c.Log = slog.New(slog.NewTextHandler(logFile(t), &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	w, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return runBound(t, w)
}

func runBound(t *testing.T, w *World) *World {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the world ended with %v", err)
		}
	})
	select {
	case <-w.Ready():
	case err := <-ended:
		ended <- nil
		t.Fatalf("the world ended before it was ready: %v", err)
	case <-time.After(60 * time.Second):
		t.Fatal("the world is not ready after 60 s")
	}
	return w
}

// bindSomewhere asks for random loopback networks until one is free.
func bindSomewhere(t *testing.T, c Config) *World {
	t.Helper()
	var err error
	for range 20 {
		c.Base = netip.AddrFrom4([4]byte{127, byte(1 + rand.IntN(250)), 0, 0})
		if c.OneAddress {
			c.PortBase = rand.IntN(200) * 100
		}
		var w *World
		if w, err = New(c); err == nil {
			return w
		}
	}
	t.Fatalf("no loopback network was free: %v", err)
	return nil
}

// logFile keeps the world's log, and shows its end if the test fails.
func logFile(t *testing.T) *os.File {
	f, err := os.Create(filepath.Join(t.TempDir(), "world.log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		f.Close()
		if !t.Failed() {
			return
		}
		if text, err := os.ReadFile(f.Name()); err == nil {
			t.Logf("the world's log ends with:\n%s", text[max(0, len(text)-12_000):])
		}
	})
	return f
}

// eventually waits for a condition that the world reaches by itself.
func eventually(t *testing.T, within time.Duration, what string, reached func() bool) {
	t.Helper()
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for !reached() {
		select {
		case <-ticker.C:
		case <-deadline.C:
			t.Fatalf("not within %v: %s", within, what)
		}
	}
}

// unlessStalled tries what must not go wrong. Where the machine stood still
// meanwhile, checks fail for that reason alone, and it is tried again.
func unlessStalled(t *testing.T, try func() (wrong string)) {
	t.Helper()
	for range 5 {
		stalled := stalls()
		wrong := try()
		if wrong == "" {
			stalled()
			return
		}
		if longest := stalled(); longest < stallMax {
			t.Fatalf("%s (the machine stood still for %v at most)", wrong, longest)
		}
		t.Logf("tried again, the machine stood still: %s", wrong)
	}
	t.Fatal("the machine stood still five times: it is too busy for this test")
}

// stallMax is a pause in which a check of one second may time out.
const stallMax = 400 * time.Millisecond

// stalls watches how long nothing runs at a time; the function that it answers
// ends that, and says the longest.
func stalls() (longest func() time.Duration) {
	end, out := make(chan struct{}), make(chan time.Duration)
	go func() {
		const every = 20 * time.Millisecond
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		var most time.Duration
		for last := time.Now(); ; {
			select {
			case <-end:
				out <- most
				return
			case <-ticker.C:
			}
			now := time.Now()
			most, last = max(most, now.Sub(last)-every), now
		}
	}()
	return func() time.Duration { close(end); return <-out }
}

// request makes a request from a place and wants a status.
func request(t *testing.T, w *World, method, path, body, from string, status int) client.Response {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	r, err := w.Request(ctx, client.Request{Method: method, Path: path, Body: []byte(body), From: from})
	if err != nil {
		t.Fatalf("%s %s from %s: %v", method, path, from, err)
	}
	if r.Status != status {
		t.Fatalf("%s %s from %s: status %d from %s, want %d; body %s", method, path, from, r.Status, r.ServedBy, status, r.Body)
	}
	return r
}

// told waits until a region tells an event of a kind about a region, whose text
// begins with some words, and answers the latest: what an event tells of can be
// seen before it, and events of several services come in any order.
func told(t *testing.T, w *World, seenBy, kind, about, words string) client.Event {
	t.Helper()
	var found client.Event
	eventually(t, 40*time.Second, fmt.Sprintf("%s tells the event %q about %s: %q", seenBy, kind, about, words), func() (ok bool) {
		found, ok = event(t, w, seenBy, kind, about, words)
		return ok
	})
	return found
}

// event finds the latest event of a kind about a region, as another one saw it,
// whose text begins with some words.
func event(t *testing.T, w *World, seenBy, kind, about, words string) (client.Event, bool) {
	t.Helper()
	status, err := w.Region(seenBy).Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := len(status.Events) - 1; i >= 0; i-- {
		if e := status.Events[i]; e.Kind == kind && e.Region == about && strings.HasPrefix(e.Text, words) {
			return e, true
		}
	}
	return client.Event{}, false
}
