package control

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
)

// External describes an etcd cluster that you run.
type External struct {
	// URLs are the cluster's client URLs.
	URLs []string
	// TLS is used for https URLs; nil trusts the system's authorities.
	TLS *tls.Config
}

func (x *External) check() error {
	if len(x.URLs) == 0 {
		return errors.New("the external etcd has no URL: name at least one under control.etcd")
	}
	return nil
}

// backend is etcd as the rest of the package uses it.
type backend struct {
	client *clientv3.Client
	// member is nil for an external cluster.
	member *member
}

func (c *Control) connect(ctx context.Context) (*backend, error) {
	if c.cfg.External != nil {
		return c.connectExternal()
	}
	m, err := startMember(ctx, c.cfg)
	if err != nil {
		return nil, err
	}
	c.founded.Store(m.founded)
	return &backend{client: m.client(), member: m}, nil
}

func (c *Control) connectExternal() (*backend, error) {
	x := c.cfg.External
	settings := clientv3.Config{
		Endpoints:            x.URLs,
		DialKeepAliveTime:    5 * time.Second,
		DialKeepAliveTimeout: 5 * time.Second,
		PermitWithoutStream:  true,
		AutoSyncInterval:     0,
		Logger:               zapLogger(c.cfg.Log, nil),
		DialOptions: []grpc.DialOption{grpc.WithConnectParams(grpc.ConnectParams{
			Backoff: backoff.Config{BaseDelay: backoffMin, Multiplier: 1.6, Jitter: 0.2, MaxDelay: backoffMax},
		})},
	}
	if strings.HasPrefix(x.URLs[0], "https://") {
		settings.TLS = x.TLS
		if settings.TLS == nil {
			settings.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
		}
	}
	client, err := clientv3.New(settings)
	if err != nil {
		return nil, fmt.Errorf("connect to etcd at %s: %w", strings.Join(x.URLs, ", "), err)
	}
	return &backend{client: client}, nil
}

// wait returns when the embedded member has failed, or ctx has ended.
func (b *backend) wait(ctx context.Context) error {
	if b.member != nil {
		return b.member.wait(ctx)
	}
	<-ctx.Done()
	return nil
}

// await waits until asking makes sense: an embedded member needs a leader.
func (b *backend) await(ctx context.Context) {
	if b.member != nil {
		b.member.awaitLeader(ctx)
	}
}

// local are the options of a read that must not miss what this node's watch has
// seen: an embedded member answers from its own copy, without a round trip.
func (b *backend) local() []clientv3.OpOption {
	if b.member != nil {
		return []clientv3.OpOption{clientv3.WithSerializable()}
	}
	return nil
}

// close ends the client's goroutines, then the member.
func (b *backend) close(graceful bool) {
	b.client.Close()
	if b.member != nil {
		b.member.close(graceful)
	}
}
