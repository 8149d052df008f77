package world

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/miekg/dns"

	"github.com/meridian-run/meridian/client"
	"github.com/meridian-run/meridian/internal/region"
	"github.com/meridian-run/meridian/internal/wholebody"
)

// user is a client somewhere: a resolver that asks the world's nameservers with
// its network as client subnet and honours the TTL, and an HTTP client. Its
// sockets are the kernel's own.
type user struct {
	host        string
	subnet      netip.Prefix
	nameservers []string // asked in this order until one answers
	http        *http.Client
	port        int

	mu      sync.Mutex // guards all below
	address netip.Addr
	until   time.Time
}

// newUser makes a client at a place. All its HTTP connections end with the test.
func newUser(t *testing.T, w *World, host, from string) *user {
	t.Helper()
	subnet, err := region.ClientNetwork(from)
	if err != nil {
		t.Fatal(err)
	}
	u := &user{host: host, subnet: subnet, port: portGateway}
	for _, s := range (&trip{world: w, from: from}).nearest() {
		u.nameservers = append(u.nameservers, s.at(portDNS))
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 8}
	u.http = &http.Client{Transport: transport, Timeout: 20 * time.Second}
	t.Cleanup(transport.CloseIdleConnections)
	return u
}

// query asks one nameserver.
func query(server, name string, kind uint16, subnet netip.Prefix, network string) (*dns.Msg, error) {
	m := new(dns.Msg).SetQuestion(dns.Fqdn(name), kind)
	m.SetEdns0(dns.DefaultMsgSize, false)
	if subnet.IsValid() {
		m.IsEdns0().Option = append(m.IsEdns0().Option, &dns.EDNS0_SUBNET{
			Code: dns.EDNS0SUBNET, Family: 1, SourceNetmask: uint8(subnet.Bits()), Address: subnet.Addr().AsSlice(),
		})
	}
	var reply *dns.Msg
	var err error
	for range 3 { // as resolvers do: datagrams get lost on a busy machine
		if reply, _, err = (&dns.Client{Net: network, Timeout: time.Second}).Exchange(m, server); err == nil {
			return reply, nil
		}
	}
	return nil, err
}

// resolve returns the address of the user's host: the one it knows, as long as
// the TTL lasts, or what the nearest nameserver that answers says.
func (u *user) resolve() (netip.Addr, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if time.Now().Before(u.until) {
		return u.address, nil
	}
	var last error
	for _, server := range u.nameservers {
		asked := time.Now()
		reply, err := query(server, u.host, dns.TypeA, u.subnet, "udp")
		if err != nil {
			last = err
			continue
		}
		for _, rr := range reply.Answer {
			if a, ok := rr.(*dns.A); ok {
				u.address, _ = netip.AddrFromSlice(a.A.To4())
				u.until = asked.Add(time.Duration(a.Hdr.Ttl) * time.Second)
				return u.address, nil
			}
		}
		last = fmt.Errorf("%s has no address (%s)", u.host, dns.RcodeToString[reply.Rcode])
	}
	return netip.Addr{}, last
}

// reply is what an HTTP request gave.
type reply struct {
	status   int
	servedBy string
	body     string
	header   http.Header
}

// do resolves and makes a request.
func (u *user) do(ctx context.Context, method, path, body string) (reply, error) {
	at, err := u.resolve()
	if err != nil {
		return reply{}, err
	}
	return u.doAt(ctx, netip.AddrPortFrom(at, uint16(u.port)).String(), u.host, method, path, body)
}

// doAt makes a request at an address, whatever its name resolves to.
func (u *user) doAt(ctx context.Context, at, host, method, path, body string) (reply, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://"+at+path, strings.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	r.Host = host
	answer, err := u.http.Do(r)
	if err != nil {
		return reply{}, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return reply{}, err
	}
	return reply{answer.StatusCode, answer.Header.Get("Meridian-Region"), string(text), answer.Header}, nil
}

// must makes a request that has to be answered with a status.
func (u *user) must(t *testing.T, method, path, body string, status int) reply {
	t.Helper()
	r, err := u.do(t.Context(), method, path, body)
	if err != nil {
		t.Fatalf("%s %s%s: %v", method, u.host, path, err)
	}
	if r.status != status {
		t.Fatalf("%s %s%s: status %d by %s, want %d: %s", method, u.host, path, r.status, r.servedBy, status, r.body)
	}
	return r
}

// answered asks a region's nameserver where a client should go and returns the
// region's name.
func answered(t *testing.T, w *World, nameserver, host, from string) string {
	t.Helper()
	subnet, err := region.ClientNetwork(from)
	if err != nil {
		t.Fatal(err)
	}
	reply, err := query(w.nodes[nameserver].at(portDNS), host, dns.TypeA, subnet, "udp")
	if err != nil {
		t.Fatalf("ask the nameserver of %s for %s: %v", nameserver, host, err)
	}
	if len(reply.Answer) != 1 {
		t.Fatalf("the nameserver of %s answers %v for %s, want one address", nameserver, reply.Answer, host)
	}
	a, _ := reply.Answer[0].(*dns.A)
	for _, s := range w.sites {
		if a != nil && net.IP(s.tag.AsSlice()).Equal(a.A) {
			return s.name
		}
	}
	t.Fatalf("the nameserver of %s answers %v, which is no region", nameserver, reply.Answer[0])
	return ""
}

