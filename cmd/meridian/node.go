package main

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/meridian-run/meridian/internal/access"
	"github.com/meridian-run/meridian/internal/certificate"
	"github.com/meridian-run/meridian/internal/control"
	"github.com/meridian-run/meridian/internal/place"
	"github.com/meridian-run/meridian/internal/region"
	"github.com/meridian-run/meridian/spec"
)

// newNode makes the region, or the witness, that serve runs: it binds
// every port, and starts nothing.
func newNode(o serveOptions) (runner, error) {
	bundle := o.Bundle
	dir := filepath.Join(o.Data, bundle.Node)
	if err := region.Claim(dir, region.Owner{World: bundle.World, Node: bundle.Node, Witness: bundle.Witness}); err != nil {
		return nil, err
	}
	controlDir := region.ControlDir(dir)
	inForce, err := specInForce(o.Spec, controlDir)
	if err != nil {
		return nil, err
	}
	here, err := nodeOf(inForce, bundle)
	if err != nil {
		return nil, err
	}
	keys, err := access.Open(bundle.KeysPath())
	if err != nil {
		return nil, err
	}
	ports, err := bindNode(here, o.Listen, parts{witness: bundle.Witness, member: len(inForce.Control.Etcd) == 0})
	if err != nil {
		return nil, err
	}
	cfg := region.Config{
		Spec: o.Spec, Name: bundle.Node, Witness: bundle.Witness, Dir: dir, Buckets: o.Buckets,
		Listen: ports.Listeners, Addresses: addressesOf, Identity: bundle.Identity, Token: bundle.Token, Keys: keys,
		RoundTripMax: roundTripMax(inForce), Version: buildVersion(), Log: o.Log,
	}
	if len(inForce.Control.Etcd) > 0 {
		cfg.External = &control.External{URLs: inForce.Control.Etcd}
	} else {
		members, err := membersOf(inForce, controlDir, o.Log)
		if err != nil {
			ports.Close()
			return nil, err
		}
		cfg.Embedded = &control.Embedded{Listen: ports.etcd, Members: members, Join: bundle.Joins, Identity: bundle.Identity}
	}
	r, err := region.New(cfg)
	if err != nil {
		ports.Close()
		return nil, err
	}
	return &node{r}, nil
}

// specInForce is what this node goes by until it hears more: the applied spec
// that it knew last, and the file only in a world that it has not seen yet.
func specInForce(file *spec.World, controlDir string) (*spec.World, error) {
	known, err := control.Known(controlDir, file.Name)
	if err != nil || known == nil {
		return file, err
	}
	applied, err := spec.Parse(file.File, known.Spec)
	if err != nil {
		return nil, fmt.Errorf("the applied spec of revision %d cannot be read by this version (%s): %w", known.SpecRevision, buildVersion(), err)
	}
	return applied, nil
}

// node runs a region until it is told to end, and lets it leave first.
type node struct{ region *region.Region }

// Run runs until ctx ends; the region then leaves the answers, ships its log and
// ends (U2).
func (n *node) Run(ctx context.Context) error {
	left := make(chan struct{})
	running := make(chan struct{})
	go func() {
		defer close(left)
		select {
		case <-ctx.Done():
			n.region.Leave(context.WithoutCancel(ctx))
		case <-running:
		}
	}()
	ended := make(chan error, 1)
	go func() { ended <- n.region.Run(context.WithoutCancel(ctx)) }()
	err := n.await(ended)
	close(running)
	<-left
	return err
}

// graceStorage is how long a region may take to end after its storage failed and
// works again; something in it may wait for the failed disk for ever.
const graceStorage = 15 * time.Second

// await returns how the region ended, or what it is about to end with.
func (n *node) await(ended <-chan error) error {
	select {
	case err := <-ended:
		return err
	case <-n.region.StorageBack():
	}
	timer := time.NewTimer(graceStorage)
	defer timer.Stop()
	select {
	case err := <-ended:
		return err
	case <-timer.C:
		return fmt.Errorf("%w, and a part of the region has not ended within %v", region.ErrStorage, graceStorage)
	}
}

// nodeOf finds the region, or the witness, that the bundle is for.
func nodeOf(w *spec.World, b *certificate.Bundle) (spec.Region, error) {
	here, ok := w.Region(b.Node)
	if b.Witness {
		ok = w.Witness != nil
		if ok {
			here = *w.Witness
		}
	}
	if !ok {
		return here, fmt.Errorf("%s has no region %s, for which the bundle was made; its regions are %s", w.File, b.Node, strings.Join(w.RegionNames(), ", "))
	}
	if here.Addresses.Link == "" {
		return here, fmt.Errorf("%s gives %s no address: separate machines need to know where they reach each other; write address: IP under every region", w.File, b.Node)
	}
	return here, nil
}

// addressesOf is how a region is reached, by the applied spec.
func addressesOf(w *spec.World, name string) region.Addresses {
	r, ok := w.Region(name)
	if !ok && w.Witness != nil && name == spec.WitnessName {
		r = *w.Witness
	}
	return region.Addresses{
		Gateway: r.Addresses.Gateway, Tables: r.Addresses.Tables, Admin: r.Addresses.Admin,
		Link: r.Addresses.Link, DNS: r.Addresses.DNS, Etcd: etcdURL(r), Answer: r.Address,
	}
}

func etcdURL(r spec.Region) string {
	if r.Addresses.Etcd == "" {
		return ""
	}
	return "https://" + r.Addresses.Etcd
}

// membersOf are the members of the embedded etcd: those that this node knew last,
// else the spec's.
func membersOf(w *spec.World, controlDir string, log *slog.Logger) (map[string]string, error) {
	members := map[string]string{}
	for _, r := range w.Regions {
		members[r.Name] = etcdURL(r)
	}
	if w.Witness != nil {
		members[spec.WitnessName] = etcdURL(*w.Witness)
	}
	made, err := control.Members(controlDir)
	if err != nil || made == nil || maps.Equal(made, members) {
		return members, err
	}
	log.Warn("the applied spec has other nodes or etcd addresses than the world began with; those it began with go on voting", "voters", made, "applied", members)
	return made, nil
}

// roundTripMax is the largest between two nodes, with room for detours.
func roundTripMax(w *spec.World) time.Duration {
	nodes := slices.Clone(w.Regions)
	if w.Witness != nil {
		nodes = append(nodes, *w.Witness)
	}
	longest := time.Duration(0)
	for _, a := range nodes {
		for _, b := range nodes {
			longest = max(longest, place.RoundTrip(a.Point, b.Point))
		}
	}
	return longest
}
