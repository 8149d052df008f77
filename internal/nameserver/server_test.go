package nameserver

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/meridian-run/meridian/internal/route"
)

// listen opens a UDP and a TCP socket on one port of loopback.
func listen(t *testing.T) (net.PacketConn, net.Listener) {
	t.Helper()
	for range 20 { // the TCP port of a free UDP port may be taken
		udp, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		tcp, err := net.Listen("tcp", udp.LocalAddr().String())
		if err == nil {
			return udp, tcp
		}
		udp.Close()
	}
	t.Fatal("no port is free for both UDP and TCP")
	return nil, nil
}

// serve runs a server on loopback and gives its address; it is gone when the
// test ends.
func serve(t *testing.T, cfg Config) (*Server, string) {
	t.Helper()
	udp, tcp := listen(t)
	address := udp.LocalAddr().String()
	cfg.PacketConns, cfg.Listeners = []net.PacketConn{udp}, []net.Listener{tcp}
	s := New(cfg)
	if err := s.Publish(testSnapshot(t)); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return s, address
}

func TestRealClientsOverUDPAndTCP(t *testing.T) {
	_, address := serve(t, Config{})
	for _, network := range []string{"udp", "tcp"} {
		client := &dns.Client{Net: network, Timeout: 5 * time.Second}
		reply, _, err := client.Exchange(withSubnet(question("api.notes.test.", dns.TypeA), "10.1.0.0/16"), address)
		if err != nil {
			t.Fatal(err)
		}
		if got := answers(reply); !slices.Equal(got, []string{"127.0.20.1"}) {
			t.Errorf("%s: %v", network, got)
		}
	}
}

func TestManyQueriesOnOneConnection(t *testing.T) {
	_, address := serve(t, Config{})
	conn, err := dns.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	for i := range 50 {
		if err := conn.WriteMsg(question("api.notes.test.", dns.TypeA)); err != nil {
			t.Fatal(err)
		}
		if reply, err := conn.ReadMsg(); err != nil || len(reply.Answer) != 1 {
			t.Fatalf("query %d: %v, %v", i, reply, err)
		}
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	_, address := serve(t, Config{TCPConnections: 1})
	first, err := dns.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	exchange := func(conn *dns.Conn) error {
		conn.SetDeadline(time.Now().Add(10 * time.Second))
		if err := conn.WriteMsg(question("api.notes.test.", dns.TypeA)); err != nil {
			return err
		}
		_, err := conn.ReadMsg()
		return err
	}
	if err := exchange(first); err != nil {
		t.Fatal(err)
	}
	second, err := dns.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if err := exchange(second); err == nil {
		t.Error("a second connection is served")
	}
	if err := exchange(first); err != nil {
		t.Errorf("the first one suffered: %v", err)
	}
}

func TestOversizedMessagesEndTheConnection(t *testing.T) {
	_, address := serve(t, Config{})
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	conn.Write(binary.BigEndian.AppendUint16(nil, 65535))
	if n, err := conn.Read(make([]byte, 1)); err == nil {
		t.Errorf("read %d bytes, want the end", n)
	}
}

// Readers and Publish run together under -race; every answer is of one snapshot
// or the other.
func TestPublishSwapsUnderLoad(t *testing.T) {
	s, address := serve(t, Config{OnAnswer: func(Answer) {}})
	done := make(chan struct{})
	var asking sync.WaitGroup
	for range 4 {
		asking.Go(func() {
			client := &dns.Client{Timeout: 5 * time.Second}
			for {
				select {
				case <-done:
					return
				default:
				}
				reply, _, err := client.Exchange(withSubnet(question("api.notes.test.", dns.TypeA), "10.1.0.0/16"), address)
				if err != nil {
					t.Errorf("query: %v", err)
					return
				}
				if got := fmt.Sprint(answers(reply)); got != "[127.0.20.1]" && got != "[127.0.10.1]" {
					t.Errorf("answered %s", got)
				}
			}
		})
	}
	for i := range 200 {
		snapshot := testSnapshot(t)
		snapshot.Services[0].Candidates[1].Healthy = i%2 == 0
		if err := s.Publish(snapshot); err != nil {
			t.Fatal(err)
		}
	}
	close(done)
	asking.Wait()
}

func TestABrokenSocketEndsRun(t *testing.T) {
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := New(Config{PacketConns: []net.PacketConn{udp}})
	ended := make(chan error, 1)
	go func() { ended <- s.Run(context.Background()) }()
	udp.Close()
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Run gives %v", err)
	}
}

