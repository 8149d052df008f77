package main

import (
	"context"
	"fmt"

	"github.com/meridian-run/meridian/client"
)

func replaceCommand() *command {
	return &command{
		name:      "replace",
		arguments: "NODE",
		summary:   "let a region or the witness whose disk is lost join again, empty",
		about: `Replace makes room among the voters of the control state for a node that starts with an
empty data directory: coming back with the old name and no memory could undo what it had
voted for, so such a node waits until another one has let it in. It needs a quorum of the
others. NODE is a region, or witness. One that still has its data is refused.

Start the node on its new disk, then run this; the order does not matter. Its records
come from the other regions.`,
		examples: []string{"meridian replace eu-west-1"},
		regions:  true,
		build: func(a *app, flags *flagSet) func(context.Context, []string) error {
			w := worldFlags(a, flags)
			return func(ctx context.Context, args []string) error {
				if err := want("replace", args, 1, 1, "NODE"); err != nil {
					return err
				}
				c, err := w.clientBeside(args[0])
				if err != nil {
					return err
				}
				done, err := c.Replace(ctx, client.ReplaceRequest{Node: args[0]})
				if err != nil {
					return err
				}
				fmt.Fprintf(a.err, "answered by %s\n", c.Answered())
				fmt.Fprintln(a.out, plain(done.Text))
				return nil
			}
		},
	}
}
