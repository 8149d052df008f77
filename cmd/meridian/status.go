package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/meridian-run/meridian/client"
)

// watchEvery is how often --watch asks: often enough that an event is printed
// before the reader wonders, and cheap.
const watchEvery = 500 * time.Millisecond

func statusCommand() *command {
	return &command{
		name:    "status",
		summary: "the world as a region sees it: health, lag, traffic, events",
		about: `Status asks the regions in turn and shows what the first one that answers knows:
health and who says so, lag to each peer, requests, versions, the control revision.
With --watch it then prints each event as it happens.`,
		examples: []string{
			"meridian status",
			"meridian status --watch              # Ctrl-C ends it",
			"meridian status --watch --for 30s",
			"meridian status --json | jq '.regions[].health.verdict'",
		},
		build: func(a *app, flags *flagSet) func(context.Context, []string) error {
			s := &statusRun{app: a, world: worldFlags(a, flags)}
			flags.BoolVar(&s.watch, "watch", false, "go on and print events as they happen")
			flags.DurationVar(&s.period, "for", 0, "with --watch: end after this `time`")
			flags.BoolVar(&s.json, "json", false, "print JSON; with --watch, one line every half second")
			flags.StringVar(&s.region, "region", "", "ask this `region` first")
			return s.run
		},
	}
}

// statusRun is one run of the command.
type statusRun struct {
	app    *app
	world  *worldCommand
	watch  bool
	json   bool
	period time.Duration
	region string
}

func (s *statusRun) run(ctx context.Context, args []string) error {
	if err := want("status", args, 0, 0, "[--watch] [--json]"); err != nil {
		return err
	}
	if s.period < 0 || s.period > 0 && !s.watch {
		return usagef("status: --for is how long --watch goes on: --watch --for 30s")
	}
	c, err := s.world.client(s.region)
	if err != nil {
		return err
	}
	status, err := c.Status(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.app.err, "answered by %s\n", status.Answered)
	if err := s.print(status); err != nil || !s.watch {
		return err
	}
	if s.period > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.period)
		defer cancel()
	}
	return s.follow(ctx, c, status)
}

func (s *statusRun) print(status client.Status) error {
	if !s.json {
		writeStatus(s.app.out, s.app.styleOf(s.app.out), status)
		return nil
	}
	encoder := json.NewEncoder(s.app.out)
	if !s.watch {
		encoder.SetIndent("", "  ")
	}
	return encoder.Encode(status)
}

// follow prints what is new until ctx ends.
func (s *statusRun) follow(ctx context.Context, c *client.Client, status client.Status) error {
	var seen news
	seen.next(status)
	answered := status.Answered
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		status, err := c.Status(ctx)
		if ctx.Err() != nil {
			return nil
		}
		now := ""
		if err == nil {
			now = status.Answered
		}
		if now != answered {
			answered = now
			s.sayAnswered(answered, err)
		}
		switch {
		case err != nil:
		case s.json:
			if err := s.print(status); err != nil {
				return err
			}
		default:
			printEvents(s.app.out, s.app.styleOf(s.app.out), seen.next(status))
		}
	}
}

func (s *statusRun) sayAnswered(region string, err error) {
	if err != nil {
		fmt.Fprintf(s.app.err, "%v; still trying\n", err)
		return
	}
	fmt.Fprintf(s.app.err, "answered by %s\n", region)
}

// news remembers which events were printed. Each region tells events in its own
// words and at its own times, so after another region answers only what is
// later than all before counts as new.
type news struct {
	last    time.Time
	printed map[string]bool // the texts at last
}

// next returns the events that are new in status.
func (n *news) next(status client.Status) []client.Event {
	if n.printed == nil {
		n.printed = map[string]bool{}
	}
	var fresh []client.Event
	for _, e := range status.Events {
		switch {
		case e.At.Before(n.last), e.At.Equal(n.last) && n.printed[e.Text]:
			continue
		case e.At.After(n.last):
			n.last = e.At
			clear(n.printed)
		}
		n.printed[e.Text] = true
		fresh = append(fresh, e)
	}
	return fresh
}

func printEvents(w io.Writer, style style, events []client.Event) {
	for _, e := range events {
		fmt.Fprintf(w, "%s  %s\n", style.dim(clock(e.At)), plain(e.Text))
	}
}
