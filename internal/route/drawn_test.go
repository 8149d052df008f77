package route

import "testing"

func TestDrawnExplainsTheAnswerThatWasGiven(t *testing.T) {
	q := Query{Policy: Weighted, Candidates: []Candidate{
		{Region: "a", Weight: 255, Known: true, Healthy: true},
		{Region: "b", Weight: 1, Known: true, Healthy: true},
		{Region: "c", Weight: 255, Known: true},
	}}
	for _, region := range []string{"a", "b"} {
		if d := Drawn(q, region); d.Region() != region || d.Rule != Weights {
			t.Errorf("Drawn(%s) = %s by %s", region, d.Region(), d.Rule)
		}
	}
	if d := Drawn(q, "c"); d.Region() != "a" {
		t.Errorf("a region that cannot be answered now: %s, want what is answered now", d.Region())
	}
}
