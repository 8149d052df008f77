package gateway

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/meridian-run/meridian/internal/function"
)

const (
	timeoutDefault     = 30 * time.Second
	backendBodyDefault = 10 << 20
)

// routes is a snapshot, made ready for looking up.
type routes struct {
	byHost map[string]*route
	hosts  []string // the shared ones, sorted, for error messages
	only   *route   // the service of a world that has one
}

// route is a service and its shared health check.
type route struct {
	Service
	check *sharedCheck
}

func newRoutes(s *Snapshot, before *routes) *routes {
	rs := &routes{byHost: map[string]*route{}}
	for _, service := range s.Services {
		service.fill()
		rt := &route{Service: service}
		rt.check = before.keepCheck(rt)
		for _, host := range []string{service.Host, service.RegionalHost} {
			if host != "" {
				rs.byHost[normalHost(host)] = rt
			}
		}
		rs.hosts = append(rs.hosts, service.Host)
		rs.only = rt
	}
	if len(s.Services) != 1 {
		rs.only = nil
	}
	slices.Sort(rs.hosts)
	return rs
}

func (s *Service) fill() {
	if s.Timeout <= 0 {
		s.Timeout = timeoutDefault
	}
	if s.BodyMax <= 0 {
		s.BodyMax = backendBodyDefault
		if s.Function != nil {
			s.BodyMax = function.PayloadMax
		}
	}
	s.Health.fill()
}

// keepCheck returns the check of the same service before, or a new one.
func (rs *routes) keepCheck(rt *route) *sharedCheck {
	if rs != nil {
		for _, old := range rs.byHost {
			if old.Name == rt.Name && old.Function == rt.Function && sameURL(old.Service, rt.Service) && old.Health == rt.Health {
				return old.check
			}
		}
	}
	return &sharedCheck{}
}

// named returns the route of a service, or nil.
func (rs *routes) named(service string) *route {
	for _, rt := range rs.byHost {
		if rt.Name == service {
			return rt
		}
	}
	return nil
}

func sameURL(a, b Service) bool {
	if a.Backend == nil || b.Backend == nil {
		return a.Backend == b.Backend
	}
	return *a.Backend == *b.Backend
}

// find returns the service for a request's Host. A bare address (an IP or
// localhost) is that of the only service, if there is one.
func (rs *routes) find(host string) *route {
	host = normalHost(host)
	if rt := rs.byHost[host]; rt != nil {
		return rt
	}
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil || host == "localhost" || host == "" {
		return rs.only
	}
	return nil
}

// normalHost is host in lower case, without port and trailing dot.
func normalHost(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}
