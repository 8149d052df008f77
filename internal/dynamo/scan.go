package dynamo

import (
	"context"
	"encoding/binary"
	"slices"

	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/store"
)

// segmentsMax is DynamoDB's largest number of segments; the store's hash prefix
// has 65536 values, so beyond that segments are empty.
const (
	segmentsMax = 1_000_000
	hashes      = 1 << 16
)

// scan reads a whole table or index, or one segment of it.
func scan(ctx context.Context, c *call) error {
	takes := []string{"ProjectionExpression", "FilterExpression"}
	if err := c.checkGiven(c.request, takes); err != nil {
		return err
	}
	start, err := c.readStart()
	if err != nil {
		return err
	}
	segment, segments, err := c.segments()
	if err != nil {
		return err
	}
	b, err := c.bound(c.request, takes)
	if err != nil {
		return err
	}
	p, err := newPage(c, b)
	if err != nil {
		return err
	}
	if err := p.checkStartLength(start); err != nil {
		return err
	}
	key, err := p.startKey(start)
	if err != nil {
		return err
	}
	if err := p.checkProjected(); err != nil {
		return err
	}
	if err := b.checkPaths(p.table); err != nil {
		return err
	}
	if segment >= hashes {
		p.begin() // nothing hashes to it
		return p.end()
	}
	if p.index != nil {
		return p.scanIndex(ctx, segment, min(segments, hashes), start)
	}
	q := store.Scan{Table: p.table.ID, Segment: segment, Segments: min(segments, hashes)}
	if start != nil {
		q.After = &key
		if !q.Continues() {
			return p.wrongSegment()
		}
	}
	return p.records(ctx, q)
}

// wrongSegment refuses a start that another segment has ended at.
func (p *page) wrongSegment() error {
	segment, segments, _ := p.call.segments() // they have been read
	return invalid("The provided starting key is invalid: Invalid ExclusiveStartKey. Please use ExclusiveStartKey with correct Segment. TotalSegments: %d Segment: %d", segments, segment)
}

// segments reads Segment and TotalSegments; zero segments is the whole.
func (c *call) segments() (segment, segments int, err error) {
	one, all := c.request.Get("Segment"), c.request.Get("TotalSegments")
	switch {
	case one.Exists() && !all.Exists():
		return 0, 0, invalid("The TotalSegments parameter is required but was not present in the request when Segment parameter is present")
	case all.Exists() && !one.Exists():
		return 0, 0, invalid("The Segment parameter is required but was not present in the request when parameter TotalSegments is present")
	case !all.Exists():
		return 0, 0, nil
	}
	segment, segments = integer(one), integer(all)
	if segment >= segments {
		return 0, 0, invalid("The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: %d is not less than TotalSegments: %d", segment, segments)
	}
	return segment, segments, nil
}

// scanIndex reads an index, or the segment of it whose hashes are its own.
func (p *page) scanIndex(ctx context.Context, segment, segments int, start item.Item) error {
	prefix := store.IndexPrefix(*p.index)
	low, high := prefix, successor(prefix)
	if segments > 1 {
		edge := func(s int) []byte {
			if s == segments {
				return high
			}
			return binary.BigEndian.AppendUint16(slices.Clone(prefix), uint16(s*hashes/segments))
		}
		low, high = edge(segment), edge(segment+1)
	}
	if start != nil {
		after := append(indexEntry(&p.table, *p.index, start), 0)
		if slices.Compare(after, low) < 0 || slices.Compare(after, high) >= 0 {
			return p.wrongSegment()
		}
		low = after
	}
	return p.entries(ctx, indexRange(p.table.ID, low, high, false))
}
