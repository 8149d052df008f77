package route

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/meridian-run/meridian/internal/place"
)

// The reference says the same as Decide in the words of Route 53: choose by the
// policy among all records; if the choice may not be answered, choose again
// among the rest; if none may be, treat more of them as healthy. It gives every
// region's chance, and is slow: it follows every choice.
func reference(q Query) map[string]float64 {
	on := slices.DeleteFunc(slices.Clone(q.Candidates), func(c Candidate) bool { return c.Off })
	undrained := slices.DeleteFunc(slices.Clone(on), func(c Candidate) bool { return c.Drained })
	for _, attempt := range []struct {
		among []Candidate
		ok    func(Candidate) bool
	}{
		{undrained, provenFirst(q, undrained)},
		{on, provenFirst(q, on)},
		{undrained, everybody},
		{on, everybody},
	} {
		parts := map[string]float64{}
		if tryAll(q, attempt.among, attempt.ok, 1, parts) {
			return parts
		}
	}
	return nil
}

func hopeful(c Candidate) bool   { return !c.Known || c.Healthy }
func everybody(c Candidate) bool { return true }

// zero is the class of weight 0, where weights matter.
func zero(q Query, c Candidate) bool { return q.Policy == Weighted && c.Weight == 0 }

// provenFirst lets a candidate without a verdict be answered only if none of
// its class is known to be healthy.
func provenFirst(q Query, among []Candidate) func(Candidate) bool {
	return func(c Candidate) bool {
		if c.Known {
			return c.Healthy
		}
		return !slices.ContainsFunc(among, func(o Candidate) bool {
			return o.Known && o.Healthy && zero(q, o) == zero(q, c)
		})
	}
}

// tryAll spreads the chance over what the policy chooses among rest, passing on
// the chance of those that are not ok. It reports whether anybody got it.
func tryAll(q Query, rest []Candidate, ok func(Candidate) bool, chance float64, parts map[string]float64) bool {
	usable := slices.DeleteFunc(slices.Clone(rest), func(c Candidate) bool { return !ok(c) })
	if len(usable) == 0 {
		return false
	}
	for i, part := range chosen(q, rest) {
		if part == 0 {
			continue
		}
		if ok(rest[i]) {
			parts[rest[i].Region] += chance * part
			continue
		}
		others := slices.Delete(slices.Clone(rest), i, i+1)
		tryAll(q, others, ok, chance*part, parts)
	}
	return true
}

// chosen is the policy's choice among all of rest, as a chance for each.
func chosen(q Query, rest []Candidate) []float64 {
	better := func(a, b Candidate) bool { // a is chosen before b for sure
		switch {
		case q.Policy == Weighted:
			return !zero(q, a) && zero(q, b)
		case q.Policy == Failover:
			return a.Order < b.Order || a.Order == b.Order && a.Region < b.Region
		case q.Client.Known:
			da, db := place.RoundTrip(q.Client.Place.Point, a.Point), place.RoundTrip(q.Client.Place.Point, b.Point)
			return da < db || da == db && a.Region < b.Region
		}
		return false
	}
	parts := make([]float64, len(rest))
	total := 0.0
	for i, c := range rest {
		if slices.ContainsFunc(rest, func(other Candidate) bool { return better(other, c) }) {
			continue
		}
		parts[i] = 1
		if q.Policy == Weighted && c.Weight > 0 {
			parts[i] = float64(c.Weight)
		}
		total += parts[i]
	}
	for i := range parts {
		parts[i] /= total
	}
	return parts
}

func drawQuery(t *rapid.T) Query {
	q := Query{
		Policy: rapid.SampledFrom([]Policy{Latency, Weighted, Failover}).Draw(t, "policy"),
		Draw:   rapid.Float64Range(0, 1).Draw(t, "draw"),
	}
	if rapid.Bool().Draw(t, "place known") {
		q.Client = place.Location{Known: true, Place: place.Place{Name: "Here", Point: drawPoint(t)}}
	}
	for i := range rapid.IntRange(0, 5).Draw(t, "candidates") {
		q.Candidates = append(q.Candidates, Candidate{
			Region:  fmt.Sprintf("r%d", i),
			Point:   drawPoint(t),
			Weight:  rapid.SampledFrom([]int{0, 0, 1, 2, 255}).Draw(t, "weight"),
			Order:   rapid.IntRange(0, 3).Draw(t, "order"),
			Known:   rapid.SampledFrom([]bool{true, true, true, false}).Draw(t, "known"),
			Healthy: rapid.Bool().Draw(t, "healthy"),
			Drained: rapid.SampledFrom([]bool{false, false, true}).Draw(t, "drained"),
			Off:     rapid.SampledFrom([]bool{false, false, false, true}).Draw(t, "off"),
		})
	}
	return q
}

