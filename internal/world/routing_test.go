package world

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/meridian-run/meridian/client"
)

// The regions of most tests, and a place beside each.
const (
	us, eu, ap = "us-east-1", "eu-west-1", "ap-southeast-2"
)

var besides = map[string]string{us: "New York", eu: "London", ap: "Sydney"}

// shopSpec has one service for each policy, on backends, and one function.
// The regions are closer to each other than their places: a check may take no
// longer than its interval, and the machine may be busy.
const shopSpec = `
world: shop
domain: shop.test
regions:
  us-east-1:      {place: Ashburn}
  eu-west-1:      {place: Dublin}
  ap-southeast-2: {place: Sydney}
tables:
  notes: {key: pk}
services:
  web:
    host: "@"
    backend: {us-east-1: "US", eu-west-1: "EU", ap-southeast-2: "AP"}
    health:  {path: /health, every: 1s, fail_after: 3}
    routing: {policy: latency, ttl: 1s}
  canary:
    backend: {us-east-1: "US", eu-west-1: "EU", ap-southeast-2: "AP"}
    health:  {path: /health, every: 1s}
    routing: {policy: weighted, ttl: 1s, weights: {us-east-1: 90, eu-west-1: 10, ap-southeast-2: 0}}
  ledger:
    backend: {us-east-1: "LUS", eu-west-1: "LEU", ap-southeast-2: "LAP"}
    health:  {path: /health, every: 1s}
    routing: {policy: failover, ttl: 1s, primary: eu-west-1}
  api:
    function: {bundle: BUNDLE}
    tables:   [notes]
    health:   {path: /health, every: 1s}
    routing:  {policy: latency, ttl: 1s}
`

// near is a world in which light is faster.
func near(string, string) time.Duration { return 40 * time.Millisecond }

// shop is a running world of shopSpec and the backends in it.
type shop struct {
	*World
	web, ledger map[string]*backend
}

func newShop(t *testing.T) shop {
	s := shop{web: map[string]*backend{}, ledger: map[string]*backend{}}
	text := shopSpec
	for mark, name := range map[string]string{"US": us, "EU": eu, "AP": ap} {
		s.web[name], s.ledger[name] = newBackend(t, "web in "+name), newBackend(t, "ledger in "+name)
		text = strings.ReplaceAll(text, `"`+mark+`"`, s.web[name].URL)
		text = strings.ReplaceAll(text, `"L`+mark+`"`, s.ledger[name].URL)
	}
	s.World = run(t, Config{Spec: parse(t, text), RoundTrip: near})
	return s
}

// everywhere waits until all nameservers send a client of a place to a region.
func (s shop) everywhere(t *testing.T, host, from, to string) {
	t.Helper()
	eventually(t, 40*time.Second, fmt.Sprintf("every nameserver sends %s from %s to %s", host, from, to), func() bool {
		for _, at := range []string{us, eu, ap} {
			if answered(t, s.World, at, host, from) != to {
				return false
			}
		}
		return true
	})
}

func TestTraffic_R1_R2_R3_R4_R5_H1_H4_H5_H7_H8_F1_F4_I1(t *testing.T) {
	t.Parallel()
	w := newShop(t)
	t.Run("R1 the nearest region, by client subnet", w.nearestRegion)
	t.Run("R3 shares by weight", w.shares)
	t.Run("R5 one name, regional names, probes of the regional ones", w.names)
	t.Run("F1 F4 I1 hosts and paths lead to functions and backends", w.hosts)
	t.Run("H1 H4 R2 a failing deep check leaves the answers", w.failingCheck)
	t.Run("H5 fewer failures than fail_after change nothing", w.flap)
	t.Run("R4 failover by order", w.failover)
	t.Run("H7 one observer's bad network evacuates nobody", w.badNetwork)
	t.Run("H8 no region healthy: all are answered, visibly", w.failOpen)
}

func (s shop) nearestRegion(t *testing.T) {
	for from, want := range map[string]string{
		"New York": us, "São Paulo": us, "us-west-2": us, "Berlin": eu, "Cape Town": eu, "Sydney": ap, "Tokyo": ap, "Singapore": ap,
	} {
		for _, nameserver := range []string{us, eu, ap} {
			if got := answered(t, s.World, nameserver, "shop.test", from); got != want {
				t.Errorf("the nameserver of %s sends %s to %s, want %s", nameserver, from, got, want)
			}
		}
		u := newUser(t, s.World, "shop.test", from)
		if got := u.must(t, "GET", "/x", "", 200); got.body != "GET /x for web in "+want || got.servedBy != want {
			t.Errorf("%s got %q by %s, want it of %s", from, got.body, got.servedBy, want)
		}
	}
}

