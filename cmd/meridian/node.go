package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
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
	here, err := nodeOf(o.Spec, bundle)
	if err != nil {
		return nil, err
	}
	listen, err := bindNode(here, o.Listen, bundle.Witness)
	if err != nil {
		return nil, err
	}
	cfg := region.Config{
		Spec: o.Spec, Name: bundle.Node, Witness: bundle.Witness, Dir: filepath.Join(o.Data, bundle.Node),
		Listen: listen, Addresses: addressesOf, Identity: bundle.Identity, Token: bundle.Token,
		RoundTripMax: roundTripMax(o.Spec), Version: buildVersion(), Log: o.Log,
	}
	for _, k := range bundle.Keys {
		cfg.Keys = append(cfg.Keys, access.Key{ID: k.ID, Secret: k.Secret, Kind: access.Kind(k.Kind), Name: k.Name, Tables: k.Tables})
	}
	if len(o.Spec.Control.Etcd) > 0 {
		cfg.External = &control.External{URLs: o.Spec.Control.Etcd}
	} else if cfg.Embedded, err = memberOf(o.Spec, here, o.Listen, bundle.Identity); err != nil {
		listen.Close()
		return nil, err
	}
	r, err := region.New(cfg)
	if err != nil {
		return nil, err
	}
	return &node{r}, nil
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
	err := n.region.Run(context.WithoutCancel(ctx))
	close(running)
	<-left
	return err
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
		return here, fmt.Errorf("%s gives region %s no address: separate machines need to know where they reach each other; write address: IP under every region", w.File, b.Node)
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
		Link: r.Addresses.Link, DNS: r.Addresses.DNS, Answer: r.Address,
	}
}

// memberOf describes this node's part of the embedded etcd.
func memberOf(w *spec.World, here spec.Region, listen string, identity *certificate.Identity) (*control.Embedded, error) {
	members := map[string]string{}
	for _, r := range w.Regions {
		members[r.Name] = "https://" + r.Addresses.Etcd
	}
	if w.Witness != nil {
		members[spec.WitnessName] = "https://" + w.Witness.Addresses.Etcd
	}
	address, err := bindAddress(here.Addresses.Etcd, listen)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for control: %w", err)
	}
	return &control.Embedded{Listen: l, Members: members, Identity: identity}, nil
}

// bindNode takes all of a node's ports, or says which it cannot have.
func bindNode(here spec.Region, listen string, witness bool) (region.Listeners, error) {
	var l region.Listeners
	var problems []string
	tcp := func(what, at string) net.Listener {
		address, err := bindAddress(at, listen)
		var opened net.Listener
		if err == nil {
			opened, err = net.Listen("tcp", address)
		}
		if err != nil {
			problems = append(problems, bindProblem(what, address, err))
			return nil
		}
		return opened
	}
	l.Admin, l.Link = tcp("admin", here.Addresses.Admin), tcp("link", here.Addresses.Link)
	if !witness {
		l.Gateway, l.Tables, l.DNS = tcp("gateway", here.Addresses.Gateway), tcp("tables", here.Addresses.Tables), tcp("DNS", here.Addresses.DNS)
		address, err := bindAddress(here.Addresses.DNS, listen)
		if err == nil {
			l.DNSPackets, err = net.ListenPacket("udp", address)
		}
		if err != nil {
			problems = append(problems, bindProblem("DNS (UDP)", address, err))
		}
	}
	if len(problems) == 0 {
		return l, nil
	}
	l.Close()
	slices.Sort(problems)
	return l, fmt.Errorf("%d ports cannot be had, so nothing was started:\n%s\nend what uses them, or give the region other addresses in the spec; --listen says which of this machine's addresses to use", len(problems), strings.Join(problems, "\n"))
}

func bindProblem(what, address string, err error) string {
	why := err.Error()
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		why = "another program listens there"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		why = "this machine has no such address; --listen 0.0.0.0 takes every address it has"
	case errors.Is(err, syscall.EACCES):
		why = "not permitted; ports below 1024 need root or CAP_NET_BIND_SERVICE"
	}
	return fmt.Sprintf("  %-22s %s: %s", address, what, why)
}

// bindAddress is where to listen for a part that others reach at an address:
// there, or on the addresses that --listen names.
func bindAddress(at, listen string) (string, error) {
	host, port, err := net.SplitHostPort(at)
	if err != nil {
		return at, err
	}
	if listen == "" {
		return net.JoinHostPort(host, port), nil
	}
	if _, err := netip.ParseAddr(listen); err != nil {
		return at, fmt.Errorf("--listen is %q: write one of this machine's IP addresses, or 0.0.0.0", listen)
	}
	return net.JoinHostPort(listen, port), nil
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
