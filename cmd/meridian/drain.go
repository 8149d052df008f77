package main

import (
	"context"
	"fmt"
	"time"

	"github.com/meridian-run/meridian/client"
)

func drainCommand() *command {
	return &command{
		name:      "drain",
		arguments: "REGION",
		summary:   "take traffic away from a region on purpose",
		about: `Drain takes a region out of the DNS answers. It goes on serving whoever still comes,
and stays drained until undrain, or for the time of --for. If no other region is
healthy, a healthy drained one is answered all the same.`,
		examples: []string{
			"meridian drain us-east-1 --why 'new disks'",
			"meridian drain us-east-1 --for 30m --service api",
		},
		regions: true,
		build: func(a *app, flags *flagSet) func(context.Context, []string) error {
			w := worldFlags(a, flags)
			service := flags.String("service", "", "only this `service`")
			period := flags.Duration("for", 0, "end by itself after this `time`")
			why := flags.String("why", "", "the `reason`, shown by status")
			return func(ctx context.Context, args []string) error {
				if err := want("drain", args, 1, 1, "REGION [--for TIME]"); err != nil {
					return err
				}
				if *period < 0 || *period > 0 && *period < time.Second {
					return usagef("drain: --for is %s; a second is the shortest drain", *period)
				}
				c, err := w.client("")
				if err != nil {
					return err
				}
				done, err := c.Drain(ctx, client.DrainRequest{Region: args[0], Service: *service, ForMillis: period.Milliseconds(), Why: *why})
				if err != nil {
					return err
				}
				fmt.Fprintf(a.err, "answered by %s\n", c.Answered())
				fmt.Fprintf(a.out, "%s is drained%s %s\n", done.Region, ofService(done.Service), until(done.Until, time.Now()))
				printNote(a, done.Note)
				return nil
			}
		},
	}
}

func undrainCommand() *command {
	return &command{
		name:      "undrain",
		arguments: "REGION",
		summary:   "give traffic back to a drained region",
		about:     "Undrain ends a drain; the region is answered again if it is healthy.",
		examples:  []string{"meridian undrain us-east-1"},
		regions:   true,
		build: func(a *app, flags *flagSet) func(context.Context, []string) error {
			w := worldFlags(a, flags)
			service := flags.String("service", "", "only this `service`")
			return func(ctx context.Context, args []string) error {
				if err := want("undrain", args, 1, 1, "REGION"); err != nil {
					return err
				}
				c, err := w.client("")
				if err != nil {
					return err
				}
				done, err := c.Undrain(ctx, client.DrainRequest{Region: args[0], Service: *service})
				if err != nil {
					return err
				}
				fmt.Fprintf(a.err, "answered by %s\n", c.Answered())
				fmt.Fprintf(a.out, "%s is not drained%s any more\n", done.Region, ofService(done.Service))
				printNote(a, done.Note)
				return nil
			}
		},
	}
}

func ofService(name string) string {
	if name == "" {
		return ""
	}
	return " of " + name
}

func printNote(a *app, note string) {
	if note != "" {
		fmt.Fprintf(a.out, "%s %s\n", a.styleOf(a.out).yellow("!"), plain(note))
	}
}
