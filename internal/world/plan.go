package world

import (
	"net/netip"

	"github.com/meridian-run/meridian/internal/place"
	"github.com/meridian-run/meridian/internal/region"
	"github.com/meridian-run/meridian/spec"
)

// The ports of a region's parts. All are below 32768, where outgoing
// connections take theirs.
const (
	portGateway = 8080
	portTables  = 8000
	portDNS     = 5300
	portAdmin   = 7070
	portLink    = 7071
	portEtcd    = 7073
)

const (
	// addressStep is between the third bytes of two regions' addresses.
	addressStep = 10
	// portStep is between two regions' ports where they share an address.
	portStep = 100
	portMax  = 65535
)

// site is where one node of the world listens.
type site struct {
	name    string
	witness bool
	point   place.Point
	number  int // from 1
	// ip is what it binds; tag is what DNS answers for it. They differ where
	// all sites share an address.
	ip, tag netip.Addr
	offset  int // added to every port
}

func (s site) port(p int) int { return p + s.offset }

func (s site) at(p int) string { return netip.AddrPortFrom(s.ip, uint16(s.port(p))).String() }

func (s site) addresses() region.Addresses {
	return region.Addresses{
		Gateway: s.at(portGateway), Tables: s.at(portTables), Admin: s.at(portAdmin),
		Link: s.at(portLink), DNS: s.at(portDNS), Etcd: s.etcd(), Answer: []netip.Addr{s.tag},
	}
}

// ports are those that the site binds. etcd's is bound by the forwarder that
// stands for the site in the simulated network.
func (s site) ports() []int {
	if s.witness {
		return []int{portAdmin, portLink, portEtcd}
	}
	return []int{portAdmin, portLink, portEtcd, portGateway, portTables, portDNS}
}

// plan lays out the sites: the controller's own address and one a node.
func plan(w *spec.World, c Config) (controller netip.AddrPort, sites []site, err error) {
	had, err := loadNumbers(c.Dir)
	if err != nil {
		return controller, nil, err
	}
	if sites, err = number(nodesOf(w), had, c); err != nil {
		return controller, nil, err
	}
	return netip.AddrPortFrom(own(c), uint16(portAdmin+c.PortBase)), sites, nil
}
