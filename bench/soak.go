package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

const (
	titleSoak = "Soak: full load, memory and lag"
	// soakWorkers write in each region; soakKeys is how many items each of them
	// writes over and over, so that the data stays as large as it is.
	soakWorkers = 4
	soakKeys    = 5000
	// soakWarm is not judged: caches and memtables fill.
	soakWarm  = 0.2
	soakEvery = 5 * time.Second
	soakLeast = 10 // samples
	soakPlot  = "bench/soak.svg"
)

// measureSoak loads all regions as fast as they answer, for a round's minutes
// each, and watches memory and lag.
func measureSoak(ctx context.Context, b *bench) (section, error) {
	s := section{title: titleSoak}
	t, err := startTrio(ctx, b)
	if t != nil {
		defer t.close()
	}
	if err != nil {
		return s, err
	}
	samples, err := t.soak(ctx, b, time.Duration(b.rounds)*time.Minute)
	if err != nil {
		return s, err
	}
	s.how = fmt.Sprintf("Three `meridian serve` processes, %d writers in each region as fast as they are answered, %d items of 1 KB each over and over, for %v; resident set of each\n"+
		"process and the lag between regions every %v. Growth compares the last fifth with the second fifth. The curve is in [soak.svg](soak.svg). Run by `make soak`, %s,\n"+
		"on %d cores that clients and regions share.",
		soakWorkers, soakKeys, time.Duration(len(samples))*soakEvery, soakEvery, time.Now().UTC().Format("2006-01-02"), runtime.NumCPU())
	if err := os.WriteFile(soakPlot, []byte(plot(t.names(), samples)), 0o644); err != nil {
		return s, err
	}
	for i, n := range t.nodes {
		memory := s.add(n.name+": resident set", "MB")
		growth := s.add(n.name+": growth of the median", "%").most(15)
		early, late := fifth(samples, i, 1), fifth(samples, i, 4)
		for _, x := range samples[int(soakWarm*float64(len(samples))):] {
			memory.put(x.memory[i])
		}
		growth.put(100 * (percentile(late, 50)/percentile(early, 50) - 1))
	}
	lag := s.add("lag, the furthest of all pairs", "ms")
	rate := s.add("durable 1 KB writes, all regions", "1/s")
	for _, x := range samples[int(soakWarm*float64(len(samples))):] {
		lag.put(x.lag)
		rate.put(x.rate)
	}
	return s, nil
}

// sample is a moment of a soak.
type sample struct {
	memory []float64 // MB, of each region
	lag    float64   // ms
	rate   float64   // writes a second since the sample before
}

func (t *trio) names() (names []string) {
	for _, n := range t.nodes {
		names = append(names, n.name)
	}
	return names
}

// soak loads the regions for a time and takes samples.
func (t *trio) soak(ctx context.Context, b *bench, length time.Duration) ([]sample, error) {
	loading, stop := context.WithTimeout(ctx, length)
	defer stop()
	var all sync.WaitGroup
	var written atomic.Int64
	var failure atomic.Pointer[error]
	for _, n := range t.nodes {
		for worker := range soakWorkers {
			all.Go(func() {
				if err := n.rewrite(loading, worker, &written); err != nil {
					failure.CompareAndSwap(nil, &err)
					stop()
				}
			})
		}
	}
	samples := t.watch(loading, b, &written)
	stop()
	all.Wait()
	if err := failure.Load(); err != nil {
		return nil, *err
	}
	if len(samples) < soakLeast {
		return nil, errors.Join(ctx.Err(), fmt.Errorf("%d samples: at least %d say something", len(samples), soakLeast))
	}
	return samples, nil // an interrupt ends it early
}

// rewrite writes the same items over and over.
func (n *node) rewrite(ctx context.Context, worker int, written *atomic.Int64) error {
	for i := 0; ; i++ {
		_, err := n.tables.PutItem(ctx, &dynamodb.PutItemInput{
			TableName: aws.String(tableName),
			Item: map[string]types.AttributeValue{
				"pk": text(fmt.Sprintf("%s/%d/%d", n.name, worker, i%soakKeys)), "data": text(filling),
			},
		})
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", n.name, err)
		}
		written.Add(1)
	}
}

// watch takes samples until the load ends. A moment at which a region does not
// tell is left out.
func (t *trio) watch(ctx context.Context, b *bench, written *atomic.Int64) (samples []sample) {
	ticker := time.NewTicker(soakEvery)
	defer ticker.Stop()
	before, at := int64(0), time.Now()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return samples
		}
		x, err := t.sample(ctx)
		if ctx.Err() != nil {
			return samples
		}
		if err != nil {
			b.say("  a sample is missing: %v", err)
			continue
		}
		now, count := time.Now(), written.Load()
		x.rate = float64(count-before) / now.Sub(at).Seconds()
		before, at = count, now
		samples = append(samples, x)
		if len(samples)%12 == 0 {
			b.say("  %d samples: %.0f writes/s, lag %.0f ms, memory %.0f MB", len(samples), x.rate, x.lag, x.memory)
		}
	}
}

// sample looks at the processes and at what they say of each other.
func (t *trio) sample(ctx context.Context) (x sample, err error) {
	ctx, cancel := context.WithTimeout(ctx, soakEvery)
	defer cancel()
	status, err := t.status(ctx)
	if err != nil {
		return x, err
	}
	for _, r := range status.Regions {
		for _, l := range r.Lag {
			x.lag = max(x.lag, 1000*l.Seconds)
		}
	}
	for _, n := range t.nodes {
		x.memory = append(x.memory, residentMB(n.cmd.Process.Pid))
	}
	return x, nil
}

// fifth answers a region's memory in one fifth of the samples, counted from 0.
func fifth(samples []sample, region, which int) (values []float64) {
	for _, x := range samples[which*len(samples)/5 : (which+1)*len(samples)/5] {
		values = append(values, x.memory[region])
	}
	return values
}
