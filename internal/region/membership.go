package region

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/meridian-run/meridian/internal/control"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/spec"
)

// ErrRemoved is wrapped by the error that a region ends with which was removed
// from its world.
var ErrRemoved = errors.New("this region was removed from the world")

// memberEvery is how often a region that nobody has answered yet asks again
// whether it is part of the world.
const memberEvery = time.Second

// membership is what a region is told that asks whether it is part of the world.
type membership struct {
	// State is the control state; for those that are part of the world only.
	State json.RawMessage `json:"state,omitempty"`
	// Removed is the id of the last region of the name, which is closing or gone.
	Removed record.RegionID `json:"removed,omitempty"`
}

// handleMember answers any node that the world's authority knows: a region
// that was removed while it was away must hear so, and one that is new learns of
// the world before etcd has let it in.
func (r *Region) handleMember(_ context.Context, from string, _ []byte) ([]byte, error) {
	a := r.applied.Load()
	if a == nil {
		return nil, errStarting
	}
	var out membership
	former, was := a.state.Former(from)
	switch {
	case r.known(from):
		encoded, err := a.state.JSON()
		if err != nil {
			return nil, err
		}
		out.State = encoded
	case was:
		out.Removed = former.ID
	default:
		return nil, fmt.Errorf("%s is in no applied spec yet: apply one that has it", from)
	}
	return json.Marshal(out)
}

// askMember asks until a peer has answered: what is on disk may be old.
func (r *Region) askMember(ctx context.Context) error {
	ticker := time.NewTicker(memberEvery)
	defer ticker.Stop()
	for {
		world := r.cfg.Spec
		if a := r.applied.Load(); a != nil {
			world = a.world
		}
		for _, peer := range append(world.RegionNames(), witnessName(world)...) {
			if peer == r.cfg.Name {
				continue
			}
			if answered, err := r.askPeer(ctx, peer); answered || err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

func (r *Region) askPeer(ctx context.Context, peer string) (answered bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeoutHeard)
	defer cancel()
	reply, err := r.link.Post(ctx, peer, postMember, nil)
	var s membership
	if err != nil || json.Unmarshal(reply, &s) != nil {
		return false, nil // link tells why a peer cannot be reached
	}
	if len(s.State) == 0 {
		return true, r.removedAs(s.Removed)
	}
	state, err := control.ParseState(s.State, r.cfg.Spec.Name)
	if err != nil {
		r.log.Error("a peer's control state is not understood", "peer", peer, "error", err)
		return false, nil
	}
	if r.control.Adopt(state) {
		r.log.Info("control state told by a peer", "peer", peer, "revision", state.Revision)
	}
	return true, nil
}

// removedAs reports whether a peer's word that a region of this name and an id
// was removed is about this one: the name may have come anew.
func (r *Region) removedAs(id record.RegionID) error {
	known := r.control.State()
	if known == nil {
		return nil
	}
	if own, ok := known.Region(r.cfg.Name); !ok || own.ID != id {
		return nil
	}
	return r.removedError()
}

// stillPart reports whether this region is the one that a state means by its
// name; a region without data yet is.
func (r *Region) stillPart(s *control.State) error {
	if r.cfg.Witness {
		return nil
	}
	own, ok := s.Region(r.cfg.Name)
	if d := r.data.Load(); ok && (d == nil || d.store.Region() == own.ID) {
		return nil
	}
	if _, was := s.Former(r.cfg.Name); !ok && !was {
		return fmt.Errorf("the applied spec (revision %d) has no region %s: apply one that has it, then start it", s.SpecRevision, r.cfg.Name)
	}
	return r.removedError()
}

func (r *Region) removedError() error {
	return fmt.Errorf("%w: %s keeps its data and takes part no more. To bring the name back apply a spec that has it and start it with an empty data directory; docs/failover.md says how to get at what only this one has", ErrRemoved, r.cfg.Dir)
}

// without takes the regions out of a spec that control has closed or removed: it
// names them until somebody applies one without them.
func without(w *spec.World, s *control.State) *spec.World {
	out := func(name string) bool { return !slices.Contains(s.RegionNames(), name) }
	w.Regions = slices.DeleteFunc(w.Regions, func(r spec.Region) bool { return out(r.Name) })
	for i := range w.Tables {
		w.Tables[i].Regions = slices.DeleteFunc(w.Tables[i].Regions, out)
	}
	for i := range w.Services {
		one := &w.Services[i]
		one.Regions = slices.DeleteFunc(one.Regions, out)
		one.Routing.Order = slices.DeleteFunc(one.Routing.Order, out)
	}
	return w
}
