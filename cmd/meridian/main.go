package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	// The first signal asks commands to end well; serve and dev then clean
	// up. A second one ends the process at once.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	a := &app{in: os.Stdin, out: os.Stdout, err: os.Stderr, getenv: os.Getenv, newDev: newDev, newNode: newNode}
	os.Exit(a.main(ctx, os.Args[1:]))
}

// main runs the command that args name and returns the exit code.
func (a *app) main(ctx context.Context, args []string) int {
	err := a.run(ctx, args)
	code := exitCode(err)
	if code != exitOK && err.Error() != "" {
		fmt.Fprintln(a.err, message(err))
	}
	return code
}

func (a *app) run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		a.printHelp(a.err)
		return &usageError{}
	}
	name, args := args[0], args[1:]
	switch name {
	case "-h", "-help", "--help":
		name = "help"
	case "-v", "-version", "--version":
		name = "version"
	}
	c := find(name)
	if c == nil {
		return usagef("there is no command %q%s; `meridian help` lists them", name, suggest(name))
	}
	return a.runCommand(ctx, c, args)
}
