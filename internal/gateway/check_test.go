package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-run/meridian/internal/function"
)

const healthyBody = `{"statusCode":200,"headers":{"content-type":"application/json"},"body":"{\"status\":\"healthy\"}"}`

// watched is a gateway whose service is probed.
func watched(f Function) *Gateway {
	service := api(f)
	service.Health = Health{Path: "/health", Every: time.Second, Timeout: time.Second, DeepEvery: 5 * time.Minute}
	g := New(Config{Region: "eu-west-1"})
	g.Publish(&Snapshot{Services: []Service{service}})
	g.SetReady(true, "")
	return g
}

func probed(g *Gateway, observer string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", "http://api.eu-west-1.notes.test/health", nil)
	r.Header.Set(headerProbe, observer)
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	return w
}

// observe lets three observers probe every second for a time.
func observe(t *testing.T, g *Gateway, during time.Duration) {
	var group sync.WaitGroup
	for _, observer := range []string{"us-east-1", "eu-west-1", "ap-southeast-2"} {
		group.Go(func() {
			for range int(during / time.Second) {
				if w := probed(g, observer); w.Code != 200 {
					t.Errorf("%s got %d %s", observer, w.Code, w.Body)
				}
				time.Sleep(time.Second) // of the bubble's clock
			}
		})
	}
	group.Wait()
}

func TestProbesShareOneDeepCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := says(healthyBody, nil)
		f.invoke = func(context.Context, event) (string, error) {
			time.Sleep(300 * time.Millisecond) // the check takes a while
			return healthyBody, nil
		}
		f.awake.Store(true)
		g := watched(f)
		observe(t, g, time.Minute)
		if got := f.checks.Load(); got < 30 || got > 60+20 {
			t.Errorf("three observers ran the check %d times in a minute, want about once a second", got)
		}
		if got := f.calls.Load(); got != 0 {
			t.Errorf("%d probes counted as use", got)
		}
	})
}

func TestProbesDoNotWakeASleepingFunction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := says(healthyBody, nil)
		g := watched(f)
		observe(t, g, time.Hour)
		if got, want := f.checks.Load(), int64(12); got != want {
			t.Errorf("the function was woken %d times in an hour, want %d", got, want)
		}
		if w := probed(g, "us-east-1"); w.Header().Get(headerCheck) != "run" && w.Header().Get(headerCheck) != "asleep" {
			t.Errorf("got check %q", w.Header().Get(headerCheck))
		}
	})
}

func TestR2_SleepingFunctionComesBackByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := true
		f := &fakeFunction{invoke: func(context.Context, event) (string, error) {
			if broken {
				return `{"statusCode":503,"body":"{}"}`, nil
			}
			return healthyBody, nil
		}}
		g := watched(f)
		if w := probed(g, "a"); w.Code != 503 {
			t.Fatalf("H4: got %d, want 503", w.Code)
		}
		broken = false
		time.Sleep(time.Second)
		if w := probed(g, "a"); w.Code != 200 {
			t.Errorf("got %d a second after it recovered, want 200", w.Code)
		}
	})
}

func TestBusyFunctionIsNotUnhealthy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var err error
		f := &fakeFunction{invoke: func(context.Context, event) (string, error) { return healthyBody, err }}
		f.awake.Store(true)
		g := watched(f)
		probed(g, "a")
		err = fmt.Errorf("%w: 10 instances work", function.ErrBusy)
		for n := range 100 { // however long
			time.Sleep(time.Second)
			w := probed(g, "a")
			if w.Code != 200 || w.Header().Get(headerCheck) != "busy" {
				t.Fatalf("got %d %q from a busy function, want the last result, 200 busy", w.Code, w.Header().Get(headerCheck))
			}
			if got, want := w.Header().Get("Age"), strconv.Itoa(n+1); got != want {
				t.Errorf("the result is said to be %s s old, want %s", got, want)
			}
		}
		err = function.ErrCrashed
		time.Sleep(time.Second)
		if w := probed(g, "a"); w.Code != 503 {
			t.Errorf("got %d from a function that crashes, want 503", w.Code)
		}
	})
}

func TestBusyFunctionsResultIsTheLastOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		response, err := `{"statusCode":503,"body":"{}"}`, error(nil)
		f := &fakeFunction{invoke: func(context.Context, event) (string, error) { return response, err }}
		f.awake.Store(true)
		g := watched(f)
		err = function.ErrBusy
		if w := probed(g, "a"); w.Code != 200 || !strings.Contains(w.Body.String(), "busy") {
			t.Errorf("got %d %s from a busy function that nobody has checked, want 200", w.Code, w.Body)
		}
		err = nil
		time.Sleep(time.Second)
		probed(g, "a")
		err = function.ErrBusy
		time.Sleep(time.Second)
		if w := probed(g, "a"); w.Code != 503 {
			t.Errorf("got %d from a busy function that was unhealthy, want 503", w.Code)
		}
	})
}

func TestFailingCheckIsToldOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		err := function.ErrInit
		f := &fakeFunction{invoke: func(context.Context, event) (string, error) { return healthyBody, err }}
		service := api(f)
		service.Health = Health{Path: "/health", Every: time.Second}
		g := New(Config{Region: "eu-west-1", Log: slog.New(slog.NewTextHandler(&out, nil))})
		g.Publish(&Snapshot{Services: []Service{service}})
		g.SetReady(true, "")
		for range 10 * 60 {
			probed(g, "a")
			time.Sleep(time.Second)
		}
		if got := strings.Count(out.String(), "\n"); got != 10 {
			t.Errorf("got %d lines in 10 minutes, want 10:\n%s", got, &out)
		}
		if !strings.Contains(out.String(), "others_since_last_line=59") {
			t.Errorf("the lines do not tell how often it failed:\n%s", &out)
		}
		err = nil
		probed(g, "a")
		if !strings.Contains(out.String(), "health check is answered again") {
			t.Errorf("the recovery is not told:\n%s", &out)
		}
	})
}

func TestStartingRegionAndItsOwnChecksDecideFirst(t *testing.T) {
	f := says(healthyBody, nil)
	service := api(f)
	service.Health.Path = "/health"
	checks := []Check{{Name: "store", Healthy: true}}
	g := New(Config{Region: "eu-west-1", Checks: func(string) []Check { return checks }})
	g.Publish(&Snapshot{Services: []Service{service}})

	type check struct{ Status, Reason string }
	type body struct {
		Status string
		Checks map[string]check
	}
	expect := func(name string, status int, want body) {
		t.Helper()
		w := probed(g, "a")
		var got body
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatalf("%s: %v: %s", name, err, w.Body)
		}
		if diff := cmp.Diff(got, want); diff != "" || w.Code != status {
			t.Errorf("%s: got %d, want %d; %s", name, w.Code, status, diff)
		}
	}
	expect("starting", 503, body{"unhealthy", map[string]check{"region": {"unhealthy", "the region is starting"}}})
	if f.checks.Load() != 0 {
		t.Error("a starting region woke the function")
	}
	g.SetReady(true, "")
	expect("ready", 200, body{Status: "healthy"})
	checks = []Check{{Name: "store", Reason: "the disk is full"}, {Name: "memory", Healthy: true}}
	expect("H4: a failing check", 503, body{"unhealthy", map[string]check{"store": {"unhealthy", "the disk is full"}, "memory": {Status: "healthy"}}})
}

func TestResultsAreKeptWhileTheServiceStays(t *testing.T) {
	f := says(healthyBody, nil)
	g := watched(f)
	probed(g, "a")
	before := g.routes.Load()
	g.Publish(&Snapshot{Services: []Service{before.only.Service}})
	probed(g, "a")
	if got := f.checks.Load(); got != 1 {
		t.Errorf("the check ran %d times, want 1: nothing has changed", got)
	}
	changed := before.only.Service
	changed.Function = says("", errors.New("a new version"))
	g.Publish(&Snapshot{Services: []Service{changed}})
	if w := probed(g, "a"); w.Code != http.StatusServiceUnavailable {
		t.Errorf("got %d from the new version, want its own result, 503", w.Code)
	}
}

func TestPanickingCheckIsUnhealthyAndDoesNotBlock(t *testing.T) {
	g := watched(&fakeFunction{invoke: func(context.Context, event) (string, error) { panic("a bug") }})
	if w := probed(g, "a"); w.Code != 500 {
		t.Errorf("got %d, want 500", w.Code)
	}
	if w := probed(g, "b"); w.Code != 500 {
		t.Errorf("got %d afterwards, want 500", w.Code)
	}
}

func TestOnlyMarkedRequestsAreProbes(t *testing.T) {
	f := says(healthyBody, nil)
	g := watched(f)
	for _, header := range []string{"", "us-east-1"} {
		r := httptest.NewRequest("GET", "http://api.notes.test/health", nil)
		if header != "" {
			r.URL.Path = "/other"
			r.Header.Set(headerProbe, header)
		}
		g.ServeHTTP(httptest.NewRecorder(), r)
	}
	if f.calls.Load() != 2 || f.checks.Load() != 0 {
		t.Errorf("got %d calls and %d checks, want 2 and 0", f.calls.Load(), f.checks.Load())
	}
}
