package region

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"time"

	"github.com/meridian-run/meridian/internal/access"
	"github.com/meridian-run/meridian/internal/admin"
	"github.com/meridian-run/meridian/internal/certificate"
	"github.com/meridian-run/meridian/internal/control"
	"github.com/meridian-run/meridian/spec"
)

// Config says which region this is and what it may use. Listeners are ready
// ones: whoever starts regions binds all ports first, so that every conflict is
// known before anything runs.
type Config struct {
	// Spec is what this node was started with. It seeds an empty world; later
	// the applied spec is in force.
	Spec *spec.World
	// Name is the region's, or the witness's if Witness.
	Name    string
	Witness bool
	// Dir is the region's own data directory.
	Dir string
	// Buckets is the directory whose subdirectories are the buckets that tables are
	// exported to and imported from. Default: one in Dir.
	Buckets string
	Listen  Listeners
	// Addresses says how others reach a region of the applied spec.
	Addresses func(world *spec.World, region string) Addresses
	// Dial reaches other regions. Default: the network.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Identity is the node's certificate on links.
	Identity *certificate.Identity
	// Token opens the admin API; Keys open the tables, and are read again when
	// their file changes.
	Token string
	Keys  *access.File
	// Embedded or External is where control lives.
	Embedded *control.Embedded
	External *control.External
	// First is the state that a new world begins with, where one hand starts all
	// of its nodes: they need not ask each other. Default: control agrees on one.
	First *control.State
	// RoundTripMax is the largest round trip between two regions of the world.
	RoundTripMax time.Duration
	// BootClock counts leases; default: a clock that runs while the machine sleeps.
	BootClock func() time.Duration
	// Dev is set in a local world.
	Dev *Dev
	// Messages sees what this region says to others on links that it dialled, and
	// what they answer; default: nobody does. Tests prove residency with it.
	Messages func(peer string, payload []byte)
	// Version of this program.
	Version string
	// Log default: discarded.
	Log *slog.Logger
}

// Dev is what a region of a local world has beyond others.
type Dev struct {
	// Controller serves `region stop` and the like on this region's admin port.
	Controller admin.Dev
	// Prepare makes room for the regions of a spec that are new, before it is
	// applied. The caller then says whether it was: they are started, or
	// forgotten.
	Prepare func(world *spec.World) (done func(applied bool), err error)
	// StoppedAt is when the controller stopped a region; zero if it runs.
	StoppedAt func(region string) time.Time
}

// Listeners are a region's open ports. Those of parts that are not used are nil.
type Listeners struct {
	Gateway, Tables, Admin, Link, DNS net.Listener
	DNSPackets                        net.PacketConn
}

// Close closes all that are open.
func (l Listeners) Close() {
	for _, c := range []net.Listener{l.Gateway, l.Tables, l.Admin, l.Link, l.DNS} {
		if c != nil {
			c.Close()
		}
	}
	if l.DNSPackets != nil {
		l.DNSPackets.Close()
	}
}

// Addresses are how a region is reached: host:port of its parts, and the IP
// addresses that DNS answers for it.
type Addresses struct {
	Gateway, Tables, Admin, Link, DNS string
	// Etcd is the URL of the node's member of the embedded control.
	Etcd   string
	Answer []netip.Addr
}

func (c *Config) fill() error {
	switch {
	case c.Spec == nil || c.Name == "" || c.Dir == "":
		return errors.New("region needs a spec, a name and a data directory")
	case c.Addresses == nil || c.Identity == nil || c.Token == "":
		return errors.New("region needs addresses, an identity and an admin token")
	case c.Listen.Admin == nil || c.Listen.Link == nil:
		return errors.New("region needs at least its admin and link listeners")
	case !c.Witness && (c.Listen.Gateway == nil || c.Listen.Tables == nil || c.Listen.DNS == nil || c.Listen.DNSPackets == nil):
		return errors.New("region needs listeners for its gateway, tables and nameserver")
	}
	if _, known := c.Spec.Region(c.Name); !known && !c.Witness {
		return fmt.Errorf("the spec has no region %q; its regions are %v", c.Name, c.Spec.RegionNames())
	}
	if c.Buckets == "" {
		c.Buckets = filepath.Join(c.Dir, bucketsDir)
	}
	if c.Dial == nil {
		c.Dial = (&net.Dialer{Timeout: 5 * time.Second}).DialContext
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}
