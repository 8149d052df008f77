package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/meridian-run/meridian/client"
)

// verifySteps is in how many calls a table is compared, verifyAtOnce of them at a
// time: each one takes a moment, and says how far it is.
const (
	verifySteps  = 16
	verifyAtOnce = 8
)

func verifyCommand() *command {
	return &command{
		name:      "verify",
		arguments: "[TABLE]",
		summary:   "compare what the regions hold, while writes go on",
		about: `Verify compares a table, or all of them, between the regions that hold it. What is
on its way between regions is not reported. It prints each item that differs with
what each region has of it, and exits with 1 if there is one. With --repair it
merges what the regions hold, in both directions: the newer item wins, what one
region lacks it gets, and nothing is lost without a receipt.`,
		examples: []string{"meridian verify", "meridian verify notes --repair"},
		build: func(a *app, flags *flagSet) func(context.Context, []string) error {
			w := worldFlags(a, flags)
			repair := flags.Bool("repair", false, "merge what differs, in both directions")
			return func(ctx context.Context, args []string) error {
				if err := want("verify", args, 0, 1, "[TABLE] [--repair]"); err != nil {
					return err
				}
				c, err := w.client("")
				if err != nil {
					return err
				}
				v := &verifyRun{app: a, client: c, repair: *repair}
				return v.run(ctx, args)
			}
		},
	}
}

// verifyRun is one run of the command.
type verifyRun struct {
	app    *app
	client *client.Client
	repair bool
	// differ and left count items, before and after the repair; open says that
	// something could not be compared.
	differ, left int
	open         bool
}

func (v *verifyRun) run(ctx context.Context, args []string) error {
	status, err := v.client.Status(ctx)
	if err != nil {
		return err
	}
	tables := status.Tables
	if len(args) == 1 {
		i := slices.IndexFunc(tables, func(t client.Table) bool { return t.Name == args[0] })
		if i < 0 {
			return client.Errorf(client.CodeNotFound, "there is no table %q; %s", args[0], tableNames(tables))
		}
		tables = tables[i : i+1]
	}
	for _, t := range tables {
		if len(t.Regions) < 2 {
			fmt.Fprintf(v.app.out, "%s is in %s only: there is nothing to compare\n", t.Name, strings.Join(t.Regions, ", "))
			continue
		}
		if err := v.table(ctx, t.Name); err != nil {
			return err
		}
	}
	switch {
	case v.left > 0:
		return fmt.Errorf("%s", differText(v.left, v.repair))
	case v.open:
		return fmt.Errorf("not everything could be compared: see above")
	}
	return nil
}

// tableNames says which tables there are.
func tableNames(tables []client.Table) string {
	if len(tables) == 0 {
		return "the world has no tables"
	}
	var names []string
	for _, t := range tables {
		names = append(names, t.Name)
	}
	return "the tables are " + strings.Join(names, ", ")
}

func differText(n int, repaired bool) string {
	items := count(n, "item")
	if repaired {
		return items + " could not be merged: the regions hold unequal values of one version; write them anew where the right one is"
	}
	return items + " held differently; `meridian verify --repair` merges what the regions hold"
}

// table compares one table, some parts at a time.
func (v *verifyRun) table(ctx context.Context, name string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type answer struct {
		part client.Verified
		err  error
	}
	answers := make([]chan answer, verifySteps)
	slots := make(chan struct{}, verifyAtOnce)
	for step := range uint32(verifySteps) {
		answers[step] = make(chan answer, 1)
		go func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			part, err := v.client.Verify(ctx, client.VerifyRequest{
				Table: name, Repair: v.repair,
				From: step * client.VerifySpace / verifySteps, To: (step + 1) * client.VerifySpace / verifySteps,
			})
			answers[step] <- answer{part, err}
		}()
	}
	var sum client.Verified
	for step, one := range answers {
		a := <-one
		if a.err != nil {
			return a.err
		}
		v.print(name, a.part)
		addVerified(&sum, a.part)
		if isTerminal(v.app.err) {
			fmt.Fprintf(v.app.err, "%s: %d %% compared\n", name, 100*(step+1)/verifySteps)
		}
	}
	v.conclude(name, sum)
	return nil
}

// addVerified adds what was found in a part of a table to what was found in others:
// a region that was skipped in one was not compared.
func addVerified(sum *client.Verified, part client.Verified) {
	for _, s := range part.Skipped {
		if !slices.ContainsFunc(sum.Skipped, func(x client.SkippedRegion) bool { return x.Region == s.Region }) {
			sum.Skipped = append(sum.Skipped, s)
		}
	}
	for _, name := range part.Compared {
		if !slices.Contains(sum.Compared, name) {
			sum.Compared = append(sum.Compared, name)
		}
	}
	sum.Compared = slices.DeleteFunc(sum.Compared, func(name string) bool {
		return slices.ContainsFunc(sum.Skipped, func(x client.SkippedRegion) bool { return x.Region == name })
	})
	sum.Different = append(sum.Different, part.Different...)
	sum.Unsettled += part.Unsettled
	sum.Cut = sum.Cut || part.Cut
}

// print lists what differs in a part.
func (v *verifyRun) print(name string, part client.Verified) {
	style := v.app.styleOf(v.app.out)
	for _, d := range part.Different {
		note := ""
		if d.Repaired {
			note = "  repaired"
		}
		fmt.Fprintf(v.app.out, "%s %s%s\n", style.bold(name), plain(string(d.Key)), note)
		for _, h := range d.Held {
			what := h.State
			if h.State != client.ItemMissing {
				what += fmt.Sprintf(", written %s in %s (%s)", h.Written.Local().Format("2006-01-02 15:04:05.000"), h.By, h.Digest)
			}
			fmt.Fprintf(v.app.out, "  %-16s %s\n", h.Region, what)
		}
	}
}

// conclude says what came of a table.
func (v *verifyRun) conclude(name string, sum client.Verified) {
	style := v.app.styleOf(v.app.out)
	for _, s := range sum.Skipped {
		v.open = true
		fmt.Fprintf(v.app.out, "%s %s was not compared: %s\n", style.yellow("!"), s.Region, plain(s.Why))
	}
	if sum.Unsettled > 0 {
		v.open = true
		fmt.Fprintf(v.app.out, "%s %s of %s still on the way: a region is behind; see meridian status\n", style.yellow("!"), count(sum.Unsettled, "item"), name)
	}
	if sum.Cut {
		v.open = true
		fmt.Fprintf(v.app.out, "%s more items of %s differ than are listed; repair and verify again\n", style.yellow("!"), name)
	}
	v.differ += len(sum.Different)
	repaired := 0
	for _, d := range sum.Different {
		if d.Repaired {
			repaired++
		}
	}
	v.left += len(sum.Different) - repaired
	switch {
	case len(sum.Compared) < 2 && len(sum.Different) == 0:
		fmt.Fprintf(v.app.out, "%s: no other region could be compared\n", name)
	case len(sum.Different) == 0:
		fmt.Fprintf(v.app.out, "%s: %s hold the same\n", name, strings.Join(sum.Compared, ", "))
	case repaired > 0:
		fmt.Fprintf(v.app.out, "%s: %s differed, %d repaired\n", name, count(len(sum.Different), "item"), repaired)
	default:
		fmt.Fprintf(v.app.out, "%s: %s held differently\n", name, count(len(sum.Different), "item"))
	}
}
