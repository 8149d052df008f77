package main

import (
	"context"
	"fmt"
	"time"

	"github.com/meridian-run/meridian/client"
)

// followEvery is how often `region start` looks at the region's catch-up.
const followEvery = 200 * time.Millisecond

func regionCommand() *command {
	return &command{
		name:      "region",
		arguments: "remove|stop|start|cut|heal REGION [PEER]",
		summary:   "remove a region; in dev, crash, start, cut or heal one",
		about: `Remove takes a region out of the world for good. The others give each other what any of
them has of it, then take nothing more from it, and no longer keep anything for it. One
that was heard in the last 10 seconds is refused, unless --force says otherwise: take it
out of service first. It says what will happen and asks; --yes does not ask. Afterwards
take the region out of the spec and apply that. A region is added by applying a spec that
has it.

The others act on a world of meridian dev, through dev's own controller, so they also work
on a region that is down.

  stop   crash it: what its disk had not synced is lost, connections break
  start  start it again; shows its catch-up until it is answered (--wait 0: does not)
  cut    cut the simulated network between it and PEER, or everyone
  heal   undo a cut`,
		examples: []string{
			"meridian region remove us-east-1",
			"meridian region remove us-east-1 --yes --wait 10m",
			"meridian region stop us-east-1 && meridian status --watch",
			"meridian region start us-east-1",
			"meridian region cut eu-west-1 ap-southeast-2",
			"meridian region heal eu-west-1",
		},
		words: []string{"remove", "stop", "start", "cut", "heal"},
		build: func(a *app, flags *flagSet) func(context.Context, []string) error {
			w := worldFlags(a, flags)
			wait := flags.Duration("wait", 30*time.Second, "wait at most this `time` until it is answered again, or gone")
			force := flags.Bool("force", false, "remove: also a region that is alive")
			yes := flags.Bool("yes", false, "remove: do not ask")
			return func(ctx context.Context, args []string) error {
				if err := want("region", args, 2, 3, "remove|stop|start|cut|heal REGION [PEER]"); err != nil {
					return err
				}
				verb, region, peer := args[0], args[1], ""
				if len(args) == 3 {
					peer = args[2]
				}
				if peer != "" && verb != "cut" && verb != "heal" {
					return usagef("region: %s takes one region; only cut and heal take a peer", verb)
				}
				c, err := w.clientBeside(region)
				if err != nil {
					return err
				}
				switch {
				case verb == "remove":
					r := removing{app: a, client: c, region: region, force: *force, yes: *yes, wait: *wait}
					return r.run(ctx)
				case verb == "start" && *wait > 0:
					return a.followStart(ctx, c, region, *wait)
				}
				done, err := actOn(ctx, c, verb, region, peer)
				if err != nil {
					return err
				}
				fmt.Fprintln(a.out, plain(done.Text))
				return nil
			}
		},
	}
}

func actOn(ctx context.Context, c *client.Client, verb, region, peer string) (client.Done, error) {
	switch verb {
	case "stop":
		return c.StopRegion(ctx, region)
	case "start":
		return c.StartRegion(ctx, region)
	case "cut":
		return c.CutRegion(ctx, region, peer)
	case "heal":
		return c.HealRegion(ctx, region, peer)
	}
	return client.Done{}, usagef("region: a region can be removed, or told to stop, start, cut or heal, not %q", verb)
}

// followStart starts the region and prints how it catches up, until every
// service is answered from it again.
func (a *app) followStart(ctx context.Context, c *client.Client, region string, wait time.Duration) error {
	begin := time.Now()
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	started := make(chan startResult, 1) // one result; the reader may have gone
	go func() {
		done, err := c.StartRegion(ctx, region)
		started <- startResult{done, err}
	}()
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	up, said := false, ""
	for {
		select {
		case result := <-started:
			if result.err != nil && ctx.Err() == nil {
				return result.err
			}
			up, started = true, nil
			fmt.Fprintln(a.out, plain(result.done.Text))
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%s is not answered after %s: %s; `meridian status --watch` goes on", region, wait, said)
		}
		status, err := c.Status(ctx)
		if err != nil {
			continue // nobody may be up yet
		}
		progress, back := progressOf(status, region)
		if up && back {
			fmt.Fprintf(a.out, "%s is answered again, %s after it was started\n", region, seconds(time.Since(begin).Seconds()))
			return nil
		}
		if progress != said && !back {
			said = progress
			fmt.Fprintln(a.out, progress)
		}
	}
}

// startResult is what starting a region came to.
type startResult struct {
	done client.Done
	err  error
}

// progressOf says what a starting region is at, and whether it is back.
func progressOf(status client.Status, region string) (progress string, back bool) {
	ready := false
	for _, r := range status.Regions {
		if r.Name != region {
			continue
		}
		ready = r.Ready
		behind, entries := 0.0, uint64(0)
		for _, lag := range r.Lag {
			behind, entries = max(behind, lag.Seconds), entries+lag.Entries
		}
		switch {
		case !r.Reached:
			progress = region + " starts"
		case !r.Ready && entries > 0:
			progress = fmt.Sprintf("%s catches up: %d entries, %s behind", region, entries, seconds(behind))
		case !r.Ready:
			progress = fmt.Sprintf("%s is not ready: %s", region, plain(r.NotReady))
		default:
			progress = region + " has caught up; its peers check its health"
		}
	}
	answered, services := 0, 0
	for _, s := range status.Services {
		for _, r := range s.Regions {
			if r.Region != region {
				continue
			}
			services++
			if r.Answered {
				answered++
			}
		}
	}
	return progress, ready && answered == services
}
