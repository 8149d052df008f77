package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/meridian-run/meridian/client"
)

func conflictsCommand() *command {
	return &command{
		name:      "conflicts",
		arguments: "[TABLE] | show ID | restore ID",
		summary:   "writes that lost to one that had not seen them; get one back",
		about: `Conflicts lists the writes that two regions made to one item without having seen each
other's, and that lost: the newest first, with what the item is now. Every region of a
table keeps the same ones, 10,000 a table and for 30 days.

  show     both values, where and when they were written
  restore  write the value that lost again: a new version, which replaces what is there;
           what was added to a counter is added again, each time it is restored`,
		examples: []string{
			"meridian conflicts notes",
			"meridian conflicts notes --key note-1",
			`meridian conflicts notes --key '{"pk": {"S": "note-1"}, "sk": {"N": "7"}}'`,
			"meridian conflicts show 18c1f0a2b3c4d5e6-9f3a21bc",
			"meridian conflicts restore 18c1f0a2b3c4d5e6-9f3a21bc",
		},
		words: []string{"show", "restore"},
		build: func(a *app, flags *flagSet) func(context.Context, []string) error {
			c := &conflictsRun{app: a, world: worldFlags(a, flags)}
			flags.StringVar(&c.query.Key, "key", "", "only of this `key`: the partition's, or DynamoDB's JSON of the item's")
			flags.IntVar(&c.query.Limit, "limit", 100, "list at most this `number`")
			flags.BoolVar(&c.json, "json", false, "print JSON")
			flags.StringVar(&c.region, "region", "", "ask this `region` first")
			return c.run
		},
	}
}

// conflictsRun is one run of the command.
type conflictsRun struct {
	app    *app
	world  *worldCommand
	query  client.ConflictsRequest
	json   bool
	region string
}

func (r *conflictsRun) run(ctx context.Context, args []string) error {
	if err := want("conflicts", args, 0, 2, "[TABLE] | show ID | restore ID"); err != nil {
		return err
	}
	verb := ""
	switch {
	case len(args) == 2 && (args[0] == "show" || args[0] == "restore"):
		verb = args[0]
	case len(args) == 2:
		return usagef("conflicts: %q is not show or restore", args[0])
	case len(args) == 1 && (args[0] == "show" || args[0] == "restore"):
		return usagef("conflicts %s: which one? meridian conflicts %[1]s ID; `meridian conflicts` lists the ids", args[0])
	case len(args) == 1:
		r.query.Table = args[0]
	}
	if r.query.Key != "" && r.query.Table == "" {
		return usagef("conflicts: --key is of a table: meridian conflicts TABLE --key %s", r.query.Key)
	}
	if r.query.Limit < 1 {
		return usagef("conflicts: --limit is %d, at least 1", r.query.Limit)
	}
	c, err := r.world.client(r.region)
	if err != nil {
		return err
	}
	switch verb {
	case "show":
		return r.show(ctx, c, args[1])
	case "restore":
		return r.restore(ctx, c, args[1])
	}
	return r.list(ctx, c)
}

func (r *conflictsRun) list(ctx context.Context, c *client.Client) error {
	found, err := c.Conflicts(ctx, r.query)
	if err != nil {
		return err
	}
	fmt.Fprintf(r.app.err, "answered by %s\n", found.Answered)
	if r.json {
		return r.encode(found)
	}
	if len(found.Conflicts) == 0 {
		fmt.Fprintln(r.app.out, "no conflicts")
		return nil
	}
	t := &table{style: r.app.styleOf(r.app.out)}
	t.row("ID", "TABLE", "KEY", "LOST", "WRITTEN IN", "AT", "NOW FROM")
	for _, one := range found.Conflicts {
		now := "nothing"
		if one.Now != nil {
			now = one.Now.Region
		}
		t.row(one.ID, one.Table, brief(string(one.Key)), brief(valueOf(one.Lost)), one.Lost.Region, moment(one.Lost.At), now)
	}
	t.write(r.app.out)
	if found.More {
		fmt.Fprintf(r.app.out, "there are more than these %d: --limit shows more, --key fewer\n", len(found.Conflicts))
	}
	return nil
}

func (r *conflictsRun) show(ctx context.Context, c *client.Client, id string) error {
	one, err := c.Conflict(ctx, id)
	if err != nil {
		return err
	}
	fmt.Fprintf(r.app.err, "answered by %s\n", c.Answered())
	if r.json {
		return r.encode(one)
	}
	writeConflict(r.app.out, r.app.styleOf(r.app.out), one)
	return nil
}

func (r *conflictsRun) restore(ctx context.Context, c *client.Client, id string) error {
	done, err := c.RestoreConflict(ctx, id)
	if err != nil {
		return err
	}
	fmt.Fprintf(r.app.err, "answered by %s\n", done.Answered)
	if r.json {
		return r.encode(done)
	}
	what := "is restored: " + brief(valueOf(done.Conflict.Lost))
	if done.Conflict.Lost.Deleted {
		what = "is deleted again"
	}
	fmt.Fprintf(r.app.out, "%s of %s %s\n", brief(string(done.Conflict.Key)), done.Conflict.Table, what)
	if len(done.Conflict.Lost.Added) > 0 {
		fmt.Fprintln(r.app.err, "restoring it again would add again: a receipt does not say whether it was restored")
	}
	return nil
}

func (r *conflictsRun) encode(what any) error {
	encoder := json.NewEncoder(r.app.out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(what)
}

// writeConflict shows both sides of one.
func writeConflict(w io.Writer, s style, c client.Conflict) {
	fmt.Fprintf(w, "%s of %s\n", s.bold(plain(string(c.Key))), c.Table)
	writeSide(w, s.yellow("lost"), c.Lost)
	if c.Now == nil {
		fmt.Fprintln(w, "now   nothing: the item was deleted, or was never here")
	} else {
		writeSide(w, s.green("now "), *c.Now)
	}
	fmt.Fprintf(w, "`meridian conflicts restore %s` writes what lost again\n", c.ID)
}

func writeSide(w io.Writer, label string, side client.Write) {
	expires := ""
	if !side.Expires.IsZero() {
		expires = ", expires at " + moment(side.Expires)
	}
	fmt.Fprintf(w, "%s  written in %s at %s%s\n      %s\n", label, side.Region, moment(side.At), expires, plain(valueOf(side)))
}

func valueOf(w client.Write) string {
	var parts []string
	if w.Deleted {
		parts = append(parts, "deleted")
	}
	if len(w.Item) > 0 {
		parts = append(parts, string(w.Item))
	}
	if len(w.Removed) > 0 {
		parts = append(parts, "removed "+strings.Join(w.Removed, ", "))
	}
	for _, name := range slices.Sorted(maps.Keys(w.Added)) {
		parts = append(parts, "added "+w.Added[name]+" to "+name)
	}
	return strings.Join(parts, "; ")
}

// moment is a time to the millisecond: conflicts are close to each other.
func moment(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// briefMax is how much of a value has room in a table.
const briefMax = 48

func brief(text string) string {
	runes := []rune(plain(text))
	if len(runes) <= briefMax {
		return string(runes)
	}
	return string(runes[:briefMax-1]) + "…"
}
