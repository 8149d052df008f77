package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	millionItems = 1_000_000
	// scanSegments is how many connections scan together: one a core.
	scanSegments = 2
)

// measureMillion fills a table with a million items and reads all of it.
func measureMillion(ctx context.Context, b *bench) (s section, err error) {
	s = section{
		title: "A million items",
		how: "`meridian serve` with one region, 1 KB items written with BatchWriteItem of 25 by 32 connections, each on disk before it is acknowledged. Then all of them are\n" +
			"read with Scan, pages of 1 MB (AWS's), alone and in two segments side by side; the client shares the cores, and looks only at the counts and the next key.\n" +
			"Memory is the resident set of the process after the writes, and after the scans.",
	}
	x, err := startMeridian(ctx, b)
	if err != nil {
		return s, err
	}
	defer x.stop()
	filled := s.add("written", "1/s")
	memory := s.add("memory, written", "MB").most(200)
	alone := s.add("Scan, one after the other", "items/s")
	together := s.add(fmt.Sprintf("Scan, %d segments", scanSegments), "items/s").least(150_000)
	after := s.add("memory, scanned", "MB").most(200)
	took, err := x.fillMillion(ctx, b)
	if err != nil {
		return s, err
	}
	filled.put(millionItems / took.Seconds())
	memory.put(residentMB(x.pid))
	for round := range b.rounds {
		for segments, r := range map[int]*row{1: alone, scanSegments: together} {
			took, err := x.scan(ctx, segments)
			if err != nil {
				return s, err
			}
			r.put(millionItems / took.Seconds())
		}
		b.say("  round %d: %.0f items/s alone, %.0f/s in segments", round+1, alone.values[round], together.values[round])
	}
	after.put(residentMB(x.pid))
	return s, nil
}

// fillMillion writes them all, a part at a time: a signature is good for some
// minutes.
func (x *server) fillMillion(ctx context.Context, b *bench) (time.Duration, error) {
	const part = 100_000
	began := time.Now()
	for done := 0; done < millionItems; done += part {
		var requests [][]byte
		for n := done / batchItems; n < (done+part)/batchItems; n++ {
			requests = append(requests, x.request("BatchWriteItem", batchBody(batchKeys(n))))
		}
		if err := send(ctx, x.address, requests, tableConnections); err != nil {
			return 0, err
		}
		b.say("  %d items written", done+part)
	}
	return time.Since(began), nil
}

// scan reads the table in segments, each over a connection, and checks that it
// was all there.
func (x *server) scan(ctx context.Context, segments int) (time.Duration, error) {
	began := time.Now()
	counts := make([]int, segments)
	group, ctx := errgroup.WithContext(ctx)
	for i := range segments {
		group.Go(func() (err error) {
			counts[i], err = x.scanSegment(ctx, i, segments)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return 0, err
	}
	took, all := time.Since(began), 0
	for _, n := range counts {
		all += n
	}
	if all != millionItems {
		return 0, fmt.Errorf("a scan of %d segments found %d items of %d", segments, all, millionItems)
	}
	return took, nil
}

// scanSegment reads one segment, and counts its items.
func (x *server) scanSegment(ctx context.Context, segment, segments int) (count int, err error) {
	c, err := dial(x.address)
	if err != nil {
		return 0, err
	}
	defer c.close()
	start := ""
	for ctx.Err() == nil {
		body := fmt.Sprintf(`{"TableName":"%s","Segment":%d,"TotalSegments":%d%s}`, tableName, segment, segments, start)
		answer, err := c.read(x.request("Scan", body))
		if err != nil {
			return 0, err
		}
		n, last, err := pageEnd(answer)
		if err != nil {
			return 0, err
		}
		count += n
		if last == "" {
			return count, nil
		}
		start = `,"ExclusiveStartKey":` + last
	}
	return count, ctx.Err()
}

// pageEnd reads what stands behind a page's items.
func pageEnd(page []byte) (count int, last string, err error) {
	const name = `],"Count":`
	for i := len(page) - len(name); i >= 0; i-- {
		if string(page[i:i+len(name)]) == name {
			var end struct {
				Count            int
				LastEvaluatedKey json.RawMessage
			}
			err := json.Unmarshal(append([]byte{'{'}, page[i+2:]...), &end)
			return end.Count, string(end.LastEvaluatedKey), err
		}
	}
	return 0, "", fmt.Errorf("no page of a Scan: %.200s", page)
}
