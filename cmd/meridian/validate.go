package main

import (
	"context"
	"fmt"
	"io"

	"github.com/meridian-run/meridian/spec"
)

// specName is the spec's file name where no other is given.
const specName = "meridian.yaml"

func validateCommand() *command {
	return &command{
		name:      "validate",
		arguments: "[FILE]",
		summary:   "check a spec without starting or changing anything",
		about: `Validate reads a spec (meridian.yaml unless FILE says otherwise) and prints every error
in it with file, line, column and what to write instead.`,
		examples: []string{"meridian validate", "meridian validate worlds/staging.yaml && meridian apply worlds/staging.yaml"},
		build: func(a *app, _ *flagSet) func(context.Context, []string) error {
			return func(_ context.Context, args []string) error {
				if err := want("validate", args, 0, 1, "[FILE]"); err != nil {
					return err
				}
				w, err := spec.Load(fileOr(args, specName))
				if err != nil {
					return err
				}
				writeSummary(a.out, w)
				return nil
			}
		},
	}
}

func fileOr(args []string, otherwise string) string {
	if len(args) > 0 {
		return args[0]
	}
	return otherwise
}

func writeSummary(w io.Writer, s *spec.World) {
	fmt.Fprintf(w, "world %s is valid: %s, %s, %s\n", s.Name,
		count(len(s.Regions), "region"), count(len(s.Tables), "table"), count(len(s.Services), "service"))
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
