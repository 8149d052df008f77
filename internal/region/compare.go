package region

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/meridian-run/meridian/internal/equality"
	"github.com/meridian-run/meridian/internal/hlc"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

// What a peer is asked for in a comparison.
const (
	askSums    = "sums"
	askList    = "list"
	askLook    = "look"
	askCurrent = "current"
	askMerge   = "merge"
)

// recordsBytesMax bounds the records in one post, whose limit is 4 MB in base64.
const recordsBytesMax = 1 << 20

// comparing asks a peer for its part in a comparison. Tables go by their ids.
type comparing struct {
	Ask    string            `json:"ask"`
	Basis  equality.Basis    `json:"basis"`
	Ranges []equality.Hashes `json:"ranges,omitempty"` // sums; list: one
	After  *record.Key       `json:"after,omitempty"`  // list
	Keys   []record.Key      `json:"keys,omitempty"`   // look, current
	// Records are to be merged; they are trimmed to the basis's frontier.
	Records []store.Shipped `json:"records,omitempty"`
}

// compared is the answer to any of it.
type compared struct {
	Sums     []equality.Sum   `json:"sums,omitempty"`
	Frontier hlc.Time         `json:"frontier,string,omitempty"`
	Held     []equality.Held  `json:"held,omitempty"`
	More     bool             `json:"more,omitempty"`
	Looked   *equality.Looked `json:"looked,omitempty"`
	Records  []store.Shipped  `json:"records,omitempty"`
	// Keys is how many of the keys Records are of; the rest has to be asked again.
	Keys int `json:"keys,omitempty"`
}

// handleVerify answers a peer's part of a comparison, if both regions hold the
// table (DATA 22).
func (r *Region) handleVerify(ctx context.Context, from string, payload []byte) ([]byte, error) {
	var q comparing
	if err := json.Unmarshal(payload, &q); err != nil {
		return nil, fmt.Errorf("read what %s compares: %w", from, err)
	}
	d := r.data.Load()
	if d == nil {
		return nil, fmt.Errorf("%s has no data yet", r.cfg.Name)
	}
	if why := d.lacking(r); why != "" {
		return nil, errors.New(why)
	}
	t, ok := d.store.Table(q.Basis.Table)
	if !ok || !t.In(from) {
		return nil, fmt.Errorf("%s and %s do not both have table %x", from, r.cfg.Name, uint64(q.Basis.Table))
	}
	i := slices.IndexFunc(t.Replicas, func(x table.Replica) bool { return x.Region == from })
	answer, err := d.compare(ctx, t.Replicas[i].ID, q)
	if err != nil {
		return nil, err
	}
	return json.Marshal(answer)
}

// compare is this region's part of a comparison.
func (d *data) compare(ctx context.Context, from record.RegionID, q comparing) (a compared, err error) {
	if len(q.Ranges) > equality.KeysMax || len(q.Keys) > equality.KeysMax || len(q.Records) > equality.KeysMax {
		return a, fmt.Errorf("more than %d of something", equality.KeysMax)
	}
	side := d.store.Side()
	switch q.Ask {
	case askSums:
		a.Sums, a.Frontier, err = side.Sums(ctx, q.Basis, q.Ranges)
	case askList:
		if len(q.Ranges) != 1 {
			return a, fmt.Errorf("a list of %d ranges", len(q.Ranges))
		}
		a.Held, a.More, err = side.List(ctx, q.Basis, q.Ranges[0], q.After)
	case askLook:
		var looked equality.Looked
		looked, err = side.Look(ctx, q.Basis, q.Keys)
		a.Looked = &looked
	case askCurrent:
		var c store.Current
		c, err = d.store.Current(ctx, q.Basis.Table, q.Keys, recordsBytesMax)
		a.Records, a.Keys, a.Frontier = c.Records, c.Keys, c.Frontier
	case askMerge:
		_, err = d.store.Merge(ctx, from, q.Basis.Table, q.Records, q.Basis.Frontier)
	default:
		err = fmt.Errorf("asked for %q", q.Ask)
	}
	return a, err
}

// remoteSide is a peer's part in a comparison.
type remoteSide struct {
	region *Region
	peer   string
}

var _ equality.Side = remoteSide{}

func (s remoteSide) ask(ctx context.Context, q comparing) (a compared, err error) {
	body, err := json.Marshal(q)
	if err != nil {
		return a, err
	}
	ctx, cancel := context.WithTimeout(ctx, verifyAskTimeout)
	defer cancel()
	reply, err := s.region.link.Post(ctx, s.peer, postVerify, body)
	if err != nil {
		return a, err
	}
	if err := json.Unmarshal(reply, &a); err != nil {
		return a, fmt.Errorf("read the answer of %s: %w", s.peer, err)
	}
	return a, nil
}

// Sums implements equality.Side.
func (s remoteSide) Sums(ctx context.Context, b equality.Basis, ranges []equality.Hashes) ([]equality.Sum, hlc.Time, error) {
	a, err := s.ask(ctx, comparing{Ask: askSums, Basis: b, Ranges: ranges})
	return a.Sums, a.Frontier, err
}

// List implements equality.Side.
func (s remoteSide) List(ctx context.Context, b equality.Basis, within equality.Hashes, after *record.Key) ([]equality.Held, bool, error) {
	a, err := s.ask(ctx, comparing{Ask: askList, Basis: b, Ranges: []equality.Hashes{within}, After: after})
	return a.Held, a.More, err
}

// Look implements equality.Side.
func (s remoteSide) Look(ctx context.Context, b equality.Basis, keys []record.Key) (equality.Looked, error) {
	a, err := s.ask(ctx, comparing{Ask: askLook, Basis: b, Keys: keys})
	if err == nil && a.Looked == nil {
		err = fmt.Errorf("%s answered nothing", s.peer)
	}
	if err != nil {
		return equality.Looked{}, err
	}
	return *a.Looked, nil
}
