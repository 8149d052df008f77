package world

import (
	"bufio"
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/meridian-run/meridian/client"
	"github.com/meridian-run/meridian/spec"
)

// childVariable makes this test binary run a world until it is killed: its
// directory, address and bundle, separated by spaces.
const childVariable = "MERIDIAN_TEST_CHILD"

// child is a world in a process of its own.
type child struct{ *exec.Cmd }

// startChild starts a world in another process, has each of its regions run the
// function, and returns when they have.
func startChild(t *testing.T, dir, base, bundle string) child {
	t.Helper()
	c := child{exec.Command(os.Args[0])}
	c.Env = append(os.Environ(), childVariable+"="+strings.Join([]string{dir, base, bundle}, " "))
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "ready\n" {
		t.Fatalf("the world in a process of its own said %q (%v), want ready", line, err)
	}
	return c
}

// kill ends the process as SIGKILL does, and waits for it. It may be called
// twice.
func (c child) kill() {
	c.Process.Kill()
	c.Wait()
}

// runChild is the other process.
func runChild(argument string) error {
	part := strings.Fields(argument)
	if len(part) != 3 {
		return fmt.Errorf("%s is %q, want a directory, an address and a bundle", childVariable, argument)
	}
	world, err := spec.Parse("test.yaml", []byte(strings.ReplaceAll(notesSpec, "BUNDLE", part[2])))
	if err != nil {
		return err
	}
	w, err := New(Config{Spec: world, Dir: part[0], Base: netip.MustParseAddr(part[1])})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	select {
	case err := <-ended:
		return err
	case <-w.Ready():
	}
	for _, from := range besides {
		if _, err := w.Request(ctx, client.Request{Method: "GET", Path: "/data/none", From: from}); err != nil {
			return err
		}
	}
	fmt.Println("ready")
	return <-ended
}
