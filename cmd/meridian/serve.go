package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"

	"github.com/meridian-run/meridian/internal/certificate"
	"github.com/meridian-run/meridian/internal/region"
	"github.com/meridian-run/meridian/spec"
)

func serveCommand() *command {
	return &command{
		name:    "serve",
		summary: "run one region on this machine",
		about: `Serve runs one region, or the witness, until it is told to end. SIGTERM makes it leave
the answers, serve on until resolvers have forgotten it, finish its requests, ship what
peers lack, and exit with 0; a second one ends it at once.

The spec seeds a world that has none. Afterwards the applied revision is what counts
(meridian apply), and a different file is reported, never used.`,
		examples: []string{
			"meridian serve --bundle /etc/meridian/eu-west-1 --data /var/lib/meridian",
			"meridian serve --bundle /etc/meridian/witness --data /var/lib/meridian --witness",
			"meridian serve --spec meridian.yaml --bundle bundles/eu-west-1 --region eu-west-1 --data data/eu",
		},
		build: func(a *app, flags *flagSet) func(context.Context, []string) error {
			var o serveOptions
			file := flags.String("spec", "", "the spec `file` (default: the one in the bundle)")
			bundle := flags.String("bundle", "", "the `directory` with this node's certificate and keys, from meridian init")
			flags.StringVar(&o.Region, "region", "", "the `name` of this node (default: the bundle's)")
			flags.StringVar(&o.Data, "data", "", "the `directory` that holds this region's data")
			flags.StringVar(&o.Buckets, "buckets", "", "the `directory` that holds the buckets of exports and imports (default: DATA/buckets)")
			flags.StringVar(&o.Listen, "listen", "", "the local IP `address` to listen on (default: the region's addresses in the spec)")
			flags.BoolVar(&o.Witness, "witness", false, "vote and probe, and hold no data")
			return func(ctx context.Context, args []string) error {
				if err := want("serve", args, 0, 0, "--bundle DIRECTORY --data DIRECTORY [--spec FILE]"); err != nil {
					return err
				}
				if *bundle == "" || o.Data == "" {
					return usagef("serve: --bundle says who this node is and --data where it keeps its data; `meridian init` makes bundles")
				}
				if err := o.open(*bundle, *file); err != nil {
					return err
				}
				o.Log = a.logger(a.err)
				useProcessors(a.getenv)
				node, err := a.newNode(o)
				if err != nil {
					return err
				}
				return restarted(ctx, o.Log, node.Run(ctx))
			}
		},
	}
}

// serveOptions says what to serve.
type serveOptions struct {
	Spec    *spec.World
	Bundle  *certificate.Bundle
	Region  string
	Data    string
	Buckets string // empty: in Data
	Listen  string // empty: the addresses in the spec
	Witness bool
	Log     *slog.Logger
}

// open reads the bundle and the spec, and checks that they and the flags mean
// the same node.
func (o *serveOptions) open(bundle, file string) error {
	var err error
	if o.Bundle, err = certificate.OpenBundle(bundle); err != nil {
		return err
	}
	o.Region = cmp.Or(o.Region, o.Bundle.Node)
	file = cmp.Or(file, o.Bundle.SpecPath)
	switch {
	case o.Bundle.Dev:
		return fmt.Errorf("%s was made by `meridian dev` for this machine only; `meridian init` makes bundles to serve with", bundle)
	case o.Region != o.Bundle.Node:
		return usagef("serve: --region is %s, but %s is the bundle of %s", o.Region, bundle, o.Bundle.Node)
	case o.Witness && !o.Bundle.Witness:
		return usagef("serve: %s is the bundle of a region, not of a witness: leave --witness out", bundle)
	case o.Bundle.Witness && !o.Witness:
		return usagef("serve: %s is the bundle of the witness: add --witness", bundle)
	case file == "":
		return usagef("serve: %s has no spec in it: name one with --spec", bundle)
	}
	if o.Spec, err = spec.Load(file); err != nil {
		return err
	}
	if o.Spec.Name != o.Bundle.World {
		return fmt.Errorf("%s describes world %s, but %s is a bundle of world %s", file, o.Spec.Name, bundle, o.Bundle.World)
	}
	return region.CheckAccess(o.Spec)
}

// runner is something that runs until its context ends.
type runner interface {
	Run(ctx context.Context) error
}

// logger writes text for a person at a terminal and JSON for everyone else.
func (a *app) logger(w io.Writer) *slog.Logger {
	if isTerminal(w) {
		return slog.New(slog.NewTextHandler(w, nil))
	}
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{ReplaceAttr: durationText}))
}

// durationText writes durations as "7s": slog's JSON has nanoseconds, without saying
// so.
func durationText(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}
