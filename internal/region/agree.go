package region

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/meridian-run/meridian/internal/control"
	"github.com/meridian-run/meridian/internal/record"
)

// timeoutAgree bounds one peer's part in an agreement.
const timeoutAgree = 10 * time.Second

// agreement is a fact about this region that control is to know. One field is
// set.
type agreement struct {
	Copied *copiedTable   `json:"copied,omitempty"`
	Holds  *control.Holds `json:"holds,omitempty"`
	HasAll *hasAllOf      `json:"has_all,omitempty"`
}

// copiedTable says that the region has copied a table that a revision gave it.
type copiedTable struct {
	Table record.TableID `json:"table,string"`
	Since uint64         `json:"since"`
}

// hasAllOf says that the region has all of one that closes.
type hasAllOf struct {
	Region   record.RegionID `json:"region"`
	Revision uint64          `json:"revision"`
}

// tellControl brings a fact about this region into the state. A node that control's
// members have not let in yet, or that reaches no quorum, says it through a peer:
// a region can join, and take its part in a removal, while a voter is dead.
func (r *Region) tellControl(ctx context.Context, x agreement) error {
	if ok, _ := r.control.QuorumOK(); ok {
		return r.record(ctx, r.data.Load().store.Region(), x)
	}
	body, err := json.Marshal(x)
	if err != nil {
		return err
	}
	var errs []error
	for _, peer := range r.peers() {
		ctx, cancel := context.WithTimeout(ctx, timeoutAgree)
		_, err := r.link.Post(ctx, peer, postAgree, body)
		cancel()
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	return fmt.Errorf("no quorum of control is reached from here, nor through a peer: %w", errors.Join(errs...))
}

// handleAgree records a fact for a peer about itself.
func (r *Region) handleAgree(ctx context.Context, from string, payload []byte) ([]byte, error) {
	var x agreement
	if err := json.Unmarshal(payload, &x); err != nil {
		return nil, fmt.Errorf("read what %s says: %w", from, err)
	}
	a := r.applied.Load()
	if a == nil {
		return nil, errStarting
	}
	who, ok := a.state.Region(from)
	if quorum, _ := r.control.QuorumOK(); !ok || !quorum {
		return nil, errors.New("it does not know the region, or has no quorum either")
	}
	return nil, r.record(ctx, who.ID, x)
}

// record writes a fact about a region.
func (r *Region) record(ctx context.Context, who record.RegionID, x agreement) error {
	switch {
	case x.Copied != nil:
		return r.control.Copied(ctx, x.Copied.Table, who, x.Copied.Since)
	case x.Holds != nil:
		holds := *x.Holds
		holds.By = who
		return r.control.Holds(ctx, holds)
	case x.HasAll != nil:
		return r.control.HasAll(ctx, x.HasAll.Region, who, x.HasAll.Revision)
	}
	return errors.New("it says nothing that this release understands")
}
