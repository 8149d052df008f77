package main

import (
	"context"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/meridian-run/meridian/client"
)

// app is what commands get from the process that runs them.
type app struct {
	in       io.Reader
	out, err io.Writer
	getenv   func(string) string
	// newDev and newNode make what dev and serve run.
	newDev  func(devOptions) (devWorld, error)
	newNode func(serveOptions) (runner, error)
}

// command is one thing that meridian does.
type command struct {
	name string
	// arguments is the usage after the name: "REGION [PEER]".
	arguments string
	// summary is one line for the list of commands.
	summary string
	// about is the help text above the flags, examples are lines below them.
	about    string
	examples []string
	// words are what the first argument can be, for completion; a command
	// whose first argument is a region says so with regions.
	words   []string
	regions bool
	// build declares the flags and returns what to do with the arguments.
	build func(a *app, flags *flagSet) func(ctx context.Context, args []string) error
}

// commands lists all of them in the order of the help text: from the first day
// to the last.
func commands() []*command {
	return []*command{
		devCommand(), statusCommand(), requestCommand(), lookupCommand(), envCommand(), regionCommand(),
		verifyCommand(), imagesCommand(), validateCommand(), applyCommand(), drainCommand(), undrainCommand(), promoteCommand(), replaceCommand(), conflictsCommand(), salvageCommand(),
		initCommand(), keyCommand(), serveCommand(),
		versionCommand(), completionCommand(), helpCommand(),
	}
}

// find returns the command of that name, or nil.
func find(name string) *command {
	for _, c := range commands() {
		if c.name == name {
			return c
		}
	}
	return nil
}

func (a *app) runCommand(ctx context.Context, c *command, args []string) error {
	flags := newFlagSet(c.name)
	run := c.build(a, flags)
	args, err := flags.parse(args)
	switch {
	case flags.help:
		a.printCommandHelp(a.out, c)
		return nil
	case err != nil:
		return usagef("%s: %v; `meridian help %s` says more", c.name, err, c.name)
	}
	return run(ctx, args)
}

// worldCommand is how commands that talk to a running world find it.
type worldCommand struct {
	app     *app
	context *string
}

// worldFlags declares --context.
func worldFlags(a *app, flags *flagSet) *worldCommand {
	return &worldCommand{app: a, context: flags.String("context", "", "the world's context `file` (default: MERIDIAN_CONTEXT, else context.json\nof .meridian, .demo or bundles, here or in a directory above)")}
}

// load finds and reads the context file.
func (w *worldCommand) load() (client.Context, error) {
	path := *w.context
	if path == "" {
		path = w.app.getenv("MERIDIAN_CONTEXT")
	}
	if path == "" {
		here, err := os.Getwd()
		if err != nil {
			return client.Context{}, err
		}
		if path, err = client.FindContext(here); err != nil {
			return client.Context{}, err
		}
	}
	return client.LoadContext(path)
}

// clientBeside returns a client that asks the other regions before this one,
// which may be down, or up and not know much yet.
func (w *worldCommand) clientBeside(region string) (*client.Client, error) {
	c, err := w.load()
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(c.Regions, func(a, b client.Endpoint) int {
		switch {
		case a.Region == region && b.Region != region:
			return 1
		case b.Region == region && a.Region != region:
			return -1
		}
		return 0
	})
	return client.New(client.Config{Context: c})
}

// client returns a client of the world; region, if any, is asked first.
func (w *worldCommand) client(region string) (*client.Client, error) {
	c, err := w.load()
	if err != nil {
		return nil, err
	}
	if known := namesOf(c); region != "" && !slices.Contains(known, region) {
		return nil, client.Errorf(client.CodeNotFound, "there is no region %q in this world; its regions are %s", region, strings.Join(known, ", "))
	}
	return client.New(client.Config{Context: c, Region: region})
}
