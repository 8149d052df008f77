package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// builtIn is where binaries are, once they are built.
var builtIn string

// binaries are meridian and the notes application, built once for all tests
// that start real processes.
var binaries = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "meridian-binaries")
	if err != nil {
		return "", err
	}
	builtIn = dir
	for name, pkg := range map[string]string{"meridian": ".", "bundle/bootstrap": "../../examples/notes"} {
		build := exec.Command("go", "build", "-o", filepath.Join(dir, name), pkg)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return "", fmt.Errorf("build %s: %w\n%s", name, err, out)
		}
	}
	return dir, nil
})

// demo is a `meridian dev` process that runs the notes application.
type demo struct {
	t       *testing.T
	folder  string // with the spec, the bundle and .demo
	process *exec.Cmd
	out     *screen
}

// startDemo starts the demo on ports that nothing else uses.
func startDemo(t *testing.T, flags ...string) *demo {
	t.Helper()
	built, err := binaries()
	if err != nil {
		t.Fatal(err)
	}
	d := &demo{t: t, folder: t.TempDir()}
	text, err := os.ReadFile("../../examples/notes/meridian.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.ReplaceAll(text, []byte("./bundle"), []byte(filepath.Join(built, "bundle")))
	if err := os.WriteFile(filepath.Join(d.folder, "meridian.yaml"), text, 0o644); err != nil {
		t.Fatal(err)
	}
	d.start(flags...)
	return d
}

// start starts the process on ports that are free.
func (d *demo) start(flags ...string) {
	d.t.Helper()
	for range 10 {
		if d.try(append([]string{"--port-base", strconv.Itoa(rand.IntN(200) * 100)}, flags...)) {
			return
		}
	}
	d.t.Fatalf("no ports were free; the last try said:\n%s", d.out)
}

// try starts the process and waits for its box; false is a port conflict.
func (d *demo) try(flags []string) bool {
	d.out = &screen{box: make(chan struct{})}
	d.process = exec.Command(filepath.Join(d.binaries(), "meridian"), append([]string{"dev", "--data", ".demo"}, flags...)...)
	d.process.Dir, d.process.Stdout, d.process.Stderr = d.folder, d.out, d.out
	if err := d.process.Start(); err != nil {
		d.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- d.process.Wait() }()
	select {
	case <-d.out.box:
		d.t.Cleanup(func() { d.interrupt(ended) })
		return true
	case err := <-ended:
		if !strings.Contains(d.out.String(), "ports cannot be had") {
			d.t.Fatalf("dev ended with %v:\n%s", err, d.out)
		}
	case <-time.After(60 * time.Second):
		_ = d.process.Process.Kill()
		<-ended
		log, _ := os.ReadFile(filepath.Join(d.folder, ".demo", "meridian.log"))
		d.t.Fatalf("no box within 60 s:\n%s\n%s", d.out, log)
	}
	return false
}

// interrupt is Ctrl-C: everything ends, and with 0.
func (d *demo) interrupt(ended <-chan error) {
	_ = d.process.Process.Signal(syscall.SIGINT)
	select {
	case err := <-ended:
		if err != nil {
			d.t.Errorf("dev ended with %v after Ctrl-C:\n%s", err, d.out)
		}
	case <-time.After(30 * time.Second):
		d.t.Error("dev did not end within 30 s of Ctrl-C")
		_ = d.process.Process.Kill()
		<-ended
	}
	if _, err := os.Stat(filepath.Join(d.folder, ".demo", "context.json")); err == nil {
		d.t.Error("the context file is still there")
	}
}

func (d *demo) binaries() string {
	dir, err := binaries()
	if err != nil {
		d.t.Fatal(err)
	}
	return dir
}

// shell runs a line as a person in the demo's folder would, and wants exit 0.
func (d *demo) shell(line string) string {
	d.t.Helper()
	out, err := d.shellTry(line)
	if err != nil {
		d.t.Fatalf("%s: %v\n%s", line, err, out)
	}
	return out
}

func (d *demo) shellTry(line string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	command := exec.CommandContext(ctx, "sh", "-c", line)
	command.Dir = d.folder
	command.Env = append(os.Environ(), "PATH="+d.binaries()+":"+os.Getenv("PATH"))
	out, err := command.CombinedOutput()
	return string(out), err
}

// wait repeats a line until it prints what is wanted.
func (d *demo) wait(line, want string) string {
	d.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		out, err := d.shellTry(line)
		if err == nil && strings.Contains(out, want) {
			return out
		}
		if time.Now().After(deadline) {
			d.t.Fatalf("%s never printed %q; the last time: %v\n%s", line, want, err, out)
		}
	}
}

// The README's session, typed at a real `meridian dev`, in both address modes.
func TestI1_R1_R2_R5_D1_Demo(t *testing.T) {
	for name, flags := range map[string][]string{"an address each": nil, "one address": {"--one-address"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			playDemo(t, startDemo(t, flags...))
		})
	}
}

func playDemo(t *testing.T, d *demo) {
	posted := d.shell(`meridian request POST /data --body '{"name":"x"}' --from "New York"`)
	if !strings.Contains(posted, "200 OK from us-east-1") || !strings.Contains(posted, "curl ") || !strings.Contains(posted, "dig ") {
		t.Fatalf("POST printed:\n%s", posted)
	}
	var note struct{ RequestID string }
	if err := json.Unmarshal([]byte(posted[strings.LastIndex(strings.TrimSpace(posted), "\n"):]), &note); err != nil || note.RequestID == "" {
		t.Fatalf("POST printed no request id:\n%s", posted)
	}
	get := "meridian request GET /data/" + note.RequestID
	if out := d.wait(get+" --from Sydney", `"x"`); !strings.Contains(out, "from ap-southeast-2") {
		t.Errorf("Sydney was not served by ap-southeast-2:\n%s", out)
	}

	if out, err := d.shellTry("meridian dev --data .demo"); err == nil || !strings.Contains(out, "runs") {
		t.Errorf("a second dev on the same data: %v, %s; want a refusal that says that one runs", err, out)
	}

	d.shell("meridian region stop us-east-1")
	d.wait("meridian status", "us-east-1 removed")
	if out := d.shell("meridian status"); !strings.Contains(out, "after it stopped (seen by ap-southeast-2, eu-west-1)") {
		t.Errorf("status does not say when and by whom us-east-1 was removed:\n%s", out)
	}
	if out := d.shell(get + ` --from "New York"`); !strings.Contains(out, "200 OK from eu-west-1") || !strings.Contains(out, "us-east-1: unhealthy") {
		t.Errorf("New York was not sent to eu-west-1 with the reason:\n%s", out)
	}
	if out := d.shell("meridian region start us-east-1"); !strings.Contains(out, "answered again") {
		t.Errorf("region start did not show the return:\n%s", out)
	}
	d.wait(get+` --from "New York"`, "200 OK from us-east-1")

	d.wait("meridian lookup api --from Tokyo", "ap-southeast-2")
	if _, err := exec.LookPath("aws"); err == nil {
		if out := d.shell(`eval "$(meridian env eu-west-1)" && aws dynamodb scan --table-name notes`); !strings.Contains(out, note.RequestID) {
			t.Errorf("aws dynamodb scan does not show the note:\n%s", out)
		}
	}
	status := d.shell(`meridian status --json 2>/dev/null`)
	if !json.Valid([]byte(status)) {
		t.Errorf("status --json is not JSON:\n%s", status)
	}
}
