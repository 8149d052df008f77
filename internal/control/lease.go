package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// Lease is ownership of a name (a rollout, a drill) for as long as its owner
// renews it. It says who may act, never when something ends: after a change of
// etcd's leader a lease lives for its whole time again.
type Lease struct {
	Name string
	// Owner is the node that holds it.
	Owner string
	done  chan struct{}
	once  sync.Once
	end   context.CancelFunc
	drop  func(context.Context) error
}

// Holder is who holds a lease.
type Holder struct {
	Name  string    `json:"name"`
	Owner string    `json:"owner"`
	Since time.Time `json:"since"`
}

// leaseMin is the shortest lease: renewals must survive an election.
func (c *Control) leaseMin() time.Duration { return 2 * c.cfg.election() }

// Lease takes a name, or returns an error that wraps ErrLeaseHeld and says who
// holds it. ttl is how long others wait after this node died, at least two
// elections. It is renewed until Release, or until ctx or Run ends.
func (c *Control) Lease(ctx context.Context, name string, ttl time.Duration) (*Lease, error) {
	b, err := c.connection(ctx)
	if err != nil {
		return nil, err
	}
	client := b.client
	ttl = max(ttl, c.leaseMin(), time.Second)
	asking, cancel := context.WithTimeout(ctx, c.cfg.timeoutRequest())
	defer cancel()
	grant, err := client.Grant(asking, int64((ttl+time.Second-1)/time.Second))
	if err != nil {
		return nil, c.explain(err)
	}
	l, err := c.claim(asking, client, name, grant.ID)
	if err != nil {
		c.revoke(client, grant.ID)
		return nil, err
	}
	renewing, end := context.WithCancel(ctx)
	beats, err := client.KeepAlive(renewing, grant.ID)
	if err != nil {
		end()
		c.revoke(client, grant.ID)
		return nil, c.explain(err)
	}
	l.end = end
	l.drop = func(ctx context.Context) error {
		_, err := client.Revoke(ctx, grant.ID)
		return err
	}
	go l.watch(beats)
	return l, nil
}

// claim writes the lease's key unless someone else's is there.
func (c *Control) claim(ctx context.Context, client *clientv3.Client, name string, id clientv3.LeaseID) (*Lease, error) {
	key := c.key(leasePrefix, name)
	doc, err := json.Marshal(Holder{Name: name, Owner: c.cfg.Region, Since: c.cfg.Now().UTC()})
	if err != nil {
		return nil, err
	}
	r, err := client.Txn(ctx).
		If(clientv3.Compare(clientv3.CreateRevision(key), "=", 0)).
		Then(clientv3.OpPut(key, string(doc), clientv3.WithLease(id))).
		Else(clientv3.OpGet(key)).Commit()
	if err != nil {
		return nil, c.explain(err)
	}
	if r.Succeeded {
		return &Lease{Name: name, Owner: c.cfg.Region, done: make(chan struct{})}, nil
	}
	var held Holder
	if kvs := r.Responses[0].GetResponseRange().Kvs; len(kvs) > 0 {
		if err := json.Unmarshal(kvs[0].Value, &held); err != nil {
			return nil, fmt.Errorf("decode lease %s: %w", name, err)
		}
	}
	return nil, fmt.Errorf("%w: %s belongs to %s since %s", ErrLeaseHeld, name, held.Owner, held.Since.Format(time.RFC3339))
}

func (c *Control) revoke(client *clientv3.Client, id clientv3.LeaseID) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	// A lease that cannot be revoked ends by itself.
	_, _ = client.Revoke(ctx, id)
}

// watch ends when the renewals do: released, lost, or the node stopped.
func (l *Lease) watch(beats <-chan *clientv3.LeaseKeepAliveResponse) {
	for range beats {
	}
	l.once.Do(func() { close(l.done) })
	l.end()
}

// Done is closed when the lease is no longer this node's.
func (l *Lease) Done() <-chan struct{} { return l.done }

// Release gives the name back at once; without quorum it is free when the ttl is
// over.
func (l *Lease) Release(ctx context.Context) error {
	l.end()
	<-l.done
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := l.drop(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("release lease %s: %w", l.Name, err)
	}
	return nil
}

// Leases lists who holds what, as etcd has it now.
func (c *Control) Leases(ctx context.Context) ([]Holder, error) {
	b, err := c.connection(ctx)
	if err != nil {
		return nil, err
	}
	client := b.client
	ctx, cancel := context.WithTimeout(ctx, c.cfg.timeoutRequest())
	defer cancel()
	r, err := client.Get(ctx, c.key(leasePrefix), clientv3.WithPrefix())
	if err != nil {
		return nil, c.explain(err)
	}
	var list []Holder
	for _, kv := range r.Kvs {
		var h Holder
		if err := json.Unmarshal(kv.Value, &h); err != nil {
			return nil, fmt.Errorf("decode %s: %w", kv.Key, err)
		}
		list = append(list, h)
	}
	return list, nil
}
