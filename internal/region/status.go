package region

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/meridian-run/meridian/client"
	"github.com/meridian-run/meridian/internal/control"
	"github.com/meridian-run/meridian/internal/nameserver"
	"github.com/meridian-run/meridian/internal/route"
	"github.com/meridian-run/meridian/internal/table"
	"github.com/meridian-run/meridian/internal/verdict"
	"github.com/meridian-run/meridian/spec"
)

// Status is the whole world as this region sees it: itself at first hand, the
// others by their last word.
func (r *Region) Status(context.Context) (client.Status, error) {
	now := time.Now()
	s := client.Status{Answered: r.cfg.Name, At: now, Dev: r.cfg.Dev != nil, Events: r.eventsFor()}
	a := r.applied.Load()
	if a == nil {
		s.World, s.Domain = r.cfg.Spec.Name, r.cfg.Spec.Domain
		s.Control = r.controlStatus(nil)
		s.Regions = []client.Region{r.self()}
		return s, nil
	}
	s.World, s.Domain = a.world.Name, a.world.Domain
	s.Control = r.controlStatus(a)
	standing := r.board.Standing(now)
	for _, region := range a.world.Regions {
		s.Regions = append(s.Regions, r.regionStatus(a, region, standing, now))
	}
	for _, service := range a.world.Services {
		s.Services = append(s.Services, r.serviceStatus(a, service, now))
	}
	s.Removals = removals(a.state)
	for _, t := range a.state.Tables {
		s.Tables = append(s.Tables, tableStatus(t, s.Regions))
	}
	return s, nil
}

func (r *Region) eventsFor() []client.Event {
	kept, _ := r.events.Since(0)
	out := make([]client.Event, len(kept))
	for i, e := range kept {
		out[i] = client.Event{
			At: e.At, Kind: string(e.Kind), Region: e.Region, Service: e.Service, SeenBy: e.SeenBy, Text: e.Text, Seconds: e.Took,
		}
	}
	return out
}

func (r *Region) controlStatus(a *applied) client.Control {
	quorum, since := r.control.QuorumOK()
	c := client.Control{Quorum: quorum, QuorumSince: since}
	if err := r.control.Conflict(); err != nil {
		c.Conflict = err.Error()
	}
	if a == nil {
		return c
	}
	c.Revision, c.SpecRevision, c.SpecSource = a.state.Revision, a.state.SpecRevision, a.state.SpecSource
	if r.control.SpecDiffers() {
		c.SpecDiffers = r.specDiffers(a)
	}
	for _, m := range r.control.Cluster() {
		_, isRegion := a.world.Region(m.Name)
		c.Members = append(c.Members, client.Member{Name: m.Name, Witness: m.Name == spec.WitnessName && !isRegion, Leader: m.Leader, Learner: m.Learner})
	}
	return c
}

// specDiffers says what to do about a spec file that is not the applied one: one
// that names a removed region would be refused.
func (r *Region) specDiffers(a *applied) string {
	text := fmt.Sprintf("%s was started with %s, which is not the applied spec; ", r.cfg.Name, r.cfg.Spec.File)
	var gone []string
	for _, x := range r.cfg.Spec.Regions {
		if _, was := a.state.Former(x.Name); was {
			gone = append(gone, x.Name)
		}
	}
	if len(gone) > 0 {
		return text + fmt.Sprintf("it names %s, which was removed: take that out of it", strings.Join(gone, " and "))
	}
	return text + fmt.Sprintf("`meridian apply %s` makes it so", r.cfg.Spec.File)
}

// self is this region as it tells the others.
func (r *Region) self() client.Region {
	days := r.cfg.Identity.Days(time.Now())
	s := client.Region{
		Name: r.cfg.Name, Version: r.cfg.Version, Started: r.started, Reached: true,
		State: client.StateServing, Ready: r.ready.Load(), CertificateDays: &days,
	}
	if !s.Ready {
		s.State, s.NotReady = client.StateStarting, *r.notReady.Load()
		if missing := r.control.Missing(); r.applied.Load() == nil && len(missing) > 0 {
			s.NotReady += ": no answer from " + strings.Join(missing, ", ")
		}
	}
	if r.leaving.Load() {
		s.State = client.StateStopping
	}
	if r.board.Standing(time.Now()).Isolated {
		s.Isolated = true
	}
	if d := r.data.Load(); d != nil {
		d.describe(&s)
		d.describeJoining(r, &s)
		d.describeStrict(&s, r.applied.Load())
		s.HeldBack = r.heldBack(d, time.Now())
	}
	s.Traffic = r.traffic.digest(r, time.Now())
	s.Answers = r.answers.copy()
	return s
}

// tableStatus is a table, and its primary's word on the lease.
func tableStatus(t table.Table, regions []client.Region) client.Table {
	out := client.Table{
		Name: t.Name, State: string(t.State), Owner: string(t.Owner), Regions: t.Regions(),
		Primary: t.Primary, Epoch: t.Epoch, Copies: t.Copies,
	}
	if t.Copies > 1 {
		out.Otherwise = spec.Refuse
		if t.Degrade {
			out.Otherwise = spec.Degrade
		}
	}
	for _, r := range regions {
		for _, l := range r.Leases {
			if r.Name == t.Primary && r.Reached && l.Table == t.Name && l.Epoch == t.Epoch {
				out.Lease = &l
			}
		}
	}
	return out
}

