package main

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"sync"
	"time"

	"github.com/meridian-run/meridian/internal/certificate"
	"github.com/meridian-run/meridian/internal/kv/pebblekv"
	"github.com/meridian-run/meridian/internal/link"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/replica"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

const (
	pairWorld = "bench"
	pairTable = record.TableID(7)
)

// pair is two regions, joined by a link over loopback with mutual TLS, as serve
// wires them, and nothing else.
type pair struct {
	west, east *paired
	running    sync.WaitGroup
	stop       context.CancelFunc
}

// paired is one of the two. Its replica pulls only once it runs.
type paired struct {
	name    string
	id      record.RegionID
	store   *store.Store
	replica *replica.Replica
	client  *link.Client
	address string
}

func (p *paired) peer() replica.Peer { return replica.Peer{Name: p.name, ID: p.id} }

// openPair starts both; each serves its log. applied is told what east applies.
func openPair(ctx context.Context, dir string, applied func(replica.Batch)) (*pair, error) {
	p := &pair{west: &paired{name: "west", id: 1}, east: &paired{name: "east", id: 2}}
	ctx, p.stop = context.WithCancel(ctx)
	bundles, err := certificate.Init(filepath.Join(dir, "world"), certificate.Plan{World: pairWorld, Nodes: []string{"west", "east"}, Now: time.Now()})
	if err != nil {
		return p, err
	}
	if err := p.open(ctx, p.west, p.east, dir, bundles[0], nil); err != nil {
		return p, err
	}
	return p, p.open(ctx, p.east, p.west, dir, bundles[1], applied)
}

func (p *pair) open(ctx context.Context, r, other *paired, dir, bundle string, applied func(replica.Batch)) error {
	engine, err := pebblekv.Open(pebblekv.Config{Dir: filepath.Join(dir, r.name)})
	if err != nil {
		return err
	}
	r.store, err = store.Open(ctx, store.Config{Engine: engine, World: pairWorld, RegionName: r.name, Region: r.id})
	if err != nil {
		return errors.Join(err, engine.Close())
	}
	identity, err := certificate.Open(certificate.FilesIn(bundle))
	if err != nil {
		return err
	}
	self := link.Identity{World: pairWorld, Region: r.name}
	r.client = link.NewClient(link.ClientConfig{
		Identity: self, TLS: identity.Client(""),
		Address: func(string) (string, bool) { return other.address, true },
	})
	notes := table.Table{ID: pairTable, Name: tableName, Key: table.Attribute{Name: "pk", Type: "S"}, Revision: 1, State: table.Active}
	for _, x := range []*paired{p.west, p.east} {
		notes.Replicas = append(notes.Replicas, table.Replica{Region: x.name, ID: x.id})
	}
	r.store.SetTables([]table.Table{notes})
	r.replica = replica.New(replica.Config{
		Store: r.store, World: pairWorld, Region: r.name, Events: replica.Events{Applied: applied},
		Open: func(ctx context.Context, peer string) (replica.Stream, error) {
			return r.client.Open(ctx, peer, "pull")
		},
	})
	r.replica.SetControl(replica.Control{Revision: 1, Tables: []table.Table{notes}, Peers: []replica.Peer{other.peer()}})
	listen, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	r.address = listen.Addr().String()
	server := link.NewServer(link.ServerConfig{
		Identity: self, Listen: listen, TLS: identity.Server(),
		Streams: map[string]link.StreamHandler{"pull": func(ctx context.Context, from string, s *link.Stream) error {
			return r.replica.Serve(ctx, from, s)
		}},
	})
	p.running.Go(func() { _ = server.Run(ctx) })
	return nil
}

func (p *pair) close() error {
	p.stop()
	p.running.Wait()
	var err error
	for _, r := range []*paired{p.west, p.east} {
		if r.client != nil {
			err = errors.Join(err, r.client.Close())
		}
		if r.store != nil {
			err = errors.Join(err, r.store.Close())
		}
	}
	return err
}

// write puts a record and returns when it is durable.
func (p *paired) write(ctx context.Context, name, value []byte) error {
	key := record.Key{Table: pairTable, Partition: name}
	_, err := p.store.Update(ctx, []record.Key{key}, func(tx *store.Tx) error { return tx.Put(key, value, store.PutOptions{}) })
	return err
}
