package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
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

	"github.com/meridian-run/meridian/internal/wholebody"
)

// load writes notes through routing, and reads them back, as clients do that
// honour the TTL: each resolves the name by DNS, keeps the answer for as long as
// it holds, and connects to the address. One of them keeps its connection.
type load struct {
	w       *served
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu       sync.Mutex // guards all below
	written  []string   // ids of acknowledged notes
	failures []failure
	servedBy map[string]int
}

// failure is a request that did not work.
type failure struct {
	at  time.Time
	err error
}

// loadClients are as many as two cores carry beside three regions.
const (
	loadClients = 4
	loadPace    = 50 * time.Millisecond
)

// underLoad starts the clients; they end with the test, or at end.
func underLoad(w *served) *load {
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{w: w, cancel: cancel, servedBy: map[string]int{}}
	for i := range loadClients {
		c := newNotesClient(w, []string{"198.18.1.7", "198.18.238.7"}[i%2]) // New York and Sydney
		c.keeps = i == loadClients-1
		l.running.Go(func() { l.client(ctx, c) })
	}
	w.t.Cleanup(l.end)
	return l
}

// end ends the load; requests under way are waited for.
func (l *load) end() {
	l.cancel()
	l.running.Wait()
}

func (l *load) client(ctx context.Context, c *notesClient) {
	defer c.http.CloseIdleConnections()
	ticker := time.NewTicker(loadPace)
	defer ticker.Stop()
	for {
		id, region, err := c.add("under load")
		if err == nil {
			err = c.read(id, region)
		}
		l.note(id, region, err)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (l *load) note(id, region string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if id != "" {
		l.written = append(l.written, id)
		l.servedBy[region]++
	}
	if err != nil {
		l.failures = append(l.failures, failure{time.Now(), err})
	}
}

// acknowledged are the notes that were written.
func (l *load) acknowledged() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.written)
}

// failuresAfter are the requests that failed after a time.
func (l *load) failuresAfter(at time.Time) []failure {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(l.failures), func(f failure) bool { return f.at.Before(at) })
}

// awaitWritten waits until so many more notes are written.
func (l *load) awaitWritten(more int) {
	l.w.t.Helper()
	before := len(l.acknowledged())
	eventually(l.w.t, 60*time.Second, fmt.Sprintf("%d more notes are written", more), func() bool {
		return len(l.acknowledged()) >= before+more
	})
}

// notesClient is one client of the notes application.
type notesClient struct {
	w     *served
	from  string // its address, which the resolver passes on (ECS)
	http  *http.Client
	known string // gateway that the last answer led to
	until time.Time
	// keeps is a client that holds on to its connection, and so to its region,
	// until the region ends the connection; browsers are like that.
	keeps bool
	kept  bool
}

func newNotesClient(w *served, from string) *notesClient {
	return &notesClient{w: w, from: from, http: &http.Client{Transport: &http.Transport{}, Timeout: 30 * time.Second}}
}

// resolve asks the regions' nameservers in turn, as a resolver does, and keeps
// the answer for its TTL.
func (c *notesClient) resolve() (string, error) {
	if time.Now().Before(c.until) || c.kept {
		return c.known, nil
	}
	var last error
	for _, r := range c.w.spec.Regions {
		address, ttl, err := lookup(r.Addresses.DNS, c.w.spec.Services[0].Host, c.from)
		if err != nil {
			last = err
			continue
		}
		for _, to := range c.w.spec.Regions {
			if to.Address[0].String() == address {
				c.known, c.until = to.Addresses.Gateway, time.Now().Add(ttl)
				return c.known, nil
			}
		}
		last = fmt.Errorf("%s is the address of no region", address)
	}
	return "", fmt.Errorf("no nameserver answers: %w", last)
}

// lookup asks one nameserver.
func lookup(server, name, from string) (address string, ttl time.Duration, err error) {
	m := new(dns.Msg)
	m.SetQuestion(dns.Fqdn(name), dns.TypeA)
	m.SetEdns0(1232, false)
	m.IsEdns0().Option = append(m.IsEdns0().Option, &dns.EDNS0_SUBNET{
		Code: dns.EDNS0SUBNET, Family: 1, SourceNetmask: 24, Address: net.ParseIP(from).Mask(net.CIDRMask(24, 32)),
	})
	// A lost datagram is asked for again, as resolvers do.
	for range 3 {
		var reply *dns.Msg
		reply, _, err = (&dns.Client{Timeout: time.Second}).Exchange(m, server)
		if err != nil {
			continue
		}
		if len(reply.Answer) == 0 {
			return "", 0, fmt.Errorf("%s answers %s with %s", server, name, dns.RcodeToString[reply.Rcode])
		}
		a := reply.Answer[0].(*dns.A)
		return a.A.String(), time.Duration(a.Hdr.Ttl) * time.Second, nil
	}
	return "", 0, err
}

