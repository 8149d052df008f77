package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/meridian-run/meridian/internal/spelling"
)

func helpCommand() *command {
	return &command{
		name:      "help",
		arguments: "[COMMAND]",
		summary:   "what meridian does, or how one command is used",
		about:     "Help lists the commands and the exit codes; with a command, its flags and examples.",
		examples:  []string{"meridian help request"},
		build: func(a *app, _ *flagSet) func(context.Context, []string) error {
			return func(_ context.Context, args []string) error {
				if len(args) == 0 {
					a.printHelp(a.out)
					return nil
				}
				c := find(args[0])
				if c == nil {
					return usagef("there is no command %q%s", args[0], suggest(args[0]))
				}
				a.printCommandHelp(a.out, c)
				return nil
			}
		},
	}
}

func (a *app) printHelp(w io.Writer) {
	fmt.Fprint(w, "Meridian runs one application in several regions at once, all of them serving,\nand keeps it that way when a region is lost.\n\nUsage: meridian COMMAND [ARGUMENTS] [FLAGS]\n\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-11s %s\n", c.name, c.summary)
	}
	fmt.Fprintf(w, "\n`meridian help COMMAND` has flags and examples. Flags may come before or after\narguments; nothing after -- is a flag.\n\nExit codes:\n%s\n", exitText)
}

func (a *app) printCommandHelp(w io.Writer, c *command) {
	fmt.Fprintf(w, "%s\n\nUsage: meridian %s\n", strings.TrimSpace(c.about), strings.TrimSpace(c.name+" "+c.arguments+" [FLAGS]"))
	flags := newFlagSet(c.name)
	c.build(a, flags)
	first := true
	flags.VisitAll(func(f *flag.Flag) {
		if first {
			fmt.Fprint(w, "\nFlags:\n")
			first = false
		}
		printFlag(w, f)
	})
	if len(c.examples) > 0 {
		fmt.Fprint(w, "\nExamples:\n")
	}
	for _, example := range c.examples {
		fmt.Fprintf(w, "  %s\n", example)
	}
}

// flagColumn is where a flag's description begins.
const flagColumn = 22

func printFlag(w io.Writer, f *flag.Flag) {
	value, usage := flag.UnquoteUsage(f)
	head := "  --" + f.Name
	if len(f.Name) == 1 {
		head = "  -" + f.Name
	}
	if value != "" {
		head += " " + strings.ToUpper(value)
	}
	if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "0" && f.DefValue != "0s" && f.DefValue != "[]" {
		usage += " (default " + f.DefValue + ")"
	}
	usage = strings.ReplaceAll(usage, "\n", "\n"+strings.Repeat(" ", flagColumn))
	if len(head) >= flagColumn {
		fmt.Fprintf(w, "%s\n%*s%s\n", head, flagColumn, "", usage)
		return
	}
	fmt.Fprintf(w, "%-*s%s\n", flagColumn, head, usage)
}

// suggest returns ": did you mean …?" for a mistyped command, or nothing.
func suggest(typed string) string {
	for _, c := range commands() {
		if len(typed) > 1 && (strings.HasPrefix(c.name, typed) || spelling.Distance(typed, c.name) <= 2 && len(typed) > 3) {
			return fmt.Sprintf(" (did you mean %q?)", c.name)
		}
	}
	return ""
}
