package region

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/meridian-run/meridian/internal/event"
	"github.com/meridian-run/meridian/internal/gateway"
	"github.com/meridian-run/meridian/internal/nameserver"
	"github.com/meridian-run/meridian/internal/place"
	"github.com/meridian-run/meridian/internal/probe"
	"github.com/meridian-run/meridian/internal/route"
	"github.com/meridian-run/meridian/internal/verdict"
	"github.com/meridian-run/meridian/spec"
)

const (
	// evaluateEvery is how often silence is judged; reports are judged as they
	// arrive.
	evaluateEvery = 200 * time.Millisecond
	timeoutReport = 2 * time.Second
)

// spread takes a report of this region's own prober to the board and the peers.
func (r *Region) spread(report verdict.Report) {
	r.hearReport(report)
	body, err := report.Encode()
	if err != nil {
		r.log.Error("encode probe report", "error", err)
		return
	}
	for _, peer := range r.peers() {
		r.reports.send(peer, func() {
			ctx, cancel := context.WithTimeout(context.Background(), timeoutReport)
			defer cancel()
			// A peer that cannot be reached is reported by link, once.
			_, _ = r.link.Post(ctx, peer, postReport, body)
		})
	}
}

// handleReport takes in a peer's report.
func (r *Region) handleReport(_ context.Context, from string, payload []byte) ([]byte, error) {
	report, err := verdict.Decode(payload)
	if err != nil {
		return nil, err
	}
	if report.Observer != from {
		return nil, fmt.Errorf("%s sent a report of %s", from, report.Observer)
	}
	r.hearReport(report)
	return nil, nil
}

func (r *Region) hearReport(report verdict.Report) {
	now := time.Now()
	if err := r.board.Add(report, now); err != nil {
		r.log.Debug("probe report not taken", "observer", report.Observer, "error", err)
		return
	}
	for _, o := range report.Observations {
		if o.Passed {
			r.lastGood.set(report.Observer, verdict.Endpoint{Service: o.Service, Region: o.Region}, now)
		}
	}
	r.evaluateSoon()
}

// lastGood is when each observer's check of each endpoint last passed.
type lastGood struct {
	mu sync.Mutex // guards at
	at map[check]time.Time
}

type check struct {
	observer string
	verdict.Endpoint
}

func (l *lastGood) set(observer string, e verdict.Endpoint, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.at == nil {
		l.at = map[check]time.Time{}
	}
	l.at[check{observer, e}] = now
}

// get is when a check of any of some observers last passed.
func (l *lastGood) get(observers []string, e verdict.Endpoint) (last time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, o := range observers {
		if at := l.at[check{o, e}]; at.After(last) {
			last = at
		}
	}
	return last
}

// probed counts this region's own checks.
func (r *Region) probed(result probe.Result) {
	outcome := "failed"
	if result.Passed {
		outcome = "passed"
	}
	r.metrics.probes.WithLabelValues(result.Service, result.Region, outcome).Inc()
}

func (r *Region) evaluateSoon() {
	select {
	case r.evaluatedSoon <- struct{}{}:
	default: // it is awake already
	}
}

