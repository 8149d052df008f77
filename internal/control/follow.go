package control

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// backoff is how long following waits after an error, at first and at most.
const (
	backoffMin = 100 * time.Millisecond
	backoffMax = 5 * time.Second
)

// snapshot is what etcd held at one of its revisions.
type snapshot struct {
	docs documents
	// state is nil in an empty world.
	state *State
	// guard is the etcd revision that last wrote the world document; 0 is none.
	guard int64
	// at is the etcd revision of the read.
	at int64
	// known is what the node knew when the read began: a linearizable one finds
	// at least that, unless etcd has lost it.
	known *State
}

func (c *Control) key(parts ...string) string {
	return rootPrefix + c.cfg.World + "/" + strings.Join(parts, "")
}

// read takes a snapshot; linearizable unless opts say otherwise. An election in
// between does not fail it.
func (c *Control) read(ctx context.Context, b *backend, opts ...clientv3.OpOption) (snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.timeoutRequest())
	defer cancel()
	prefix, known := c.key(statePrefix), c.State()
	var r *clientv3.GetResponse
	for {
		b.await(ctx)
		var err error
		r, err = b.client.Get(ctx, prefix, append(opts, clientv3.WithPrefix())...)
		if err == nil {
			break
		}
		if !errors.Is(err, rpctypes.ErrLeaderChanged) || !pause(ctx, backoffMin) {
			return snapshot{}, err
		}
	}
	s := snapshot{docs: documents{}, at: r.Header.Revision, known: known}
	for _, kv := range r.Kvs {
		name := strings.TrimPrefix(string(kv.Key), prefix)
		s.docs[name] = kv.Value
		if name == worldKey {
			s.guard = kv.ModRevision
		}
	}
	var err error
	if s.state, err = decodeState(s.docs, c.cfg.World); err != nil {
		return s, fmt.Errorf("what etcd holds: %w", err)
	}
	return s, nil
}

// commit writes the difference between a snapshot and next in one transaction;
// false means that someone else wrote first.
func (c *Control) commit(ctx context.Context, b *backend, from snapshot, next *State) (bool, error) {
	docs, err := encodeState(next)
	if err != nil {
		return false, err
	}
	put, gone := difference(from.docs, docs)
	var ops []clientv3.Op
	for _, key := range slices.Sorted(maps.Keys(put)) {
		ops = append(ops, clientv3.OpPut(c.key(statePrefix, key), string(put[key])))
	}
	for _, key := range gone {
		ops = append(ops, clientv3.OpDelete(c.key(statePrefix, key)))
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.timeoutRequest())
	defer cancel()
	guard := clientv3.Compare(clientv3.ModRevision(c.key(statePrefix, worldKey)), "=", from.guard)
	r, err := b.client.Txn(ctx).If(guard).Then(ops...).Commit()
	if err != nil {
		return false, err
	}
	return r.Succeeded, nil
}

// follow keeps the state up to date until ctx ends.
func (c *Control) follow(ctx context.Context, b *backend) {
	wait, reported := backoffMin, ""
	for ctx.Err() == nil {
		began := c.cfg.Now()
		err := c.session(ctx, b)
		if ctx.Err() != nil {
			return
		}
		if c.cfg.Now().Sub(began) > backoffMax {
			wait, reported = backoffMin, ""
		}
		// The quorum's loss is reported by watchQuorum, and each other reason once.
		if err != nil && !unavailable(err) && err.Error() != reported {
			reported = err.Error()
			c.cfg.Log.Error("control cannot follow etcd", "error", err)
		}
		if !pause(ctx, wait) {
			return
		}
		wait = min(2*wait, backoffMax)
	}
}

// session reads the state, seeds an empty world, and watches until something
// breaks.
func (c *Control) session(ctx context.Context, b *backend) error {
	b.await(ctx)
	s, err := c.read(ctx, b)
	if err != nil {
		return err
	}
	if s, err = c.take(ctx, b, s); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watch := b.client.Watch(clientv3.WithRequireLeader(ctx), c.key(statePrefix, worldKey), clientv3.WithRev(s.at+1))
	for r := range watch {
		if err := r.Err(); err != nil {
			return fmt.Errorf("watch: %w", err)
		}
		if len(r.Events) == 0 {
			continue
		}
		if err := c.catchUp(ctx, b, r.Header.Revision); err != nil {
			return err
		}
	}
	return nil
}

// catchUp reads what the watch has told of, etcd's revision at. The member's own
// copy does unless it lags: behind what a peer has passed along, or behind the
// watch, which tells of a change a moment before it can be read.
func (c *Control) catchUp(ctx context.Context, b *backend, at int64) error {
	s, err := c.read(ctx, b, b.local()...)
	if err != nil {
		return err
	}
	if s.at < at || s.state == nil || s.state.against(s.known) == older || s.state.against(s.known) == apart {
		if s, err = c.read(ctx, b); err != nil {
			return err
		}
	}
	_, err = c.take(ctx, b, s)
	return err
}

// take settles what etcd holds, and accepts it.
func (c *Control) take(ctx context.Context, b *backend, s snapshot) (snapshot, error) {
	s, err := c.settle(ctx, b, s)
	if err == nil && s.state != nil {
		_, err = c.accept(s.state)
	}
	return s, err
}

// settle gives etcd what it lacks until there is nothing to give: a first state,
// or the one that this node knows. Another node may have come first with an
// older one, so what is there after a try is judged again.
func (c *Control) settle(ctx context.Context, b *backend, s snapshot) (snapshot, error) {
	for range attemptsMax {
		next, err := c.due(s)
		c.noteApart(fromEtcd, err)
		if next == nil || err != nil {
			return s, err
		}
		ok, err := c.commit(ctx, b, s, next)
		if err != nil {
			return s, err
		}
		if ok {
			c.logGiven(s, next)
		}
		if s, err = c.read(ctx, b); err != nil {
			return s, err
		}
	}
	return s, fmt.Errorf("others changed what etcd holds %d times in a row", attemptsMax)
}

// due is what etcd is to hold in place of s; nil if s is right. A state that led
// to the one that is known can only mean that etcd lost its data or was restored
// from an old copy: it gets the known one back as it is. A state that is apart
// from it is an error.
func (c *Control) due(s snapshot) (*State, error) {
	switch {
	case s.state == nil:
		return c.first()
	case s.state.against(s.known) == older:
		return s.known, nil
	case s.state.against(s.known) == apart:
		return nil, c.apartFrom(s.known, s.state)
	}
	return nil, nil
}

// first is what an empty etcd is given: the state that is known, even if a peer
// has passed it along just now, else the seed's; nil without either.
func (c *Control) first() (*State, error) {
	if known := c.State(); known != nil || c.cfg.Seed == nil {
		return known, nil
	}
	s, err := c.scribe().found(c.cfg.World, *c.cfg.Seed)
	if err != nil {
		return nil, fmt.Errorf("seed the world: %w", err)
	}
	return s, nil
}

func (c *Control) logGiven(s snapshot, next *State) {
	if s.state != nil {
		c.cfg.Log.Warn("etcd held an older state than this node: it has lost data and was given the newer one", "etcd", s.state.Revision, "known", next.Revision)
		return
	}
	c.cfg.Log.Info("control seeded the world", "world", next.World, "id", next.ID, "revision", next.Revision)
}

// unavailable reports whether err is etcd's way to say that too few members, or
// none, answer.
func unavailable(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return true
	}
	return isUnavailable(err)
}

// pause waits; false means that ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
