package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/meridian-run/meridian/client"
	"github.com/meridian-run/meridian/spec"
)

func devCommand() *command {
	return &command{
		name:    "dev",
		summary: "run every region of a spec in this process, with a simulated WAN",
		about: `Dev starts every region of the spec in one process. Each has a loopback address of its
own and the ports of a real one; between them lies a simulated network with the delays
of their places. Ctrl-C stops everything; the data stays, and the next start has it.
The log is in the data directory. Commands to try, one a line in a try.txt beside the
spec, are shown when the world is ready.`,
		examples: []string{
			"meridian dev",
			"meridian dev --spec examples/notes/meridian.yaml --data .demo",
			"meridian dev --fresh --port-base 20000",
		},
		build: func(a *app, flags *flagSet) func(context.Context, []string) error {
			var o devOptions
			file := flags.String("spec", specName, "the spec `file`")
			flags.StringVar(&o.Data, "data", ".meridian", "the `directory` that holds all regions' data")
			flags.BoolVar(&o.Fresh, "fresh", false, "begin without the data of earlier runs")
			flags.BoolVar(&o.OneAddress, "one-address", false, "use 127.0.0.1 with port + 100·n for region n (always so on macOS)")
			flags.IntVar(&o.PortBase, "port-base", 0, "add this `number` to every port")
			return func(ctx context.Context, args []string) error {
				if err := want("dev", args, 0, 0, "[--spec FILE]"); err != nil {
					return err
				}
				if o.PortBase < 0 || o.PortBase > portBaseMax {
					return usagef("dev: --port-base is %d; it is added to ports up to 9000, so at most %d", o.PortBase, portBaseMax)
				}
				var err error
				if o.Spec, err = spec.Load(*file); err != nil {
					return err
				}
				o.SpecFile = *file
				o.OneAddress = o.OneAddress || !loopbackHas(secondAddress)
				return a.runDev(ctx, o)
			}
		},
	}
}

// secondAddress is one of those that regions listen on where all of 127.0.0.0/8
// is loopback, as on Linux; macOS has 127.0.0.1 only.
const secondAddress = "127.0.10.1"

// loopbackHas reports whether this machine can listen on address.
func loopbackHas(address string) bool {
	l, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
	if err != nil {
		return false
	}
	l.Close()
	return true
}

// portBaseMax leaves room for the highest default port and 100 for each of
// fifty regions on one address.
const portBaseMax = 65535 - 9000 - 5000

// timeoutReady is how long dev waits for its regions before it says so.
const timeoutReady = time.Minute

// devOptions says what dev runs.
type devOptions struct {
	Spec       *spec.World
	SpecFile   string
	Data       string
	Fresh      bool
	OneAddress bool
	PortBase   int
	Log        *slog.Logger
}

// devWorld is a world in this process.
type devWorld interface {
	runner
	// Ready is closed when every region serves.
	Ready() <-chan struct{}
	// Context says how commands reach it; its files lie in the data directory.
	// Changes tells when it has changed: a region came or went.
	Context() client.Context
	Changes() <-chan struct{}
}

// runDev runs the world and shows the box when it is ready, then its events.
func (a *app) runDev(ctx context.Context, o devOptions) error {
	begin := time.Now()
	if o.Fresh {
		if err := checkFresh(o.Data); err != nil {
			return err
		}
	}
	unlock, err := lockData(o.Data)
	if err != nil {
		return err
	}
	defer unlock()
	if o.Fresh {
		if err := emptyData(o.Data); err != nil {
			return err
		}
	}
	logFile, err := os.OpenFile(filepath.Join(o.Data, "meridian.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("open the log: %w", err)
	}
	defer logFile.Close()
	o.Log = slog.New(slog.NewTextHandler(logFile, nil))
	if err := checkBundles(o.Spec); err != nil {
		return err
	}
	useProcessors(a.getenv)
	w, err := a.newDev(o)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	shown := make(chan error, 1) // one message: what the showing ended with
	go func() {
		shown <- a.showDev(ctx, begin, w, o)
		cancel()
	}()
	err = w.Run(ctx)
	cancel()
	if problem := <-shown; problem != nil && !errors.Is(problem, context.Canceled) {
		err = errors.Join(problem, err)
	}
	return errors.Join(err, removeIfThere(filepath.Join(o.Data, client.ContextName)))
}

// showDev waits until the world is ready, writes its context file, shows the
// box, and prints events until ctx ends.
func (a *app) showDev(ctx context.Context, begin time.Time, w devWorld, o devOptions) (err error) {
	path := filepath.Join(o.Data, client.ContextName)
	select {
	case <-w.Ready():
	case <-ctx.Done():
		return nil
	case <-time.After(timeoutReady):
		return fmt.Errorf("the regions are not ready after %s; %s says why", timeoutReady, filepath.Join(o.Data, "meridian.log"))
	}
	if err := client.WriteContext(path, w.Context()); err != nil {
		return err
	}
	known, err := client.LoadContext(path)
	if err != nil {
		return err
	}
	c, err := client.New(client.Config{Context: known})
	if err != nil {
		return err
	}
	status, err := c.Status(ctx)
	if err != nil {
		return err
	}
	writeBox(a.out, a.styleOf(a.out), box{
		status: status, data: o.Data, took: time.Since(begin), try: tryCommands(o.SpecFile, path, status),
	})
	following, cancel := context.WithCancel(ctx)
	written := make(chan error, 1)
	go func() { written <- followContext(following, w, path) }()
	defer func() {
		cancel()
		err = errors.Join(err, <-written)
	}()
	// Which region tells the events is of no interest where all of them run.
	s := &statusRun{app: &app{out: a.out, err: io.Discard, getenv: a.getenv}}
	return s.follow(ctx, c, status)
}

// followContext writes the context file anew when a region has come or gone.
func followContext(ctx context.Context, w devWorld, path string) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-w.Changes():
		}
		if err := client.WriteContext(path, w.Context()); err != nil {
			return err
		}
	}
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
