package nameserver

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/meridian-run/meridian/internal/place"
)

// ErrSnapshot is wrapped by every refusal of Publish.
var ErrSnapshot = errors.New("nameserver: bad snapshot")

// world is a compiled snapshot: every name that exists, by its lower-case form
// with the dot at the end.
type world struct {
	names     map[string]*node
	zones     map[string]*zone
	addresses map[string][]netip.Addr // region → addresses
	services  map[string]*service
	locator   *place.Locator
}

// zone is what the server is authoritative for, with everything below it.
type zone struct {
	apex string
	soa  dns.SOA
	ns   []Nameserver
}

// node is one existing name. A node without content exists because something
// below it does: it answers NODATA, not NXDOMAIN (RFC 8020).
type node struct {
	zone *zone
	// service is chosen by route; fixed always answers these addresses.
	service *service
	fixed   []netip.Addr
	region  string // of fixed
	kind    Kind
	ttl     uint32
}

// service is a Service as it is answered.
type service struct {
	Service
	host string
	ttl  uint32
}

// Kind is what a name is.
type Kind string

const (
	KindService    Kind = "service"
	KindRegional   Kind = "regional"
	KindNameserver Kind = "nameserver"
	KindEmpty      Kind = "empty"
	// KindApex is what Explain calls the top of a zone that is no service's host.
	KindApex Kind = "apex"
)

// compile checks a snapshot and makes it searchable.
func compile(s *Snapshot) (*world, error) {
	domain, err := absolute(s.Domain)
	if err != nil {
		return nil, fmt.Errorf("%w: domain: %v", ErrSnapshot, err)
	}
	w := &world{
		names: map[string]*node{}, zones: map[string]*zone{},
		addresses: map[string][]netip.Addr{}, services: map[string]*service{},
		locator: s.Locator,
	}
	if w.locator == nil {
		w.locator = place.NewLocator(nil)
	}
	for _, r := range s.Regions {
		w.addresses[r.Name] = r.Addresses
	}
	nameservers, err := nameserversOf(s, domain)
	if err != nil {
		return nil, err
	}
	w.zones[domain] = newZone(domain, s, nameservers)
	w.add(domain, node{zone: w.zones[domain]})
	if err := w.addServices(s, domain); err != nil {
		return nil, err
	}
	for _, ns := range nameservers {
		if z := w.zoneOf(ns.Name); z != nil {
			w.add(ns.Name, node{zone: z, kind: KindNameserver, fixed: ns.Addresses, ttl: seconds(ttlInfrastructure)})
		}
	}
	return w, nil
}

// addServices adds the services' hosts, then their regional names. Hosts with
// few labels come first, so that a host outside the domain is the zone of those
// below it.
func (w *world) addServices(s *Snapshot, domain string) error {
	compiled := make([]*service, 0, len(s.Services))
	for _, svc := range s.Services {
		c, err := compileService(svc, domain)
		if err != nil {
			return err
		}
		compiled = append(compiled, c)
		w.services[svc.Name] = c
	}
	slices.SortStableFunc(compiled, func(a, b *service) int {
		return dns.CountLabel(a.host) - dns.CountLabel(b.host)
	})
	for _, c := range compiled {
		z := w.zoneOf(c.host)
		if z == nil {
			z = newZone(c.host, s, w.zones[domain].ns)
			w.zones[c.host] = z
		}
		if other := w.names[c.host]; other != nil && other.service != nil {
			return fmt.Errorf("%w: services %q and %q have one host %s", ErrSnapshot, other.service.Name, c.Name, c.host)
		}
		w.add(c.host, node{zone: z, kind: KindService, service: c, ttl: c.ttl})
	}
	for _, c := range compiled {
		if err := w.addRegional(c, domain); err != nil {
			return err
		}
	}
	return nil
}

func compileService(svc Service, domain string) (*service, error) {
	host := svc.Host
	switch host {
	case "":
		host = svc.Name + "." + domain
	case "@":
		host = domain
	}
	host, err := absolute(host)
	if err != nil {
		return nil, fmt.Errorf("%w: host of service %q: %v", ErrSnapshot, svc.Name, err)
	}
	ttl := svc.TTL
	if ttl <= 0 {
		ttl = ttlDefault
	}
	return &service{Service: svc, host: host, ttl: seconds(ttl)}, nil
}

