package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/meridian-run/meridian/client"
	"github.com/meridian-run/meridian/spec"
)

// servedPlaces are where the regions of the tests' worlds are, in order.
var servedPlaces = []struct{ region, place string }{
	{"us-east-1", "Ashburn"}, {"eu-west-1", "Dublin"}, {"ap-southeast-2", "Sydney"}, {"sa-east-1", "Sao Paulo"},
}

// notesService is examples/notes with the shortest TTL: resolvers that honour it
// come back soon.
const notesService = `
tables:
  notes: {key: pk}
services:
  api:
    function: {bundle: BUNDLE}
    tables:   [notes]
    health:   {path: /health, every: 1s, fail_after: 3}
    routing:  {policy: latency, ttl: 1s}
`

// served is a world of `meridian serve` processes, this test binary being the
// program (testscript.Main puts it on the path as meridian).
type served struct {
	t     *testing.T
	dir   string
	spec  *spec.World
	nodes map[string]*process
}

// worldPlan says what world a test wants.
type worldPlan struct {
	Name    string // default: notes
	Regions int
	Witness bool
	Rest    string // of the spec; default: notesService
}

// serve writes a spec with addresses of its own, makes bundles, starts every
// node, and waits until all regions are answered.
func serve(t *testing.T, plan worldPlan) *served {
	t.Helper()
	var w *served
	for range 5 {
		w = prepare(t, plan)
		w.start(w.names()...)
		if w.awaitAnswered(w.spec.RegionNames()...) {
			return w
		}
		// A port was taken between being chosen and being used: choose again.
		w.kill()
	}
	t.Fatal("the world's ports are always taken")
	return w
}

// prepare makes a world's spec and bundles and starts nothing.
func prepare(t *testing.T, plan worldPlan) *served {
	t.Helper()
	w := &served{t: t, dir: t.TempDir(), nodes: map[string]*process{}}
	text := specText(t, plan)
	w.write("meridian.yaml", text)
	if out, err := w.meridian("init"); err != nil {
		t.Fatalf("meridian init: %v\n%s", err, out)
	}
	var err error
	if w.spec, err = spec.Parse("meridian.yaml", []byte(text)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.end)
	return w
}

// specText is a spec whose nodes have free ports on addresses of their own.
func specText(t *testing.T, plan worldPlan) string {
	t.Helper()
	if plan.Name == "" {
		plan.Name = "notes"
	}
	if plan.Rest == "" {
		plan.Rest = notesService
	}
	if strings.Contains(plan.Rest, "BUNDLE") {
		built, err := binaries()
		if err != nil {
			t.Fatal(err)
		}
		plan.Rest = strings.ReplaceAll(plan.Rest, "BUNDLE", filepath.Join(built, "bundle"))
	}
	network := fmt.Sprintf("127.%d.%d.", 100+rand.IntN(100), rand.IntN(250))
	var ports freePorts
	defer ports.release()
	var b strings.Builder
	fmt.Fprintf(&b, "world: %s\ndomain: %s.test\nregions:\n", plan.Name, plan.Name)
	for i := range plan.Regions {
		p := servedPlaces[i]
		fmt.Fprintf(&b, "  %s: {place: %s, %s}\n", p.region, p.place, ports.node(t, network+fmt.Sprint(10*(i+1))))
	}
	if plan.Witness {
		fmt.Fprintf(&b, "witness: {place: Montreal, %s}\n", ports.node(t, network+"99"))
	}
	return b.String() + strings.TrimPrefix(plan.Rest, "\n")
}

// freePorts finds free ports, and holds each until all are found: one that was
// let go may be given out again.
type freePorts []io.Closer

func (p *freePorts) release() {
	for _, held := range *p {
		held.Close()
	}
}

// node are the addresses of one node. Where 127.0.0.0/8 is not all loopback, ip
// is only what DNS answers.
func (p *freePorts) node(t *testing.T, ip string) string {
	t.Helper()
	host := ip
	if l, err := net.Listen("tcp", ip+":0"); err != nil {
		host = "127.0.0.1"
	} else {
		l.Close()
	}
	var list []string
	for _, part := range []string{"gateway", "tables", "admin", "link", "etcd", "dns"} {
		list = append(list, fmt.Sprintf("%s: %q", part, p.address(t, host)))
	}
	return fmt.Sprintf("address: %s, addresses: {%s}", ip, strings.Join(list, ", "))
}

// address is one that is free for TCP and UDP.
func (p *freePorts) address(t *testing.T, host string) string {
	t.Helper()
	for range 20 {
		l, err := net.Listen("tcp", host+":0")
		if err != nil {
			t.Fatal(err)
		}
		*p = append(*p, l)
		at := l.Addr().String()
		if c, err := net.ListenPacket("udp", at); err == nil {
			*p = append(*p, c)
			return at
		}
	}
	t.Fatalf("%s has no free port", host)
	return ""
}

func (w *served) path(parts ...string) string {
	return filepath.Join(append([]string{w.dir}, parts...)...)
}