func drawPoint(t *rapid.T) place.Point {
	return place.Point{
		Latitude:  float64(rapid.IntRange(-60, 60).Draw(t, "latitude")),
		Longitude: float64(rapid.IntRange(-180, 180).Draw(t, "longitude")),
	}
}

func TestDecideAgreesWithTheReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := drawQuery(t)
		want, d := reference(q), Decide(q)
		if (d.Region() == "") != (len(want) == 0) {
			t.Fatalf("answer %q, reference %v", d.Region(), want)
		}
		got := map[string]float64{}
		for _, c := range d.Choices {
			if c.Share > 0 {
				got[c.Region] = c.Share
			}
		}
		if len(got) != len(want) {
			t.Fatalf("shares %v, reference %v", got, want)
		}
		for region, share := range want {
			if math.Abs(got[region]-share) > 1e-9 {
				t.Fatalf("shares %v, reference %v", got, want)
			}
		}
		if d.Region() != "" && want[d.Region()] == 0 {
			t.Fatalf("answered %s, reference %v", d.Region(), want)
		}
	})
}

// What holds for every decision, whatever the policy.
func TestDecisionsKeepTheirPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := drawQuery(t)
		d := Decide(q)
		if d.Reason() == "" {
			t.Fatal("no reason")
		}
		if len(d.Regions)+len(d.Excluded) != len(q.Candidates) || len(d.Regions) != len(d.Choices) {
			t.Fatalf("%d answered and %d excluded of %d", len(d.Regions), len(d.Excluded), len(q.Candidates))
		}
		anyHealthy := slices.ContainsFunc(q.Candidates, func(c Candidate) bool { return !c.Off && hopeful(c) })
		for _, c := range q.Candidates {
			if !slices.Contains(d.Regions, c.Region) {
				continue
			}
			if c.Off {
				t.Fatalf("%s is off, but answered", c.Region)
			}
			if c.Known && !c.Healthy && anyHealthy {
				t.Fatalf("%s is unhealthy, but answered although others are not", c.Region)
			}
		}
		if d.FailOpen != (len(d.Regions) > 0 && !anyHealthy) {
			t.Fatalf("fail open is %v, any healthy %v", d.FailOpen, anyHealthy)
		}
		total := 0.0
		for _, c := range d.Choices {
			total += c.Share
		}
		if len(d.Choices) > 0 && math.Abs(total-1) > 1e-9 {
			t.Fatalf("shares add up to %v", total)
		}
	})
}

// The draws that decide really give the shares that the decision states.
func TestDrawsGiveTheStatedShares(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := drawQuery(t)
		got := chance(q)
		for _, c := range Decide(q).Choices {
			if math.Abs(got[c.Region]-c.Share) > 0.002 {
				t.Fatalf("%s gets %v of the answers, its share is %v", c.Region, got[c.Region], c.Share)
			}
		}
	})
}

func FuzzDraws(f *testing.F) {
	f.Add(0.5)
	f.Add(math.NaN())
	f.Add(math.Inf(-1))
	f.Add(1.0)
	f.Fuzz(func(t *testing.T, draw float64) {
		q := Query{Policy: Weighted, Draw: draw, Candidates: []Candidate{
			{Region: "a", Weight: 1, Known: true, Healthy: true},
			{Region: "b", Weight: 255, Known: true, Healthy: true},
			{Region: "c", Known: true, Healthy: true},
		}}
		if d := Decide(q); len(d.Regions) != 3 || d.Region() == "c" {
			t.Fatalf("draw %v gives %v", draw, d.Regions)
		}
	})
}
