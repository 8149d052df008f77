package verdict

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Rule says which rule gave a verdict.
type Rule string

const (
	// Unknown: nobody has an opinion yet. Routing prefers regions that are known
	// to be healthy, and otherwise takes unknown for healthy.
	Unknown Rule = "unknown"
	// Quorum: more than half of the fresh opinions.
	Quorum Rule = "quorum"
	// Split: as many say yes as no; the last verdict stays, or healthy if there
	// was none.
	Split Rule = "split"
	// Alone: no peer is heard but the world is there; own probes decide.
	Alone Rule = "alone"
	// OwnRegion: alone, and a node never removes its own region.
	OwnRegion Rule = "own region"
	// Isolated: no peer is heard and the references fail too; the last stays.
	Isolated Rule = "isolated"
	// Stale: no opinion counts; the last stays.
	Stale Rule = "stale"
)

// Verdict is what this node holds of one endpoint.
type Verdict struct {
	// Known is false until there is a first opinion; Healthy is then true.
	Known, Healthy bool
	Rule           Rule
	// Since is when Known or Healthy last changed, on this node.
	Since time.Time
	// Reason is one clause for people: "unhealthy: 2 of 3 observers say so
	// (eu-west-1: connection refused; …)".
	Reason string
	// Observers has one entry for every observer of this world, by name.
	Observers []Seen
}

// By names the observers whose counted opinion agrees with the verdict.
func (v Verdict) By() []string {
	var names []string
	for _, s := range v.Observers {
		if s.Counted && s.Healthy == v.Healthy {
			names = append(names, s.Observer)
		}
	}
	return names
}

// Seen is one observer's part in a verdict.
type Seen struct {
	Observer string
	// Heard: the observer has been heard of lately. Counted: it is heard, its
	// opinion is fresh, and it is not the failing one of a node that was itself
	// isolated until just now.
	Heard, Counted bool
	// Age is how long ago the observation arrived here; meaningless if it has
	// not (Observation.Sequence is 0).
	Age time.Duration
	Observation
}

// Change is a verdict that differs from the one before.
type Change struct {
	Endpoint
	Before, After Verdict
}

// Standing is how this node is placed in its world.
type Standing struct {
	// Alone: no peer is heard. Isolated: and the references fail, too.
	Alone, Isolated bool
	Heard, Unheard  []string // peers, sorted
	References      References
}

// Standing tells how this node is placed at now. In the first HeardFor after
// its start it is neither alone nor isolated: peers have not had their chance.
func (b *Board) Standing(now time.Time) Standing {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.standing(now)
}

func (b *Board) standing(now time.Time) Standing {
	s := Standing{References: b.references}
	for name, o := range b.observers {
		switch {
		case name == b.self:
		case b.hears(o, now):
			s.Heard = append(s.Heard, name)
		default:
			s.Unheard = append(s.Unheard, name)
		}
	}
	slices.Sort(s.Heard)
	slices.Sort(s.Unheard)
	s.Alone = len(s.Heard) == 0 && now.Sub(b.started) >= b.heardFor
	s.Isolated = s.Alone && b.references.failing()
	return s
}

func (b *Board) hears(o *observer, now time.Time) bool {
	return !o.heard.IsZero() && now.Sub(o.heard) < b.heardFor
}

// Verdict judges one endpoint. An endpoint that is not configured is Unknown.
func (b *Board) Verdict(service, region string, now time.Time) Verdict {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.judge(Endpoint{Service: service, Region: region}, b.standing(now), now)
}

// Evaluate judges every endpoint and tells what changed since the last time
// anyone asked Evaluate, sorted by service and region. Call it when reports
// arrive and a few times a second: silence changes verdicts, too.
func (b *Board) Evaluate(now time.Time) []Change {
	b.mu.Lock()
	defer b.mu.Unlock()
	standing := b.standing(now)
	if standing.Isolated {
		b.isolated = now
	}
	var changes []Change
	for e := range b.targets {
		before, after := b.last[e], b.judge(e, standing, now)
		b.last[e] = after
		if before.Known != after.Known || before.Healthy != after.Healthy && before.Known {
			changes = append(changes, Change{Endpoint: e, Before: before, After: after})
		}
	}
	slices.SortFunc(changes, func(a, b Change) int {
		return strings.Compare(a.Service+"\x00"+a.Region, b.Service+"\x00"+b.Region)
	})
	return changes
}

// Settled reports whether the first answers may be given: every endpoint has a
// verdict, or the node has been up for HeardFor. See DESIGN.md, "The start".
func (b *Board) Settled(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.Sub(b.started) >= b.heardFor {
		return true
	}
	standing := b.standing(now)
	for e := range b.targets {
		if !b.judge(e, standing, now).Known {
			return false
		}
	}
	return b.configured
}

