package world

import (
	"fmt"
	"net"
	"path/filepath"

	"github.com/meridian-run/meridian/internal/control"
	"github.com/meridian-run/meridian/internal/region"
	"github.com/meridian-run/meridian/internal/wan"
)

// regionConfig is how a node's region runs here. etcd dials by itself, so its
// members advertise forwarders: what reaches one is carried over the simulated
// network to where the member really listens.
func (w *World) regionConfig(n *node, ports *opened) (region.Config, *wan.Forwarder, error) {
	member, err := net.Listen("tcp", netAny(n.ip.String()))
	if err != nil {
		return region.Config{}, nil, fmt.Errorf("listen for control of %s: %w", n.name, err)
	}
	ids, err := control.MemberIDs(w.cfg.Spec.Name, w.members)
	if err != nil {
		member.Close()
		return region.Config{}, nil, err
	}
	names := map[string]string{}
	for name, id := range ids {
		names[id] = name
	}
	forwarder := &wan.Forwarder{
		Network: w.network, Listen: ports.etcd, To: n.name, Target: member.Addr().String(),
		Source: wan.HTTPHeader("X-Server-From", func(id string) string { return names[id] }),
	}
	return region.Config{
		Spec: w.cfg.Spec, Name: n.name, Witness: n.witness,
		Dir:    filepath.Join(w.cfg.Dir, n.name),
		Listen: ports.Listeners, Addresses: w.addresses,
		Dial:     w.network.Dialer(n.name).DialContext,
		Identity: n.bundle.Identity, Token: n.bundle.Token, Keys: keysOf(n.bundle),
		Embedded:     &control.Embedded{Listen: member, Members: w.members, LocalIP: n.ip.String(), Reform: true},
		First:        w.first,
		RoundTripMax: w.roundTripMax(),
		Dev:          &region.Dev{Controller: w, StoppedAt: w.stoppedSince},
		Version:      w.cfg.Version, Log: w.log,
	}, forwarder, nil
}

// netAny is a port of the kernel's choice.
func netAny(ip string) string { return net.JoinHostPort(ip, "0") }
