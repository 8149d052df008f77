package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"time"

	"github.com/meridian-run/meridian/internal/function"
	"github.com/meridian-run/meridian/internal/gateway"
)

const (
	notesBundle = "examples/notes/bundle"
	warmCalls   = 2000
	coldCalls   = 10
)

// optionsEvent asks the notes application for what it answers by itself, so that
// what is measured is the way to it and back.
const optionsEvent = `{"version":"2.0","rawPath":"/data","requestContext":{"http":{"method":"OPTIONS","path":"/data"}}}`

// measureFunction calls a Lambda function that does next to nothing.
func measureFunction(ctx context.Context, b *bench) (section, error) {
	s := section{
		title: "Functions",
		how: "The notes application (Go, aws-lambda-go and the AWS SDK, a process of its own), asked for OPTIONS, which it answers by itself; its own time is included.\n" +
			fmt.Sprintf("One caller, %d calls a round when warm, one after another. Cold: from the call to the answer, with no instance before; %d calls a round.", warmCalls, coldCalls),
	}
	rows := functionRows{
		direct: s.add("warm call, p50", "µs").most(250), directTail: s.add("warm call, p99", "µs"),
		through: s.add("warm call through the gateway over HTTP, p50", "µs"), throughTail: s.add("warm call through the gateway over HTTP, p99", "µs"),
		bare:  s.add("the same request to a bare net/http server, p50", "µs"),
		added: s.add("overhead: through the gateway, less the bare server", "µs").most(250),
		cold:  s.add("cold start, p50", "ms").most(15), coldTail: s.add("cold start, worst", "ms"),
	}
	for range b.rounds {
		if err := rows.measure(ctx, b); err != nil {
			return s, err
		}
		last := len(rows.cold.values) - 1
		b.say("  warm %.0f µs, through the gateway %.0f µs, cold %.1f ms", rows.direct.values[last], rows.through.values[last], rows.cold.values[last])
	}
	return s, nil
}

type functionRows struct {
	direct, directTail, through, throughTail, bare, added, cold, coldTail *row
}

func (r functionRows) measure(ctx context.Context, b *bench) error {
	var cold []time.Duration
	for range coldCalls {
		took, err := coldStart(ctx, b)
		if err != nil {
			return err
		}
		cold = append(cold, took)
	}
	r.cold.put(percentile(in(time.Millisecond, cold), 50))
	r.coldTail.put(slices.Max(in(time.Millisecond, cold)))

	runner, stop, err := startRunner(ctx, b)
	if err != nil {
		return err
	}
	defer stop()
	direct, err := repeat(func() error {
		_, err := runner.Invoke(ctx, "", []byte(optionsEvent))
		return err
	})
	if err != nil {
		return err
	}
	r.direct.put(percentile(in(time.Microsecond, direct), 50))
	r.directTail.put(percentile(in(time.Microsecond, direct), 99))
	through, err := throughGateway(ctx, runner)
	if err != nil {
		return err
	}
	r.through.put(percentile(in(time.Microsecond, through), 50))
	r.throughTail.put(percentile(in(time.Microsecond, through), 99))
	bare, err := overHTTP(ctx, func(_ context.Context, l net.Listener) error {
		return http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	})
	if err != nil {
		return err
	}
	r.bare.put(percentile(in(time.Microsecond, bare), 50))
	r.added.put(percentile(in(time.Microsecond, through), 50) - percentile(in(time.Microsecond, bare), 50))
	return nil
}

// startRunner runs the notes application; stop ends it.
func startRunner(ctx context.Context, b *bench) (*function.Runner, func(), error) {
	dir, err := b.scratch("function")
	if err != nil {
		return nil, nil, err
	}
	bundle, err := filepath.Abs(notesBundle)
	if err != nil {
		return nil, nil, err
	}
	runner, err := function.New(function.Config{
		Name: "api", Bundle: bundle, Dir: dir, Region: "eu-west-1",
		Env: map[string]string{"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none", "TABLE_NAME": tableName},
	})
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = runner.Run(ctx)
	}()
	return runner, func() { cancel(); <-ended }, nil
}

func coldStart(ctx context.Context, b *bench) (time.Duration, error) {
	runner, stop, err := startRunner(ctx, b)
	if err != nil {
		return 0, err
	}
	defer stop()
	began := time.Now()
	_, err = runner.Invoke(ctx, "", []byte(optionsEvent))
	return time.Since(began), err
}

// repeat times calls, after some that warm up.
func repeat(call func() error) ([]time.Duration, error) {
	var took []time.Duration
	for n := range warmCalls + warmCalls/10 {
		began := time.Now()
		if err := call(); err != nil {
			return nil, err
		}
		if n >= warmCalls/10 {
			took = append(took, time.Since(began))
		}
	}
	return took, nil
}

func throughGateway(ctx context.Context, f gateway.Function) ([]time.Duration, error) {
	g := gateway.New(gateway.Config{Region: "eu-west-1"})
	g.Publish(&gateway.Snapshot{Services: []gateway.Service{{Name: "api", Host: "api.bench.test", Function: f}}})
	g.SetReady(true, "")
	return overHTTP(ctx, func(ctx context.Context, l net.Listener) error {
		return g.Run(ctx, gateway.Listeners{Plain: []net.Listener{l}})
	})
}

// overHTTP times requests on one connection to a server.
func overHTTP(ctx context.Context, serve func(context.Context, net.Listener) error) ([]time.Duration, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = serve(ctx, l)
	}()
	defer func() {
		cancel()
		l.Close()
		<-ended
	}()
	c, err := dial(l.Addr().String())
	if err != nil {
		return nil, err
	}
	defer c.close()
	return repeat(func() error {
		_, err := c.ask([]byte("OPTIONS /data HTTP/1.1\r\nHost: api.bench.test\r\n\r\n"))
		return err
	})
}
