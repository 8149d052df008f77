package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/meridian-run/meridian/internal/access"
)

// oneRegion is a world of one region with one table, for `meridian serve`.
const oneRegion = `
world: bench
domain: bench.test
regions:
  here:
    place: Ashburn
    address: 127.0.0.1
    addresses:
      tables:  127.0.0.1:%d
      gateway: 127.0.0.1:%d
      admin:   127.0.0.1:%d
      link:    127.0.0.1:%d
      etcd:    127.0.0.1:%d
      dns:     127.0.0.1:%d
tables:
  bench: {key: pk}
  rows:  {key: pk, sort: {sk: N}}
`

// startMeridian runs `meridian serve` as an operator does.
func startMeridian(ctx context.Context, b *bench) (*server, error) {
	dir, err := b.scratch("serve")
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "meridian.yaml")
	base := portBase + 8000
	text := fmt.Sprintf(oneRegion, base, base+1, base+2, base+3, base+4, base+5)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return nil, err
	}
	bundles := filepath.Join(dir, "bundles")
	if out, err := exec.CommandContext(ctx, program, "init", "--spec", path, "--out", bundles).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("meridian init: %w\n%s", err, out)
	}
	keys, err := access.ReadFile(filepath.Join(bundles, "here", "keys.json"))
	if err != nil || len(keys) == 0 {
		return nil, fmt.Errorf("the bundle's keys: %w", err)
	}
	x := &server{name: "Meridian", endpoint: endpoint{address: fmt.Sprintf("127.0.0.1:%d", base), region: "here", id: keys[0].ID, secret: keys[0].Secret}}
	cmd := exec.CommandContext(ctx, program, "serve", "--bundle", filepath.Join(bundles, "here"), "--data", filepath.Join(dir, "data"))
	return x, x.start(ctx, cmd, filepath.Join(dir, "log"), false)
}

// dynaliteVersion is what we are compared with.
const dynaliteVersion = "4.0.0"

// startDynalite installs dynalite with npm if it is not in the cache, and runs
// it.
func startDynalite(ctx context.Context, b *bench) (*server, error) {
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			return nil, fmt.Errorf("this machine has no %s", tool)
		}
	}
	script := filepath.Join(b.cache, "node_modules", "dynalite", "cli.js")
	if _, err := os.Stat(script); err != nil {
		b.say("  npm installs dynalite %s in %s", dynaliteVersion, b.cache)
		if err := os.MkdirAll(b.cache, 0o755); err != nil {
			return nil, err
		}
		install := exec.CommandContext(ctx, "npm", "install", "--no-audit", "--no-fund", "--prefix", b.cache, "dynalite@"+dynaliteVersion)
		if out, err := install.CombinedOutput(); err != nil {
			_, _ = os.Stderr.Write(out)
			return nil, fmt.Errorf("npm could not install it (%w)", err)
		}
	}
	port := portBase + 8010
	x := &server{name: "dynalite", endpoint: endpoint{address: fmt.Sprintf("127.0.0.1:%d", port), region: "us-east-1", id: "bench", secret: "bench"}}
	cmd := exec.CommandContext(ctx, "node", script, "--host", "127.0.0.1", "--port", fmt.Sprint(port), "--createTableMs", "10")
	return x, x.start(ctx, cmd, filepath.Join(b.dir, "dynalite.log"), true)
}

// start runs a server and waits until its table answers.
func (x *server) start(ctx context.Context, cmd *exec.Cmd, logFile string, create bool) error {
	log, err := os.Create(logFile)
	if err != nil {
		return err
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait()
		log.Close()
	}()
	x.stop = func() { _ = cmd.Process.Kill(); <-ended }
	x.pid = cmd.Process.Pid
	x.used = func() time.Duration { return processorTime(cmd.Process.Pid) }
	deadline := time.Now().Add(30 * time.Second)
	for {
		err := x.answers(create)
		if err == nil {
			return nil
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ended:
			b, _ := os.ReadFile(logFile)
			return fmt.Errorf("%s ended: %w\n%s", x.name, err, b)
		case <-ctx.Done():
			err = ctx.Err()
		}
		if ctx.Err() != nil || time.Now().After(deadline) {
			x.stop()
			return fmt.Errorf("%s does not answer: %w", x.name, err)
		}
	}
}

// answers reports whether the table can be read, after creating it if asked to.
func (x *server) answers(create bool) error {
	c, err := dial(x.address)
	if err != nil {
		return err
	}
	defer c.close()
	if create {
		for _, body := range createBodies {
			_, _ = c.ask(x.request("CreateTable", body)) // it may be there already
			c.close()
			if c, err = dial(x.address); err != nil {
				return err
			}
		}
		defer c.close()
	}
	_, err = c.ask(x.request("GetItem", getBody("none")))
	return err
}

// bareEnv makes this program the bare server instead.
const bareEnv = "MERIDIAN_BENCH_BARE"

// startBare runs a server that only reads requests and answers as long ones: what
// net/http allows on this machine.
func startBare(ctx context.Context) (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	address := fmt.Sprintf("127.0.0.1:%d", portBase+8020)
	x := &server{name: "bare net/http (stores nothing)", endpoint: endpoint{address: address, region: "none", id: "bench", secret: "bench"}}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), bareEnv+"="+address)
	return x, x.start(ctx, cmd, os.DevNull, false)
}

// serveBare is that server.
func serveBare(address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	item := []byte(`{"Item":{"pk":{"S":"key-000000"},"data":{"S":"` + filling + `"}}}`)
	return http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		answer := item
		if len(body) > itemSize {
			answer = []byte("{}")
		}
		if _, err := w.Write(answer); err != nil && !errors.Is(err, net.ErrClosed) {
			return
		}
	}))
}
