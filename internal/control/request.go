package control

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/table"
)

// attemptsMax bounds how often a change is tried again because another came
// first.
const attemptsMax = 32

// Apply replaces the applied spec. Tables of the spec are created and updated; a
// table that is gone from the spec is deleted only if Drop names it
// (ErrTableDropped), a name that the API owns is refused (ErrOwner), so is a
// change of keys (ErrTableInvalid), a region that is left out
// (ErrRegionStays) and another revision than IfRevision (ErrRevision). Applying
// what is applied changes nothing.
func (c *Control) Apply(ctx context.Context, a ApplySpec) (*State, error) {
	return c.change(ctx, func(s *State) error { return c.scribe().apply(s, a) })
}

// CreateTable adds a table of the API. Of t, the name, keys, indexes, expiry
// attribute and the replicas' region names count; no replicas is every region.
// Errors: ErrTableExists, ErrTableInvalid, ErrRegionUnknown.
func (c *Control) CreateTable(ctx context.Context, t table.Table) (table.Table, error) {
	t.Owner = table.OwnerAPI
	s, err := c.change(ctx, func(s *State) error { return c.scribe().create(s, t) })
	if err != nil {
		return table.Table{}, err
	}
	created, _ := s.Table(t.Name)
	return created, nil
}

// UpdateTable changes a table of the API by fn, which may set its indexes,
// expiry attribute and replicas (by region name) and may be called again when
// another change came first. Errors: fn's, ErrTableUnknown, ErrOwner,
// ErrTableInvalid, ErrRegionUnknown.
func (c *Control) UpdateTable(ctx context.Context, name string, fn func(*table.Table) error) (table.Table, error) {
	s, err := c.change(ctx, func(s *State) error {
		i, err := owned(s, name)
		if err != nil {
			return err
		}
		return c.scribe().update(s, i, fn)
	})
	if err != nil {
		return table.Table{}, err
	}
	updated, _ := s.Table(name)
	return updated, nil
}

// DeleteTable removes a table of the API and returns what it was. Errors:
// ErrTableUnknown, ErrOwner.
func (c *Control) DeleteTable(ctx context.Context, name string) (table.Table, error) {
	var was table.Table
	_, err := c.change(ctx, func(s *State) error {
		i, err := owned(s, name)
		if err != nil {
			return err
		}
		was = s.Tables[i]
		s.dropTable(i)
		return nil
	})
	return was, err
}

// Copied notes that a region has copied a table that the revision since gave it;
// from then on it serves the table. Asking twice, or for what is no longer so,
// changes nothing.
func (c *Control) Copied(ctx context.Context, id record.TableID, region record.RegionID, since uint64) error {
	_, err := c.change(ctx, func(s *State) error { c.scribe().copied(s, id, region, since); return nil })
	return err
}

// Left ends the leaving of a replica: every other one has what its region wrote.
// Asking twice changes nothing. Errors: ErrTableInvalid while another replica
// has not copied the table.
func (c *Control) Left(ctx context.Context, id record.TableID, region record.RegionID) error {
	_, err := c.change(ctx, func(s *State) error { return c.scribe().left(s, id, region) })
	return err
}

// RemoveRegion begins to take a region out of the world; asking again changes
// nothing. Whether it is alive is for the caller to know. Errors:
// ErrRegionUnknown, ErrRegionInUse.
func (c *Control) RemoveRegion(ctx context.Context, name string, forced bool) (*State, error) {
	return c.change(ctx, func(s *State) error { return c.scribe().closeRegion(s, name, forced) })
}

// MayRemove is the answer that RemoveRegion would give by what is known here, and
// changes nothing.
func (c *Control) MayRemove(name string, forced bool) error {
	s := c.State()
	if s == nil {
		return ErrNotSeeded
	}
	return c.scribe().closeRegion(s.clone(), name, forced)
}

// Holds reports what this region holds of a closing one. A report that comes too
// late, or of a round that is over, changes nothing.
func (c *Control) Holds(ctx context.Context, h Holds) error {
	_, err := c.change(ctx, func(s *State) error { c.scribe().holds(s, h); return nil })
	return err
}

// HasAll reports that a survivor has all of a closing region up to the ends that
// were agreed on in the round of a revision.
func (c *Control) HasAll(ctx context.Context, region, by record.RegionID, revision uint64) error {
	_, err := c.change(ctx, func(s *State) error { c.scribe().hasAll(s, region, by, revision); return nil })
	return err
}

// Drain takes traffic away from a region, or from one service in it, until
// d.Until or for good; it replaces an earlier drain of the same.
func (c *Control) Drain(ctx context.Context, d Drain) (*State, error) {
	return c.change(ctx, func(s *State) error { return c.scribe().drain(s, d) })
}

// Undrain ends a drain and reports whether it was in force; one that is not
// there is no error.
func (c *Control) Undrain(ctx context.Context, region, service string) (s *State, was bool, err error) {
	s, err = c.change(ctx, func(s *State) error { was = c.scribe().undrain(s, region, service); return nil })
	return s, was, err
}

func (c *Control) scribe() scribe { return scribe{now: c.cfg.Now(), rand: c.cfg.Rand} }

