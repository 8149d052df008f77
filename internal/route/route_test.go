package route

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-run/meridian/internal/place"
)

func at(t testing.TB, name string) place.Location {
	t.Helper()
	p, ok := place.Find(name)
	if !ok {
		t.Fatalf("no place %q", name)
	}
	return place.Location{Place: p, Known: true, Scope: 24}
}

// three are the regions of the demo, all healthy.
func three(t testing.TB) []Candidate {
	return []Candidate{
		{Region: "us-east-1", Point: at(t, "Ashburn").Place.Point, Known: true, Healthy: true},
		{Region: "eu-west-1", Point: at(t, "Dublin").Place.Point, Known: true, Healthy: true},
		{Region: "ap-southeast-2", Point: at(t, "Sydney").Place.Point, Known: true, Healthy: true},
	}
}

func TestR1_EachClientGetsTheNearestHealthyRegion(t *testing.T) {
	for _, test := range []struct{ from, without, want string }{
		{"New York", "", "us-east-1"},
		{"London", "", "eu-west-1"},
		{"Auckland", "", "ap-southeast-2"},
		{"New York", "us-east-1", "eu-west-1"},
		{"London", "eu-west-1", "us-east-1"},
		{"New York", "us-east-1 eu-west-1", "ap-southeast-2"},
	} {
		candidates := three(t)
		for i, c := range candidates {
			if strings.Contains(test.without, c.Region) {
				candidates[i].Healthy = false
			}
		}
		d := Decide(Query{Policy: Latency, Candidates: candidates, Client: at(t, test.from)})
		if d.Region() != test.want || d.Rule != Nearest || !d.ByPlace {
			t.Errorf("%s without %q gets %s by %s, want %s", test.from, test.without, d.Region(), d.Rule, test.want)
		}
	}
}

// chance gives each region's part of the answers, over evenly spread draws.
func chance(q Query) map[string]float64 {
	const draws = 1 << 12
	parts := map[string]float64{}
	for i := range draws {
		q.Draw = (float64(i) + 0.5) / draws
		parts[Decide(q).Region()] += 1.0 / draws
	}
	return parts
}

func TestAClientOfUnknownPlaceGetsAnEqualShare(t *testing.T) {
	candidates := three(t)
	candidates[1].Healthy = false
	q := Query{Policy: Latency, Candidates: candidates}
	got := chance(q)
	for _, region := range []string{"us-east-1", "ap-southeast-2"} {
		if math.Abs(got[region]-0.5) > 0.001 {
			t.Errorf("%s gets %v of the answers, want half", region, got[region])
		}
	}
	d := Decide(q)
	if d.Rule != EqualShares || !strings.Contains(d.Reason(), "place is unknown") || !strings.Contains(d.Reason(), "equal share") {
		t.Errorf("rule %q, reason %q", d.Rule, d.Reason())
	}
}

// The truth table of Route 53 for weights 1, 1, 0; "N" is a record without a
// health check, which counts as healthy.
func TestR3_Route53TruthTable(t *testing.T) {
	for _, test := range []struct{ states, want string }{
		{"UUH", "3"},
		{"UUU", "1,2"},
		{"UHU", "2"},
		{"HHU", "1,2"},
		{"HHH", "1,2"},
		{"HHN", "1,2"},
		{"UUN", "3"},
		{"UHN", "2"},
	} {
		var candidates []Candidate
		for i, state := range test.states {
			candidates = append(candidates, Candidate{
				Region: fmt.Sprint(i + 1), Weight: []int{1, 1, 0}[i], Known: true, Healthy: state != 'U',
			})
		}
		q := Query{Policy: Weighted, Candidates: candidates}
		var got []string
		for region := range chance(q) {
			got = append(got, region)
		}
		slices.Sort(got)
		if strings.Join(got, ",") != test.want {
			t.Errorf("%s answers %v, want %s", test.states, got, test.want)
		}
		if d := Decide(q); d.FailOpen != (test.states == "UUU") || d.ByPlace {
			t.Errorf("%s: fail open %v, by place %v", test.states, d.FailOpen, d.ByPlace)
		}
	}
}

func TestR3_WeightsAreShares(t *testing.T) {
	candidates := three(t)
	for i, weight := range []int{90, 10, 0} {
		candidates[i].Weight = weight
	}
	got := chance(Query{Policy: Weighted, Candidates: candidates})
	if math.Abs(got["us-east-1"]-0.9) > 0.001 || math.Abs(got["eu-west-1"]-0.1) > 0.001 || len(got) != 2 {
		t.Errorf("90, 10, 0 give %v", got)
	}
	for i := range candidates {
		candidates[i].Weight = 0
	}
	if got := chance(Query{Policy: Weighted, Candidates: candidates}); len(got) != 3 || math.Abs(got["eu-west-1"]-1.0/3) > 0.001 {
		t.Errorf("0, 0, 0 give %v, want equal shares", got)
	}
}

func TestR4_Failover(t *testing.T) {
	for _, test := range []struct {
		unhealthy string
		want      string
		failOpen  bool
	}{
		{"", "us-east-1", false},
		{"us-east-1", "eu-west-1", false},
		{"us-east-1 eu-west-1", "ap-southeast-2", false},
		{"us-east-1 eu-west-1 ap-southeast-2", "us-east-1", true}, // all unhealthy: the primary
	} {
		candidates := three(t)
		for i := range candidates {
			candidates[i].Order = i
			candidates[i].Healthy = !strings.Contains(test.unhealthy, candidates[i].Region)
		}
		d := Decide(Query{Policy: Failover, Candidates: candidates, Client: at(t, "Sydney")})
		if d.Region() != test.want || d.FailOpen != test.failOpen {
			t.Errorf("without %q: %s (fail open %v), want %s (%v)", test.unhealthy, d.Region(), d.FailOpen, test.want, test.failOpen)
		}
	}
}

