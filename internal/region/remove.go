package region

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/meridian-run/meridian/client"
	"github.com/meridian-run/meridian/internal/control"
	"github.com/meridian-run/meridian/internal/event"
	"github.com/meridian-run/meridian/internal/hlc"
)

const (
	// aliveFor is how long ago a region was heard that counts as alive.
	aliveFor = 10 * time.Second
	// timeoutHeard bounds the question to the others when they heard of it.
	timeoutHeard = 2 * time.Second
)

// RemoveRegion begins to take a region out of the world, or says what it would
// do. The survivors do the rest by themselves (see closing.go).
func (r *Region) RemoveRegion(ctx context.Context, in client.RemoveRequest) (client.Removal, error) {
	a := r.applied.Load()
	if a == nil {
		return client.Removal{}, errStarting
	}
	_, active := a.state.Region(in.Region)
	former, was := a.state.Former(in.Region)
	switch {
	case was:
		return removalOf(a.state, former), nil
	case !active:
		return client.Removal{}, client.Errorf(client.CodeNotFound, "there is no region %q; the regions are %s", in.Region, strings.Join(a.state.RegionNames(), ", "))
	case in.Region == r.cfg.Name:
		return client.Removal{}, client.Errorf(client.CodeUnavailable, "%s cannot remove itself: another region must", in.Region)
	}
	ago, by := r.heardAgo(ctx, a, in.Region)
	alive := ago < aliveFor
	if alive && !in.Force {
		return client.Removal{}, client.Errorf(client.CodeConflict, "%s is alive: %s heard it %.1f s ago. Take it out of service first: %s; it can be removed %.0f s after it was last heard. --force removes it as it is: what it has acknowledged and not shipped is then only on its disk",
			in.Region, by, ago.Seconds(), r.howToStop(in.Region), aliveFor.Seconds())
	}
	if in.DryRun {
		if err := r.control.MayRemove(in.Region, alive); err != nil {
			return client.Removal{}, callError(err)
		}
		return client.Removal{Region: in.Region, Waiting: others(a.state, in.Region), Text: r.foretell(a, in.Region, alive)}, nil
	}
	state, err := r.control.RemoveRegion(ctx, in.Region, alive)
	if err != nil {
		return client.Removal{}, callError(err)
	}
	r.settle(ctx, state.Revision)
	former, _ = state.Former(in.Region)
	return removalOf(state, former), nil
}

func others(s *control.State, name string) (names []string) {
	for _, x := range s.Survivors() {
		if x.Name != name {
			names = append(names, x.Name)
		}
	}
	return names
}

// howToStop says how a region is ended so that nothing is lost.
func (r *Region) howToStop(name string) string {
	if r.cfg.Dev != nil {
		return fmt.Sprintf("`meridian drain %s`, then `meridian region stop %[1]s`", name)
	}
	return fmt.Sprintf("`meridian drain %s`, then end its process with SIGTERM, which ships all that it has", name)
}

// foretell says what removing a region will do, before it is done.
func (r *Region) foretell(a *applied, name string, alive bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s leaves the world for good: its id is never used again, and nothing that it sends later is taken.\n", name)
	fmt.Fprintf(&b, "%s give each other what any of them has of it, and take nothing more.\n", strings.Join(others(a.state, name), " and "))
	if alive {
		fmt.Fprintf(&b, "It is alive: it will end by itself, and what it has acknowledged and not shipped stays on its disk only.")
		return b.String()
	}
	fmt.Fprintf(&b, "What only it has stays on its disk and is in no other region")
	if d := r.data.Load(); d != nil {
		if lag, ok := d.replica.Lag()[name]; ok && lag.Behind < 100*365*24*time.Hour {
			fmt.Fprintf(&b, ": %s has all that it wrote until %s", r.cfg.Name, time.Now().Add(-lag.Behind).Format(time.DateTime))
		}
	}
	b.WriteByte('.')
	return b.String()
}

// heardAgo asks all other regions, and answers how long ago the last of them
// heard of a region. One that runs for a moment only cannot tell, and counts as
// having heard it when it started.
func (r *Region) heardAgo(ctx context.Context, a *applied, name string) (ago time.Duration, by string) {
	var (
		mu    sync.Mutex // guards ago and by
		asked sync.WaitGroup
	)
	ago, by = r.heard(name, time.Now()), r.cfg.Name
	for _, peer := range others(a.state, name) {
		if peer == r.cfg.Name {
			continue
		}
		asked.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, timeoutHeard)
			defer cancel()
			reply, err := r.link.Post(ctx, peer, postHeard, []byte(name))
			var millis int64
			if err != nil || json.Unmarshal(reply, &millis) != nil {
				return // who does not answer has not heard it, as far as we know
			}
			mu.Lock()
			defer mu.Unlock()
			if theirs := time.Duration(millis) * time.Millisecond; theirs < ago {
				ago, by = theirs, peer
			}
		})
	}
	asked.Wait()
	return ago, by
}

func (r *Region) heard(name string, now time.Time) time.Duration {
	ago := now.Sub(r.started)
	if _, at, ok := r.gossip.last(name); ok {
		ago = min(ago, now.Sub(at))
	}
	return ago
}

// handleHeard answers another region how long ago this one heard of a third.
func (r *Region) handleHeard(_ context.Context, _ string, payload []byte) ([]byte, error) {
	return json.Marshal(r.heard(string(payload), time.Now()).Milliseconds())
}

// removalOf is what the API tells of a region that is closing or gone.
func removalOf(s *control.State, x control.Region) client.Removal {
	out := client.Removal{Region: x.Name, State: client.RemovalGone}
	ends := x.Ends
	if c := x.Closing; c != nil {
		out.State, out.Since, out.Forced, out.Agreed = client.RemovalClosing, c.Since, c.Forced, c.Agreed
		out.Waiting = s.Waiting(x)
		ends = c.Ends
	}
	var last hlc.Time
	for _, e := range ends {
		last = max(last, e.Time)
	}
	if last > 0 {
		out.Until = last.Wall()
	}
	return out
}

// removals are all regions that are closing or gone and have not come again.
func removals(s *control.State) (list []client.Removal) {
	for _, x := range s.Regions {
		if former, ok := s.Former(x.Name); ok && former.ID == x.ID {
			list = append(list, removalOf(s, x))
		}
	}
	return list
}

// announceRegions makes events of regions that come, close and are gone.
func (r *Region) announceRegions(before, next *control.State) {
	for _, x := range next.Regions {
		i := int(x.ID) - 1
		was := control.Region{Removed: true}
		if i < len(before.Regions) && before.Regions[i].ID == x.ID {
			was = before.Regions[i]
		}
		text := ""
		switch {
		case x.Active() && was.Removed:
			text = x.Name + " is part of the world"
		case x.Closing != nil && was.Active():
			text = x.Name + " is being removed: nothing more is taken from it"
		case x.Removed && !was.Removed:
			text = x.Name + " is gone: every region has what any of them had of it"
			if until := removalOf(next, x).Until; !until.IsZero() {
				text += ", up to its write of " + until.UTC().Format(time.RFC3339Nano)
			}
		default:
			continue
		}
		r.happened(event.Event{Kind: event.Region, Region: x.Name, Text: text})
	}
}
