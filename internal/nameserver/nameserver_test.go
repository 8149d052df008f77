package nameserver

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/meridian-run/meridian/internal/place"
	"github.com/meridian-run/meridian/internal/route"
)

func where(t testing.TB, name string) place.Place {
	t.Helper()
	p, ok := place.Find(name)
	if !ok {
		t.Fatalf("no place %q", name)
	}
	return p
}

// testSnapshot is the demo's world: three regions, a latency service, a
// weighted one, a failover one, and one at the apex.
func testSnapshot(t testing.TB) *Snapshot {
	regions := []Region{
		{Name: "us-east-1", Addresses: []netip.Addr{netip.MustParseAddr("127.0.10.1"), netip.MustParseAddr("fd00:10::1")}},
		{Name: "eu-west-1", Addresses: []netip.Addr{netip.MustParseAddr("127.0.20.1")}},
		{Name: "ap-southeast-2", Addresses: []netip.Addr{netip.MustParseAddr("127.0.30.1")}},
	}
	candidates := func(weights ...int) []route.Candidate {
		var list []route.Candidate
		for i, city := range []string{"Ashburn", "Dublin", "Sydney"} {
			list = append(list, route.Candidate{
				Region: regions[i].Name, Point: where(t, city).Point,
				Known: true, Healthy: true, Weight: weights[i], Order: i,
			})
		}
		return list
	}
	return &Snapshot{
		Domain: "notes.test", Serial: 7, Regions: regions,
		Services: []Service{
			{Name: "api", TTL: 5 * time.Second, Policy: route.Latency, Candidates: candidates(0, 0, 0)},
			{Name: "canary", TTL: 1500 * time.Millisecond, Policy: route.Weighted, Candidates: candidates(0, 1, 0)},
			{Name: "batch", Policy: route.Failover, Candidates: candidates(0, 0, 0)},
			{Name: "web", Host: "@", TTL: time.Millisecond, Policy: route.Latency, Candidates: candidates(0, 0, 0)},
			{Name: "shop", Host: "www.shop.example", Policy: route.Latency, Candidates: candidates(0, 0, 0)},
		},
		Locator: place.NewLocator([]place.Network{
			{Prefix: netip.MustParsePrefix("10.1.0.0/16"), Place: where(t, "London")},
			{Prefix: netip.MustParsePrefix("2001:db8::/32"), Place: where(t, "Melbourne")},
		}),
	}
}

func testServer(t testing.TB) *Server {
	t.Helper()
	s := New(Config{})
	if err := s.Publish(testSnapshot(t)); err != nil {
		t.Fatal(err)
	}
	return s
}

// ask packs a query, answers it in memory and unpacks the reply. The resolver
// is at an address that nobody knows.
func ask(t testing.TB, s *Server, m *dns.Msg) *dns.Msg {
	t.Helper()
	return askFrom(t, s, m, "192.0.2.1:5353", "udp")
}

func askFrom(t testing.TB, s *Server, m *dns.Msg, from, network string) *dns.Msg {
	t.Helper()
	packed, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	packed = s.respond(packed, netip.MustParseAddrPort(from), network)
	if packed == nil {
		return nil
	}
	reply := new(dns.Msg)
	if err := reply.Unpack(packed); err != nil {
		t.Fatalf("the reply does not parse: %v", err)
	}
	if reply.Id != m.Id || !reply.Response {
		t.Fatalf("reply %d (response %v) to query %d", reply.Id, reply.Response, m.Id)
	}
	return reply
}

func question(name string, kind uint16) *dns.Msg { return new(dns.Msg).SetQuestion(name, kind) }

// withSubnet adds a client subnet option.
func withSubnet(m *dns.Msg, prefix string) *dns.Msg {
	p := netip.MustParsePrefix(prefix)
	family := uint16(1)
	if p.Addr().Is6() {
		family = 2
	}
	m.SetEdns0(4096, true)
	m.IsEdns0().Option = append(m.IsEdns0().Option, &dns.EDNS0_SUBNET{
		Code: dns.EDNS0SUBNET, Family: family, SourceNetmask: uint8(p.Bits()), Address: p.Addr().AsSlice(),
	})
	return m
}

