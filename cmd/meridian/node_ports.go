package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"

	"github.com/meridian-run/meridian/internal/region"
	"github.com/meridian-run/meridian/spec"
)

// parts says which ports a node needs.
type parts struct {
	witness bool // no gateway, tables or nameserver
	member  bool // of the embedded etcd
}

// ports are a node's open ports.
type ports struct {
	region.Listeners
	etcd net.Listener
}

// Close closes all that are open.
func (p ports) Close() {
	p.Listeners.Close()
	if p.etcd != nil {
		p.etcd.Close()
	}
}

// bindNode takes all of a node's ports, or says which it cannot have.
func bindNode(here spec.Region, listen string, which parts) (ports, error) {
	if listen != "" {
		if _, err := netip.ParseAddr(listen); err != nil {
			return ports{}, usagef("serve: --listen is %q: write one of this machine's IP addresses, or 0.0.0.0", listen)
		}
	}
	b := binder{listen: listen}
	var p ports
	p.Admin, p.Link = b.tcp("admin", here.Addresses.Admin), b.tcp("link", here.Addresses.Link)
	if which.member {
		p.etcd = b.tcp("etcd", here.Addresses.Etcd)
	}
	if !which.witness {
		p.Gateway, p.Tables = b.tcp("gateway", here.Addresses.Gateway), b.tcp("tables", here.Addresses.Tables)
		p.DNS, p.DNSPackets = b.tcp("DNS (TCP)", here.Addresses.DNS), b.udp("DNS (UDP)", here.Addresses.DNS)
	}
	if len(b.problems) == 0 {
		return p, nil
	}
	p.Close()
	return ports{}, fmt.Errorf("nothing was started, because of these ports:\n%s\nend what uses them, or give the region other addresses in the spec; --listen says which of this machine's addresses to use", strings.Join(b.problems, "\n"))
}

// binder opens ports and notes those that cannot be had.
type binder struct {
	listen   string // the address of this machine to use; empty: the one that others use
	problems []string
}

func (b *binder) tcp(what, at string) net.Listener {
	l, err := net.Listen("tcp", b.at(at))
	if err != nil {
		b.problem(what, at, err)
		return nil
	}
	return l
}

func (b *binder) udp(what, at string) net.PacketConn {
	c, err := net.ListenPacket("udp", b.at(at))
	if err != nil {
		b.problem(what, at, err)
		return nil
	}
	return c
}

// at is where to listen for a part that others reach at an address.
func (b *binder) at(address string) string {
	_, port, err := net.SplitHostPort(address)
	if err != nil || b.listen == "" {
		return address
	}
	return net.JoinHostPort(b.listen, port)
}

func (b *binder) problem(what, at string, err error) {
	why := err.Error()
	switch {
	case at == "":
		why = "the spec gives it no address; write address: IP under the region"
	case errors.Is(err, syscall.EADDRINUSE):
		why = "another program listens there"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		why = "this machine has no such address; --listen 0.0.0.0 takes every address it has"
	case errors.Is(err, syscall.EACCES):
		why = "not permitted; ports below 1024 need root or CAP_NET_BIND_SERVICE"
	}
	b.problems = append(b.problems, fmt.Sprintf("  %-22s %s: %s", b.at(at), what, why))
}