// change brings the state from what it is to what fn makes of it. fn gets a copy
// and is called again if another change came first.
func (c *Control) change(ctx context.Context, fn func(*State) error) (*State, error) {
	ctx, cancel := context.WithTimeout(ctx, c.patience())
	defer cancel()
	b, err := c.connection(ctx)
	if err != nil {
		return nil, err
	}
	for range attemptsMax {
		s, err := c.readPatiently(ctx, b)
		if err != nil {
			return nil, c.explain(err)
		}
		if s.state == nil {
			return nil, fmt.Errorf("%w: start a node with --spec", ErrNotSeeded)
		}
		next := s.state.clone()
		if err := fn(next); err != nil {
			return nil, err
		}
		next.normalize()
		same, err := sameDocuments(s.state, next)
		if same || err != nil {
			return s.state, err
		}
		next.Revision++
		if err := next.descend(s.state); err != nil {
			return nil, err
		}
		ok, err := c.commit(ctx, b, s, next)
		if err != nil && unavailable(err) {
			return nil, fmt.Errorf("%w, look before you repeat it: %w", ErrUncertain, c.explain(err))
		}
		if err != nil {
			return nil, c.explain(err)
		}
		if ok {
			_, err := c.accept(next)
			return next, err
		}
	}
	return nil, fmt.Errorf("other changes came first %d times in a row: try again", attemptsMax)
}

// electionRetry is how often a change looks for a leader.
const electionRetry = 50 * time.Millisecond

// readPatiently reads the state, through an election if there is one (a world
// serves before its first), and through a while in which etcd does not answer.
func (c *Control) readPatiently(ctx context.Context, b *backend) (snapshot, error) {
	for {
		s, err := c.read(ctx, b)
		if err == nil {
			s, err = c.settle(ctx, b, s)
		}
		if err == nil || !unavailable(err) || !pause(ctx, electionRetry) {
			return s, err
		}
	}
}

// patience is how long a change is tried: through an election, but not long
// where the quorum has been gone for longer than one takes.
func (c *Control) patience() time.Duration {
	ok, since := c.QuorumOK()
	if !ok && c.cfg.Now().Sub(since) > 2*c.cfg.election() {
		return c.cfg.election()
	}
	return 2 * c.cfg.timeoutRequest()
}

func sameDocuments(have, next *State) (bool, error) {
	before, err := encodeState(have)
	if err != nil {
		return false, err
	}
	after, err := encodeState(next)
	if err != nil {
		return false, err
	}
	put, gone := difference(before, after)
	return len(put) == 0 && len(gone) == 0, nil
}

// connection waits for etcd to be reachable at all, for a moment: Run may just
// have been called.
func (c *Control) connection(ctx context.Context) (*backend, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.timeoutRequest())
	defer cancel()
	select {
	case <-c.stopped:
		return nil, ErrClosed
	default:
	}
	select {
	case <-c.connected:
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.backend, nil
	case <-c.stopped:
		return nil, ErrClosed
	case <-ctx.Done():
		return nil, c.noQuorum()
	}
}

// explain turns etcd's errors into ours.
func (c *Control) explain(err error) error {
	select {
	case <-c.stopped:
		return ErrClosed
	default:
	}
	if unavailable(err) {
		return fmt.Errorf("%w (%w)", c.noQuorum(), err)
	}
	if errors.Is(err, rpctypes.ErrTooManyOps) {
		return fmt.Errorf("the change touches more tables than one etcd transaction takes (--max-txn-ops): apply it in parts: %w", err)
	}
	return err
}

// noLeaderError is ErrNoQuorum where that would say too much: others have a
// leader, and a quorum.
type noLeaderError struct{ text string }

func (e *noLeaderError) Error() string        { return e.text }
func (e *noLeaderError) Is(target error) bool { return target == ErrNoQuorum }

// noQuorum says what does not work, what still does, and who is missing.
func (c *Control) noQuorum() error {
	ok, since := c.QuorumOK()
	if follower, leader := c.elsewhere(); !ok && follower != "" {
		return &noLeaderError{fmt.Sprintf("this node reaches no leader of control since %s, but there is a quorum without it: %s follows %s. Make the change in another region; reading and writing data go on here; no answer from %s",
			since.UTC().Format(time.RFC3339), follower, leader, strings.Join(c.Missing(), ", "))}
	}
	text := "changes to spec, tables, drains and leases wait; reading and writing data go on"
	if missing := c.Missing(); len(missing) > 0 {
		text += "; no answer from " + strings.Join(missing, ", ")
	}
	if ok {
		return fmt.Errorf("%w in time: %s", ErrNoQuorum, text)
	}
	return fmt.Errorf("%w since %s: %s", ErrNoQuorum, since.UTC().Format(time.RFC3339), text)
}

func isUnavailable(err error) bool {
	switch {
	case errors.Is(err, rpctypes.ErrNoLeader), errors.Is(err, rpctypes.ErrTimeout), errors.Is(err, rpctypes.ErrTimeoutDueToLeaderFail),
		errors.Is(err, rpctypes.ErrTimeoutDueToConnectionLost), errors.Is(err, rpctypes.ErrStopped), errors.Is(err, rpctypes.ErrLeaderChanged):
		return true
	}
	switch status.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled:
		return true
	}
	return false
}
