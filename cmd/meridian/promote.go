package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/meridian-run/meridian/client"
)

func promoteCommand() *command {
	return &command{
		name:      "promote",
		arguments: "TABLE --to REGION",
		summary:   "move the primary of a table to another region",
		about: `Promote makes a region the primary of a table, the one that takes its writes. The old
primary stops, the new one gets all that it took, and goes on, after about a second where
regions are far apart: nothing is lost, and writes that come meanwhile wait.

If the primary is lost, --force promotes without it, once its lease has run out. It first
says what may be lost, as far as the other regions know, and acts only with --yes. What
the old primary took and did not ship becomes receipts when it comes back. Without a
quorum of the regions nothing is promoted.`,
		examples: []string{
			"meridian promote ledger --to eu-west-1",
			"meridian promote ledger --to eu-west-1 --force --yes",
		},
		build: func(a *app, flags *flagSet) func(context.Context, []string) error {
			w := worldFlags(a, flags)
			to := flags.String("to", "", "the `region` that is to take the writes")
			force := flags.Bool("force", false, "without the primary's help: it is lost")
			yes := flags.Bool("yes", false, "with --force: do it, whatever is lost")
			return func(ctx context.Context, args []string) error {
				if err := want("promote", args, 1, 1, "TABLE --to REGION"); err != nil {
					return err
				}
				switch {
				case *to == "":
					return usagef("promote: name the region that is to take the writes: meridian promote %s --to REGION", args[0])
				case *yes && !*force:
					return usagef("promote: --yes goes with --force; without that nothing is lost")
				}
				c, err := w.client(*to)
				if err != nil {
					return err
				}
				done, err := c.Promote(ctx, client.PromoteRequest{Table: args[0], To: *to, Force: *force, Yes: *yes})
				if err != nil {
					return err
				}
				fmt.Fprintf(a.err, "answered by %s\n", c.Answered())
				return a.printPromoted(done)
			}
		},
	}
}

// printPromoted says what a promotion did, or would.
func (a *app) printPromoted(p client.Promoted) error {
	s := a.styleOf(a.out)
	if p.Loss != nil {
		fmt.Fprintf(a.out, "%s %s\n", s.yellow("!"), plain(p.Loss.Text))
	}
	if p.Asked {
		return errors.New("nothing has been done: run it again with --yes to promote all the same")
	}
	fmt.Fprintln(a.out, plain(p.Text))
	return nil
}