func (w *served) write(name, text string) {
	w.t.Helper()
	if err := os.WriteFile(w.path(name), []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

// names are all nodes, the witness included.
func (w *served) names() []string {
	names := slices.Clone(w.spec.RegionNames())
	if w.spec.Witness != nil {
		names = append(names, spec.WitnessName)
	}
	return names
}

func (w *served) region(name string) spec.Region {
	w.t.Helper()
	r, ok := w.spec.Region(name)
	if !ok {
		w.t.Fatalf("there is no region %s", name)
	}
	return r
}

// meridian runs a command to its end in the world's directory and returns what
// it printed.
func (w *served) meridian(args ...string) (string, error) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := meridianCommand(ctx, w.dir, args...)
	out, err := c.CombinedOutput()
	return string(out), err
}

// must runs a command that has to work.
func (w *served) must(args ...string) string {
	w.t.Helper()
	out, err := w.meridian(args...)
	if err != nil {
		w.t.Fatalf("meridian %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func meridianCommand(ctx context.Context, dir string, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, "meridian", args...)
	c.Dir = dir
	// The race detector's second at each exit adds up.
	c.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=1", "MERIDIAN_CONTEXT=", "TZ=UTC")
	return c
}

// start starts nodes that do not run.
func (w *served) start(names ...string) {
	w.t.Helper()
	for _, name := range names {
		args := []string{"serve", "--bundle", w.path("bundles", name), "--data", w.path("data")}
		if name == spec.WitnessName {
			args = append(args, "--witness")
		}
		w.nodes[name] = startProcess(w.t, w.dir, name, args...)
	}
}

// kill ends nodes as a power cut would; none named is all that run.
func (w *served) kill(names ...string) {
	w.t.Helper()
	if len(names) == 0 {
		for name, p := range w.nodes {
			if p.running() {
				names = append(names, name)
			}
		}
	}
	for _, name := range names {
		w.nodes[name].signal(syscall.SIGKILL)
		w.nodes[name].await(10 * time.Second)
	}
}

// end ends the world with its test, and shows the logs if that failed.
func (w *served) end() {
	w.kill()
	if !w.t.Failed() {
		return
	}
	for name, p := range w.nodes {
		text := p.log()
		w.t.Logf("the log of %s ends with:\n%s", name, text[max(0, len(text)-8000):])
	}
}

// client asks a region first, else any.
func (w *served) client(region string) *client.Client {
	w.t.Helper()
	known, err := client.LoadContext(w.path("bundles", client.ContextName))
	if err != nil {
		w.t.Fatal(err)
	}
	c, err := client.New(client.Config{Context: known, Region: region})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// status is the world as a region sees it; false if that region does not
// answer.
func (w *served) status(region string) (client.Status, bool) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	s, err := w.client(region).Status(ctx)
	return s, err == nil && s.Answered == region
}

// awaitAnswered waits until every region that is up answers all the named ones,
// and no others; false if a node lacks its ports.
func (w *served) awaitAnswered(answered ...string) bool {
	w.t.Helper()
	taken := false
	eventually(w.t, 90*time.Second, "answered are just "+strings.Join(answered, ", "), func() bool {
		for _, name := range w.spec.RegionNames() {
			p := w.nodes[name]
			if p != nil && p.ended() && strings.Contains(p.log(), "another program listens there") {
				taken = true
				return true
			}
			if !p.running() {
				continue
			}
			s, ok := w.status(name)
			if !ok || !slices.Equal(answeredIn(s), answered) {
				return false
			}
		}
		return true
	})
	return !taken
}

// answeredIn are the regions that DNS gives to anyone, for the world's first
// service, in the spec's order; without services, those that are ready.
func answeredIn(s client.Status) []string {
	var names []string
	if len(s.Services) == 0 {
		for _, r := range s.Regions {
			if r.Ready && r.Reached {
				names = append(names, r.Name)
			}
		}
		return names
	}
	for _, r := range s.Services[0].Regions {
		if r.Answered && !s.Services[0].FailOpen {
			names = append(names, r.Region)
		}
	}
	return names
}

// eventually waits for what the world reaches by itself.
func eventually(t *testing.T, within time.Duration, what string, reached func() bool) {
	t.Helper()
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for !reached() {
		select {
		case <-ticker.C:
		case <-deadline.C:
			t.Fatalf("not within %v: %s", within, what)
		}
	}
}

// process is one running node.
type process struct {
	t    *testing.T
	name string
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	err  error         // how; set before done is closed

	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func startProcess(t *testing.T, dir, name string, args ...string) *process {
	t.Helper()
	p := &process{t: t, name: name, done: make(chan struct{})}
	p.cmd = meridianCommand(context.Background(), dir, args...)
	p.cmd.Stdout, p.cmd.Stderr = p, p
	// A function that outlives its node must not keep the pipes open.
	p.cmd.WaitDelay = time.Second
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p
}

// Write takes in what the process prints.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(b)
}

// log is what the process has printed.
func (p *process) log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

func (p *process) running() bool { return p != nil && !p.ended() }

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Fatalf("signal %s: %v", p.name, err)
	}
}

// await waits for the process's end and returns its exit code, -1 if a signal
// ended it.
func (p *process) await(within time.Duration) int {
	p.t.Helper()
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode()
	case <-timer.C:
		p.t.Fatalf("%s has not ended after %v", p.name, within)
		return 0
	}
}

// awaitLog waits until the process has printed a text.
func (p *process) awaitLog(within time.Duration, text string) {
	p.t.Helper()
	eventually(p.t, within, p.name+" says "+text, func() bool { return strings.Contains(p.log(), text) })
}