func (s shop) shares(t *testing.T) {
	count := map[string]int{}
	for i := range 1000 {
		subnet := netip.PrefixFrom(netip.AddrFrom4([4]byte{203, byte(i / 250), byte(i % 250), 0}), 24)
		reply, err := query(s.nodes[eu].at(portDNS), "canary.shop.test", dns.TypeA, subnet, "udp")
		if err != nil || len(reply.Answer) != 1 {
			t.Fatalf("%v, %v", reply, err)
		}
		for _, site := range s.sites {
			if strings.HasSuffix(reply.Answer[0].String(), "\t"+site.tag.String()) {
				count[site.name]++
			}
		}
	}
	if count[eu] < 60 || count[eu] > 140 || count[ap] != 0 || count[us]+count[eu] != 1000 {
		t.Errorf("1000 clients were sent to %v, want about 900 to %s, 100 to %s, none to %s", count, us, eu, ap)
	}
}

func (s shop) names(t *testing.T) {
	for _, at := range []string{us, eu, ap} {
		for _, host := range []string{"web", "api", "ledger"} {
			if got := answered(t, s.World, eu, host+"."+at+".shop.test", "Tokyo"); got != at {
				t.Errorf("%s.%s.shop.test leads to %s", host, at, got)
			}
		}
		s.web[at].mu.Lock()
		for host := range s.web[at].hosts {
			if name, _, _ := strings.Cut(host, ":"); name != "web."+at+".shop.test" && name != "canary."+at+".shop.test" {
				t.Errorf("a check of %s was made for %s, want its regional name", at, host)
			}
		}
		s.web[at].mu.Unlock()
	}
	for _, network := range []string{"udp", "tcp"} {
		for name, want := range map[string]struct {
			kind  uint16
			rcode int
		}{
			"shop.test":         {dns.TypeSOA, dns.RcodeSuccess},
			"nobody.shop.test":  {dns.TypeA, dns.RcodeNameError},
			"api.shop.test":     {dns.TypeAAAA, dns.RcodeSuccess},
			"somewhere.example": {dns.TypeA, dns.RcodeRefused},
		} {
			reply, err := query(s.nodes[us].at(portDNS), name, want.kind, netip.Prefix{}, network)
			if err != nil || reply.Rcode != want.rcode {
				t.Errorf("%s %s over %s: %v, %v, want %s", dns.TypeToString[want.kind], name, network, reply, err, dns.RcodeToString[want.rcode])
			}
		}
	}
}

func (s shop) hosts(t *testing.T) {
	if got := newUser(t, s.World, "ledger.shop.test", "Berlin").must(t, "GET", "/accounts/7?x=1", "", 200); got.body != "GET /accounts/7 for ledger in "+eu {
		t.Errorf("the ledger answered %q", got.body)
	}
	api := newUser(t, s.World, "api.shop.test", "Berlin")
	if got := api.must(t, "POST", "/data", `{"name":"x"}`, 200); !strings.Contains(got.body, "requestId") || got.header.Get("X-Request-Id") == "" {
		t.Errorf("the function answered %q with %v", got.body, got.header)
	}
	if got := api.must(t, "GET", "/nothing", "", 404); !strings.Contains(got.body, "Not found!") {
		t.Errorf("the function answered %q", got.body)
	}
	// A region's bare address leads nowhere in particular where there are many
	// services: the answer lists them.
	got, err := api.doAt(t.Context(), s.nodes[us].at(portGateway), "", "GET", "/", "")
	if err != nil || got.status != 404 {
		t.Fatalf("the bare address answered %v, %v, want 404", got, err)
	}
	for _, host := range []string{"shop.test", "api.shop.test", "ledger.shop.test", "canary.shop.test"} {
		if !strings.Contains(got.body, host) {
			t.Errorf("the bare address does not list %s: %s", host, got.body)
		}
	}
}

func (s shop) failingCheck(t *testing.T) {
	began := time.Now()
	s.web[us].setBroken(true)
	s.everywhere(t, "shop.test", "New York", eu)
	if got := answered(t, s.World, us, "shop.test", "Sydney"); got != ap {
		t.Errorf("Sydney is sent to %s, want %s: it has nothing to do with it", got, ap)
	}
	got := serviceRegion(t, s.World, ap, "web", us)
	if got.Answered || got.Health.Verdict != client.Unhealthy || !strings.Contains(got.Health.Reason, "503") || got.Health.Since.Before(began) {
		t.Errorf("%s sees %+v, want unhealthy because of a 503", ap, got)
	}
	removed := told(t, s.World, eu, "removed", us, "web in us-east-1 removed")
	if !strings.Contains(removed.Text, "(seen by ") || removed.Service != "web" || len(removed.SeenBy) < 2 {
		t.Errorf("the event is %+v", removed)
	}
	lookup, err := s.Region(eu).Lookup(t.Context(), client.LookupRequest{Name: "web", From: "New York"})
	if err != nil || len(lookup.Excluded) != 1 || lookup.Excluded[0].Region != us || !strings.Contains(lookup.Excluded[0].Why, "503") {
		t.Errorf("lookup explains %+v, %v, want why not %s", lookup, err, us)
	}
	// The other services of the region go on.
	if got := answered(t, s.World, eu, "api.shop.test", "New York"); got != us {
		t.Errorf("api from New York is sent to %s, want %s", got, us)
	}
	// Its regional name still answers, or nothing could see it recover.
	if got := answered(t, s.World, eu, "web.us-east-1.shop.test", "Tokyo"); got != us {
		t.Errorf("the regional name leads to %s", got)
	}
	s.web[us].setBroken(false)
	s.everywhere(t, "shop.test", "New York", us)
	told(t, s.World, eu, "restored", us, "web in us-east-1 is answered again")
}

