package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/meridian-run/meridian/client"
	"github.com/meridian-run/meridian/spec"
)

func applyCommand() *command {
	return &command{
		name:      "apply",
		arguments: "[FILE]",
		summary:   "make a spec the world's",
		about: `Apply checks a spec (meridian.yaml unless FILE says otherwise) and hands it to the
world. All regions take it up by themselves; it needs a quorum of them.

A table that is gone from the spec keeps its data and refuses the change, unless --drop
names it: then its data is deleted in every region.`,
		examples: []string{
			"meridian apply",
			"meridian apply meridian.yaml --if-revision 4    # only if nobody else applied meanwhile",
			"meridian apply --drop drafts                    # the spec has no table drafts any more; delete its data",
		},
		build: func(a *app, flags *flagSet) func(context.Context, []string) error {
			w := worldFlags(a, flags)
			drop := flags.String("drop", "", "delete these `tables`, comma-separated, which the spec no longer has, with their data")
			revision := flags.Uint64("if-revision", 0, "refuse unless this spec `revision` is the applied one")
			return func(ctx context.Context, args []string) error {
				if err := want("apply", args, 0, 1, "[FILE]"); err != nil {
					return err
				}
				file := fileOr(args, specName)
				checked, err := spec.Load(file)
				if err != nil {
					return err
				}
				c, err := w.client("")
				if err != nil {
					return err
				}
				request := client.ApplyRequest{Spec: checked.Source, Source: filepath.Base(file), IfRevision: *revision}
				if *drop != "" {
					request.Drop = strings.Split(*drop, ",")
				}
				done, err := c.Apply(ctx, request)
				if err != nil {
					return err
				}
				fmt.Fprintf(a.err, "answered by %s\n", c.Answered())
				printApplied(a, done)
				return nil
			}
		},
	}
}

func printApplied(a *app, done client.Applied) {
	if !done.Changed {
		fmt.Fprintf(a.out, "nothing to change: spec revision %d is this one\n", done.SpecRevision)
		return
	}
	for _, change := range done.Changes {
		fmt.Fprintf(a.out, "  %s\n", plain(change))
	}
	fmt.Fprintf(a.out, "applied as spec revision %d (control revision %d)\n", done.SpecRevision, done.Revision)
}