// do sends one request to the region that DNS names.
func (c *notesClient) do(method, path, body string) (status int, region, answer string, err error) {
	gateway, err := c.resolve()
	if err != nil {
		return 0, "", "", err
	}
	r, err := http.NewRequest(method, "http://"+gateway+path, strings.NewReader(body))
	if err != nil {
		return 0, "", "", err
	}
	r.Host = c.w.spec.Services[0].Host
	resp, err := c.http.Do(r)
	c.kept = c.keeps && err == nil && !resp.Close
	if err != nil {
		return 0, "", "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header.Get("Meridian-Region"), string(text), err
}

// add writes a note; its id is empty unless the write was acknowledged.
func (c *notesClient) add(name string) (id, region string, err error) {
	status, region, answer, err := c.do("POST", "/data", fmt.Sprintf(`{"name":%q}`, name))
	if err != nil || status != 200 {
		return "", "", fmt.Errorf("POST /data: %d from %s: %s (%w)", status, region, answer, orNone(err))
	}
	var created struct{ RequestID string }
	if err := json.Unmarshal([]byte(answer), &created); err != nil || created.RequestID == "" {
		return "", "", fmt.Errorf("POST /data answers %q", answer)
	}
	return created.RequestID, region, nil
}

// read reads a note; the region that wrote it must have it.
func (c *notesClient) read(id, wroteIn string) error {
	status, region, answer, err := c.do("GET", "/data/"+id, "")
	if err != nil || status != 200 {
		return fmt.Errorf("GET /data: %d from %s: %s (%w)", status, region, answer, orNone(err))
	}
	if region == wroteIn && !strings.Contains(answer, id) {
		return fmt.Errorf("%s acknowledged %s and answers %s", region, id, answer)
	}
	return nil
}

var errNone = fmt.Errorf("no error")

func orNone(err error) error {
	if err == nil {
		return errNone
	}
	return err
}

// tables is an AWS SDK client of a region's tables.
func (w *served) tables(region string) *dynamodb.Client {
	w.t.Helper()
	env, err := w.client(region).Environment(context.Background(), region)
	if err != nil {
		w.t.Fatal(err)
	}
	endpoint := "http://" + w.region(region).Addresses.Tables
	return dynamodb.New(dynamodb.Options{
		BaseEndpoint: &endpoint, Region: region, RetryMaxAttempts: 1, HTTPClient: wholebody.Client(nil),
		Credentials: aws.NewCredentialsCache(credentials.NewStaticCredentialsProvider(env.AccessKeyID, env.SecretAccessKey, "")),
	})
}

// notesIn are the ids of all notes that a region has.
func (w *served) notesIn(region string) (map[string]bool, error) {
	pages := dynamodb.NewScanPaginator(w.tables(region), &dynamodb.ScanInput{TableName: aws.String("notes")})
	ids := map[string]bool{}
	for pages.HasMorePages() {
		page, err := pages.NextPage(context.Background())
		if err != nil {
			return nil, err
		}
		for _, item := range page.Items {
			ids[item["pk"].(*types.AttributeValueMemberS).Value] = true
		}
	}
	return ids, nil
}

// awaitNotes waits until regions have all of the notes: none that was
// acknowledged may be missing.
func (w *served) awaitNotes(ids []string, regions ...string) {
	w.t.Helper()
	for _, region := range regions {
		missing := 0
		eventually(w.t, 30*time.Second, region+" has every acknowledged note", func() bool {
			have, err := w.notesIn(region)
			if err != nil {
				return false
			}
			missing = 0
			for _, id := range ids {
				if !have[id] {
					missing++
				}
			}
			return missing == 0
		})
	}
}

// noFailures fails the test if requests failed.
func noFailures(t *testing.T, list []failure) {
	t.Helper()
	for i, f := range list {
		if i == 5 {
			t.Errorf("and %d more", len(list)-i)
			return
		}
		t.Errorf("at %s: %v", f.at.Format(time.TimeOnly), f.err)
	}
}
