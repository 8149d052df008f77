package probe

import (
	"bufio"
	"context"
	"errors"
	"io"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meridian-run/meridian/internal/verdict"
)

// fakeNet is a network in memory whose endpoints pass, fail, refuse or hang, so
// that a prober can be watched for minutes in no time.
type fakeNet struct {
	mu    sync.Mutex
	state map[string]string // address → "up", "503", "refused", "silent"; up if absent
	dials map[string][]time.Time
	seen  *http.Request // the last request
}

func newFakeNet() *fakeNet {
	return &fakeNet{state: map[string]string{}, dials: map[string][]time.Time{}}
}

func (f *fakeNet) set(address, state string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.state[address] = state
}

func (f *fakeNet) count(address string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.dials[address])
}

func (f *fakeNet) dial(ctx context.Context, _, address string) (net.Conn, error) {
	f.mu.Lock()
	state := f.state[address]
	f.dials[address] = append(f.dials[address], time.Now())
	f.mu.Unlock()
	switch state {
	case "refused":
		return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	case "silent":
		<-ctx.Done()
		return nil, ctx.Err()
	}
	ours, theirs := net.Pipe()
	go f.answer(theirs, state)
	return ours, nil
}

func (f *fakeNet) answer(conn net.Conn, state string) {
	defer conn.Close()
	req, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return
	}
	f.mu.Lock()
	f.seen = req
	f.mu.Unlock()
	text := "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
	if state == "503" {
		text = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 19\r\n\r\n" + `{"status": "sorry"}`
	}
	io.WriteString(conn, text)
}

func targetIn(region string) Target {
	return Target{
		Endpoint: verdict.Endpoint{Service: "api", Region: region}, Address: region,
		Host: "api." + region + ".notes.test", Path: "/health", Every: time.Second, Timeout: time.Second,
	}
}

// watcher collects what a prober reports, as a board would.
type watcher struct {
	mu      sync.Mutex
	reports []verdict.Report
	last    map[string]verdict.Observation
	refs    verdict.References
}

func (w *watcher) report(r verdict.Report) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reports = append(w.reports, r)
	for _, o := range r.Observations {
		if o.Sequence >= w.last[o.Region].Sequence {
			w.last[o.Region] = o
		}
	}
}

func (w *watcher) of(region string) verdict.Observation {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last[region]
}