func TestExplain(t *testing.T) {
	s := testServer(t)
	if _, err := New(Config{}).Explain("api", netip.Prefix{}); !errors.Is(err, ErrNotReady) {
		t.Errorf("before Publish: %v", err)
	}
	if _, err := s.Explain("nothing", netip.Prefix{}); !errors.Is(err, ErrUnknownName) {
		t.Errorf("a stranger: %v", err)
	}
	client := where(t, "New York").Network
	for _, name := range []string{"api", "api.notes.test", "API.notes.test."} {
		e, err := s.Explain(name, client)
		if err != nil {
			t.Fatal(err)
		}
		if e.Name != "api.notes.test" || e.Service != "api" || e.Region != "us-east-1" || e.Scope != 24 || e.TTL != 5*time.Second ||
			e.Kind != KindService || e.Decision.Rule != route.Nearest || len(e.Addresses) != 2 || e.Reason == "" {
			t.Errorf("%s: %+v", name, e)
		}
		want := "dig @127.0.10.1 -p 5300 api.notes.test A +subnet=" + client.String()
		if got := e.Dig(netip.MustParseAddrPort("127.0.10.1:5300")); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	e, err := s.Explain("api.eu-west-1.notes.test", client)
	if err != nil || e.Kind != KindRegional || e.Region != "eu-west-1" || e.Scope != 0 {
		t.Errorf("regional: %+v, %v", e, err)
	}
	e, err = s.Explain("api", netip.Prefix{})
	if err != nil || e.Decision.Rule != route.EqualShares {
		t.Errorf("unknown place: %+v, %v", e, err)
	}
}

// Names that belong to no service are explained as they are answered.
func TestExplainInfrastructure(t *testing.T) {
	s := testServer(t)
	snapshot := testSnapshot(t)
	snapshot.Services = slices.DeleteFunc(snapshot.Services, func(s Service) bool { return s.Host == "@" })
	if err := s.Publish(snapshot); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name      string
		kind      Kind
		region    string
		addresses int
		ttl       time.Duration
		question  uint16 // that the explanation is of
		reason    string
	}{
		{"ns.us-east-1.notes.test", KindNameserver, "us-east-1", 2, 300 * time.Second, dns.TypeA, "always answers that region's address"},
		{"notes.test", KindApex, "", 0, 300 * time.Second, dns.TypeNS, "SOA record and NS records (ns.ap-southeast-2.notes.test, "},
		{"us-east-1.notes.test", KindEmpty, "", 0, 30 * time.Second, dns.TypeA, "only because of names below it"},
	} {
		e, err := s.Explain(c.name, netip.Prefix{})
		if err != nil {
			t.Fatal(err)
		}
		if e.Kind != c.kind || e.Region != c.region || len(e.Addresses) != c.addresses || e.TTL != c.ttl || !strings.Contains(e.Reason, c.reason) {
			t.Errorf("%s: %+v", c.name, e)
		}
		reply := ask(t, s, question(c.name+".", c.question))
		records := append(reply.Answer, reply.Ns...)
		if len(records) == 0 || time.Duration(records[0].Header().Ttl)*time.Second != e.TTL {
			t.Errorf("%s: explained with TTL %v, answered with %v", c.name, e.TTL, records)
		}
		if want := " " + c.name + " " + dns.TypeToString[c.question]; !strings.HasSuffix(e.Dig(netip.MustParseAddrPort("127.0.10.1:53")), want) {
			t.Errorf("%s: dig is %q, want %q at its end", c.name, e.Dig(netip.MustParseAddrPort("127.0.10.1:53")), want)
		}
	}
}

func BenchmarkRespond(b *testing.B) {
	s := testServer(b)
	packet := packed(b, withSubnet(question("api.notes.test.", dns.TypeA), "10.1.2.0/24"))
	b.ReportAllocs()
	for b.Loop() {
		s.respond(packet, resolver, "udp")
	}
}
