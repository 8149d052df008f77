package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/meridian-run/meridian/client"
)

// imagesEvery is how often --follow looks for more.
const imagesEvery = 500 * time.Millisecond

func imagesCommand() *command {
	return &command{
		name:      "images",
		arguments: "TABLE",
		summary:   "show the changes of a table, with the items before and after",
		about: `Images prints the image log of a table that keeps one (images: 24h in the spec): each
change that took effect in one region, in the order in which it did, as a line of
JSON. Every region has its own log; the first one that has the table answers.`,
		examples: []string{"meridian images notes", "meridian images notes --follow --region eu-west-1"},
		build: func(a *app, flags *flagSet) func(context.Context, []string) error {
			w := worldFlags(a, flags)
			region := flags.String("region", "", "ask this `region` first")
			after := flags.String("after", "", "go on behind this `cursor`; otherwise the oldest is the first")
			follow := flags.Bool("follow", false, "wait for more, until Ctrl-C")
			return func(ctx context.Context, args []string) error {
				if err := want("images", args, 1, 1, "TABLE [--follow]"); err != nil {
					return err
				}
				c, err := w.client(*region)
				if err != nil {
					return err
				}
				run := &imagesRun{app: a, client: c, follow: *follow}
				return run.run(ctx, client.ImagesRequest{Table: args[0], After: *after})
			}
		},
	}
}

// imagesRun is one run of the command.
type imagesRun struct {
	app    *app
	client *client.Client
	follow bool
	region string // that answered first: cursors are its own
}

func (i *imagesRun) run(ctx context.Context, q client.ImagesRequest) error {
	encoder := json.NewEncoder(i.app.out)
	encoder.SetEscapeHTML(false)
	for {
		b, err := i.client.Images(ctx, q)
		if err != nil {
			return err
		}
		if i.region == "" {
			i.region = b.Region
			fmt.Fprintf(i.app.err, "answered by %s; every change since %s, %s, %d bytes\n",
				b.Region, b.Log.Since.Local().Format("2006-01-02 15:04:05"), count(int(b.Log.Images), "image"), b.Log.Bytes)
		}
		if b.Region != i.region {
			return client.Errorf(client.CodeUnavailable, "%s does not answer any more, and %s has images of its own", i.region, b.Region)
		}
		for _, one := range b.Images {
			if err := encoder.Encode(one); err != nil {
				return err
			}
		}
		q.After = b.Next
		if b.More {
			continue
		}
		if !i.follow {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(imagesEvery):
		}
	}
}