// tables is the AWS SDK's client for a region's tables, with the keys that
// `meridian env` prints. It does not retry, so that every failure shows.
func tables(t *testing.T, w *World, name string) *dynamodb.Client {
	t.Helper()
	env, err := w.Region(name).Environment(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return dynamodb.New(dynamodb.Options{
		BaseEndpoint: &env.TablesURL, Region: name, RetryMaxAttempts: 1, HTTPClient: wholebody.Client(nil),
		Credentials: credentials.NewStaticCredentialsProvider(env.AccessKeyID, env.SecretAccessKey, ""),
	})
}

type attributes = map[string]types.AttributeValue

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

// put writes an item whose attributes are all text.
func put(ctx context.Context, db *dynamodb.Client, table string, pairs ...string) error {
	item := attributes{}
	for i := 0; i < len(pairs); i += 2 {
		item[pairs[i]] = text(pairs[i+1])
	}
	_, err := db.PutItem(ctx, &dynamodb.PutItemInput{TableName: &table, Item: item})
	return err
}

// get reads an item as lines "name=value", sorted; empty if there is none.
func get(t *testing.T, db *dynamodb.Client, table, pk string) string {
	t.Helper()
	out, err := db.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: &table, Key: attributes{"pk": text(pk)}})
	if err != nil {
		t.Fatalf("get %s of %s: %v", pk, table, err)
	}
	return show(out.Item)
}

func show(item attributes) string {
	var lines []string
	for name, v := range item {
		s, ok := v.(*types.AttributeValueMemberS)
		if !ok {
			s = &types.AttributeValueMemberS{Value: fmt.Sprintf("%#v", v)}
		}
		lines = append(lines, name+"="+s.Value)
	}
	slices.Sort(lines)
	return strings.Join(lines, " ")
}

// scan reads a whole table, page by page, by partition key.
func scan(ctx context.Context, db *dynamodb.Client, table string) (map[string]string, error) {
	items := map[string]string{}
	pages := dynamodb.NewScanPaginator(db, &dynamodb.ScanInput{TableName: &table, Limit: aws.Int32(250)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		for again := 0; closedUnderAnswer(err) && again < 3; again++ {
			page, err = pages.NextPage(ctx) // it stands where it stood
		}
		if err != nil {
			return nil, err
		}
		for _, item := range page.Items {
			items[show(attributes{"pk": item["pk"]})] = show(item)
		}
	}
	return items, nil
}

// closedUnderAnswer reports an error that the SDK and net/http make between them,
// on a loaded machine: the answer's head is there (status 200), and the client's own
// write loop closes its connection while the answer is being read (aws-sdk-go-v2
// issues 1825 and 2737). A server that closes is seen as an end or a reset instead.
func closedUnderAnswer(err error) bool {
	return err != nil && strings.Contains(err.Error(), "StatusCode: 200") && strings.Contains(err.Error(), net.ErrClosed.Error())
}

// status is the world as a region sees it.
func status(t *testing.T, w *World, of string) client.Status {
	t.Helper()
	r := w.Region(of)
	if r == nil {
		t.Fatalf("%s does not run", of)
	}
	s, err := r.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// serviceRegion is how a region sees a service in another one.
func serviceRegion(t *testing.T, w *World, of, service, about string) client.ServiceRegion {
	t.Helper()
	for _, s := range status(t, w, of).Services {
		for _, r := range s.Regions {
			if s.Name == service && r.Region == about {
				return r
			}
		}
	}
	t.Fatalf("%s knows no service %s in %s", of, service, about)
	return client.ServiceRegion{}
}

// backend is an HTTP service of the users' own, with a health check that a test
// switches.
type backend struct {
	*httptest.Server
	name string

	mu     sync.Mutex // guards all below
	broken bool
	fail   int // fail this many more checks
	checks int
	hosts  map[string]bool // hosts that checks were made for
}

func newBackend(t *testing.T, name string) *backend {
	b := &backend{name: name, hosts: map[string]bool{}}
	b.Server = httptest.NewServer(b)
	t.Cleanup(b.Close)
	return b
}

func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r.URL.Path != "/health" {
		fmt.Fprintf(w, "%s %s for %s", r.Method, r.URL.Path, b.name)
		return
	}
	b.checks++
	b.hosts[r.Host] = true
	if b.broken || b.fail > 0 {
		b.fail = max(0, b.fail-1)
		w.WriteHeader(http.StatusServiceUnavailable)
		io.WriteString(w, `{"status":"unhealthy","checks":{"database":{"status":"unhealthy"}}}`)
		return
	}
	io.WriteString(w, `{"status":"healthy","checks":{"database":{"status":"healthy","latency_ms":1}}}`)
}

func (b *backend) setBroken(broken bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.broken = broken
}

func (b *backend) failNext(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fail = n
}

func (b *backend) checked() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.checks
}
