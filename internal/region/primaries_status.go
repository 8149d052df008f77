package region

import (
	"slices"
	"strings"

	"github.com/meridian-run/meridian/client"
)

// describeStrict says what a region does for tables that ask for more than the
// default.
func (d *data) describeStrict(s *client.Region, a *applied) {
	s.Leases = d.primaries.describe()
	if a != nil {
		s.Copies = d.copies.describe(a.state.Tables)
	}
}

// describe lists this region's turns.
func (p *primaries) describe() (out []client.Lease) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.clock()
	for _, s := range p.seats {
		l := client.Lease{Table: s.table.Name, Epoch: s.turn.Epoch(), Why: p.why(s, s.table.Name)}
		if s.turn.Holds(now) {
			l.Holder, l.LeftMillis = p.region.cfg.Name, millis(s.turn.Left(now))
		}
		out = append(out, l)
	}
	slices.SortFunc(out, func(a, b client.Lease) int { return strings.Compare(a.Table, b.Table) })
	return out
}
