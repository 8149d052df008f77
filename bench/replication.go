package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// replicationFor is how long a round of one distance takes.
	replicationFor = 5 * time.Second
	// settling is for control to elect its leader and write the first state: not
	// what is measured, and the three members' syncs go to the same disk.
	settling = 3 * time.Second
	// warmingUp is how much of a round is not counted, at the start.
	warmingUp = time.Second
	// samples is how many writes a second are looked for in the other region.
	samples = 250
	writers = 16
	lookers = 64
	// pollEvery is how often a looker asks; it is part of what is measured.
	pollEvery = time.Millisecond
)

// measureReplication writes in one region and reads in the other.
func measureReplication(ctx context.Context, b *bench) (section, error) {
	s := section{
		title: "A write in one region, read in another",
		how: "Two regions and a witness in one process with simulated distances, dev's file system, every write synced. 1 KB PutItem at a steady rate in one region\n" +
			"(16 connections); 250 writes a second are each asked for with GetItem every millisecond in the other. Counted from the moment the write is acknowledged to the\n" +
			"moment the first answer that has it arrives, less the one-way delay, from 3 s after the start. A process holds both regions, the witness and the client.",
	}
	type variant struct {
		rate      int
		roundTrip time.Duration
		p50, p99  *row
	}
	var variants []*variant
	for _, rate := range []int{500, 5000} {
		for _, ms := range []int{0, 80, 250} {
			v := &variant{rate: rate, roundTrip: time.Duration(ms) * time.Millisecond}
			what := fmt.Sprintf("%d writes/s, %d ms round trip: ", rate, ms)
			v.p50, v.p99 = s.add(what+"p50", "ms"), s.add(what+"p99", "ms")
			if rate == 500 {
				v.p99.most(15)
			}
			variants = append(variants, v)
		}
	}
	for round := range b.rounds {
		for _, ms := range []int{0, 80, 250} {
			w, err := startWorld(ctx, b, time.Duration(ms)*time.Millisecond)
			if err != nil {
				return s, err
			}
			select {
			case <-time.After(settling):
			case <-ctx.Done():
			}
			for _, v := range variants {
				if v.roundTrip != time.Duration(ms)*time.Millisecond {
					continue
				}
				r := replicating{w: w, rate: v.rate, oneWay: v.roundTrip / 2, name: fmt.Sprintf("r%d-%d", round, v.rate)}
				beyond, err := r.run(ctx)
				if err != nil {
					_ = w.close()
					return s, err
				}
				ms := in(time.Millisecond, beyond)
				v.p50.put(percentile(ms, 50))
				v.p99.put(percentile(ms, 99))
				b.say("  round %d: %d writes/s at %s: %d samples, p50 %.1f ms, p99 %.1f ms beyond the delay", round+1, v.rate, v.roundTrip, len(ms), percentile(ms, 50), percentile(ms, 99))
			}
			if err := w.close(); err != nil {
				return s, err
			}
		}
	}
	s.note("At 5000 writes/s the client, both regions and the witness share two cores; the row shows how far the tail is from there, it is no promise.")
	return s, nil
}

// replicating is one round at one distance.
type replicating struct {
	w      *running
	rate   int
	oneWay time.Duration
	name   string

	mu     sync.Mutex // guards beyond
	beyond []time.Duration
}

// acknowledged is a write to look for.
type acknowledged struct {
	key string
	at  time.Time
}

func (r *replicating) run(ctx context.Context) ([]time.Duration, error) {
	group, ctx := errgroup.WithContext(ctx)
	numbers := make(chan int, r.rate) // a second's worth: a slow moment does not lower the rate
	written := make(chan acknowledged, r.rate)
	group.Go(func() error {
		defer close(numbers)
		return pace(ctx, r.rate, replicationFor, numbers)
	})
	var writing sync.WaitGroup
	for range writers {
		writing.Add(1)
		group.Go(func() error {
			defer writing.Done()
			return r.write(ctx, numbers, written)
		})
	}
	group.Go(func() error {
		writing.Wait()
		close(written)
		return nil
	})
	for range lookers {
		group.Go(func() error { return r.look(ctx, written) })
	}
	err := group.Wait()
	return r.beyond, err
}

// pace hands out numbers of writes at a rate a second, for a time.
func pace(ctx context.Context, rate int, lasting time.Duration, numbers chan<- int) error {
	began := time.Now()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for n := 0; ; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		since := time.Since(began)
		if since > lasting {
			return nil
		}
		for ; n < int(since.Seconds()*float64(rate)); n++ {
			select {
			case numbers <- n:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
}

func (r *replicating) write(ctx context.Context, numbers <-chan int, written chan<- acknowledged) error {
	c, err := dial(r.w.west.address)
	if err != nil {
		return err
	}
	defer c.close()
	counted := int(warmingUp.Seconds() * float64(r.rate))
	for n := range numbers {
		key := fmt.Sprintf("%s-%07d", r.name, n)
		if _, err := c.ask(r.w.west.request("PutItem", putBody(key))); err != nil {
			return err
		}
		if n < counted || n%(r.rate/samples) != 0 {
			continue
		}
		select {
		case written <- acknowledged{key, time.Now()}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (r *replicating) look(ctx context.Context, written <-chan acknowledged) error {
	c, err := dial(r.w.east.address)
	if err != nil {
		return err
	}
	defer c.close()
	for a := range written {
		get := r.w.east.request("GetItem", getBody(a.key))
		select {
		case <-time.After(time.Until(a.at.Add(r.oneWay))):
		case <-ctx.Done():
			return ctx.Err()
		}
		seen, err := await(ctx, c, get, pollEvery)
		if err != nil {
			return err
		}
		r.mu.Lock()
		r.beyond = append(r.beyond, seen.Sub(a.at)-r.oneWay)
		r.mu.Unlock()
	}
	return nil
}
