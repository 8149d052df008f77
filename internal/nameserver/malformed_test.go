package nameserver

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/miekg/dns"
)

var resolver = netip.MustParseAddrPort("192.0.2.1:5353")

// rcode is the code of a raw reply's header, -1 for none.
func rcode(reply []byte) int {
	if reply == nil {
		return -1
	}
	return int(reply[3] & 0xF)
}

func packed(t testing.TB, m *dns.Msg) []byte {
	t.Helper()
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestMalformedPackets(t *testing.T) {
	s := testServer(t)
	valid := packed(t, question("api.notes.test.", dns.TypeA))
	change := func(at int, value byte) []byte {
		b := append([]byte(nil), valid...)
		b[at] = value
		return b
	}
	for name, test := range map[string]struct {
		packet []byte
		want   int
	}{
		"nothing":         {nil, -1},
		"half a header":   {valid[:11], -1},
		"a response":      {change(2, 0x80), -1},
		"no question":     {append(change(5, 0)[:12:12], 0), dns.RcodeFormatError},
		"two questions":   {change(5, 2), dns.RcodeFormatError},
		"cut short":       {valid[:20], dns.RcodeFormatError},
		"a pointer loop":  {append(valid[:12:12], 0xC0, 12, 0, 1, 0, 1), dns.RcodeFormatError},
		"a bad label":     {append(valid[:12:12], 0x80, 12, 0, 1, 0, 1), dns.RcodeFormatError},
		"an update":       {change(2, 5<<3), dns.RcodeNotImplemented},
		"a notify":        {change(2, 4<<3), dns.RcodeNotImplemented},
		"a status":        {change(2, 2<<3), dns.RcodeNotImplemented},
		"too long":        {append(append([]byte(nil), valid...), make([]byte, queryBytesMax)...), dns.RcodeFormatError},
		"only the header": {valid[:12], dns.RcodeFormatError},
	} {
		reply := s.respond(test.packet, resolver, "udp")
		if got := rcode(reply); got != test.want {
			t.Errorf("%s: rcode %d, want %d", name, got, test.want)
		}
		if reply != nil && (binary.BigEndian.Uint16(reply) != binary.BigEndian.Uint16(valid) || reply[2]&0x80 == 0) {
			t.Errorf("%s: header % x", name, reply[:12])
		}
	}
}

func TestTwoQuestionsAreAFormatError(t *testing.T) {
	m := question("api.notes.test.", dns.TypeA)
	m.Question = append(m.Question, m.Question[0])
	if got := rcode(testServer(t).respond(packed(t, m), resolver, "udp")); got != dns.RcodeFormatError {
		t.Errorf("rcode %d", got)
	}
}

func TestEDNSVersions(t *testing.T) {
	m := question("api.notes.test.", dns.TypeA).SetEdns0(1232, false)
	m.IsEdns0().SetVersion(1)
	reply := ask(t, testServer(t), m)
	if reply.Rcode != dns.RcodeBadVers || reply.IsEdns0() == nil || reply.IsEdns0().Version() != 0 || len(reply.Answer) != 0 {
		t.Errorf("got\n%v", reply)
	}
}

func TestTwoOPTRecordsAreAFormatError(t *testing.T) {
	m := question("api.notes.test.", dns.TypeA).SetEdns0(1232, false)
	m.Extra = append(m.Extra, m.Extra[0])
	if got := rcode(testServer(t).respond(packed(t, m), resolver, "udp")); got != dns.RcodeFormatError {
		t.Errorf("rcode %d", got)
	}
}

func TestSignedQueriesAreNotAuthorised(t *testing.T) {
	m := question("api.notes.test.", dns.TypeA)
	m.Extra = append(m.Extra, &dns.TSIG{
		Hdr:       dns.RR_Header{Name: "key.", Rrtype: dns.TypeTSIG, Class: dns.ClassANY},
		Algorithm: dns.HmacSHA256, TimeSigned: 1, Fudge: 300, OrigId: m.Id,
	})
	if got := rcode(testServer(t).respond(packed(t, m), resolver, "udp")); got != dns.RcodeNotAuth {
		t.Errorf("rcode %d", got)
	}
}

// rawSubnet is a query whose client subnet option has these bytes.
func rawSubnet(t testing.TB, options ...[]byte) []byte {
	m := question("api.notes.test.", dns.TypeA).SetEdns0(1232, false)
	for _, data := range options {
		m.IsEdns0().Option = append(m.IsEdns0().Option, &dns.EDNS0_LOCAL{Code: dns.EDNS0SUBNET, Data: data})
	}
	return packed(t, m)
}

func TestBadSubnetOptionsAreFormatErrors(t *testing.T) {
	s := testServer(t)
	good := []byte{0, 1, 24, 0, 198, 18, 1}
	for name, test := range map[string]struct {
		options [][]byte
		want    int
	}{
		"good":               {[][]byte{good}, dns.RcodeSuccess},
		"dig +subnet=0":      {[][]byte{{0, 0, 0, 0}}, dns.RcodeSuccess},
		"nothing":            {[][]byte{{}}, dns.RcodeFormatError},
		"three octets":       {[][]byte{{0, 1, 0}}, dns.RcodeFormatError},
		"a scope":            {[][]byte{{0, 1, 24, 24, 198, 18, 1}}, dns.RcodeFormatError},
		"too few octets":     {[][]byte{{0, 1, 24, 0, 198, 18}}, dns.RcodeFormatError},
		"too many octets":    {[][]byte{{0, 1, 24, 0, 198, 18, 1, 0}}, dns.RcodeFormatError},
		"bits behind prefix": {[][]byte{{0, 1, 20, 0, 198, 18, 1}}, dns.RcodeFormatError},
		"a long prefix":      {[][]byte{{0, 1, 33, 0, 1, 2, 3, 4, 5}}, dns.RcodeFormatError},
		"family 3":           {[][]byte{{0, 3, 0, 0}}, dns.RcodeFormatError},
		"family 0 with bits": {[][]byte{{0, 0, 8, 0, 1}}, dns.RcodeFormatError},
		"two of them":        {[][]byte{good, good}, dns.RcodeFormatError},
	} {
		if got := rcode(s.respond(rawSubnet(t, test.options...), resolver, "udp")); got != test.want {
			t.Errorf("%s: rcode %d, want %d", name, got, test.want)
		}
	}
}

func TestANYIsAnsweredSmall(t *testing.T) {
	reply := ask(t, testServer(t), question("api.notes.test.", dns.TypeANY))
	if len(reply.Answer) != 1 || reply.Answer[0].Header().Rrtype != dns.TypeHINFO {
		t.Errorf("got\n%v", reply)
	}
}

func TestLongAnswersAreTruncatedOnUDPOnly(t *testing.T) {
	snapshot := testSnapshot(t)
	snapshot.Regions = nil
	for i := range 40 {
		snapshot.Nameservers = append(snapshot.Nameservers, Nameserver{
			Name:      string(rune('a'+i%26)) + string(rune('a'+i/26)) + ".a-rather-long-name-of-a-nameserver.notes.test",
			Addresses: []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})},
		})
	}
	s := New(Config{})
	if err := s.Publish(snapshot); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		size      uint16
		network   string
		most      int
		truncated bool
	}{
		{0, "udp", 512, true},
		{100, "udp", 512, true},
		{700, "udp", 700, true},
		{65535, "udp", udpBytesMax, true},
		{0, "tcp", 65535, false},
	} {
		m := question("notes.test.", dns.TypeNS)
		if test.size > 0 {
			m.SetEdns0(test.size, false)
		}
		raw := s.respond(packed(t, m), resolver, test.network)
		reply := new(dns.Msg)
		if err := reply.Unpack(raw); err != nil {
			t.Fatal(err)
		}
		if len(raw) > test.most || reply.Truncated != test.truncated {
			t.Errorf("%d over %s: %d bytes, truncated %v", test.size, test.network, len(raw), reply.Truncated)
		}
	}
}

