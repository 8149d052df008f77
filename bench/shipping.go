package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/replica"
	"github.com/meridian-run/meridian/internal/replicate"
)

const (
	shippedRecords = 60_000
	shippedEach    = 3 // how often the log is shipped in a round
	hotRate        = 10_000
	hotFor         = 4 * time.Second
	hotWriters     = 64
	hotLook        = time.Millisecond
)

// measureShipping measures what shipping costs the source, and a key that is
// written all the time.
func measureShipping(ctx context.Context, b *bench) (section, error) {
	s := section{
		title: "Shipping a log",
		how: fmt.Sprintf("Two regions as serve wires them, over loopback with mutual TLS, plain file system, no tables API. %d fresh records of 1 KB are shipped by the source's machine\n"+
			"to nobody (the log read, frames encoded), and over the link to a receiver that acknowledges and throws away; CPU is that of the whole process, the link's other end\n"+
			"too. One key is written %d times a second by %d writers: how old is what the other region reads?", shippedRecords, hotRate, hotWriters),
	}
	alone := s.add("the source's machine: CPU a record", "µs").most(20)
	linked := s.add("source, link, receiver that throws away: CPU a record", "µs").most(20)
	p50, p99 := s.add("hot key: age of what the other region reads, p50", "ms"), s.add("hot key: p99", "ms").most(15)
	rate := s.add("hot key: writes", "1/s").least(0.98 * hotRate)
	for round := range b.rounds {
		dir, err := b.scratch("shipping")
		if err != nil {
			return s, err
		}
		p, err := openPair(ctx, dir, nil)
		if err == nil {
			err = p.fill(ctx)
		}
		if err == nil {
			err = p.ship(ctx, alone, linked)
		}
		var ages []float64
		if err == nil {
			var written float64
			ages, written, err = p.hot(ctx)
			rate.put(written)
		}
		if err = errors.Join(err, p.close()); err != nil {
			return s, err
		}
		p50.put(percentile(ages, 50))
		p99.put(percentile(ages, 99))
		b.say("  round %d: CPU a record %.1f µs alone, %.1f µs with the link; hot key p99 %.1f ms", round+1,
			alone.values[len(alone.values)-1], linked.values[len(linked.values)-1], p99.values[len(p99.values)-1])
	}
	s.note("The goal of 20 µs is for the source; the second row has the link's other end in it as well.")
	return s, nil
}

