package route

import (
	"cmp"
	"slices"
	"time"

	"github.com/meridian-run/meridian/internal/place"
	"github.com/meridian-run/meridian/internal/verdict"
)

// Policy is how a service's regions are chosen among.
type Policy string

const (
	Latency  Policy = "latency" // the default for the empty and any other value
	Weighted Policy = "weighted"
	Failover Policy = "failover"
)

// Candidate is a region that serves the service.
type Candidate struct {
	Region string
	Point  place.Point
	// Weight is for Weighted: 0 to 255, and 0 is special (Route 53's rule).
	Weight int
	// Order is for Failover: the lowest is the primary.
	Order int
	// Known and Healthy are the verdict; a service without a check sets both.
	Known, Healthy bool
	// Off is a switch, Drained a drain.
	Off, Drained bool
	// Why says in a clause why it is off, drained or unhealthy, and SeenBy which
	// observers say so.
	Why    string
	SeenBy []string
}

// Judged is the candidate with a verdict. Why and SeenBy are the verdict's if
// that is what keeps it from being answered.
func (c Candidate) Judged(v verdict.Verdict) Candidate {
	c.Known, c.Healthy = v.Known, v.Healthy
	if v.Known && !v.Healthy && !c.Off && !c.Drained {
		c.Why, c.SeenBy = v.Reason, v.By()
	}
	return c
}

// Query is one question.
type Query struct {
	Policy     Policy
	Candidates []Candidate
	Client     place.Location
	// Draw, in [0, 1), decides where shares do.
	Draw float64
}

// Rule says which rule chose the answer.
type Rule string

const (
	Nearest      Rule = "nearest"
	EqualShares  Rule = "equal shares" // the client's place is unknown
	Weights      Rule = "weights"
	ZeroWeights  Rule = "zero weights" // only candidates of weight 0: equal shares
	FailoverRule Rule = "failover order"
	None         Rule = "none" // no candidate, or all are off
)

// Tier says how good the best candidates are, from which the answer is taken.
type Tier string

const (
	TierHealthy  Tier = "healthy"
	TierUnknown  Tier = "unknown"
	TierDrained  Tier = "drained"
	TierFailOpen Tier = "fail open"
)

// Choice is a region that may be answered.
type Choice struct {
	Region string
	// Known is false as long as there is no verdict on it.
	Known bool
	// RoundTrip is the estimate that Nearest compares.
	RoundTrip time.Duration
	// Share of the answers that it gets by chance, 0 to 1; for Nearest and
	// failover it is 1 for the first.
	Share float64
}

// Exclusion is a region that is not answered.
type Exclusion struct {
	Region string
	Cause  Cause
	Why    string
	SeenBy []string
}

// Cause is the kind of an exclusion.
type Cause string

const (
	CauseOff       Cause = "switched off"
	CauseDrained   Cause = "drained"
	CauseUnhealthy Cause = "unhealthy"
)

// Decision is an answer with its reason.
type Decision struct {
	// Regions is every region that may be answered, best first: the first is
	// the answer, the others are where to turn if it fails. Empty if there is no
	// answer. Choices says more of each, in the same order.
	Regions []string
	Choices []Choice
	Policy  Policy
	Rule    Rule
	Tier    Tier
	// FailOpen: no candidate is healthy, the answer is given nevertheless (H8).
	FailOpen bool
	// ByPlace: another client may get another answer because of its place, so
	// the answer's scope is that of Client.
	ByPlace  bool
	Client   place.Location
	Excluded []Exclusion
}

// Region is the answer, or "".
func (d Decision) Region() string {
	if len(d.Regions) == 0 {
		return ""
	}
	return d.Regions[0]
}

// Decide answers a query. It looks at nothing else.
func Decide(q Query) Decision {
	if q.Policy != Weighted && q.Policy != Failover {
		q.Policy = Latency
	}
	d := Decision{Policy: q.Policy, Client: q.Client, Rule: None, ByPlace: q.Policy == Latency}
	groups, tier := grouped(q)
	if len(groups) > 0 {
		d.Tier, d.FailOpen = tier, tier == TierFailOpen
		d.Rule = rule(q, groups[0])
	}
	for i, group := range groups {
		for _, c := range ordered(q, group) {
			if i > 0 {
				c.Share = 0
			}
			d.Choices = append(d.Choices, c)
			d.Regions = append(d.Regions, c.Region)
		}
	}
	d.Excluded = excluded(q.Candidates, d.Regions)
	return d
}

