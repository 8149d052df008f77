package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
)

// flagSet is the standard flag.FlagSet, but flags may also come after
// arguments: `request GET /data --from Sydney`.
type flagSet struct {
	*flag.FlagSet
	// help is set by parse if the help text is asked for.
	help bool
}

func newFlagSet(name string) *flagSet {
	flags := &flagSet{FlagSet: flag.NewFlagSet(name, flag.ContinueOnError)}
	flags.SetOutput(io.Discard)
	flags.Usage = func() {}
	return flags
}

// parse returns the arguments that are no flags. After "--" nothing is a flag.
func (f *flagSet) parse(args []string) ([]string, error) {
	var positional []string
	for {
		err := f.FlagSet.Parse(args)
		if errors.Is(err, flag.ErrHelp) {
			f.help = true
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		rest := f.Args()
		if len(rest) == 0 {
			return positional, nil
		}
		if taken := len(args) - len(rest); taken > 0 && args[taken-1] == "--" {
			return append(positional, rest...), nil
		}
		positional = append(positional, rest[0])
		args = rest[1:]
	}
}

// want checks how many arguments there are.
func want(c string, args []string, atLeast, atMost int, usage string) error {
	switch {
	case len(args) < atLeast:
		return usagef("%s: something is missing: meridian %s %s", c, c, usage)
	case len(args) > atMost:
		return usagef("%s: %q is one argument too many: meridian %s %s", c, args[atMost], c, usage)
	}
	return nil
}

// repeated is a flag that may be given several times.
type repeated []string

func (r *repeated) String() string { return fmt.Sprint(*r) }

func (r *repeated) Set(value string) error {
	*r = append(*r, value)
	return nil
}