func (p *pair) fill(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for w := range storeWriters {
		group.Go(func() error {
			for i := w; i < shippedRecords; i += storeWriters {
				if err := p.west.write(ctx, fmt.Appendf(nil, "key-%09d", i), []byte(filling)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// ship ships the whole log, several times, both ways.
func (p *pair) ship(ctx context.Context, alone, linked *row) error {
	for _, way := range []struct {
		row  *row
		ship func(context.Context) (records int, err error)
	}{{alone, p.shipToNobody}, {linked, p.shipOverLink}} {
		before, records := cpu(), 0
		for range shippedEach {
			n, err := way.ship(ctx)
			if err != nil {
				return err
			}
			records += n
		}
		way.row.put(float64((cpu() - before).Microseconds()) / float64(records))
	}
	return nil
}

// cpu is what the process has used so far.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // cannot fail with these arguments
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// hello asks west for its whole log, as east.
func (p *pair) hello() []byte {
	return replicate.Append(nil, &replicate.Hello{
		Min: replicate.ProtocolMin, Max: replicate.ProtocolMax, World: pairWorld,
		Region: p.east.name, ID: p.east.id, Origin: p.west.id, Revision: 1,
	})
}

// shipToNobody steps the source's machine with acknowledgements.
func (p *pair) shipToNobody(ctx context.Context) (records int, err error) {
	s := p.west.replica.Accept(p.east.name)
	defer func() { p.west.replica.Ended(s, err, time.Now()) }()
	in := [][]byte{p.hello()}
	for records < shippedRecords {
		out, err := s.Step(time.Now(), in)
		if err != nil {
			return records, err
		}
		in = nil
		for _, m := range out.Send {
			ack, n, err := thrownAway(m)
			if err != nil {
				return records, err
			}
			if records += n; ack != nil {
				in = append(in, ack)
			}
		}
		if out.Durable > 0 {
			if err := p.west.store.WaitDurable(ctx, out.Durable); err != nil {
				return records, err
			}
		}
	}
	return records, nil
}

func (p *pair) shipOverLink(ctx context.Context) (records int, err error) {
	stream, err := p.east.client.Open(ctx, p.west.name, "pull")
	if err != nil {
		return 0, err
	}
	defer stream.Close()
	if err := stream.Send(p.hello()); err != nil {
		return 0, err
	}
	for records < shippedRecords {
		m, err := stream.Receive()
		if err != nil {
			return records, err
		}
		ack, n, err := thrownAway(m)
		if err != nil {
			return records, err
		}
		records += n
		if ack == nil {
			continue
		}
		if err := stream.Send(ack); err != nil {
			return records, err
		}
	}
	return records, nil
}

// thrownAway counts a message's records and answers its acknowledgement.
func thrownAway(raw []byte) (ack []byte, records int, err error) {
	m, err := replicate.Parse(raw)
	if err != nil {
		return nil, 0, err
	}
	switch m := m.(type) {
	case *replicate.Refuse:
		return nil, 0, m
	case *replicate.Frame:
		return replicate.Append(nil, &replicate.Ack{Cursor: m.To, Bytes: uint64(len(raw))}), len(m.Records), nil
	}
	return nil, 0, nil
}

// hot writes one key in west at the rate, once both replicas run, and answers in
// milliseconds how old the value is that east reads, each time it is looked at,
// less the first second; and how many writes a second there were.
func (p *pair) hot(ctx context.Context) (ages []float64, rate float64, err error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	for _, r := range []*replica.Replica{p.west.replica, p.east.replica} {
		running.Go(func() { _ = r.Run(ctx) })
	}
	for _, r := range []*replica.Replica{p.west.replica, p.east.replica} {
		select {
		case <-r.Ready():
		case <-ctx.Done():
			return nil, 0, ctx.Err()
		}
	}
	if err := p.west.replica.Flush(ctx); err != nil {
		return nil, 0, err
	}
	began := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	numbers := make(chan int, hotRate)
	group.Go(func() error {
		defer close(numbers)
		return pace(ctx, hotRate, hotFor, numbers)
	})
	counts := make([]int, hotWriters)
	for w := range hotWriters {
		group.Go(func() error {
			value := []byte(filling)
			for range numbers {
				binary.BigEndian.PutUint64(value, uint64(time.Now().UnixNano()))
				if err := p.west.write(ctx, []byte("hot"), value); err != nil {
					return err
				}
				counts[w]++
			}
			return nil
		})
	}
	group.Go(func() error { ages, err = p.look(ctx, began); return err })
	err = group.Wait()
	for _, n := range counts {
		rate += float64(n)
	}
	return ages, rate / hotFor.Seconds(), err
}

// look reads the key in east all the time.
func (p *pair) look(ctx context.Context, began time.Time) (ages []float64, err error) {
	key := record.Key{Table: pairTable, Partition: []byte("hot")}
	tick := time.NewTicker(hotLook)
	defer tick.Stop()
	for time.Since(began) < hotFor {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		r, found, err := p.east.store.Get(ctx, key)
		if err != nil {
			return nil, err
		}
		if now := time.Now(); found && now.Sub(began) > warmingUp {
			written := time.Unix(0, int64(binary.BigEndian.Uint64(r.Value)))
			ages = append(ages, float64(now.Sub(written))/float64(time.Millisecond))
		}
	}
	return ages, nil
}
