package world

import (
	"fmt"
	"maps"
	"net"
	"path/filepath"
	"time"

	"github.com/meridian-run/meridian/internal/access"
	"github.com/meridian-run/meridian/internal/control"
	"github.com/meridian-run/meridian/internal/region"
	"github.com/meridian-run/meridian/internal/wan"
)

// regionConfig is how a node's region runs here. etcd dials by itself, so its
// members advertise forwarders: what reaches one is carried over the simulated
// network to where the member really listens.
func (w *World) regionConfig(n *node, ports *opened) (region.Config, *wan.Forwarder, error) {
	keys, err := access.Open(n.bundle.KeysPath())
	if err != nil {
		return region.Config{}, nil, err
	}
	member, err := net.Listen("tcp", netAny(n.ip.String()))
	if err != nil {
		return region.Config{}, nil, fmt.Errorf("listen for control of %s: %w", n.name, err)
	}
	members, err := w.membersFor(n)
	if err != nil {
		member.Close()
		return region.Config{}, nil, err
	}
	forwarder := &wan.Forwarder{
		Network: w.network, Listen: ports.etcd, To: n.name, Target: member.Addr().String(),
		Source: wan.HTTPHeader("X-Server-From", w.memberName),
	}
	first := w.first
	if n.joins {
		first = nil
	}
	var clock func() time.Duration
	if w.cfg.BootClock != nil {
		clock = w.cfg.BootClock(n.name)
	}
	var messages func(string, []byte)
	if w.cfg.Messages != nil {
		messages = func(to string, payload []byte) { w.cfg.Messages(n.name, to, payload) }
	}
	return region.Config{
		Messages: messages,
		Spec:     n.spec, Name: n.name, Witness: n.witness, BootClock: clock,
		Dir:    filepath.Join(w.cfg.Dir, n.name),
		Listen: ports.Listeners, Addresses: w.addresses,
		Dial:     w.network.Dialer(n.name).DialContext,
		Identity: n.bundle.Identity, Token: n.bundle.Token, Keys: keys,
		Embedded:     &control.Embedded{Listen: member, Members: members, Join: n.joins, LocalIP: n.ip.String()},
		First:        first,
		RoundTripMax: w.roundTripMax(),
		Dev:          &region.Dev{Controller: w, Prepare: w.prepare, StoppedAt: w.stoppedSince},
		Version:      w.cfg.Version, Log: w.log,
	}, forwarder, nil
}

// membersFor are control's members as a node's directory knows them, else all
// sites.
func (w *World) membersFor(n *node) (map[string]string, error) {
	members, err := control.Members(w.controlDir(n.name))
	if err == nil && members == nil {
		members = w.members()
	}
	return members, err
}

// memberName is whose an id of etcd's is: one that a world begins with is
// computed, others are known to those that run.
func (w *World) memberName(id string) string {
	if ids, err := control.MemberIDs(w.cfg.Spec.Name, w.members()); err == nil {
		for name, of := range ids {
			if of == id {
				return name
			}
		}
	}
	for _, s := range w.list() {
		r := w.latest(s.name)
		if r == nil {
			continue
		}
		for _, m := range r.Cluster() {
			if m.ID == id {
				return m.Name
			}
		}
	}
	return ""
}

// settleMembers lets control start over, from the states on disk, if a node knows
// other members or addresses than those of this start: all are started by this
// hand, and all begin with the newest of those states. Else a region that has none,
// because it was being added when dev ended, could be the first to reach the empty
// etcd, and found a world of its own there.
func (w *World) settleMembers(newest *control.State) error {
	differs, runs, members := false, false, w.members()
	for _, s := range w.sites {
		known, err := control.Members(w.controlDir(s.name))
		if err != nil {
			return err
		}
		runs = runs || known != nil
		differs = differs || known != nil && !maps.Equal(known, members)
		w.nodes[s.name].joins = known == nil // if others run control already
	}
	for _, n := range w.nodes {
		n.joins = n.joins && runs && !differs
	}
	if newest != nil && (differs || !runs) {
		w.first = newest
	}
	if !differs {
		return nil
	}
	for _, s := range w.sites {
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
