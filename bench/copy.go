package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/meridian-run/meridian/internal/replica"
	"github.com/meridian-run/meridian/internal/table"
)

const (
	copiedRecords = 1_000_000
	copiedWithin  = 60 // seconds
)

// measureCopy measures how long a region takes to get a table that holds data.
func measureCopy(ctx context.Context, b *bench) (section, error) {
	s := section{
		title: "A table that a region is given",
		how: fmt.Sprintf("Two regions as serve wires them, over loopback with mutual TLS, plain file system. One holds a table of %d records of 1 KB; the other is given a\n"+
			"replica of it. Counted from the change of the control state until the copy is whole and durable: the donor's scan, then its log since. The donor's throttle\n"+
			"is the default, 64 MiB a second.", copiedRecords),
	}
	took, rate := s.add("until the table is whole", "s").most(copiedWithin), s.add("records copied", "1/s").least(copiedRecords/copiedWithin)
	dir, err := b.scratch("copy")
	if err != nil {
		return s, err
	}
	p, err := openPair(ctx, dir, nil)
	if err == nil {
		var seconds float64
		if seconds, err = p.copy(ctx); err == nil {
			took.put(seconds)
			rate.put(copiedRecords / seconds)
			b.say("  %d records in %.1f s", copiedRecords, seconds)
		}
	}
	s.note("One round, however many the others have: it fills a table of a million records.")
	return s, errors.Join(err, p.close())
}

// hold says that west has the table, and east since a revision; 0: not at all.
func (p *pair) hold(revision, east uint64) {
	notes := table.Table{ID: pairTable, Name: tableName, Key: table.Attribute{Name: "pk", Type: "S"}, Revision: revision, State: table.Active}
	notes.Replicas = []table.Replica{{Region: p.west.name, ID: p.west.id}}
	if east > 0 {
		notes.Replicas = append(notes.Replicas, table.Replica{Region: p.east.name, ID: p.east.id, Since: east})
	}
	for _, r := range []*paired{p.west, p.east} {
		other := p.west
		if r == p.west {
			other = p.east
		}
		r.store.SetTables([]table.Table{notes})
		r.replica.SetControl(replica.Control{Revision: revision, Tables: []table.Table{notes}, Peers: []replica.Peer{other.peer()}})
	}
}

func (p *pair) copy(ctx context.Context) (seconds float64, err error) {
	p.hold(2, 0)
	writing, ctx := errgroup.WithContext(ctx)
	for w := range storeWriters {
		writing.Go(func() error {
			for i := w; i < copiedRecords; i += storeWriters {
				if err := p.west.write(ctx, fmt.Appendf(nil, "key-%09d", i), []byte(filling)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := writing.Wait(); err != nil {
		return 0, err
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	running, ctx := errgroup.WithContext(ctx)
	running.Go(func() error { return p.west.replica.Run(ctx) })
	running.Go(func() error { return p.east.replica.Run(ctx) })
	began := time.Now()
	p.hold(3, 3)
	for {
		whole, err := p.east.store.Whole(pairTable)
		if err != nil || whole == 3 {
			took := time.Since(began).Seconds()
			stop()
			return took, errors.Join(err, running.Wait())
		}
		time.Sleep(10 * time.Millisecond)
	}
}