// grouped gives the candidates that may be answered in groups, the best first:
// the answer comes from the first group. Empty groups are left out.
func grouped(q Query) ([][]Candidate, Tier) {
	healthy := func(c Candidate) bool { return c.Known && c.Healthy }
	unknown := func(c Candidate) bool { return !c.Known }
	any := func(Candidate) bool { return true }
	for _, drained := range []bool{false, true} {
		known := filter(q.Candidates, drained, healthy)
		hoped := filter(q.Candidates, drained, unknown)
		if len(known)+len(hoped) == 0 {
			continue
		}
		tier := TierHealthy
		if len(known) == 0 {
			tier = TierUnknown
		}
		if drained {
			tier = TierDrained
		}
		return weightClasses(q.Policy, known, hoped), tier
	}
	undrained := filter(q.Candidates, false, any)
	if len(undrained) > 0 {
		return weightClasses(q.Policy, undrained), TierFailOpen
	}
	return weightClasses(q.Policy, filter(q.Candidates, true, any)), TierFailOpen
}

func filter(all []Candidate, drained bool, want func(Candidate) bool) []Candidate {
	var out []Candidate
	for _, c := range all {
		if !c.Off && c.Drained == drained && want(c) {
			out = append(out, c)
		}
	}
	return out
}

// weightClasses moves the candidates of weight 0 behind all others if weights
// matter, and drops empty groups.
func weightClasses(policy Policy, groups ...[]Candidate) [][]Candidate {
	var front, back [][]Candidate
	for _, group := range groups {
		var heavy, zero []Candidate
		for _, c := range group {
			if policy == Weighted && c.Weight <= 0 {
				zero = append(zero, c)
			} else {
				heavy = append(heavy, c)
			}
		}
		if len(heavy) > 0 {
			front = append(front, heavy)
		}
		if len(zero) > 0 {
			back = append(back, zero)
		}
	}
	return append(front, back...)
}

func rule(q Query, group []Candidate) Rule {
	switch {
	case q.Policy == Failover:
		return FailoverRule
	case q.Policy == Weighted && group[0].Weight <= 0:
		return ZeroWeights
	case q.Policy == Weighted:
		return Weights
	case q.Client.Known:
		return Nearest
	}
	return EqualShares
}

// ordered ranks one group by the policy.
func ordered(q Query, group []Candidate) []Choice {
	choices := make([]Choice, len(group))
	for i, c := range group {
		choices[i] = Choice{Region: c.Region, Known: c.Known}
		if q.Client.Known {
			choices[i].RoundTrip = place.RoundTrip(q.Client.Place.Point, c.Point)
		}
	}
	switch rule(q, group) {
	case Nearest:
		slices.SortStableFunc(choices, func(a, b Choice) int {
			return cmp.Or(cmp.Compare(a.RoundTrip, b.RoundTrip), cmp.Compare(a.Region, b.Region))
		})
		choices[0].Share = 1
		return choices
	case FailoverRule:
		order := make(map[string]int, len(group))
		for _, c := range group {
			order[c.Region] = c.Order
		}
		slices.SortStableFunc(choices, func(a, b Choice) int {
			return cmp.Or(cmp.Compare(order[a.Region], order[b.Region]), cmp.Compare(a.Region, b.Region))
		})
		choices[0].Share = 1
		return choices
	case Weights:
		return drawn(choices, q.Draw, func(i int) float64 { return float64(group[i].Weight) })
	}
	return drawn(choices, q.Draw, func(int) float64 { return 1 })
}

// drawn orders choices by chance, each place among the rest in proportion to
// the weights. What is left of the draw after one place decides the next, so
// one draw gives the whole order.
func drawn(choices []Choice, draw float64, weight func(i int) float64) []Choice {
	weights := make([]float64, len(choices))
	total := 0.0
	for i := range choices {
		weights[i] = weight(i)
		total += weights[i]
	}
	for i := range choices {
		choices[i].Share = weights[i] / total
	}
	draw = clamp(draw)
	for at := range choices {
		x, i := draw*total, at
		for i < len(choices)-1 && x >= weights[i] {
			x -= weights[i]
			i++
		}
		draw = clamp(x / weights[i])
		total -= weights[i]
		choices[at], choices[i] = choices[i], choices[at]
		weights[at], weights[i] = weights[i], weights[at]
	}
	return choices
}

// clamp puts a draw into [0, 1), whatever the caller passed.
func clamp(draw float64) float64 {
	const below1 = 1 - 1.0/(1<<53)
	if !(draw > 0) { // also if it is not a number
		return 0
	}
	return min(draw, below1)
}

func excluded(all []Candidate, answered []string) []Exclusion {
	var out []Exclusion
	for _, c := range all {
		if slices.Contains(answered, c.Region) {
			continue
		}
		e := Exclusion{Region: c.Region, Why: c.Why, SeenBy: c.SeenBy, Cause: CauseUnhealthy}
		if c.Off {
			e.Cause = CauseOff
		} else if c.Drained {
			e.Cause = CauseDrained
		}
		out = append(out, e)
	}
	return out
}