func subnetOf(m *dns.Msg) *dns.EDNS0_SUBNET {
	if opt := m.IsEdns0(); opt != nil {
		for _, o := range opt.Option {
			if s, ok := o.(*dns.EDNS0_SUBNET); ok {
				return s
			}
		}
	}
	return nil
}

// answers lists the addresses of a reply.
func answers(m *dns.Msg) (list []string) {
	for _, rr := range m.Answer {
		switch rr := rr.(type) {
		case *dns.A:
			list = append(list, rr.A.String())
		case *dns.AAAA:
			list = append(list, rr.AAAA.String())
		}
	}
	return list
}

func TestR1_TheClientsNetworkDecides(t *testing.T) {
	s := testServer(t)
	for _, test := range []struct{ city, want string }{
		{"New York", "127.0.10.1"},
		{"London", "127.0.20.1"},
		{"Auckland", "127.0.30.1"},
	} {
		m := withSubnet(question("api.notes.test.", dns.TypeA), where(t, test.city).Network.String())
		reply := ask(t, s, m)
		if got := answers(reply); !slices.Equal(got, []string{test.want}) || !reply.Authoritative || reply.Answer[0].Header().Ttl != 5 {
			t.Errorf("%s gets %v, want %s:\n%v", test.city, got, test.want, reply)
		}
		if got := subnetOf(reply); got == nil || got.SourceScope != 24 || got.SourceNetmask != 24 || got.Family != 1 {
			t.Errorf("%s: client subnet %v, want scope 24", test.city, got)
		}
		if reply.IsEdns0().UDPSize() != udpBytesMax || !reply.IsEdns0().Do() {
			t.Errorf("%s: OPT %v", test.city, reply.IsEdns0())
		}
	}
}

func TestR1_WithoutTheOptionTheResolverDecides(t *testing.T) {
	s := testServer(t)
	for _, test := range []struct{ from, want string }{
		{"10.1.2.3:53", "127.0.20.1"},
		{"[::ffff:10.1.2.3]:53", "127.0.20.1"},
		{"[2001:db8::5%eth0]:53", "127.0.30.1"},
		{netip.AddrPortFrom(where(t, "New York").Network.Addr().Next(), 53).String(), "127.0.10.1"},
	} {
		for _, edns := range []bool{false, true} {
			m := question("api.notes.test.", dns.TypeA)
			if edns {
				m.SetEdns0(1232, false)
			}
			reply := askFrom(t, s, m, test.from, "udp")
			if got := answers(reply); !slices.Equal(got, []string{test.want}) {
				t.Errorf("%s gets %v, want %s", test.from, got, test.want)
			}
			if (reply.IsEdns0() != nil) != edns || subnetOf(reply) != nil {
				t.Errorf("%s: unasked options in %v", test.from, reply)
			}
		}
	}
}

