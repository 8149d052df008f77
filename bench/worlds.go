package main

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"time"

	"github.com/meridian-run/meridian/client"
	"github.com/meridian-run/meridian/internal/world"
	"github.com/meridian-run/meridian/spec"
)

// twoRegions is a world with nothing but a table, and a witness so that it can
// agree on things while the regions are cut.
const twoRegions = `
world: bench
domain: bench.test
regions:
  west: {place: Ashburn}
  east: {place: Dublin}
witness: {place: Frankfurt}
tables:
  bench: {key: pk}
`

// running is a world in this process.
type running struct {
	*world.World
	west, east endpoint
	cancel     context.CancelFunc
	ended      chan error
}

// startWorld runs two regions as far apart as roundTrip.
func startWorld(ctx context.Context, b *bench, roundTrip time.Duration) (_ *running, err error) {
	w, err := spec.Parse("bench.yaml", []byte(twoRegions))
	if err != nil {
		return nil, err
	}
	dir, err := b.scratch("world")
	if err != nil {
		return nil, err
	}
	made, err := world.New(world.Config{
		Spec: w, Dir: dir, OneAddress: true, PortBase: portBase,
		RoundTrip: func(a, b string) time.Duration {
			if a == b {
				return 0
			}
			return roundTrip
		},
	})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	r := &running{World: made, cancel: cancel, ended: make(chan error, 1)}
	go func() { r.ended <- made.Run(ctx) }()
	defer func() {
		if err != nil {
			err = errors.Join(err, r.close())
		}
	}()
	select {
	case <-made.Ready():
	case <-time.After(time.Minute):
		return nil, errors.New("the world is not ready after a minute")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	path := filepath.Join(dir, client.ContextName)
	if err := client.WriteContext(path, made.Context()); err != nil {
		return nil, err
	}
	if r.west, err = endpointOf(ctx, path, "west"); err != nil {
		return nil, err
	}
	r.east, err = endpointOf(ctx, path, "east")
	return r, err
}

func (r *running) close() error {
	r.cancel()
	return <-r.ended
}

// endpointOf asks a world for a region's tables and a key.
func endpointOf(ctx context.Context, contextFile, region string) (endpoint, error) {
	written, err := client.LoadContext(contextFile)
	if err != nil {
		return endpoint{}, err
	}
	c, err := client.New(client.Config{Context: written})
	if err != nil {
		return endpoint{}, err
	}
	env, err := c.Environment(ctx, region)
	if err != nil {
		return endpoint{}, err
	}
	return endpoint{
		address: strings.TrimPrefix(env.TablesURL, "http://"), region: region,
		id: env.AccessKeyID, secret: env.SecretAccessKey,
	}, nil
}

// await asks until there is an item, pausing in between, and returns when its
// answer came.
func await(ctx context.Context, c *caller, get []byte, pause time.Duration) (time.Time, error) {
	for {
		n, err := c.ask(get)
		if err != nil {
			return time.Time{}, err
		}
		if n > itemSize {
			return time.Now(), nil
		}
		select {
		case <-ctx.Done():
			return time.Time{}, ctx.Err()
		case <-time.After(pause):
		}
	}
}
