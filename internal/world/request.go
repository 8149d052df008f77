package world

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"

	"github.com/meridian-run/meridian/client"
	"github.com/meridian-run/meridian/internal/place"
	"github.com/meridian-run/meridian/internal/region"
	"github.com/meridian-run/meridian/internal/wan"
)

const (
	// timeoutRequest is how long a request may take if nobody says.
	timeoutRequest = 30 * time.Second
	// timeoutNameserver is how long a resolver waits before it asks another one.
	timeoutNameserver = time.Second
	// responseMax bounds what a service may answer to a request, in bytes.
	responseMax = 16 << 20
)

// Request makes an HTTP request as a client at a place would: it asks a
// nameserver with its network as client subnet, connects to what is answered,
// and all of it crosses the simulated network.
func (w *World) Request(ctx context.Context, r client.Request) (client.Response, error) {
	timeout := timeoutRequest
	if r.TimeoutMillis > 0 {
		timeout = time.Duration(r.TimeoutMillis) * time.Millisecond
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("no answer within %s", timeout))
	defer cancel()
	t := &trip{world: w, from: r.From, begin: time.Now()}
	if err := t.locate(); err != nil {
		return client.Response{}, err
	}
	response, err := t.make(ctx, r)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		var refused *client.Error
		if !errors.As(err, &refused) {
			err = client.Errorf(client.CodeUnavailable, "%s %s from %s: %v", r.Method, r.Path, cmp.Or(r.From, "somewhere"), err)
		}
	}
	return response, err
}

// trip is one request on its way.
type trip struct {
	world  *World
	from   string // as asked
	begin  time.Time
	subnet netip.Prefix
	dialer *wan.Dialer
}

// locate finds where the client sits in the simulated network: at its place, or
// next door if that is unknown.
func (t *trip) locate() error {
	var err error
	if t.subnet, err = region.ClientNetwork(t.from); err != nil {
		return err
	}
	site := t.from
	if at := t.world.cfg.Spec.Locator().Locate(t.subnet); t.subnet.IsValid() && at.Known {
		site = at.Place.Name
	}
	t.dialer = t.world.network.Dialer(site)
	return nil
}

func (t *trip) make(ctx context.Context, r client.Request) (client.Response, error) {
	host, err := t.host(r.Service)
	if err != nil {
		return client.Response{}, err
	}
	response := client.Response{}
	answered, tag, err := t.resolve(ctx, host)
	if err != nil {
		return response, err
	}
	response.Timings.DNSMillis = t.since()
	s, ok := t.siteOf(tag)
	if !ok {
		return response, fmt.Errorf("%s is %s, which is no region of this world", host, tag)
	}
	response.Region, response.Address = s.name, s.at(portGateway)
	if response.Lookup, err = t.explain(answered, host, s.name); err != nil {
		return response, err
	}
	return response, t.exchange(ctx, r, host, &response)
}

// host is the name to resolve: the only service's, if none is named.
func (t *trip) host(service string) (string, error) {
	world := t.world.cfg.Spec
	for _, s := range t.world.list() {
		if r := t.world.Region(s.name); r != nil && r.World() != nil {
			world = r.World()
		}
	}
	var names []string
	for _, s := range world.Services {
		names = append(names, s.Name)
		if s.Name == service || service == "" && len(world.Services) == 1 {
			return s.Host, nil
		}
	}
	if service == "" {
		return "", client.Errorf(client.CodeInvalid, "this world has the services %s: choose one with --service", strings.Join(names, ", "))
	}
	return "", client.Errorf(client.CodeNotFound, "there is no service %q; this world has %s", service, strings.Join(names, ", "))
}

// resolve asks the nameservers, nearest first, until one answers.
func (t *trip) resolve(ctx context.Context, host string) (answered site, address netip.Addr, err error) {
	var problems []error
	for _, s := range t.nearest() {
		address, err := t.ask(ctx, s, host)
		if err == nil {
			return s, address, nil
		}
		problems = append(problems, fmt.Errorf("nameserver of %s: %w", s.name, err))
		if ctx.Err() != nil {
			break
		}
	}
	return site{}, netip.Addr{}, errors.Join(problems...)
}

func (t *trip) nearest() []site {
	var sites []site
	for _, s := range t.world.list() {
		if !s.witness {
			sites = append(sites, s)
		}
	}
	here, known := t.world.point(t.from)
	if !known {
		return sites
	}
	slices.SortStableFunc(sites, func(a, b site) int {
		p, _ := t.world.point(a.name)
		q, _ := t.world.point(b.name)
		return cmp.Compare(place.Kilometres(here, p), place.Kilometres(here, q))
	})
	return sites
}

