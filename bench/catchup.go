package main

import (
	"context"
	"fmt"
	"time"
)

const (
	catchUpRecords = 40_000
	catchUpBatch   = 25 // the most that one BatchWriteItem takes
	catchUpTrip    = 80 * time.Millisecond
	// cutFor is long enough for both sides to have given up their connections.
	cutFor = 6 * time.Second
)

// measureCatchUp cuts two regions, writes in one, and heals.
func measureCatchUp(ctx context.Context, b *bench) (section, error) {
	s := section{
		title: "Catching up after a cut",
		how: fmt.Sprintf("Two regions and a witness in one process, %d ms round trip, dev's file system. The regions are cut for %.0f s, %d fresh records of 1 KB are\n"+
			"written to one, the cut is healed. The rate is from the first of them to the last in the other region, each applied batch synced.", catchUpTrip/time.Millisecond, cutFor.Seconds(), catchUpRecords),
	}
	rate := s.add("fresh 1 KB records", "1/s").least(30_000)
	first := s.add("heal to the first record", "s")
	w, err := startWorld(ctx, b, catchUpTrip)
	if err != nil {
		return s, err
	}
	for round := range b.rounds {
		found, perSecond, err := catchUp(ctx, w, round)
		if err != nil {
			_ = w.close()
			return s, err
		}
		rate.put(perSecond)
		first.put(found.Seconds())
		b.say("  round %d: %.0f records/s, the first after %.2f s", round+1, perSecond, found.Seconds())
	}
	return s, w.close()
}

func catchUp(ctx context.Context, w *running, round int) (first time.Duration, rate float64, err error) {
	key := func(n int) string { return fmt.Sprintf("c%d-%06d", round, n) }
	var requests [][]byte
	for n := 0; n < catchUpRecords; n += catchUpBatch {
		keys := make([]string, catchUpBatch)
		for i := range keys {
			keys[i] = key(n + i)
		}
		requests = append(requests, w.west.request("BatchWriteItem", batchBody(keys)))
	}
	network := w.Network()
	network.Cut("west", "east")
	cut := time.Now()
	defer network.Heal("west", "east")
	// The first and the last record are written alone, so that they are the first
	// and the last of the log.
	last := w.west.request("PutItem", putBody(key(catchUpRecords)))
	for _, step := range [][][]byte{requests[:1], requests[1:], {last}} {
		if err := send(ctx, w.west.address, step, min(writers, len(step))); err != nil {
			return 0, 0, err
		}
	}
	c, err := dial(w.east.address)
	if err != nil {
		return 0, 0, err
	}
	defer c.close()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	select {
	case <-time.After(time.Until(cut.Add(cutFor))):
	case <-ctx.Done():
		return 0, 0, ctx.Err()
	}
	healed := time.Now()
	network.Heal("west", "east")
	began, err := await(ctx, c, w.east.request("GetItem", getBody(key(0))), pollEvery)
	if err != nil {
		return 0, 0, err
	}
	ended, err := await(ctx, c, w.east.request("GetItem", getBody(key(catchUpRecords))), 5*pollEvery)
	return began.Sub(healed), catchUpRecords / ended.Sub(began).Seconds(), err
}
