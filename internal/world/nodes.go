package world

import (
	"fmt"
	"maps"
	"net"
	"path/filepath"
	"time"

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
	var clock func() time.Duration
	if w.cfg.BootClock != nil {
		clock = w.cfg.BootClock(n.name)
	}
	return region.Config{
		Spec: w.cfg.Spec, Name: n.name, Witness: n.witness, BootClock: clock,
		Dir:    filepath.Join(w.cfg.Dir, n.name),
		Listen: ports.Listeners, Addresses: w.addresses,
		Dial:     w.network.Dialer(n.name).DialContext,
		Identity: n.bundle.Identity, Token: n.bundle.Token, Keys: keysOf(n.bundle),
		Embedded:     &control.Embedded{Listen: member, Members: w.members, LocalIP: n.ip.String()},
		First:        w.first,
		RoundTripMax: w.roundTripMax(),
		Dev:          &region.Dev{Controller: w, StoppedAt: w.stoppedSince},
		Version:      w.cfg.Version, Log: w.log,
	}, forwarder, nil
}

// settleMembers lets control start over, from the states on disk, if a node knows
// other members or addresses than those of this start: all are started by this
// hand.
func (w *World) settleMembers() error {
	differs := false
	for _, s := range w.sites {
		known, err := control.Members(w.controlDir(s.name))
		if err != nil {
			return err
		}
		differs = differs || known != nil && !maps.Equal(known, w.members)
	}
	for _, s := range w.sites {
		if !differs {
			break
		}
		if err := control.StartOver(w.controlDir(s.name)); err != nil {
			return err
		}
	}
	return nil
}

func (w *World) controlDir(name string) string {
	return region.ControlDir(filepath.Join(w.cfg.Dir, name))
}

// netAny is a port of the kernel's choice.
func netAny(ip string) string { return net.JoinHostPort(ip, "0") }
