package verdict

import (
	"testing"
	"time"
)

// feed gives the opinion after each result: + and - are results one second
// apart; the answer has H, U or ? for each.
func feed(results string, t Thresholds) string {
	var o Opinion
	now := time.Unix(0, 0)
	var said []byte
	for _, r := range results {
		o.Add(r == '+', t, now)
		now = now.Add(time.Second)
		switch {
		case !o.Decided:
			said = append(said, '?')
		case o.Healthy:
			said = append(said, 'H')
		default:
			said = append(said, 'U')
		}
	}
	return string(said)
}

func TestH5_OpinionsFlipAfterConsecutiveResults(t *testing.T) {
	three := Thresholds{Every: time.Second}
	for _, test := range []struct {
		name          string
		results, want string
		thresholds    Thresholds
	}{
		{"the first pass decides", "+", "H", three},
		{"failures decide after three", "---", "??U", three},
		{"two failures are forgiven", "+--+--+--+", "HHHHHHHHHH", three},
		{"three failures remove", "+---", "HHHU", three},
		{"flapping never removes", "+-+-+-+-+-", "HHHHHHHHHH", three},
		{"two passes do not bring back", "---++-++-++", "??UUUUUUUUU", three},
		{"three passes bring back", "---+++", "??UUUH", three},
		{"the bounds are configurable", "+-+-++", "HUHUHH", Thresholds{FailAfter: 1, RecoverAfter: 1, Every: time.Second}},
		{"in each direction", "+--+--", "HHUHHU", Thresholds{FailAfter: 2, RecoverAfter: 1, Every: time.Second}},
		{"ten", "+---------" + "-", "HHHHHHHHHH" + "U", Thresholds{FailAfter: 10, RecoverAfter: 1, Every: time.Second}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := feed(test.results, test.thresholds); got != test.want {
				t.Errorf("feed(%q) = %q, want %q", test.results, got, test.want)
			}
		})
	}
}

// An observer that starts checks four times a second, and must not condemn what
// starts beside it any sooner for that.
func TestUndecidedFailuresNeedTheirTime(t *testing.T) {
	thresholds := Thresholds{FailAfter: 3, RecoverAfter: 3, Every: 10 * time.Second}
	var o Opinion
	start := time.Unix(0, 0)
	for at := time.Duration(0); at < 20*time.Second; at += 250 * time.Millisecond {
		if o.Add(false, thresholds, start.Add(at)); o.Decided {
			t.Fatalf("decided %v after the start, want 20 s", at)
		}
	}
	if !o.Add(false, thresholds, start.Add(20*time.Second)) || o.Healthy {
		t.Fatalf("after 20 s the opinion is %+v, want unhealthy", o)
	}
}
