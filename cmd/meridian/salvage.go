package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/meridian-run/meridian/internal/region"
)

func salvageCommand() *command {
	return &command{
		name:      "salvage",
		arguments: "DIRECTORY",
		summary:   "what only the data directory of a removed region has",
		about: `Salvage reads the data directory of a region that was removed and whose process has
ended. It prints what the region wrote and no other region has, as lines of JSON: the
item as it stands there, deletes, and writes that lost there. Compare them with what the
world has now, and write what is still wanted: the world may have deleted those items, or
written others, and forgotten why. Nothing is changed anywhere else.

A region that never heard of its removal does not know what the others have: --after is
the time that "meridian region remove" printed when it was gone.`,
		examples: []string{"meridian salvage /var/lib/meridian/us-east-1", "meridian salvage .demo/us-east-1 --after 2026-11-20T12:26:00.991Z"},
		build: func(a *app, flags *flagSet) func(context.Context, []string) error {
			after := flags.String("after", "", "the others have what it wrote up to this `time` (RFC 3339)")
			return func(ctx context.Context, args []string) error {
				if err := want("salvage", args, 1, 1, "DIRECTORY"); err != nil {
					return err
				}
				q := region.SalvageQuery{Dir: args[0]}
				if *after != "" {
					var err error
					if q.After, err = time.Parse(time.RFC3339Nano, *after); err != nil {
						return usagef("salvage: --after is a time such as 2026-11-20T12:26:00.991Z: %v", err)
					}
				}
				return a.salvage(ctx, q)
			}
		},
	}
}

func (a *app) salvage(ctx context.Context, q region.SalvageQuery) error {
	encoder := json.NewEncoder(a.out)
	encoder.SetEscapeHTML(false)
	n := 0
	known, err := region.Salvage(ctx, q, func(one region.Salvaged) error {
		n++
		return encoder.Encode(one)
	})
	if err != nil {
		return err
	}
	if !known {
		fmt.Fprintln(a.err, "this directory does not know up to when the others have its writes; these are all that it wrote (--after)")
	}
	fmt.Fprintf(a.err, "%s\n", count(n, "write"))
	return nil
}