// evaluate turns verdicts, drains and what regions tell of themselves into what
// the nameserver answers.
func (r *Region) evaluate(ctx context.Context) error {
	ticker := time.NewTicker(evaluateEvery)
	defer ticker.Stop()
	defer r.reports.wait()
	var published *nameserver.Snapshot
	for {
		now := time.Now()
		r.noteChanges(r.board.Evaluate(now))
		if r.nameserver != nil && r.board.Settled(now) {
			next := r.dnsSnapshot(r.applied.Load(), now)
			if published == nil || !reflect.DeepEqual(next.Services, published.Services) ||
				next.Serial != published.Serial || !reflect.DeepEqual(next.Regions, published.Regions) {
				r.noteFailOpen(published, next)
				if err := r.nameserver.Publish(next); err != nil {
					r.log.Error("names not published", "error", err)
				}
				published = next
				r.published.Store(next)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		case <-r.evaluatedSoon:
		}
	}
}

// noteChanges makes events and metrics of changed verdicts: one event for a
// region whose services all changed alike, else one for each service.
func (r *Region) noteChanges(changes []verdict.Change) {
	byRegion := map[string][]verdict.Change{}
	for _, c := range changes {
		value, to := 0.0, "unhealthy"
		if c.After.Healthy {
			value, to = 1, "healthy"
		}
		r.metrics.verdicts.WithLabelValues(c.Service, c.Region).Set(value)
		r.metrics.transitions.WithLabelValues(c.Service, c.Region, to).Inc()
		if r.isNews(c) {
			byRegion[c.Region] = append(byRegion[c.Region], c)
		}
	}
	for region, list := range byRegion {
		if len(list) == r.servicesIn(region) {
			r.happened(r.verdictEvent(region, "", list[0]))
			continue
		}
		for _, c := range list {
			r.happened(r.verdictEvent(region, c.Service, c))
		}
	}
}

// isNews reports whether a change is an event: an endpoint that had a verdict
// left, or one that left came back. A first verdict is neither, nor is it when a
// region that starts is found healthy at last.
func (r *Region) isNews(c verdict.Change) bool {
	if c.After.Known && !c.After.Healthy && c.Before.Known {
		r.removed[c.Endpoint] = true
		return true
	}
	back := c.After.Known && c.After.Healthy && r.removed[c.Endpoint]
	if back {
		delete(r.removed, c.Endpoint)
	}
	return back
}

func (r *Region) servicesIn(region string) int {
	n := 0
	for _, s := range r.applied.Load().world.Services {
		if s.In(region) {
			n++
		}
	}
	return n
}

// verdictEvent says that a region, or one service in it, left or came back.
func (r *Region) verdictEvent(region, service string, c verdict.Change) event.Event {
	what := region
	if service != "" {
		what = service + " in " + region
	}
	e := event.Event{At: time.Now(), Region: region, Service: service, SeenBy: c.After.By()}
	if c.After.Healthy {
		e.Kind = event.Restored
		e.Text = what + " is answered again" + seenBy(e.SeenBy)
		return e
	}
	e.Kind = event.Removed
	since, from := r.lastGood.get(e.SeenBy, c.Endpoint), "after its last good check"
	if r.cfg.Dev != nil {
		if at := r.cfg.Dev.StoppedAt(region); !at.IsZero() {
			since, from = at, "after it stopped"
		}
	}
	if since.IsZero() {
		e.Text = what + " removed" + seenBy(e.SeenBy)
		return e
	}
	e.Took = e.At.Sub(since).Seconds()
	e.Text = fmt.Sprintf("%s removed %.1f s %s%s", what, e.Took, from, seenBy(e.SeenBy))
	return e
}

// seenBy is empty where nobody was asked: a region that hears no peer does not
// remove itself.
func seenBy(observers []string) string {
	if len(observers) == 0 {
		return ""
	}
	return " (seen by " + strings.Join(observers, ", ") + ")"
}

// noteFailOpen makes an event when a service begins or ends to fail open (H8).
func (r *Region) noteFailOpen(before, after *nameserver.Snapshot) {
	failing := func(s *nameserver.Snapshot) map[string]bool {
		open := map[string]bool{}
		if s != nil {
			for _, service := range s.Services {
				open[service.Name] = route.Decide(route.Query{Policy: service.Policy, Candidates: service.Candidates}).FailOpen
			}
		}
		return open
	}
	was, is := failing(before), failing(after)
	for name := range is {
		if is[name] && !was[name] {
			r.happened(event.Event{Kind: event.FailOpen, Region: r.cfg.Name, Service: name, Text: "no region is healthy for " + name + ": all of them are answered (fail open)"})
		}
	}
}

// dnsSnapshot is what the nameserver answers at now.
func (r *Region) dnsSnapshot(a *applied, now time.Time) *nameserver.Snapshot {
	snapshot := &nameserver.Snapshot{
		Domain: a.world.Domain, Serial: uint32(a.state.SpecRevision), Locator: a.locator,
	}
	for _, region := range a.world.Regions {
		snapshot.Regions = append(snapshot.Regions, nameserver.Region{
			Name: region.Name, Addresses: r.cfg.Addresses(a.world, region.Name).Answer,
		})
	}
	for _, s := range a.world.Services {
		snapshot.Services = append(snapshot.Services, nameserver.Service{
			Name: s.Name, Host: s.Host, TTL: s.Routing.TTL, Policy: route.Policy(s.Routing.Policy),
			Candidates: r.candidates(a, s, now),
		})
	}
	return snapshot
}

// candidates are the regions of a service as they stand at now.
func (r *Region) candidates(a *applied, s spec.Service, now time.Time) []route.Candidate {
	var out []route.Candidate
	for _, name := range s.Regions {
		region, _ := a.world.Region(name)
		c := route.Candidate{
			Region: name, Point: region.Point,
			Weight: s.Routing.Weights[name], Order: slices.Index(s.Routing.Order, name),
		}
		if d, drained := a.state.Drained(name, s.Name, now); drained {
			c.Drained, c.Why = true, drainWhy(d)
		} else if why := r.wantsOut(name); why != "" {
			c.Drained, c.Why = true, why
		}
		out = append(out, c.Judged(r.board.Verdict(s.Name, name, now)))
	}
	return out
}

// wantsOut says why a region asked to be left out of the answers; empty if it
// did not. A region that said so and then fell silent stays out until its next
// life has said that it is ready.
func (r *Region) wantsOut(region string) string {
	leaving, ready := r.leaving.Load(), r.ready.Load()
	if region != r.cfg.Name {
		w, _, heard := r.gossip.last(region)
		if !heard {
			return ""
		}
		leaving, ready = w.Leaving, w.Region.Ready
	}
	switch {
	case leaving:
		return "it is leaving"
	case !ready:
		return "it is starting"
	}
	return ""
}

// healthyPeers are other regions to turn to when the local target of a service
// fails, nearest first.
func (r *Region) healthyPeers(service string) []gateway.Peer {
	a := r.applied.Load()
	s, ok := a.world.Service(service)
	here, _ := a.world.Region(r.cfg.Name)
	if !ok {
		return nil
	}
	decision := route.Decide(route.Query{
		Policy: route.Latency, Client: place.Location{Place: place.Place{Name: r.cfg.Name, Point: here.Point}, Known: true}, Candidates: r.candidates(a, s, time.Now()),
	})
	var peers []gateway.Peer
	if decision.FailOpen {
		return nil
	}
	for _, name := range decision.Regions {
		if name != r.cfg.Name {
			peers = append(peers, gateway.Peer{Region: name, Address: r.cfg.Addresses(a.world, name).Gateway})
		}
	}
	return peers
}