// regionStatus is a region: its own word, and what this one knows of it.
func (r *Region) regionStatus(a *applied, region spec.Region, standing verdict.Standing, now time.Time) client.Region {
	s := client.Region{Name: region.Name, State: client.StateUnreachable}
	switch {
	case region.Name == r.cfg.Name:
		s = r.self()
	default:
		if w, at, heard := r.gossip.last(region.Name); heard {
			s = w.Region
			s.Reached = slices.Contains(standing.Heard, region.Name)
			if !s.Reached {
				s.State, s.Error = client.StateUnreachable, fmt.Sprintf("last heard of %.0f s ago", max(0, now.Sub(at)).Seconds())
			}
		} else {
			s.Error = "not heard of yet"
		}
	}
	if r.cfg.Dev != nil && !r.cfg.Dev.StoppedAt(region.Name).IsZero() {
		s.State = client.StateStopped
	}
	s.Name, s.Place = region.Name, cmp.Or(region.Place, fmt.Sprintf("%.2f, %.2f", region.Point.Latitude, region.Point.Longitude))
	s.Addresses = shown(r.cfg.Addresses(a.world, region.Name))
	s.Health = r.regionHealth(a, region.Name, now)
	s.Drains = drainsOf(a, region.Name, now)
	return s
}

func shown(a Addresses) client.Addresses {
	out := client.Addresses{API: a.Gateway, Tables: a.Tables, DNS: a.DNS, Admin: a.Admin, Link: a.Link}
	if len(a.Answer) > 0 {
		out.Answer = a.Answer[0].String()
	}
	return out
}

func drainsOf(a *applied, region string, now time.Time) []client.Drain {
	var out []client.Drain
	for _, d := range a.state.Drains {
		if d.Region == region && d.Active(now) {
			out = append(out, client.Drain{Region: d.Region, Service: d.Service, Until: d.Until, Why: d.Why})
		}
	}
	return out
}

// regionHealth is the worst verdict of a region's services; a region without
// services is as healthy as it is reached.
func (r *Region) regionHealth(a *applied, region string, now time.Time) client.Health {
	h := client.Health{Verdict: client.Unknown, Reason: "it runs no service"}
	rank := map[string]int{client.Healthy: 1, client.Unknown: 2, client.Unhealthy: 3}
	worst := 0
	for _, s := range a.world.Services {
		if !s.In(region) {
			continue
		}
		one := healthOf(r.board.Verdict(s.Name, region, now))
		if rank[one.Verdict] > worst {
			h, worst = one, rank[one.Verdict]
		}
	}
	return h
}

func healthOf(v verdict.Verdict) client.Health {
	h := client.Health{Verdict: client.Unhealthy, Reason: v.Reason, Since: v.Since}
	switch {
	case !v.Known:
		h.Verdict = client.Unknown
	case v.Healthy:
		h.Verdict = client.Healthy
	}
	for _, s := range v.Observers {
		if s.Observation.Sequence == 0 {
			continue
		}
		h.Seen = append(h.Seen, client.Seen{
			Observer: s.Observer, Healthy: s.Healthy, Reason: s.Observation.Reason,
			Millis: float64(s.Latency) / float64(time.Millisecond), AgeSeconds: s.Age.Seconds(), Fresh: s.Counted,
		})
	}
	return h
}

// serviceStatus is a service, its health in each region and who is answered.
func (r *Region) serviceStatus(a *applied, s spec.Service, now time.Time) client.Service {
	out := client.Service{Name: s.Name, Host: s.Host, Policy: s.Routing.Policy, TTLSeconds: int(s.Routing.TTL.Seconds())}
	candidates, published := r.answeredFrom(a, s, now)
	decision := route.Decide(route.Query{Policy: route.Policy(s.Routing.Policy), Candidates: candidates})
	out.FailOpen = decision.FailOpen
	for _, region := range s.Regions {
		sr := client.ServiceRegion{
			Region: region, Health: healthOf(r.board.Verdict(s.Name, region, now)),
			Answered: published && slices.Contains(decision.Regions, region),
		}
		if !published {
			sr.Excluded = "the nameserver of " + r.cfg.Name + " has just started and has no verdicts yet"
		}
		for _, e := range decision.Excluded {
			if e.Region == region {
				sr.Excluded = e.Sentence()
			}
		}
		out.Regions = append(out.Regions, sr)
	}
	return out
}

// answeredFrom are the candidates that the nameserver answers from; published is
// false before it has any. A witness has no nameserver and shows what one would.
func (r *Region) answeredFrom(a *applied, s spec.Service, now time.Time) (_ []route.Candidate, published bool) {
	if r.nameserver == nil {
		return r.candidates(a, s, now), true
	}
	snapshot := r.published.Load()
	if snapshot == nil {
		return r.candidates(a, s, now), false
	}
	i := slices.IndexFunc(snapshot.Services, func(x nameserver.Service) bool { return x.Name == s.Name })
	if i < 0 { // it has just been added
		return r.candidates(a, s, now), false
	}
	return snapshot.Services[i].Candidates, true
}

// drainWhy says in a clause why a region is drained.
func drainWhy(d control.Drain) string {
	why := "drained until it is undrained"
	if !d.Until.IsZero() {
		why = "drained until " + d.Until.Local().Format("15:04:05")
	}
	if d.Why != "" {
		why += " (" + d.Why + ")"
	}
	return why
}

func drainText(d control.Drain) string { return drainTarget(d) + " is " + drainWhy(d) }

func undrainText(d control.Drain) string { return drainTarget(d) + " is no longer drained" }

func drainTarget(d control.Drain) string {
	if d.Service == "" {
		return d.Region
	}
	return d.Service + " in " + d.Region
}
