package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-run/meridian/client"
	"github.com/meridian-run/meridian/spec"
)

// fakeDev is a dev world whose regions are a fake's.
type fakeDev struct {
	ready   chan struct{}
	context client.Context
	fail    error
}

func (f *fakeDev) Run(ctx context.Context) error {
	if f.fail != nil {
		return f.fail
	}
	close(f.ready)
	<-ctx.Done()
	return nil
}
func (f *fakeDev) Ready() <-chan struct{}   { return f.ready }
func (f *fakeDev) Context() client.Context  { return f.context }
func (f *fakeDev) Changes() <-chan struct{} { return nil }

// screen is what dev prints, and a channel that closes at the box's last line.
type screen struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
	once sync.Once
	box  chan struct{}
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text.Write(p)
	if strings.Contains(s.text.String(), "╰") {
		s.once.Do(func() { close(s.box) })
	}
	return len(p), nil
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// newDevApp returns an app whose dev runs the fake, and its data directory.
func newDevApp(t *testing.T, world *fakeDev) (*app, devOptions, *screen) {
	t.Helper()
	data := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(data, 0o755); err != nil {
		t.Fatal(err)
	}
	end, err := newFake(t).world(data)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(end)
	if world.context, err = client.LoadContext(filepath.Join(data, client.ContextName)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(data, client.ContextName)); err != nil {
		t.Fatal(err)
	}
	out := &screen{box: make(chan struct{})}
	a := &app{in: strings.NewReader(""), out: out, err: out, getenv: func(string) string { return "" }}
	a.newDev = func(devOptions) (devWorld, error) { return world, nil }
	world.ready = make(chan struct{})
	return a, devOptions{Spec: &spec.World{}, SpecFile: filepath.Join(data, specName), Data: data}, out
}

func TestDevShowsItsRegionsAndCleansUp(t *testing.T) {
	world := &fakeDev{}
	a, o, out := newDevApp(t, world)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.runDev(ctx, o) }()
	<-out.box

	context := filepath.Join(o.Data, client.ContextName)
	if written, err := client.LoadContext(context); err != nil || written.World != "notes" {
		t.Errorf("context while dev runs: %+v, %v; want the world's", written, err)
	}
	for _, want := range []string{
		"notes runs in 3 regions, ready after", "http://127.0.20.1:8080", "127.0.30.1:5300", "http://127.0.10.1:8000",
		"http://127.0.10.1:7070", "meridian region stop us-east-1 && meridian status --watch", "Ctrl-C stops everything",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the box lacks %q:\n%s", want, out)
		}
	}
	second := a.runDev(ctx, o)
	if second == nil || !strings.Contains(second.Error(), "runs with the data in") {
		t.Errorf("a second dev with the same data: got %v, want that one runs", second)
	}

	cancel()
	if err := <-done; err != nil {
		t.Errorf("dev ended with %v, want nil after Ctrl-C", err)
	}
	if _, err := os.Stat(context); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the context file is still there (%v): commands would look for a world that is gone", err)
	}
}

func TestDevReportsAWorldThatFails(t *testing.T) {
	a, o, _ := newDevApp(t, &fakeDev{fail: errors.New("port 8080 is taken")})
	err := a.runDev(t.Context(), o)
	if err == nil || err.Error() != "port 8080 is taken" {
		t.Errorf("got %v, want what Run returned", err)
	}
}

func TestDevFreshEmptiesOnlyItsOwnDirectory(t *testing.T) {
	a, o, _ := newDevApp(t, &fakeDev{fail: errors.New("enough")})
	o.Fresh = true
	precious := filepath.Join(o.Data, "precious")
	if err := os.WriteFile(precious, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	err := a.runDev(t.Context(), o)
	if err == nil || !strings.Contains(err.Error(), "is no directory of meridian dev") {
		t.Errorf("--fresh on a foreign directory: got %v, want a refusal", err)
	}
	if _, err := os.Stat(precious); err != nil {
		t.Errorf("the foreign file is gone: %v", err)
	}

	o.Fresh = false
	if err := a.runDev(t.Context(), o); err == nil || err.Error() != "enough" {
		t.Fatalf("got %v, want the world's own error", err)
	}
	o.Fresh = true
	if err := a.runDev(t.Context(), o); err == nil || err.Error() != "enough" {
		t.Fatalf("--fresh on dev's own directory: got %v, want the world's own error", err)
	}
	if _, err := os.Stat(precious); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("--fresh left a file of an earlier run (%v)", err)
	}
}

func TestBoxInOneAddressModeSaysSo(t *testing.T) {
	var out bytes.Buffer
	status := client.Status{World: "notes", Regions: []client.Region{
		{Name: "a", Addresses: client.Addresses{API: "127.0.0.1:8180", Answer: "127.0.10.1"}},
		{Name: "b", Addresses: client.Addresses{API: "127.0.0.1:8280", Answer: "127.0.20.1"}},
	}}
	writeBox(&out, style{}, box{status: status, data: ".demo", try: []string{"meridian status"}})
	golden(t, "box.txt", out.Bytes())
}

func TestTryCommandsComeFromTheSpecsFolder(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "try.txt"), []byte("one\ntwo\x1b[2J\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	got := tryCommands(filepath.Join(dir, specName), "context.json", client.Status{})
	got = got[max(0, len(got)-2):]
	if diff := cmp.Diff([]string{"one", "two[2J"}, got); diff != "" {
		t.Errorf("commands (-want +got):\n%s", diff)
	}
}

// A world without services has nothing that a request could reach.
func TestTryCommandsSuitTheWorld(t *testing.T) {
	for _, services := range [][]client.Service{nil, {{Name: "api"}}} {
		got := strings.Join(tryCommands(filepath.Join(t.TempDir(), specName), "context.json", client.Status{Services: services}), "\n")
		if strings.Contains(got, "meridian request") != (len(services) > 0) {
			t.Errorf("with %d services:\n%s", len(services), got)
		}
	}
}
