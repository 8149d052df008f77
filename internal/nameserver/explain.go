package nameserver

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/meridian-run/meridian/internal/route"
)

// Errors of Explain.
var (
	// ErrNotReady: nothing has been published yet.
	ErrNotReady = errors.New("nameserver: no verdicts yet, ask again in a few seconds")
	// ErrUnknownName: neither a service nor a name of this world.
	ErrUnknownName = errors.New("nameserver: unknown name")
)

// Explanation is an answer and why it is given.
type Explanation struct {
	// Name is the host, without the dot at the end; Service is empty for a name
	// that belongs to none.
	Name    string
	Kind    Kind
	Service string
	TTL     time.Duration
	// Client is the network that was asked for; invalid means unknown. Scope is
	// the ECS scope of the answer.
	Client netip.Prefix
	Scope  int
	// Region and Addresses are what is answered.
	Region    string
	Addresses []netip.Addr
	// Decision is route's, for services; zero for other names.
	Decision route.Decision
	Reason   string
}

// Explain gives the answer that a client of this network gets, and why. The
// name is a service's or any host of this world. Where chance decides, it draws
// as a query would. An invalid prefix is a client of whom nothing is known.
func (s *Server) Explain(name string, client netip.Prefix) (Explanation, error) {
	w := s.world.Load()
	if w == nil {
		return Explanation{}, ErrNotReady
	}
	full := strings.ToLower(strings.TrimSuffix(name, ".")) + "."
	if svc := w.services[name]; svc != nil {
		full = svc.host
	}
	n := w.names[full]
	if n == nil {
		return Explanation{}, fmt.Errorf("%w: %q; services are %s", ErrUnknownName, name,
			strings.Join(slices.Sorted(maps.Keys(w.services)), ", "))
	}
	e := Explanation{
		Name: strings.TrimSuffix(full, "."), Kind: n.kind, Client: client,
		TTL: time.Duration(n.ttl) * time.Second, Region: n.region, Addresses: n.fixed,
	}
	if n.service != nil {
		e.Service = n.service.Name
	}
	switch n.kind {
	case KindService:
		s.explainService(w, n.service, &e)
	case KindRegional:
		e.Reason = "a regional name always answers its region's address, whatever its health"
	case KindNameserver:
		e.Region = w.regionOfNameserver(n.zone, full)
		e.Reason = "a nameserver's name always answers its address"
		if e.Region != "" {
			e.Reason = "the nameserver's name of " + e.Region + " always answers that region's address"
		}
	default:
		n.zone.explainEmpty(full, &e)
	}
	return e, nil
}

// explainEmpty explains a name without addresses.
func (z *zone) explainEmpty(name string, e *Explanation) {
	if name != z.apex {
		e.TTL = time.Duration(z.negative().Header().Ttl) * time.Second
		e.Reason = "the name exists only because of names below it: it has no records, which resolvers remember for the TTL"
		return
	}
	e.Kind, e.TTL = KindApex, ttlInfrastructure
	names := make([]string, len(z.ns))
	for i, ns := range z.ns {
		names[i] = strings.TrimSuffix(ns.Name, ".")
	}
	e.Reason = "the top of the zone has an SOA record and NS records (" + strings.Join(names, ", ") + "), and no address: no service has it as its host"
}

// regionOfNameserver is the region that a name which was made for it belongs to,
// or "".
func (w *world) regionOfNameserver(z *zone, name string) string {
	for region := range w.addresses {
		if name == nameserverName(region, z.apex) {
			return region
		}
	}
	return ""
}

func (s *Server) explainService(w *world, svc *service, e *Explanation) {
	var scope int
	e.Decision, scope = s.decide(w, svc, e.Client)
	if e.Decision.ByPlace {
		e.Scope = scope
	}
	e.Region = e.Decision.Region()
	e.Addresses = w.addresses[e.Region]
	e.Reason = e.Decision.Reason()
}

// Addresses of a region as it is published, nil if it is not.
func (s *Server) Addresses(region string) []netip.Addr {
	if w := s.world.Load(); w != nil {
		return w.addresses[region]
	}
	return nil
}

// Dig is the dig command that asks a nameserver the same question.
func (e Explanation) Dig(server netip.AddrPort) string {
	kind := "A"
	if e.Kind == KindApex {
		kind = "NS"
	}
	command := fmt.Sprintf("dig @%s -p %d %s %s", server.Addr(), server.Port(), e.Name, kind)
	if e.Client.IsValid() {
		command += " +subnet=" + e.Client.String()
	}
	return command
}
