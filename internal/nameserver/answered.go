package nameserver

import (
	"net/netip"

	"github.com/meridian-run/meridian/internal/route"
)

// ExplainAnswered explains an answer that has been given: where chance decides,
// another draw would lead to another region. If the region cannot be answered
// any more, it explains what is answered now.
func (s *Server) ExplainAnswered(name string, client netip.Prefix, region string) (Explanation, error) {
	e, err := s.Explain(name, client)
	w := s.world.Load()
	if err != nil || e.Kind != KindService || e.Region == region || w.services[e.Service] == nil {
		return e, err
	}
	svc := w.services[e.Service]
	e.Decision = route.Drawn(route.Query{
		Policy: svc.Policy, Candidates: svc.Candidates, Client: w.locator.Locate(client),
	}, region)
	e.Region = e.Decision.Region()
	e.Addresses = w.addresses[e.Region]
	e.Reason = e.Decision.Reason()
	return e, nil
}
