package verdict

import "time"

// Thresholds are what turns raw results into an opinion (H5).
type Thresholds struct {
	// FailAfter and RecoverAfter are how many equal results in a row change the
	// opinion. Below 1 counts as 3, Route 53's default.
	FailAfter, RecoverAfter int
	// Every is the time between two checks. It only matters before the first
	// opinion: see Opinion.Add.
	Every time.Duration
}

const consecutiveDefault = 3

func (t Thresholds) withDefaults() Thresholds {
	if t.FailAfter < 1 {
		t.FailAfter = consecutiveDefault
	}
	if t.RecoverAfter < 1 {
		t.RecoverAfter = consecutiveDefault
	}
	return t
}

// Opinion is what one observer thinks of one endpoint. The zero value has seen
// nothing and has no opinion.
type Opinion struct {
	Decided, Healthy bool
	// Passed is the last result and Streak how often in a row it came.
	Passed bool
	Streak int
	since  time.Time // of the streak
}

// Add takes in one result and reports whether the opinion changed.
//
// An observer without an opinion gets one from the first result that passes, so
// a world that starts is answered at once. Failures give it one only when there
// were enough of them over the time that as many checks would normally take: an
// observer that has just started checks more often, and must not condemn an
// endpoint that starts beside it.
func (o *Opinion) Add(passed bool, t Thresholds, now time.Time) (changed bool) {
	t = t.withDefaults()
	if o.Streak == 0 || o.Passed != passed {
		o.Passed, o.Streak, o.since = passed, 0, now
	}
	o.Streak = min(o.Streak+1, streakMax)
	switch {
	case !o.Decided && passed:
		o.Decided, o.Healthy = true, true
		return true
	case !o.Decided:
		if o.Streak < t.FailAfter || now.Sub(o.since) < time.Duration(t.FailAfter-1)*t.Every {
			return false
		}
		o.Decided, o.Healthy = true, false
		return true
	case o.Healthy && !passed && o.Streak >= t.FailAfter:
		o.Healthy = false
		return true
	case !o.Healthy && passed && o.Streak >= t.RecoverAfter:
		o.Healthy = true
		return true
	}
	return false
}
