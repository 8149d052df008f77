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
		arguments: "stop|start|cut|heal REGION [PEER]",
		summary:   "crash a region of a dev world, start it, cut or heal its network",
		about: `Region acts on a world of meridian dev, through dev's own controller, so it also works
on a region that is down.

  stop   crash it: what its disk had not synced is lost, connections break
  start  start it again; shows its catch-up until it is answered (--wait 0: does not)
  cut    cut the simulated network between it and PEER, or everyone
  heal   undo a cut`,
		examples: []string{
			"meridian region stop us-east-1 && meridian status --watch",
			"meridian region start us-east-1",
			"meridian region cut eu-west-1 ap-southeast-2",
			"meridian region heal eu-west-1",
		},
		words: []string{"stop", "start", "cut", "heal"},
		build: func(a *app, flags *flagSet) func(context.Context, []string) error {
			w := worldFlags(a, flags)
			wait := flags.Duration("wait", 30*time.Second, "start: wait at most this `time` until it is answered again")
			return func(ctx context.Context, args []string) error {
				if err := want("region", args, 2, 3, "stop|start|cut|heal REGION [PEER]"); err != nil {
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
				if verb == "start" && *wait > 0 {
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
	return client.Done{}, usagef("region: a region can be told to stop, start, cut or heal, not %q", verb)
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