// Whatever the packet, the server does not panic; what it answers parses, is a
// response to it, and is not longer than a resolver can take.
func FuzzRespond(f *testing.F) {
	s := testServer(f)
	f.Add(packed(f, question("api.notes.test.", dns.TypeA)))
	f.Add(packed(f, withSubnet(question("notes.test.", dns.TypeNS), "10.1.0.0/16")))
	f.Add(packed(f, withSubnet(question("x.us-east-1.notes.test.", dns.TypeAAAA), "2001:db8::/56")))
	f.Add(rawSubnet(f, []byte{0, 0, 0, 0}))
	f.Add(packed(f, question(".", dns.TypeANY)))
	f.Fuzz(func(t *testing.T, packet []byte) {
		for _, network := range []string{"udp", "tcp"} {
			answer := Answer{Network: network}
			raw := s.answer(packet, resolver, &answer) // not respond, which would hide a panic
			if raw == nil {
				if len(packet) >= headerBytes && packet[2]&0x80 == 0 {
					t.Fatalf("no reply to a query: % x", packet)
				}
				continue
			}
			if raw[0] != packet[0] || raw[1] != packet[1] || raw[2]&0x80 == 0 {
				t.Fatalf("not a response to it: % x", raw)
			}
			if network == "udp" && len(raw) > udpBytesMax {
				t.Fatalf("%d bytes over UDP", len(raw))
			}
			if err := new(dns.Msg).Unpack(raw); err != nil {
				t.Fatalf("the reply does not parse: %v\n% x", err, raw)
			}
		}
	})
}