func TestScopes(t *testing.T) {
	s := testServer(t)
	for _, test := range []struct {
		name, subnet string
		kind         uint16
		scope        uint8
	}{
		{"api.notes.test.", "10.1.2.0/24", dns.TypeA, 16},          // wider than asked: good for all of 10.1/16
		{"api.notes.test.", "10.1.2.3/32", dns.TypeA, 16},          //
		{"api.notes.test.", "2001:db8:1::/48", dns.TypeAAAA, 32},   // NODATA of Sydney, because of the place
		{"api.notes.test.", "0.0.0.0/0", dns.TypeA, 0},             // discloses nothing
		{"api.notes.test.", "::/0", dns.TypeA, 0},                  //
		{"canary.notes.test.", "10.1.2.0/24", dns.TypeA, 0},        // chance, not place
		{"batch.notes.test.", "10.1.2.0/24", dns.TypeA, 0},         // order, not place
		{"api.us-east-1.notes.test.", "10.1.2.0/24", dns.TypeA, 0}, // the same for all
		{"notes.test.", "10.1.2.0/24", dns.TypeSOA, 0},
		{"nothing.notes.test.", "10.1.2.0/24", dns.TypeA, 0},
	} {
		reply := ask(t, s, withSubnet(question(test.name, test.kind), test.subnet))
		got := subnetOf(reply)
		want := netip.MustParsePrefix(test.subnet)
		if got == nil || got.SourceScope != test.scope || int(got.SourceNetmask) != want.Bits() {
			t.Errorf("%s for %s: option %v, want scope %d", test.name, test.subnet, got, test.scope)
		}
	}
	unknown := subnetOf(ask(t, s, withSubnet(question("api.notes.test.", dns.TypeA), "8.8.8.0/24")))
	if unknown == nil || unknown.SourceScope == 0 || unknown.SourceScope > 24 {
		t.Errorf("an unknown network gets %v, want the scope in which nobody is known", unknown)
	}
}

func TestScopeZeroIsDecidedByTheResolver(t *testing.T) {
	s := testServer(t)
	reply := askFrom(t, s, withSubnet(question("api.notes.test.", dns.TypeA), "0.0.0.0/0"), "10.1.2.3:53", "udp")
	if got := answers(reply); !slices.Equal(got, []string{"127.0.20.1"}) {
		t.Errorf("got %v, want the region near the resolver", got)
	}
}

func TestR5_RegionalNamesAnswerWhateverTheHealth(t *testing.T) {
	snapshot := testSnapshot(t)
	for i := range snapshot.Services[0].Candidates {
		snapshot.Services[0].Candidates[i].Healthy = i == 1
		snapshot.Services[0].Candidates[i].Drained = i == 2
	}
	s := New(Config{})
	if err := s.Publish(snapshot); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"api.us-east-1.notes.test.":      "127.0.10.1",
		"api.ap-southeast-2.notes.test.": "127.0.30.1",
		"web.eu-west-1.notes.test.":      "127.0.20.1", // of the apex's service
		"shop.eu-west-1.notes.test.":     "127.0.20.1",
		"ns.us-east-1.notes.test.":       "127.0.10.1",
		"api.notes.test.":                "127.0.20.1",
	} {
		if got := answers(ask(t, s, withSubnet(question(name, dns.TypeA), "198.18.0.0/16"))); !slices.Equal(got, []string{want}) {
			t.Errorf("%s is %v, want %s", name, got, want)
		}
	}
}

func TestNegativeAnswers(t *testing.T) {
	s := testServer(t)
	for _, test := range []struct {
		name  string
		kind  uint16
		rcode int
		zone  string
	}{
		{"nothing.notes.test.", dns.TypeA, dns.RcodeNameError, "notes.test."},
		{"x.api.notes.test.", dns.TypeA, dns.RcodeNameError, "notes.test."}, // no wildcards
		{"api.nowhere.notes.test.", dns.TypeA, dns.RcodeNameError, "notes.test."},
		{"*.notes.test.", dns.TypeA, dns.RcodeNameError, "notes.test."},
		{"us-east-1.notes.test.", dns.TypeA, dns.RcodeSuccess, "notes.test."}, // something is below it
		{"api.notes.test.", dns.TypeMX, dns.RcodeSuccess, "notes.test."},
		{"api.notes.test.", dns.TypeSOA, dns.RcodeSuccess, "notes.test."},
		{"api.notes.test.", dns.TypeNS, dns.RcodeSuccess, "notes.test."},
		{"api.notes.test.", 65280, dns.RcodeSuccess, "notes.test."},
		{"api.eu-west-1.notes.test.", dns.TypeAAAA, dns.RcodeSuccess, "notes.test."},
		{"y.www.shop.example.", dns.TypeA, dns.RcodeNameError, "www.shop.example."},
	} {
		reply := ask(t, s, question(test.name, test.kind))
		if reply.Rcode != test.rcode || len(reply.Answer) != 0 || len(reply.Ns) != 1 || !reply.Authoritative {
			t.Errorf("%s %d:\n%v", test.name, test.kind, reply)
			continue
		}
		soa, ok := reply.Ns[0].(*dns.SOA)
		if !ok || soa.Hdr.Name != test.zone || soa.Hdr.Ttl != 30 || soa.Minttl != 30 {
			t.Errorf("%s %d: authority %v, want the SOA of %s for 30 s", test.name, test.kind, reply.Ns[0], test.zone)
		}
	}
}