func TestH8_FailOpenIsVisible(t *testing.T) {
	candidates := three(t)
	for i := range candidates {
		candidates[i].Healthy = false
	}
	d := Decide(Query{Candidates: candidates, Client: at(t, "New York")})
	if d.Region() != "us-east-1" || !d.FailOpen || d.Tier != TierFailOpen || !strings.HasPrefix(d.Reason(), "fail open: ") {
		t.Errorf("got %s, fail open %v, %q", d.Region(), d.FailOpen, d.Reason())
	}
}

func TestDrains(t *testing.T) {
	candidates := three(t)
	candidates[0].Drained, candidates[0].Why = true, "maintenance"
	d := Decide(Query{Candidates: candidates, Client: at(t, "New York")})
	want := []Exclusion{{Region: "us-east-1", Cause: CauseDrained, Why: "maintenance"}}
	if d.Region() != "eu-west-1" || cmp.Diff(want, d.Excluded) != "" {
		t.Errorf("drained: %s, %+v", d.Region(), d.Excluded)
	}
	candidates[1].Healthy, candidates[2].Healthy = false, false
	d = Decide(Query{Candidates: candidates, Client: at(t, "Sydney")})
	if d.Region() != "us-east-1" || d.FailOpen || d.Tier != TierDrained {
		t.Errorf("a healthy drained region comes before failing open, got %s, %s", d.Region(), d.Tier)
	}
	candidates[0].Healthy = false
	d = Decide(Query{Candidates: candidates, Client: at(t, "New York")})
	if d.Region() != "eu-west-1" || !d.FailOpen {
		t.Errorf("failing open leaves drained regions out, got %s", d.Region())
	}
}

func TestSwitchedOffIsNeverAnswered(t *testing.T) {
	candidates := three(t)
	candidates[0].Off = true
	candidates[1].Healthy, candidates[2].Healthy = false, false
	if d := Decide(Query{Candidates: candidates, Client: at(t, "New York")}); d.Region() != "eu-west-1" || !d.FailOpen {
		t.Errorf("got %s, want fail open among the others", d.Region())
	}
	candidates[1].Off, candidates[2].Off = true, true
	d := Decide(Query{Candidates: candidates, Client: at(t, "New York")})
	if d.Region() != "" || d.Rule != None || !strings.Contains(d.Reason(), "switched off") {
		t.Errorf("all off: %q, %q, %q", d.Region(), d.Rule, d.Reason())
	}
}

func TestUnknownIsAnsweredOnlyIfNothingIsKnownHealthy(t *testing.T) {
	candidates := three(t)
	candidates[0] = Candidate{Region: "us-east-1", Point: candidates[0].Point, Healthy: true} // not Known
	if d := Decide(Query{Candidates: candidates, Client: at(t, "New York")}); d.Region() != "eu-west-1" {
		t.Errorf("got %s", d.Region())
	}
	candidates[1].Healthy, candidates[2].Healthy = false, false
	if d := Decide(Query{Candidates: candidates, Client: at(t, "New York")}); d.Region() != "us-east-1" || d.FailOpen || d.Tier != TierUnknown {
		t.Errorf("got %s, %s", d.Region(), d.Tier)
	}
}

func TestReasonsReadLikeSentences(t *testing.T) {
	unhealthy := three(t)
	unhealthy[0].Healthy, unhealthy[0].Why = false, "unhealthy: 2 of 2 observers say so (eu-west-1: connection refused)"
	drained := three(t)
	drained[2].Drained, drained[2].Why = true, "by ops until 14:05"
	starting := three(t)
	starting[0].Known = false
	weighted := three(t)
	weighted[0].Weight, weighted[1].Weight = 9, 1
	for _, test := range []struct {
		q    Query
		want string
	}{
		{
			Query{Candidates: unhealthy, Client: at(t, "New York")},
			"eu-west-1 is the nearest of 2 healthy regions to New York (about %); left out: us-east-1: unhealthy: 2 of 2 observers say so (eu-west-1: connection refused)",
		},
		{
			Query{Candidates: drained, Draw: 0.9},
			"the client's place is unknown, so each of 2 healthy regions gets an equal share; this time eu-west-1; left out: ap-southeast-2: drained (by ops until 14:05)",
		},
		{
			Query{Candidates: starting, Client: at(t, "New York")},
			"eu-west-1 is the nearest of 2 healthy regions to New York (about %); no verdict yet: us-east-1",
		},
		{
			Query{Policy: Weighted, Candidates: weighted},
			"us-east-1 was drawn by weight (its share is 90 % of the answers)",
		},
		{
			Query{Policy: Failover, Candidates: three(t)},
			"ap-southeast-2 is first in the failover order",
		},
		{Query{}, "no region serves this name"},
	} {
		got := Decide(test.q).Reason()
		before, after, varies := strings.Cut(test.want, "%)")
		if !varies || !strings.HasPrefix(test.want, "eu-west-1") {
			if got != test.want {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		} else if !strings.HasPrefix(got, before) || !strings.HasSuffix(got, ")"+after) {
			t.Errorf("got  %q\nwant %q", got, test.want)
		}
	}
}

func TestPlacesOfNoName(t *testing.T) {
	d := Decide(Query{Candidates: three(t)[:1], Client: place.Location{Known: true, Place: place.Place{Network: netip.MustParsePrefix("10.0.0.0/8")}}})
	if !strings.Contains(d.Reason(), "for the client") {
		t.Errorf("reason %q", d.Reason())
	}
}
