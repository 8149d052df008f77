package probe

import (
	"context"
	mathrand "math/rand/v2"
	"time"

	"github.com/meridian-run/meridian/internal/verdict"
)

const (
	// undecidedEvery is the time between checks before there is an opinion: a
	// region that starts should be seen at once.
	undecidedEvery = 250 * time.Millisecond
)

// outcome is one result of a watch.
type outcome struct {
	watch       *watch
	opinion     verdict.Opinion
	observation verdict.Observation // without its sequence
}

// observing is the loop that checks one endpoint.
type observing struct {
	dial    Dial
	self    string
	watch   *watch // says whose result it is; belongs to the prober
	target  Target
	opinion verdict.Opinion
	results chan<- outcome
	rand    *mathrand.Rand
}

// run checks at once and then in the target's rhythm until ctx ends.
func (o *observing) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		start := time.Now()
		result := o.once(ctx, start)
		if ctx.Err() != nil {
			return // the check may have failed only because it was stopped
		}
		select {
		case o.results <- result:
		case <-ctx.Done():
			return
		}
		timer.Reset(max(0, o.interval()-time.Since(start)))
	}
}

func (o *observing) once(ctx context.Context, start time.Time) outcome {
	t := o.target
	bounded, cancel := context.WithTimeout(ctx, t.Timeout)
	defer cancel()
	passed, reason := check(bounded, o.dial, request{
		kind: t.Kind, address: t.Address, host: t.Host, path: t.Path, self: o.self,
	})
	end := time.Now()
	o.opinion.Add(passed, verdict.Thresholds{
		FailAfter: t.FailAfter, RecoverAfter: t.RecoverAfter, Every: t.Every,
	}, end)
	return outcome{watch: o.watch, opinion: o.opinion, observation: verdict.Observation{
		Service: t.Service, Region: t.Region,
		Decided: o.opinion.Decided, Healthy: o.opinion.Healthy,
		Passed: passed, Streak: o.opinion.Streak,
		Reason: verdict.Shorten(reason), Latency: max(0, end.Sub(start)), At: end,
	}}
}

// interval is the time from one start to the next, spread by a tenth both ways
// so that observers do not fall into step.
func (o *observing) interval() time.Duration {
	every := o.target.Every
	if !o.opinion.Decided {
		every = min(every, undecidedEvery)
	}
	return time.Duration(float64(every) * (0.9 + 0.2*o.rand.Float64()))
}
