package nameserver

import (
	"net/netip"
	"time"

	"github.com/meridian-run/meridian/internal/place"
	"github.com/meridian-run/meridian/internal/route"
)

const (
	// ttlDefault is for services that state none. Route 53 advises at most 60 s
	// for names with health checks.
	ttlDefault = 60 * time.Second
	// ttlInfrastructure is for SOA, NS and the nameservers' addresses.
	ttlInfrastructure = 300 * time.Second
	// ttlNegativeDefault is how long resolvers remember that a name or type does
	// not exist; short, because an apply may create it.
	ttlNegativeDefault = 30 * time.Second
)

// Snapshot is all that answers are made of. Do not change it after Publish.
type Snapshot struct {
	// Domain of the world, "notes.test".
	Domain string
	// Serial of the SOA record; it should rise when the spec changes.
	Serial uint32
	// NegativeTTL is the SOA's minimum. Default 30 s.
	NegativeTTL time.Duration
	// Nameservers default to ns.<region>.<domain> for each region that has an
	// address.
	Nameservers []Nameserver
	Regions     []Region
	Services    []Service
	// Locator finds clients; nil knows only the built-in places.
	Locator *place.Locator
}

// Nameserver is an NS record and its addresses.
type Nameserver struct {
	Name      string
	Addresses []netip.Addr
}

// Region is what DNS says of a region: IPv4 addresses become A, IPv6 AAAA.
type Region struct {
	Name      string
	Addresses []netip.Addr
}

// Service is a host name and who may be answered for it.
type Service struct {
	Name string
	// Host is a full name; empty is <Name>.<Domain>, "@" the domain itself.
	Host string
	// TTL of its answers, at least 1 s. Zero is 60 s.
	TTL        time.Duration
	Policy     route.Policy
	Candidates []route.Candidate
}
