package region

import (
	"testing"

	"github.com/meridian-run/meridian/internal/verdict"
)

func TestOnlyLeavingAndComingBackIsNews(t *testing.T) {
	unknown, sick, well := verdict.Verdict{Healthy: true}, verdict.Verdict{Known: true}, verdict.Verdict{Known: true, Healthy: true}
	r := &Region{removed: map[verdict.Endpoint]bool{}}
	for _, step := range []struct {
		what          string
		before, after verdict.Verdict
		news          bool
	}{
		{"found sick while it starts", unknown, sick, false},
		{"found well at last", sick, well, false},
		{"leaves", well, sick, true},
		{"comes back", sick, well, true},
		{"leaves again", well, sick, true},
	} {
		change := verdict.Change{Endpoint: verdict.Endpoint{Service: "api", Region: "eu"}, Before: step.before, After: step.after}
		if got := r.isNews(change); got != step.news {
			t.Errorf("%s: news = %v, want %v", step.what, got, step.news)
		}
	}
}
