package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"
)

const (
	titleTorture = "Torture: kill -9 under load"
	// tortureWorkers write in each region, all the time.
	tortureWorkers = 4
	// tortureLoad is how long a region runs at least between two kills; it is up to
	// three times as long.
	tortureLoad = 200 * time.Millisecond
	// tortureBack is how long a killed region may take to serve again.
	tortureBack = time.Minute
	// tortureSettle is how long the regions may take in the end to become equal.
	tortureSettle = 2 * time.Minute
)

// measureTorture kills regions under load, again and again, and looks for what
// was acknowledged. It proves that a process may end anywhere; a kill does not
// empty the operating system's cache, so what fsync is for is proven by tests on
// a file system that forgets what was not synced.
func measureTorture(ctx context.Context, b *bench) (section, error) {
	s := section{
		title: titleTorture,
		how: fmt.Sprintf("Three `meridian serve` processes, %d writers in each region: items of their own, and counters that are raised on the condition that they hold what was\n"+
			"answered last. In each round one region, drawn at random, gets SIGKILL under load and is started again; then a sample of what it had acknowledged is read there, and its\n"+
			"counters go on from what was answered last. In the end all regions are compared with all that was acknowledged anywhere, and with each other. Run by `make torture`, %s.",
			tortureWorkers, time.Now().UTC().Format("2006-01-02")),
	}
	t, err := startTrio(ctx, b)
	if t != nil {
		defer t.close()
	}
	if err != nil {
		return s, err
	}
	run := &torture{trio: t, history: newHistory(), random: rand.New(rand.NewPCG(1, uint64(time.Now().UnixNano())))}
	back, err := run.rounds(ctx, b)
	if err != nil {
		return s, err
	}
	checked, took, err := run.settle(ctx)
	if err != nil {
		return s, err
	}
	s.add("kills", "").put(float64(b.rounds))
	s.add("writes acknowledged", "").put(float64(run.history.acknowledged()))
	s.add("writes that failed, and were said to (a region was down)", "").put(float64(run.history.failed))
	s.add("items compared with what was acknowledged, in all regions", "").put(float64(checked))
	s.add("acknowledged writes lost", "").put(0)
	r := s.add("from the kill to serving again", "s")
	for _, d := range back {
		r.put(d.Seconds())
	}
	s.add("from the last write until all regions are equal", "s").put(took.Seconds())
	return s, nil
}

// torture is one run.
type torture struct {
	*trio
	history *history
	random  *rand.Rand
}

// rounds loads all regions and kills one after the other; the load ends with it.
func (t *torture) rounds(ctx context.Context, b *bench) (back []time.Duration, err error) {
	ctx, stop := context.WithCancelCause(ctx)
	var all sync.WaitGroup
	for _, n := range t.nodes {
		for worker := range tortureWorkers {
			all.Go(func() { t.work(ctx, stop, n, worker) })
		}
	}
	for round := range b.rounds {
		took, err := t.round(ctx)
		if err != nil {
			if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
				err = cause
			}
			stop(nil)
			all.Wait()
			return nil, fmt.Errorf("round %d: %w", round+1, err)
		}
		back = append(back, took)
		if (round+1)%10 == 0 {
			b.say("  round %d of %d: %d writes acknowledged, none lost", round+1, b.rounds, t.history.acknowledged())
		}
	}
	stop(nil)
	all.Wait()
	return back, nil
}

// round kills a region under load and looks at it when it is back.
func (t *torture) round(ctx context.Context) (back time.Duration, err error) {
	n := t.nodes[t.random.IntN(len(t.nodes))]
	select {
	case <-time.After(tortureLoad + time.Duration(t.random.Int64N(int64(2*tortureLoad)))):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	killed := time.Now()
	n.kill()
	if err := n.start(); err != nil {
		return 0, err
	}
	if err := n.await(ctx, tortureBack); err != nil {
		return 0, err
	}
	return time.Since(killed), t.look(ctx, n)
}

// look reads a sample of what a region acknowledged before it was killed.
func (t *torture) look(ctx context.Context, n *node) error {
	t.history.mu.Lock()
	sample := map[string]string{}
	for key, value := range t.history.puts {
		if strings.HasPrefix(value, n.name+" ") && len(sample) < 100 {
			sample[key] = value
		}
	}
	t.history.mu.Unlock()
	for key, want := range sample {
		item, err := n.get(ctx, key)
		if err != nil {
			return err
		}
		if len(item) == 0 {
			return wrong{fmt.Sprintf("%s has lost %s, which it had acknowledged: %q", n.name, key, want)}
		}
	}
	return nil
}

// work writes in a region until the load ends; a broken promise ends it all.
func (t *torture) work(ctx context.Context, fail context.CancelCauseFunc, n *node, worker int) {
	counter := fmt.Sprintf("%s/counter-%d", n.name, worker)
	for i := 0; ctx.Err() == nil; i++ {
		err := t.history.put(ctx, n, fmt.Sprintf("%s/%d/%d", n.name, worker, i))
		if err == nil {
			err = t.history.raise(ctx, n, counter)
		}
		var broken wrong
		if errors.As(err, &broken) {
			fail(broken)
			return
		}
		if err != nil {
			pause(ctx, 20*time.Millisecond) // it is down
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// settle waits until every region holds what was acknowledged anywhere, and all
// hold the same.
func (t *torture) settle(ctx context.Context) (checked int, took time.Duration, err error) {
	began := time.Now()
	for {
		checked, lost, err := t.compare(ctx)
		switch {
		case err != nil:
			return 0, 0, err
		case len(lost) == 0:
			return checked, time.Since(began), nil
		case time.Since(began) > tortureSettle:
			return 0, 0, fmt.Errorf("%d items are not what they should be after %v, among them: %s", len(lost), tortureSettle, lost[0])
		}
		pause(ctx, 500*time.Millisecond)
	}
}

func (t *torture) compare(ctx context.Context) (checked int, lost []string, err error) {
	var first map[string]string
	for _, n := range t.nodes {
		count, missing, err := t.history.check(ctx, n)
		if err != nil {
			return 0, nil, err
		}
		checked, lost = checked+count, append(lost, missing...)
		held, err := n.scan(ctx)
		if err != nil {
			return 0, nil, err
		}
		if first == nil {
			first = held
		}
		for key, value := range held {
			if first[key] != value {
				lost = append(lost, fmt.Sprintf("%s holds %q at %s, %s %q", n.name, value, key, t.nodes[0].name, first[key]))
			}
		}
		if len(held) != len(first) {
			lost = append(lost, fmt.Sprintf("%s has %d items, %s %d", n.name, len(held), t.nodes[0].name, len(first)))
		}
	}
	return checked, lost, nil
}