// judge gives the verdict on e without storing it.
func (b *Board) judge(e Endpoint, standing Standing, now time.Time) Verdict {
	last := b.last[e]
	v := decide(ballot{
		own:      e.Region == b.self,
		standing: standing,
		last:     last,
		seen:     b.seen(e, now),
	})
	v.Since = last.Since
	if v.Known != last.Known || v.Healthy != last.Healthy {
		v.Since = now
	}
	return v
}

// seen lists every observer's word on e, by name.
func (b *Board) seen(e Endpoint, now time.Time) []Seen {
	fresh := b.targets[e].fresh()
	seen := make([]Seen, 0, len(b.observers))
	for name, o := range b.observers {
		s := Seen{Observer: name, Heard: b.hears(o, now)}
		if r, ok := o.results[e]; ok {
			s.Observation, s.Age = r.Observation, now.Sub(r.arrived)
			s.Counted = s.Heard && r.Decided && s.Age < fresh && (r.Healthy || name != b.self || !b.returned(e, now))
		}
		seen = append(seen, s)
	}
	slices.SortFunc(seen, func(a, b Seen) int { return strings.Compare(a.Observer, b.Observer) })
	return seen
}

// returned reports whether this node was isolated so lately that it may take an
// endpoint for unhealthy only because it could reach nobody.
func (b *Board) returned(e Endpoint, now time.Time) bool {
	return !b.isolated.IsZero() && now.Sub(b.isolated) < b.targets[e].change()
}

// ballot is all that one verdict depends on.
type ballot struct {
	own      bool // the endpoint is in the judging node's region
	standing Standing
	last     Verdict
	seen     []Seen
}

// decide is the rule, in the order of DESIGN.md.
func decide(in ballot) Verdict {
	healthy, unhealthy := count(in.seen)
	v := Verdict{Known: true, Observers: in.seen}
	switch {
	case in.standing.Isolated:
		v.Rule, v.Known, v.Healthy = Isolated, in.last.Known, in.last.Healthy
	case in.standing.Alone && in.own:
		v.Rule, v.Healthy = OwnRegion, true
	case healthy+unhealthy == 0:
		v.Rule, v.Known, v.Healthy = Stale, in.last.Known, in.last.Healthy
	case healthy == unhealthy:
		v.Rule, v.Healthy = Split, !in.last.Known || in.last.Healthy
	default:
		v.Rule, v.Healthy = Quorum, healthy > unhealthy
		if in.standing.Alone {
			v.Rule = Alone
		}
	}
	if !v.Known {
		v.Rule, v.Healthy = Unknown, true
	}
	v.Reason = reason(v, healthy, unhealthy)
	return v
}

func count(seen []Seen) (healthy, unhealthy int) {
	for _, s := range seen {
		switch {
		case !s.Counted:
		case s.Healthy:
			healthy++
		default:
			unhealthy++
		}
	}
	return healthy, unhealthy
}

func reason(v Verdict, healthy, unhealthy int) string {
	word, votes := "healthy", healthy
	if !v.Healthy {
		word, votes = "unhealthy", unhealthy
	}
	switch v.Rule {
	case Unknown:
		return "not known yet: no observer has an opinion"
	case Isolated:
		return "was " + word + ": this node hears no peer and no reference point, so the last verdict stays"
	case Stale:
		return "was " + word + ": no fresh observation counts, so the last verdict stays"
	case OwnRegion:
		return "kept: no peer is heard, and a region does not remove itself"
	case Alone:
		return word + ": no peer is heard, own probes decide" + details(v)
	case Split:
		return fmt.Sprintf("stays %s: observers are split, %d against %d%s", word, healthy, unhealthy, details(v))
	}
	return fmt.Sprintf("%s: %d of %d observers say so%s", word, votes, healthy+unhealthy, details(v))
}

// details quotes those who find it unhealthy; what several say is said once.
func details(v Verdict) string {
	var quotes []string
	by := map[string][]string{}
	for _, s := range v.Observers {
		if !s.Counted || s.Healthy {
			continue
		}
		quote := s.Observation.Reason
		if s.Observation.Passed {
			quote = "passes again, not often enough yet"
		}
		if by[quote] == nil {
			quotes = append(quotes, quote)
		}
		by[quote] = append(by[quote], s.Observer)
	}
	if len(quotes) == 0 {
		return ""
	}
	for i, quote := range quotes {
		quotes[i] = strings.Join(by[quote], ", ") + ": " + quote
	}
	return " (" + strings.Join(quotes, "; ") + ")"
}
