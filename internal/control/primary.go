package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/meridian-run/meridian/internal/record"
)

// primaryPrefix is where the regions' holds are.
const primaryPrefix = "primary/"

// Hold is what a region holds as the primary of tables: a lease that it renews
// by writing it. It is no etcd lease, whose time would start again with each new
// leader: it counts from the sending of a renewal, which etcd takes only on top
// of the state that names the region (DATA 19).
type Hold struct {
	Region string `json:"region"`
	// Epochs are the tables that it holds, by id in hexadecimal, and their epochs.
	Epochs map[string]uint32 `json:"epochs"`
	// At is the holder's wall clock, for people.
	At time.Time `json:"at"`
}

// Has reports whether the region has held a table in an epoch.
func (h Hold) Has(id record.TableID, epoch uint32) bool {
	held, ok := h.Epochs[HoldKey(id)]
	return ok && held == epoch
}

// HoldKey names a table in a Hold.
func HoldKey(id record.TableID) string { return fmt.Sprintf("%016x", uint64(id)) }

// Election is how long it may take until control has a leader again.
func (c *Control) Election() time.Duration { return c.cfg.election() }

// Promote moves a table's primary, in a new epoch. Errors: ErrTableUnknown,
// ErrTableInvalid, ErrPromoted, ErrRegionUnknown; without quorum nothing is
// promoted.
func (c *Control) Promote(ctx context.Context, p Promotion) (*State, error) {
	return c.change(ctx, func(s *State) error { return c.scribe().promote(s, p) })
}

// Renew writes what this region holds, if the state is still the one on which
// that was decided; otherwise it takes over the newer one and answers
// ErrPromoted, and the caller decides again.
func (c *Control) Renew(ctx context.Context, on *State, h Hold) error {
	b, err := c.connection(ctx)
	if err != nil {
		return err
	}
	docs, err := encodeState(on)
	if err != nil {
		return err
	}
	h.Region, h.At = c.cfg.Region, c.cfg.Now().UTC()
	value, err := json.Marshal(h)
	if err != nil {
		return err
	}
	put := clientv3.OpPut(c.key(primaryPrefix, c.cfg.Region), string(value))
	world := c.key(statePrefix, worldKey) // differs in every revision
	r, err := b.client.Txn(ctx).If(clientv3.Compare(clientv3.Value(world), "=", string(docs[worldKey]))).Then(put).Commit()
	if err != nil {
		return c.explain(err)
	}
	if r.Succeeded {
		return nil
	}
	s, err := c.read(ctx, b)
	if err == nil {
		s, err = c.take(ctx, b, s)
	}
	if err != nil {
		return c.explain(err)
	}
	if s.state != nil && s.state.against(on) == same { // another version wrote it in other words
		r, err := b.client.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(world), "=", s.guard)).Then(put).Commit()
		switch {
		case err != nil:
			return c.explain(err)
		case r.Succeeded:
			return nil
		}
	}
	return fmt.Errorf("%w, or something else has changed since revision %d", ErrPromoted, on.Revision)
}

// Held answers what a region held when it last renewed; nothing if it never did.
func (c *Control) Held(ctx context.Context, region string) (Hold, error) {
	b, err := c.connection(ctx)
	if err != nil {
		return Hold{}, err
	}
	r, err := b.client.Get(ctx, c.key(primaryPrefix, region))
	if err != nil {
		return Hold{}, c.explain(err)
	}
	if len(r.Kvs) == 0 {
		return Hold{}, nil
	}
	var h Hold
	if err := json.Unmarshal(r.Kvs[0].Value, &h); err != nil {
		return Hold{}, errors.Join(ErrFormat, err)
	}
	return h, nil
}
