package probe

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/meridian-run/meridian/internal/verdict"
)

const (
	// referenceEvery and referenceTimeout make sure that a cut is noticed by the
	// references (after 2.5 s at most) before peers count as unheard (3 s).
	referenceEvery   = time.Second
	referenceTimeout = 1500 * time.Millisecond
	// referencesMax is how many references are asked; more add nothing.
	referencesMax = 16
)

// standing is what is known of a set of reference points.
type standing struct {
	points  []string
	known   []bool
	answers []bool
}

// outcome notes a result and gives what to tell, if it is time: points that
// have not been asked yet must not look like failing ones.
func (s *standing) outcome(point int, passed bool) (refs verdict.References, tell bool) {
	s.known[point], s.answers[point] = true, passed
	refs.Configured, tell = len(s.points), true
	for i, known := range s.known {
		tell = tell && known
		if s.answers[i] {
			refs.Answering++
		}
	}
	return refs, tell || refs.Answering > 0
}

// askReferences asks each reference point once a second until ctx ends, and
// tells after each answer. The points are asked independently: one that is
// silent must not delay what is known of the others.
func (p *Prober) askReferences(ctx context.Context, changed <-chan []string) {
	var points []string
	select {
	case <-ctx.Done():
		return
	case points = <-changed:
	}
	for ctx.Err() == nil {
		points = p.askPoints(ctx, points[:min(len(points), referencesMax)], changed)
	}
}

// askPoints asks these points until there are others, which it returns, or ctx
// ends.
func (p *Prober) askPoints(ctx context.Context, points []string, changed <-chan []string) (others []string) {
	ctx, stop := context.WithCancel(ctx)
	var asking sync.WaitGroup
	defer asking.Wait()
	defer stop()
	s := standing{points: points, known: make([]bool, len(points)), answers: make([]bool, len(points))}
	type result struct {
		point  int
		passed bool
	}
	results := make(chan result)
	for i, point := range points {
		asking.Go(func() {
			p.askPoint(ctx, reference(point), func(passed bool) {
				select {
				case results <- result{i, passed}:
				case <-ctx.Done():
				}
			})
		})
	}
	if len(points) == 0 {
		p.config.OnReferences(verdict.References{})
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case others = <-changed:
			if !slices.Equal(others[:min(len(others), referencesMax)], points) {
				return others
			}
		case r := <-results:
			if refs, tell := s.outcome(r.point, r.passed); tell {
				p.config.OnReferences(refs)
			}
		}
	}
}

// askPoint asks one point, from start to start once a second.
func (p *Prober) askPoint(ctx context.Context, point request, tell func(passed bool)) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		start := time.Now()
		bounded, cancel := context.WithTimeout(ctx, referenceTimeout)
		passed, _ := check(bounded, p.config.Dial, point)
		cancel()
		if ctx.Err() != nil {
			return // it may have failed only because it was stopped
		}
		tell(passed)
		timer.Reset(max(0, referenceEvery-time.Since(start)))
	}
}