// watched runs a prober in a bubble of fake time.
func watched(t *testing.T, body func(f *fakeNet, p *Prober, w *watcher)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f, w := newFakeNet(), &watcher{last: map[string]verdict.Observation{}}
		p := New(Config{
			Self: "a", Dial: f.dial, Report: w.report, Life: 7,
			Rand:         mathrand.New(mathrand.NewPCG(1, 2)),
			OnReferences: func(r verdict.References) { w.mu.Lock(); w.refs = r; w.mu.Unlock() },
		})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- p.Run(ctx) }()
		body(f, p, w)
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// after lets time pass in the bubble.
func after(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestChecksAreEager(t *testing.T) {
	watched(t, func(f *fakeNet, p *Prober, w *watcher) {
		p.Set(Setup{Targets: []Target{targetIn("a"), targetIn("b")}})
		after(gatherFor + time.Millisecond)
		for _, region := range []string{"a", "b"} {
			if o := w.of(region); !o.Decided || !o.Healthy || !o.Passed {
				t.Errorf("%s after the first moments: %+v", region, o)
			}
		}
		if got := f.seen.Header.Get(Header); got != "a" || !strings.HasSuffix(f.seen.Host, ".notes.test") || f.seen.URL.Path != "/health" {
			t.Errorf("marker %q, host %q, path %q", got, f.seen.Host, f.seen.URL.Path)
		}
	})
}

func TestH6_TheIntervalIsKept(t *testing.T) {
	watched(t, func(f *fakeNet, p *Prober, w *watcher) {
		slow := targetIn("b")
		slow.Every, slow.Timeout = 0, 0 // 30 s
		p.Set(Setup{Targets: []Target{targetIn("a"), slow}})
		after(5*time.Minute + 10*time.Second)
		if n := f.count("a"); n < 295 || n > 325 {
			t.Errorf("%d checks in 310 s, one a second wanted", n)
		}
		if n := f.count("b"); n < 10 || n > 12 {
			t.Errorf("%d checks in 310 s, one in 30 s wanted", n)
		}
	})
}

func TestR2_AStoppedRegionIsReportedWithinFourSeconds(t *testing.T) {
	for _, state := range []string{"refused", "503", "silent"} {
		watched(t, func(f *fakeNet, p *Prober, w *watcher) {
			p.Set(Setup{Targets: []Target{targetIn("b")}})
			after(10 * time.Second)
			f.set("b", state)
			stopped := time.Now()
			for w.of("b").Healthy {
				after(10 * time.Millisecond)
			}
			took, limit := time.Since(stopped), 3400*time.Millisecond
			if state == "silent" {
				limit += time.Second // the timeout of the last one
			}
			if took < 1800*time.Millisecond || took > limit {
				t.Errorf("%s: reported after %v", state, took)
			}
			f.set("b", "up")
			back := time.Now()
			for !w.of("b").Healthy {
				after(10 * time.Millisecond)
			}
			if took := time.Since(back); took < 1800*time.Millisecond || took > 4400*time.Millisecond {
				t.Errorf("%s: back after %v", state, took)
			}
		})
	}
}

func TestReasons(t *testing.T) {
	for state, want := range map[string]string{
		"refused": "connection refused",
		"503":     `503: sorry`,
		"silent":  "connect: no answer within 1s",
		"up":      "200 in 0s",
	} {
		watched(t, func(f *fakeNet, p *Prober, w *watcher) {
			f.set("b", state)
			p.Set(Setup{Targets: []Target{targetIn("b")}})
			after(4 * time.Second)
			if got := w.of("b").Reason; got != want {
				t.Errorf("%s: %q, want %q", state, got, want)
			}
		})
	}
}

func TestReportsComeAtLeastEveryHalfSecond(t *testing.T) {
	watched(t, func(f *fakeNet, p *Prober, w *watcher) {
		slow := targetIn("b")
		slow.Every = time.Minute
		p.Set(Setup{Targets: []Target{slow}})
		after(60 * time.Second)
		w.mu.Lock()
		defer w.mu.Unlock()
		full := 0
		for i, r := range w.reports {
			if r.Sequence != uint64(i+1) || r.Life != 7 || r.Observer != "a" {
				t.Fatalf("report %d: %+v", i, r)
			}
			if r.Full {
				full++
			}
		}
		if len(w.reports) < 119 || full < 11 || full > 13 {
			t.Errorf("%d reports in a minute, %d full", len(w.reports), full)
		}
	})
}

func TestSetKeepsStopsAndStarts(t *testing.T) {
	watched(t, func(f *fakeNet, p *Prober, w *watcher) {
		p.Set(Setup{Targets: []Target{targetIn("a"), targetIn("b")}})
		after(5 * time.Second)
		streak, checksOfA := w.of("b").Streak, f.count("a")
		changed := targetIn("b")
		changed.Path = "/deep"
		p.Set(Setup{Targets: []Target{changed}})
		after(5 * time.Second)
		if o := w.of("b"); o.Streak <= streak || f.seen.URL.Path != "/deep" {
			t.Errorf("b started over: streak %d after %d, path %s", o.Streak, streak, f.seen.URL.Path)
		}
		if got := f.count("a"); got != checksOfA {
			t.Errorf("a was checked %d times after it left", got-checksOfA)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		for i := len(w.reports) - 1; i >= 0; i-- {
			if r := w.reports[i]; r.Full {
				if len(r.Observations) != 1 || r.Observations[0].Region != "b" {
					t.Errorf("the last full report has %+v", r.Observations)
				}
				return
			}
		}
		t.Error("no full report")
	})
}

func TestStartingTogetherCondemnsNobody(t *testing.T) {
	watched(t, func(f *fakeNet, p *Prober, w *watcher) {
		f.set("b", "503")
		p.Set(Setup{Targets: []Target{targetIn("b")}})
		after(1900 * time.Millisecond)
		if o := w.of("b"); o.Decided || o.Streak < 5 {
			t.Errorf("while it starts: %+v", o)
		}
		f.set("b", "up")
		after(400 * time.Millisecond)
		if o := w.of("b"); !o.Healthy {
			t.Errorf("once it is up: %+v", o)
		}
	})
}

func TestReferencesAreAskedEverySecond(t *testing.T) {
	watched(t, func(f *fakeNet, p *Prober, w *watcher) {
		p.Set(Setup{References: []string{"one:53", "https://two/x", "three"}})
		f.set("two:443", "refused")
		after(10 * time.Millisecond)
		references := func() verdict.References { w.mu.Lock(); defer w.mu.Unlock(); return w.refs }
		if got := references(); got != (verdict.References{Configured: 3, Answering: 2}) {
			t.Errorf("got %+v", got)
		}
		p.Set(Setup{Targets: []Target{targetIn("a")}, References: []string{"one:53", "https://two/x", "three"}})
		after(10 * time.Millisecond)
		if n := f.count("one:53"); n != 1 {
			t.Errorf("the same references were asked again at once: %d times", n)
		}
		f.set("one:53", "silent")
		f.set("three:443", "silent")
		after(2600 * time.Millisecond) // before peers count as unheard
		if got := references(); got != (verdict.References{Configured: 3, Answering: 0}) {
			t.Errorf("after the cut: %+v", got)
		}
		f.set("three:443", "up")
		after(2600 * time.Millisecond) // one:53 is still silent
		if got := references(); got.Answering != 1 {
			t.Errorf("after the heal: %+v", got)
		}
	})
}

func TestManyTargetsAreSplitOverReports(t *testing.T) {
	watched(t, func(f *fakeNet, p *Prober, w *watcher) {
		var targets []Target
		for i := range 2500 {
			target := targetIn("r" + string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i/676)))
			target.Every = time.Hour
			targets = append(targets, target)
		}
		p.Set(Setup{Targets: targets})
		after(6 * time.Second)
		w.mu.Lock()
		defer w.mu.Unlock()
		if len(w.last) != 2500 {
			t.Errorf("%d endpoints reported", len(w.last))
		}
		for _, r := range w.reports {
			if _, err := r.Encode(); err != nil || len(r.Observations) > reportObservationsMax {
				t.Fatalf("%d observations: %v", len(r.Observations), err)
			}
			if r.Full && len(r.Observations) > 0 {
				t.Fatal("a split report says it is full")
			}
		}
	})
}

var errNetwork = errors.New("network is down")

func TestResultsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var passed, failed atomic.Int64
		p := New(Config{
			Self: "a",
			Dial: func(context.Context, string, string) (net.Conn, error) { return nil, errNetwork },
			OnResult: func(r Result) {
				if r.Passed {
					passed.Add(1)
				} else {
					failed.Add(1)
				}
			},
		})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { p.Run(ctx); close(ended) }()
		p.Set(Setup{Targets: []Target{targetIn("b")}})
		after(10 * time.Second)
		stop()
		<-ended
		if passed.Load() != 0 || failed.Load() < 10 {
			t.Errorf("%d passed, %d failed", passed.Load(), failed.Load())
		}
	})
}