// addRegional adds <service>.<region>.<domain> for every candidate.
func (w *world) addRegional(c *service, domain string) error {
	for _, candidate := range c.Candidates {
		name, err := absolute(c.Name + "." + candidate.Region + "." + domain)
		if err != nil {
			return fmt.Errorf("%w: regional name of service %q: %v", ErrSnapshot, c.Name, err)
		}
		if other := w.names[name]; other != nil && other.kind == KindService {
			return fmt.Errorf("%w: %s is the regional name of service %q and the host of %q", ErrSnapshot, name, c.Name, other.service.Name)
		}
		w.add(name, node{
			zone: w.zoneOf(name), kind: KindRegional, region: candidate.Region,
			fixed: w.addresses[candidate.Region], service: c, ttl: c.ttl,
		})
	}
	return nil
}

// add puts a name and the empty names between it and its zone's apex. A name
// that already has content keeps it.
func (w *world) add(name string, n node) {
	if n.kind == "" {
		n.kind = KindEmpty
	}
	if old := w.names[name]; old == nil || old.kind == KindEmpty {
		w.names[name] = &n
	}
	for name != n.zone.apex {
		name = parent(name)
		if w.names[name] == nil {
			w.names[name] = &node{zone: n.zone, kind: KindEmpty}
		}
	}
}

// zoneOf is the innermost zone that holds a name, nil if it is outside of all.
func (w *world) zoneOf(name string) *zone {
	for {
		if z := w.zones[name]; z != nil {
			return z
		}
		if name == "." {
			return nil
		}
		name = parent(name)
	}
}

func parent(name string) string {
	next, end := dns.NextLabel(name, 0)
	if end {
		return "."
	}
	return name[next:]
}

func nameserverName(region, domain string) string { return "ns." + region + "." + domain }

func nameserversOf(s *Snapshot, domain string) ([]Nameserver, error) {
	list := s.Nameservers
	if len(list) == 0 {
		for _, r := range s.Regions {
			if len(r.Addresses) > 0 {
				list = append(list, Nameserver{Name: nameserverName(r.Name, domain), Addresses: r.Addresses})
			}
		}
	}
	out := make([]Nameserver, 0, len(list))
	for _, ns := range list {
		name, err := absolute(ns.Name)
		if err != nil {
			return nil, fmt.Errorf("%w: nameserver: %v", ErrSnapshot, err)
		}
		out = append(out, Nameserver{Name: name, Addresses: ns.Addresses})
	}
	slices.SortStableFunc(out, func(a, b Nameserver) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

func newZone(apex string, s *Snapshot, nameservers []Nameserver) *zone {
	negative := s.NegativeTTL
	if negative <= 0 {
		negative = ttlNegativeDefault
	}
	primary := "ns." + apex
	if len(nameservers) > 0 {
		primary = nameservers[0].Name
	}
	return &zone{apex: apex, ns: nameservers, soa: dns.SOA{
		Hdr:     dns.RR_Header{Name: apex, Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: seconds(ttlInfrastructure)},
		Ns:      primary,
		Mbox:    "hostmaster." + apex,
		Serial:  s.Serial,
		Refresh: 7200, Retry: 900, Expire: 1209600,
		Minttl: seconds(negative),
	}}
}

// absolute checks a host name and gives its lower-case form with the dot at the
// end.
func absolute(name string) (string, error) {
	full := strings.ToLower(dns.Fqdn(name))
	if full == "." || name == "" {
		return "", errors.New("the name is empty")
	}
	if _, ok := dns.IsDomainName(full); !ok || strings.ContainsAny(full, `\ *`) {
		return "", fmt.Errorf("%q is not a host name: labels of 1 to 63 letters, digits and hyphens, 253 in all", name)
	}
	return full, nil
}

// seconds rounds up: a TTL never becomes 0 by rounding.
func seconds(d time.Duration) uint32 {
	const most = 1 << 31 / 2 // RFC 2181 allows 31 bits; a year would do
	return uint32(min(max(1, (d+time.Second-1)/time.Second), most))
}