func (s shop) flap(t *testing.T) {
	unlessStalled(t, func() (wrong string) {
		before := len(status(t, s.World, eu).Events)
		for range 3 {
			s.web[eu].failNext(1)
			next := s.web[eu].checked() + 4
			eventually(t, 40*time.Second, "four more checks ran", func() bool { return s.web[eu].checked() >= next })
		}
		for _, e := range status(t, s.World, eu).Events[before:] {
			if e.Kind == "removed" && e.Region == eu {
				return "one failure at a time: " + e.Text
			}
		}
		return ""
	})
}

func (s shop) failover(t *testing.T) {
	for _, from := range []string{"New York", "Sydney", "London", ""} {
		if got := answered(t, s.World, ap, "ledger.shop.test", from); got != eu {
			t.Errorf("%q is sent to %s, want the primary", from, got)
		}
	}
	s.ledger[eu].setBroken(true)
	s.everywhere(t, "ledger.shop.test", "Sydney", us)
	s.ledger[us].setBroken(true)
	s.everywhere(t, "ledger.shop.test", "New York", ap)
	s.ledger[us].setBroken(false)
	s.everywhere(t, "ledger.shop.test", "Sydney", us)
	s.ledger[eu].setBroken(false)
	s.everywhere(t, "ledger.shop.test", "Sydney", eu)
}

func (s shop) badNetwork(t *testing.T) {
	unlessStalled(t, func() string { return s.oneLineCut(t) })
}

// oneLineCut cuts one observer off from one region for a while, and answers what
// came of it that should not.
func (s shop) oneLineCut(t *testing.T) (wrong string) {
	before := len(status(t, s.World, eu).Events)
	s.network.Cut(us, ap)
	defer s.network.Heal(us, ap)
	eventually(t, 40*time.Second, us+" finds "+ap+" unhealthy", func() bool {
		seen := serviceRegion(t, s.World, eu, "web", ap).Health.Seen
		return slices.ContainsFunc(seen, func(o client.Seen) bool { return o.Observer == us && !o.Healthy })
	})
	if got := serviceRegion(t, s.World, eu, "web", ap); !got.Answered || got.Health.Verdict != client.Healthy {
		wrong = fmt.Sprintf("%s is %+v, want it answered: two of three see it", ap, got)
	}
	if got := answered(t, s.World, eu, "shop.test", "Sydney"); got != ap {
		wrong = fmt.Sprintf("Sydney is sent to %s", got)
	}
	s.network.Heal(us, ap)
	eventually(t, 40*time.Second, us+" finds "+ap+" healthy again", func() bool {
		seen := serviceRegion(t, s.World, us, "web", ap).Health.Seen
		return !slices.ContainsFunc(seen, func(o client.Seen) bool { return !o.Healthy || !o.Fresh })
	})
	for _, e := range status(t, s.World, eu).Events[before:] {
		if e.Kind == "removed" {
			wrong = "removed while one line was cut: " + e.Text
		}
	}
	return wrong
}

func (s shop) failOpen(t *testing.T) {
	for _, b := range s.web {
		b.setBroken(true)
	}
	eventually(t, 40*time.Second, "web fails open, and status says so", func() bool {
		for _, at := range []string{us, eu, ap} {
			i := slices.IndexFunc(status(t, s.World, at).Services, func(x client.Service) bool { return x.Name == "web" })
			if !status(t, s.World, at).Services[i].FailOpen {
				return false
			}
		}
		return true
	})
	for at, from := range besides {
		s.everywhere(t, "shop.test", from, at)
	}
	if !slices.ContainsFunc(status(t, s.World, eu).Events, func(e client.Event) bool {
		return e.Kind == "fail-open" && e.Service == "web" && strings.Contains(e.Text, "no region is healthy for web")
	}) {
		t.Errorf("no event says that web fails open: %v", status(t, s.World, eu).Events)
	}
	lookup, err := s.Region(us).Lookup(t.Context(), client.LookupRequest{Name: "web", From: "New York"})
	if err != nil || !lookup.FailOpen || !strings.Contains(lookup.Reason, "fail") {
		t.Errorf("lookup explains %+v, %v", lookup, err)
	}
	newUser(t, s.World, "shop.test", "New York").must(t, "GET", "/x", "", 200)
	for _, b := range s.web {
		b.setBroken(false)
	}
	eventually(t, 40*time.Second, "web is healthy again", func() bool {
		return !slices.ContainsFunc(status(t, s.World, eu).Services, func(x client.Service) bool { return x.FailOpen })
	})
}