func TestOutsideItsZonesItRefuses(t *testing.T) {
	s := testServer(t)
	for _, name := range []string{".", "test.", "example.", "shop.example.", "xnotes.test.", "notes.test.example."} {
		reply := ask(t, s, question(name, dns.TypeA))
		if reply.Rcode != dns.RcodeRefused || reply.Authoritative || len(reply.Ns) != 0 {
			t.Errorf("%s:\n%v", name, reply)
		}
	}
	chaos := question("version.bind.", dns.TypeTXT)
	chaos.Question[0].Qclass = dns.ClassCHAOS
	if reply := ask(t, s, chaos); reply.Rcode != dns.RcodeRefused {
		t.Errorf("version.bind:\n%v", reply)
	}
	for _, kind := range []uint16{dns.TypeAXFR, dns.TypeIXFR} {
		if reply := askFrom(t, s, question("notes.test.", kind), "192.0.2.1:53", "tcp"); reply.Rcode != dns.RcodeRefused {
			t.Errorf("transfer:\n%v", reply)
		}
	}
}

func TestApexRecords(t *testing.T) {
	s := testServer(t)
	soa, ok := ask(t, s, question("notes.test.", dns.TypeSOA)).Answer[0].(*dns.SOA)
	if !ok || soa.Serial != 7 || soa.Ns != "ns.ap-southeast-2.notes.test." || soa.Mbox != "hostmaster.notes.test." {
		t.Errorf("SOA %v", soa)
	}
	reply := ask(t, s, question("notes.test.", dns.TypeNS))
	if len(reply.Answer) != 3 || len(reply.Extra) != 4 {
		t.Errorf("NS:\n%v", reply)
	}
	if got := answers(ask(t, s, withSubnet(question("notes.test.", dns.TypeA), "10.1.0.0/16"))); !slices.Equal(got, []string{"127.0.20.1"}) {
		t.Errorf("the service at the apex answers %v", got)
	}
	if reply := ask(t, s, question("www.shop.example.", dns.TypeNS)); len(reply.Answer) != 3 {
		t.Errorf("NS of a host outside the domain:\n%v", reply)
	}
}

func TestTTLsAreNeverRoundedToZero(t *testing.T) {
	s := testServer(t)
	for name, want := range map[string]uint32{"api.notes.test.": 5, "canary.notes.test.": 2, "batch.notes.test.": 60, "notes.test.": 1, "api.us-east-1.notes.test.": 5} {
		if got := ask(t, s, question(name, dns.TypeA)).Answer[0].Header().Ttl; got != want {
			t.Errorf("%s has TTL %d, want %d", name, got, want)
		}
	}
}

func TestLettersKeepTheirCase(t *testing.T) {
	s := testServer(t)
	reply := ask(t, s, question("aPi.NoTeS.tEsT.", dns.TypeA))
	if reply.Question[0].Name != "aPi.NoTeS.tEsT." || len(reply.Answer) != 1 || reply.Answer[0].Header().Name != "aPi.NoTeS.tEsT." {
		t.Errorf("got\n%v", reply)
	}
}

