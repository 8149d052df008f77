package nameserver

import (
	"net/netip"
	"strings"

	"github.com/miekg/dns"

	"github.com/meridian-run/meridian/internal/route"
)

// fill puts the answer to an understood query into the reply and gives the
// number of bits of the client's network that it depends on.
func (s *Server) fill(reply *dns.Msg, q *query, a *Answer) (scope int) {
	w := s.world.Load()
	switch {
	case w == nil:
		reply.Rcode = dns.RcodeServerFailure
		return 0
	case q.question.Qclass != dns.ClassINET: // CHAOS version.bind, too
		reply.Rcode = dns.RcodeRefused
		return 0
	case q.question.Qtype == dns.TypeAXFR || q.question.Qtype == dns.TypeIXFR:
		reply.Rcode = dns.RcodeRefused
		return 0
	}
	name := strings.ToLower(q.question.Name)
	z := w.zoneOf(name)
	if z == nil {
		reply.Rcode = dns.RcodeRefused
		return 0
	}
	reply.Authoritative = true
	n := w.names[name]
	if n == nil {
		reply.Rcode = dns.RcodeNameError
		reply.Ns = append(reply.Ns, z.negative())
		return 0
	}
	scope = s.content(w, n, reply, q, a)
	if len(reply.Answer) == 0 {
		reply.Ns = append(reply.Ns, z.negative())
	}
	return scope
}

// content answers the records of an existing name.
func (s *Server) content(w *world, n *node, reply *dns.Msg, q *query, a *Answer) (scope int) {
	apex := strings.EqualFold(q.question.Name, n.zone.apex)
	switch q.question.Qtype {
	case dns.TypeA, dns.TypeAAAA:
		return s.addresses(w, n, reply, q, a)
	case dns.TypeSOA:
		if apex {
			soa := n.zone.soa
			soa.Hdr.Name = q.question.Name
			reply.Answer = append(reply.Answer, &soa)
		}
	case dns.TypeNS:
		if apex {
			n.zone.nameservers(reply, q.question.Name)
		}
	case dns.TypeANY: // RFC 8482: something small instead of everything
		reply.Answer = append(reply.Answer, &dns.HINFO{
			Hdr: header(q.question.Name, dns.TypeHINFO, seconds(ttlInfrastructure)), Cpu: "RFC8482",
		})
	}
	return 0
}

// addresses answers A and AAAA.
func (s *Server) addresses(w *world, n *node, reply *dns.Msg, q *query, a *Answer) (scope int) {
	addresses := n.fixed
	if n.kind == KindService {
		d, location := s.decide(w, n.service, q.client())
		if d.ByPlace {
			scope = location
		}
		a.FailOpen = d.FailOpen
		addresses = w.addresses[d.Region()]
		a.Region = d.Region()
	} else {
		a.Region = n.region
	}
	reply.Answer = append(reply.Answer, records(q.question, addresses, n.ttl)...)
	if len(reply.Answer) == 0 {
		a.Region = ""
	} else if n.service != nil {
		a.Service = n.service.Name
	}
	return scope
}

// decide asks route for one client. Explain and queries share it.
func (s *Server) decide(w *world, svc *service, client netip.Prefix) (d route.Decision, scope int) {
	location := w.locator.Locate(client)
	return route.Decide(route.Query{
		Policy: svc.Policy, Candidates: svc.Candidates,
		Client: location, Draw: s.draw(),
	}), location.Scope
}

// records turns addresses of the asked family into records.
func records(question dns.Question, addresses []netip.Addr, ttl uint32) []dns.RR {
	var rrs []dns.RR
	for _, address := range addresses {
		address = address.Unmap()
		switch {
		case question.Qtype == dns.TypeA && address.Is4():
			rrs = append(rrs, &dns.A{Hdr: header(question.Name, dns.TypeA, ttl), A: address.AsSlice()})
		case question.Qtype == dns.TypeAAAA && address.Is6():
			rrs = append(rrs, &dns.AAAA{Hdr: header(question.Name, dns.TypeAAAA, ttl), AAAA: address.AsSlice()})
		}
	}
	return rrs
}

// nameservers answers NS, with their addresses as far as they are known here.
func (z *zone) nameservers(reply *dns.Msg, name string) {
	for _, ns := range z.ns {
		reply.Answer = append(reply.Answer, &dns.NS{Hdr: header(name, dns.TypeNS, seconds(ttlInfrastructure)), Ns: ns.Name})
		for _, family := range []uint16{dns.TypeA, dns.TypeAAAA} {
			glue := dns.Question{Name: ns.Name, Qtype: family}
			reply.Extra = append(reply.Extra, records(glue, ns.Addresses, seconds(ttlInfrastructure))...)
		}
	}
}

// negative is the SOA of NXDOMAIN and NODATA: its TTL is how long they hold
// (RFC 2308, 5).
func (z *zone) negative() dns.RR {
	soa := z.soa
	soa.Hdr.Ttl = min(soa.Hdr.Ttl, soa.Minttl)
	return &soa
}

func header(name string, kind uint16, ttl uint32) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: kind, Class: dns.ClassINET, Ttl: ttl}
}
