package world

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// load is a steady load of writes and reads by clients that honour the TTL.
type load struct {
	mu           sync.Mutex // guards all below
	acknowledged map[string]string
	calls        int
	failures     []failure
}

type failure struct {
	began time.Time
	what  string
}

// loadEvery is how often each client makes a request.
const loadEvery = 25 * time.Millisecond

// start begins a load from some places; it ends with ctx, and stopped is closed
// when all its clients have ended.
func (l *load) start(t *testing.T, ctx context.Context, w *World, places ...string) (stopped <-chan struct{}) {
	l.acknowledged = map[string]string{}
	var clients sync.WaitGroup
	for _, from := range places {
		u := newUser(t, w, "api.notes.test", from)
		clients.Go(func() { l.run(ctx, u, from) })
	}
	done := make(chan struct{})
	go func() { clients.Wait(); close(done) }()
	return done
}

func (l *load) run(ctx context.Context, u *user, from string) {
	ticker := time.NewTicker(loadEvery)
	defer ticker.Stop()
	last := "none"
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		began, name := time.Now(), fmt.Sprint(from, " ", i)
		if i%2 == 1 {
			got, err := u.do(context.WithoutCancel(ctx), "GET", "/data/"+last, "")
			l.note(began, "GET from "+from, got, err)
			continue
		}
		got, err := u.do(context.WithoutCancel(ctx), "POST", "/data", `{"name":"`+name+`"}`)
		if !l.note(began, "POST from "+from, got, err) {
			continue
		}
		var id struct{ RequestID string }
		if json.Unmarshal([]byte(got.body), &id) == nil {
			last = id.RequestID
			l.mu.Lock()
			l.acknowledged[last] = name
			l.mu.Unlock()
		}
	}
}

// note counts a call and reports whether it was answered with 200.
func (l *load) note(began time.Time, what string, got reply, err error) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls++
	switch {
	case err != nil:
		l.failures = append(l.failures, failure{began, what + ": " + err.Error()})
	case got.status != 200:
		l.failures = append(l.failures, failure{began, fmt.Sprintf("%s: status %d by %s: %s", what, got.status, got.servedBy, got.body)})
	default:
		return true
	}
	return false
}

// after are the failures of calls that began later.
func (l *load) after(at time.Time) (late []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range l.failures {
		if f.began.After(at) {
			late = append(late, f.began.Format("15:04:05.000 ")+f.what)
		}
	}
	return late
}

// functionProcesses are the processes of a region's function instances.
func functionProcesses(t *testing.T, w *World, of string) (pids []int) {
	t.Helper()
	records, err := filepath.Glob(filepath.Join(w.cfg.Dir, of, "functions", "*", "instances", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range records {
		var record struct{ PID int }
		content, err := os.ReadFile(path)
		if err == nil && json.Unmarshal(content, &record) == nil && record.PID > 0 {
			pids = append(pids, record.PID)
		}
	}
	return pids
}

func lives(pid int) bool { return !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

// A region is lost as by a power cut while clients write and read through the
// routing, and comes back.
func TestRegionLost_R2_R5_D1_F1_UnderLoad(t *testing.T) {
	t.Parallel()
	w := run(t, Config{Spec: parse(t, strings.Replace(notesSpec, "ttl: 5s", "ttl: 2s", 1))})
	const ttl = 2 * time.Second

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var l load
	stopped := l.start(t, ctx, w, "New York", "New York", "London", "Sydney")
	served := newUser(t, w, "api.notes.test", "New York")
	eventually(t, 40*time.Second, "the load runs", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.acknowledged) > 50
	})
	if late := l.after(time.Time{}); len(late) > 0 {
		t.Errorf("failures before anything was stopped: %v", late)
	}
	processes := functionProcesses(t, w, us)
	if len(processes) == 0 {
		t.Error("no function instance is on record under load")
	}

	if _, err := w.StopRegion(t.Context(), us); err != nil {
		t.Fatal(err)
	}
	stoppedAt := time.Now()
	for _, pid := range processes {
		if lives(pid) {
			t.Errorf("process %d of a function survived the stop", pid)
		}
	}
	detected := time.Time{}
	for _, survivor := range []string{eu, ap} {
		if at := told(t, w, survivor, "removed", us, "").At; at.After(detected) {
			detected = at
		}
	}
	t.Logf("removed everywhere %v after the stop", detected.Sub(stoppedAt))
	// Clients may keep what they were told until then; after that, no error.
	quiet := detected.Add(ttl + 250*time.Millisecond)
	eventually(t, 40*time.Second, "New York is served elsewhere for a while", func() bool {
		return time.Since(quiet) > 2*time.Second && served.must(t, "GET", "/data/none", "", 200).servedBy == eu
	})
	if got := status(t, w, eu).Regions; got[0].State != "stopped" || got[0].Reached {
		t.Errorf("status shows %s as %q, reached %v, want stopped", us, got[0].State, got[0].Reached)
	}

	if _, err := w.StartRegion(t.Context(), us); err != nil {
		t.Fatal(err)
	}
	eventually(t, 40*time.Second, "New York is served by "+us+" again", func() bool {
		return served.must(t, "GET", "/data/none", "", 200).servedBy == us
	})
	cancel()
	<-stopped
	if late := l.after(quiet); len(late) > 0 {
		t.Errorf("%d of %d calls failed although the TTL was over, first %s", len(late), l.calls, late[0])
	}
	t.Logf("%d calls, %d acknowledged writes, %d failures, all within detection and TTL", l.calls, len(l.acknowledged), len(l.failures))
	for _, name := range all {
		db := tables(t, w, name)
		var missing []string
		eventually(t, 40*time.Second, name+" has every acknowledged write", func() bool {
			items, err := scan(t.Context(), db, "notes")
			if err != nil {
				t.Fatal(err)
			}
			missing = missing[:0]
			for id := range maps.Keys(l.acknowledged) {
				if items["pk="+id] == "" {
					missing = append(missing, id)
				}
			}
			return len(missing) == 0
		})
	}
	if caughtUp := told(t, w, us, "caught-up", eu, ""); !strings.Contains(caughtUp.Text, eu) {
		t.Errorf("the event says %q", caughtUp.Text)
	}
}

// A whole process is killed; its functions do not outlive the next start.
func TestKilledProcessLeavesNoFunctions(t *testing.T) {
	t.Parallel()
	dir, base := t.TempDir(), bindSomewhere(t, Config{Spec: parse(t, notesSpec), Dir: t.TempDir()})
	base.release() // the address is what was wanted
	child := startChild(t, dir, base.cfg.Base.String(), notesBundle(t))
	w := &World{cfg: Config{Dir: dir}}
	var processes []int
	for _, name := range all {
		processes = append(processes, functionProcesses(t, w, name)...)
	}
	if len(processes) == 0 {
		t.Fatal("the world that is to be killed runs no function")
	}
	child.kill()
	again := runAt(t, Config{Spec: parse(t, notesSpec), Dir: dir, Base: base.cfg.Base})
	for _, pid := range processes {
		eventually(t, 40*time.Second, fmt.Sprintf("process %d is gone", pid), func() bool { return !lives(pid) })
	}
	request(t, again, "POST", "/data", `{"name":"x"}`, "New York", 200)
	if got := functionProcesses(t, again, us); len(got) == 0 || slices.ContainsFunc(got, func(pid int) bool { return slices.Contains(processes, pid) }) {
		t.Errorf("the new instances %v should be others than %v", got, processes)
	}
}