// ask sends one DNS query over the simulated network.
func (t *trip) ask(ctx context.Context, s site, host string) (netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, timeoutNameserver)
	defer cancel()
	conn, err := t.dialer.DialContext(ctx, "udp", s.at(portDNS))
	if err != nil {
		return netip.Addr{}, err
	}
	defer conn.Close()
	query := new(dns.Msg).SetQuestion(dns.Fqdn(host), dns.TypeA)
	query.SetEdns0(dns.DefaultMsgSize, false)
	if t.subnet.IsValid() {
		family := uint16(1)
		if t.subnet.Addr().Is6() {
			family = 2
		}
		query.IsEdns0().Option = append(query.IsEdns0().Option, &dns.EDNS0_SUBNET{
			Code: dns.EDNS0SUBNET, Family: family, SourceNetmask: uint8(t.subnet.Bits()), Address: t.subnet.Addr().AsSlice(),
		})
	}
	reply, err := ask(ctx, conn, query)
	if err != nil {
		return netip.Addr{}, err
	}
	for _, rr := range reply.Answer {
		if a, ok := rr.(*dns.A); ok {
			if address, ok := netip.AddrFromSlice(a.A.To4()); ok {
				return address, nil
			}
		}
	}
	return netip.Addr{}, fmt.Errorf("no address for %s (%s)", host, dns.RcodeToString[reply.Rcode])
}

// ask sends a query over a connected UDP socket and reads the reply. (The
// client of package dns would take one that is not the kernel's for a stream.)
func ask(ctx context.Context, conn net.Conn, query *dns.Msg) (*dns.Msg, error) {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	packet, err := query.Pack()
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write(packet); err != nil {
		return nil, err
	}
	buffer := make([]byte, dns.DefaultMsgSize)
	for {
		n, err := conn.Read(buffer)
		if ctx.Err() != nil {
			return nil, fmt.Errorf("no reply within %s", timeoutNameserver)
		}
		if err != nil {
			return nil, err
		}
		reply := new(dns.Msg)
		if reply.Unpack(buffer[:n]) == nil && reply.Id == query.Id {
			return reply, nil
		}
	}
}

// siteOf finds the region whose tag DNS answered.
func (t *trip) siteOf(tag netip.Addr) (site, bool) {
	sites := t.world.list()
	i := slices.IndexFunc(sites, func(s site) bool { return s.tag == tag })
	if i < 0 {
		return site{}, false
	}
	return sites[i], true
}

// explain asks the region whose nameserver answered for the reason of what it
// gave.
func (t *trip) explain(answered site, host, given string) (client.Lookup, error) {
	r := t.world.Region(answered.name)
	if r == nil {
		return client.Lookup{}, fmt.Errorf("%s stopped while it was asked", answered.name)
	}
	from := ""
	if t.subnet.IsValid() {
		from = t.subnet.String()
	}
	return r.LookupAnswered(client.LookupRequest{Name: host, From: from}, given)
}

// exchange makes the HTTP request and fills in what came back.
func (t *trip) exchange(ctx context.Context, r client.Request, host string, response *client.Response) error {
	// A dial may end after the request was given up, so what is written then is not
	// the caller's.
	var connected, first atomic.Uint64 // bits of milliseconds
	defer func() {
		response.Timings.ConnectMillis = math.Float64frombits(connected.Load())
		response.Timings.FirstByteMillis = math.Float64frombits(first.Load())
	}()
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotFirstResponseByte: func() { first.Store(math.Float64bits(t.since())) },
	})
	request, err := http.NewRequestWithContext(traced, r.Method, "http://"+response.Address+r.Path, bytes.NewReader(r.Body))
	if err != nil {
		return client.Errorf(client.CodeInvalid, "%v", err)
	}
	maps.Copy(request.Header, r.Header)
	request.Host = host
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := t.dialer.DialContext(ctx, network, address)
		connected.Store(math.Float64bits(t.since()))
		return conn, err
	}
	transport := &http.Transport{DialContext: dial, DisableKeepAlives: true, DisableCompression: true}
	answer, err := transport.RoundTrip(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if response.Body, err = io.ReadAll(io.LimitReader(answer.Body, responseMax)); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	response.Timings.TotalMillis = t.since()
	response.Status, response.Header = answer.StatusCode, answer.Header
	response.ServedBy = answer.Header.Get("Meridian-Region")
	response.RequestID = answer.Header.Get("X-Request-Id")
	return nil
}

func (t *trip) since() float64 { return float64(time.Since(t.begin)) / float64(time.Millisecond) }
