package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/meridian-run/meridian/client"
)

// removing is one `region remove`.
type removing struct {
	app    *app
	client *client.Client
	region string
	force  bool
	yes    bool
	wait   time.Duration
}

// run says what will happen, asks, and shows how it goes until the region is
// gone.
func (r removing) run(ctx context.Context) error {
	plan, err := r.client.RemoveRegion(ctx, client.RemoveRequest{Region: r.region, Force: r.force, DryRun: true})
	if err != nil {
		return err
	}
	if plan.State == client.RemovalGone {
		fmt.Fprintf(r.app.out, "%s was removed before%s\n", r.region, lastWrite(plan))
		return nil
	}
	if plan.State == "" {
		fmt.Fprintln(r.app.out, plain(plan.Text))
		if err := r.confirm(); err != nil {
			return err
		}
	}
	now, err := r.client.RemoveRegion(ctx, client.RemoveRequest{Region: r.region, Force: r.force})
	if err != nil {
		return err
	}
	return r.follow(ctx, now)
}

// confirm asks, unless told not to.
func (r removing) confirm() error {
	if r.yes {
		return nil
	}
	fmt.Fprintf(r.app.out, "remove %s? type its name: ", r.region)
	line, err := bufio.NewReader(r.app.in).ReadString('\n')
	if strings.TrimSpace(line) == r.region {
		return nil
	}
	fmt.Fprintln(r.app.out)
	if err != nil && line == "" {
		return errors.New("nothing was removed: nobody answered; --yes does not ask")
	}
	return errors.New("nothing was removed")
}

// follow prints what the removal waits for, as that changes.
func (r removing) follow(ctx context.Context, now client.Removal) error {
	ctx, cancel := context.WithTimeout(ctx, max(r.wait, time.Millisecond))
	defer cancel()
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	said := ""
	for {
		if now.State == client.RemovalGone {
			fmt.Fprintf(r.app.out, "%s is gone: every region has what any of them had of it%s\n", r.region, lastWrite(now))
			fmt.Fprintln(r.app.out, "take it out of the spec, and `meridian apply` that")
			return nil
		}
		if words := removalWords(now); words != said {
			said = words
			fmt.Fprintln(r.app.out, words)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s is not gone after %s: %s; it goes on by itself, `meridian status` tells", r.region, r.wait, said)
		case <-tick.C:
		}
		next, err := r.client.RemoveRegion(ctx, client.RemoveRequest{Region: r.region, Force: r.force})
		if err == nil {
			now = next
		}
	}
}

// removalWords says what a removal under way waits for.
func removalWords(x client.Removal) string {
	if x.Agreed {
		return fmt.Sprintf("%s is being removed: what one region has of it is on its way to %s%s", x.Region, strings.Join(x.Waiting, ", "), lastWrite(x))
	}
	return fmt.Sprintf("%s is being removed: waiting for %s to say what it has of it", x.Region, strings.Join(x.Waiting, ", "))
}

// lastWrite says up to which write of a region the world has its writes.
func lastWrite(x client.Removal) string {
	if x.Until.IsZero() {
		return ""
	}
	return ", up to its write of " + x.Until.UTC().Format("2006-01-02T15:04:05.000Z")
}
