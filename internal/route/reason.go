package route

import (
	"fmt"
	"strings"
	"time"
)

// Reason says in one sentence why the answer is what it is.
func (d Decision) Reason() string {
	if d.Rule == None {
		if len(d.Excluded) == 0 {
			return "no region serves this name"
		}
		return "nothing is answered: every region is switched off" + d.leftOut()
	}
	return d.tierClause() + d.ruleClause() + d.waiting() + d.leftOut()
}

// tierClause comes first if the answer is not simply a healthy region.
func (d Decision) tierClause() string {
	switch d.Tier {
	case TierUnknown:
		return "there is no verdict yet, regions count as healthy: "
	case TierDrained:
		return "no region that is not drained is healthy, so a drained one is answered: "
	case TierFailOpen:
		return "fail open: no region is healthy, so the answer is as if all were: "
	}
	return ""
}

// noun is what the candidates of the tier are.
func (d Decision) noun(count int) string {
	word := map[Tier]string{TierHealthy: "healthy ", TierDrained: "drained "}[d.Tier]
	if count == 1 {
		return word + "region"
	}
	return word + "regions"
}

func (d Decision) ruleClause() string {
	first := d.Choices[0]
	sharing, alike := 0, 0 // with a share; as good as the first
	for _, c := range d.Choices {
		if c.Share > 0 {
			sharing++
		}
		if c.Known == first.Known || d.FailOpen {
			alike++
		}
	}
	switch d.Rule {
	case Nearest:
		if alike == 1 {
			return fmt.Sprintf("%s is the only %s for %s (about %s)", first.Region, d.noun(1), d.place(), millis(first.RoundTrip))
		}
		return fmt.Sprintf("%s is the nearest of %d %s to %s (about %s)",
			first.Region, alike, d.noun(2), d.place(), millis(first.RoundTrip))
	case EqualShares:
		if sharing == 1 {
			return fmt.Sprintf("the client's place is unknown; %s is the only %s", first.Region, d.noun(1))
		}
		return fmt.Sprintf("the client's place is unknown, so each of %d %s gets an equal share; this time %s",
			sharing, d.noun(2), first.Region)
	case Weights:
		return fmt.Sprintf("%s was drawn by weight (its share is %s of the answers)", first.Region, percent(first.Share))
	case ZeroWeights:
		return fmt.Sprintf("%s has weight 0 like all that can be answered, so %d get equal shares; this time %s",
			first.Region, sharing, first.Region)
	}
	if len(d.Excluded) == 0 {
		return first.Region + " is first in the failover order"
	}
	return first.Region + " is first in the failover order among those that can be answered"
}

// waiting names those that are passed over because nothing is known of them
// yet, while others are known to be healthy.
func (d Decision) waiting() string {
	var names []string
	for _, c := range d.Choices {
		if !c.Known && d.Choices[0].Known && !d.FailOpen {
			names = append(names, c.Region)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "; no verdict yet: " + strings.Join(names, ", ")
}

func (d Decision) place() string {
	if d.Client.Place.Name != "" {
		return d.Client.Place.Name
	}
	return "the client"
}

func (d Decision) leftOut() string {
	if len(d.Excluded) == 0 {
		return ""
	}
	parts := make([]string, len(d.Excluded))
	for i, e := range d.Excluded {
		parts[i] = e.Region + ": " + e.Sentence()
	}
	return "; left out: " + strings.Join(parts, "; ")
}

// Sentence is the exclusion without the region: "drained (maintenance)",
// "unhealthy: 2 of 3 observers say so (…)".
func (e Exclusion) Sentence() string {
	switch {
	case e.Why == "" || e.Why == string(e.Cause):
		return string(e.Cause)
	case strings.HasPrefix(e.Why, string(e.Cause)):
		return e.Why
	}
	return string(e.Cause) + " (" + e.Why + ")"
}

func millis(d time.Duration) string {
	if d < time.Millisecond {
		return "1 ms"
	}
	return fmt.Sprintf("%d ms", d.Round(time.Millisecond).Milliseconds())
}

func percent(share float64) string {
	if share > 0 && share < 0.01 {
		return fmt.Sprintf("%.2g %%", share*100)
	}
	return fmt.Sprintf("%.3g %%", share*100)
}