func TestIPv6(t *testing.T) {
	s := testServer(t)
	newYork := where(t, "New York").Network.String()
	if got := answers(ask(t, s, withSubnet(question("api.notes.test.", dns.TypeAAAA), newYork))); !slices.Equal(got, []string{"fd00:10::1"}) {
		t.Errorf("AAAA gives %v", got)
	}
	if got := answers(ask(t, s, withSubnet(question("api.notes.test.", dns.TypeA), "2001:db8:7::/48"))); !slices.Equal(got, []string{"127.0.30.1"}) {
		t.Errorf("a client with an IPv6 network gets %v", got)
	}
}

func TestH8_FailOpenAnswersAndIsCounted(t *testing.T) {
	snapshot := testSnapshot(t)
	for i := range snapshot.Services[0].Candidates {
		snapshot.Services[0].Candidates[i].Healthy = false
	}
	var counted []Answer
	s := New(Config{OnAnswer: func(a Answer) { counted = append(counted, a) }})
	if err := s.Publish(snapshot); err != nil {
		t.Fatal(err)
	}
	if got := answers(ask(t, s, withSubnet(question("api.notes.test.", dns.TypeA), "10.1.0.0/16"))); !slices.Equal(got, []string{"127.0.20.1"}) {
		t.Errorf("got %v", got)
	}
	want := Answer{Network: "udp", Type: "A", Rcode: "NOERROR", Service: "api", Region: "eu-west-1", FailOpen: true}
	if len(counted) != 1 || counted[0] != want {
		t.Errorf("counted %+v, want %+v", counted, want)
	}
	e, err := s.Explain("api", netip.MustParsePrefix("10.1.0.0/16"))
	if err != nil || !strings.Contains(e.Reason, "fail open") {
		t.Errorf("explained by %q, %v", e.Reason, err)
	}
}

func TestEveryAnswerIsCounted(t *testing.T) {
	var counted []Answer
	s := New(Config{OnAnswer: func(a Answer) { counted = append(counted, a) }})
	ask(t, s, question("api.notes.test.", dns.TypeA))
	if err := s.Publish(testSnapshot(t)); err != nil {
		t.Fatal(err)
	}
	ask(t, s, question("api.us-east-1.notes.test.", dns.TypeA))
	ask(t, s, question("api.notes.test.", dns.TypeTXT))
	ask(t, s, question("no.notes.test.", 65280))
	ask(t, s, question("example.", dns.TypeA))
	s.respond([]byte("short"), netip.AddrPort{}, "tcp")
	want := []Answer{
		{Network: "udp", Type: "A", Rcode: "SERVFAIL"}, // nothing is published
		{Network: "udp", Type: "A", Rcode: "NOERROR", Service: "api", Region: "us-east-1"},
		{Network: "udp", Type: "TXT", Rcode: "NODATA"},
		{Network: "udp", Type: "OTHER", Rcode: "NXDOMAIN"},
		{Network: "udp", Type: "A", Rcode: "REFUSED"},
		{Network: "tcp", Type: "OTHER", Rcode: "DROPPED"},
	}
	if !slices.Equal(counted, want) {
		t.Errorf("counted\n%+v\nwant\n%+v", counted, want)
	}
}

func TestBadSnapshotsLeaveTheLastOne(t *testing.T) {
	s := testServer(t)
	for name, change := range map[string]func(*Snapshot){
		"no domain":    func(w *Snapshot) { w.Domain = "" },
		"long label":   func(w *Snapshot) { w.Services[0].Name = strings.Repeat("x", 64) },
		"wildcard":     func(w *Snapshot) { w.Services[0].Host = "*.notes.test" },
		"one host":     func(w *Snapshot) { w.Services[1].Host = "api.notes.test" },
		"a regional":   func(w *Snapshot) { w.Services[1].Host = "api.us-east-1.notes.test" },
		"a nameserver": func(w *Snapshot) { w.Nameservers = []Nameserver{{Name: "a..b"}} },
	} {
		snapshot := testSnapshot(t)
		change(snapshot)
		if err := s.Publish(snapshot); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if len(answers(ask(t, s, question("api.notes.test.", dns.TypeA)))) != 1 {
		t.Error("the last good snapshot is gone")
	}
}
