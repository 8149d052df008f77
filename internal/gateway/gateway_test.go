package gateway

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-run/meridian/internal/function"
)

// fakeFunction answers calls with a Go function.
type fakeFunction struct {
	invoke        func(ctx context.Context, e event) (string, error)
	id            atomic.Value // of the last call, a string
	calls, checks atomic.Int64
	awake         atomic.Bool
}

func (f *fakeFunction) Invoke(ctx context.Context, id string, payload []byte) ([]byte, error) {
	f.calls.Add(1)
	f.id.Store(id)
	return f.call(ctx, payload)
}

func (f *fakeFunction) Check(ctx context.Context, id string, payload []byte) ([]byte, error) {
	f.checks.Add(1)
	f.id.Store(id)
	return f.call(ctx, payload)
}

func (f *fakeFunction) Awake() bool { return f.awake.Load() }

func (f *fakeFunction) call(ctx context.Context, payload []byte) ([]byte, error) {
	var e event
	if err := json.Unmarshal(payload, &e); err != nil {
		return nil, err
	}
	response, err := f.invoke(ctx, e)
	return []byte(response), err
}

// says is a function that answers every call alike.
func says(response string, err error) *fakeFunction {
	return &fakeFunction{invoke: func(context.Context, event) (string, error) { return response, err }}
}

// serving is a gateway that runs on a listener of its own until the test ends.
type serving struct {
	*Gateway
	address string
	stop    func() error
}

func serve(t *testing.T, cfg Config, services ...Service) *serving {
	t.Helper()
	if cfg.Region == "" {
		cfg.Region = "eu-west-1"
	}
	g := New(cfg)
	g.Publish(&Snapshot{Services: services})
	g.SetReady(true, "")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx, Listeners{Plain: []net.Listener{listener}}) }()
	s := &serving{Gateway: g, address: listener.Addr().String()}
	s.stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() {
		g.Close()
		if err := s.stop(); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return s
}

// api is a service with the function.
func api(f Function) Service {
	return Service{Name: "api", Host: "api.notes.test", RegionalHost: "api.eu-west-1.notes.test", Function: f}
}

type reply struct {
	status int
	header http.Header
	body   string
}

func (s *serving) do(t *testing.T, method, host, path, body string, headers ...string) reply {
	t.Helper()
	r, err := http.NewRequest(method, "http://"+s.address+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if host != "" {
		r.Host = host
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return read(t, http.DefaultClient, r)
}

func read(t *testing.T, client *http.Client, r *http.Request) reply {
	t.Helper()
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, string(text)}
}

func (r reply) want(t *testing.T, status int, kind string) {
	t.Helper()
	if got := r.header.Get(headerError); r.status != status || got != kind {
		t.Errorf("got %d %q (%s), want %d %q", r.status, got, r.body, status, kind)
	}
}

func TestF4_HostsLeadToTheirServices(t *testing.T) {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s?%s for %s by %s", r.Method, r.URL.EscapedPath(), r.URL.RawQuery, r.Host, r.Header.Get("X-Forwarded-Host"))
	}))
	defer backend.Close()
	base, err := url.Parse(backend.URL + "/base/")
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, Config{}, api(says(`"the function"`, nil)), Service{Name: "shop", Host: "shop.notes.test", Backend: base})
	for _, c := range []struct {
		name, host, path string
		want             string
	}{
		{"a function", "api.notes.test", "/", `"the function"`},
		{"by its regional name, port and case aside", "API.EU-west-1.notes.test.:8080", "/", `"the function"`},
		{"a backend, path and query as they came", "shop.notes.test", "/a%2Fb/c?x=1;y=%zz", "GET /base/a%2Fb/c?x=1;y=%zz for shop.notes.test by shop.notes.test"},
	} {
		if got := s.do(t, "GET", c.host, c.path, ""); got.status != 200 || got.body != c.want || got.header.Get(headerRegion) != "eu-west-1" {
			t.Errorf("%s: got %d %q from %q, want %q", c.name, got.status, got.body, got.header.Get(headerRegion), c.want)
		}
	}
	got := s.do(t, "GET", "", "/", "") // the bare address
	got.want(t, 404, "unknown-host")
	if !strings.Contains(got.body, "use one of api.notes.test, shop.notes.test") {
		t.Errorf("the answer does not list the hosts: %s", got.body)
	}
}

func TestBareAddressIsTheOnlyService(t *testing.T) {
	s := serve(t, Config{}, api(says(`{}`, nil)))
	if got := s.do(t, "GET", "", "/", ""); got.status != 200 {
		t.Errorf("got %d %s", got.status, got.body)
	}
	s.do(t, "GET", "other.test", "/", "").want(t, 404, "unknown-host")
}

func TestRequestIDIsKeptOrMade(t *testing.T) {
	f := &fakeFunction{invoke: func(_ context.Context, e event) (string, error) {
		return fmt.Sprintf(`{"statusCode":200,"headers":{"x-request-id":"of the function"},"body":%q}`, e.Context.RequestID+" "+e.Headers["x-request-id"]), nil
	}}
	s := serve(t, Config{NewID: func() string { return "made" }}, api(f))
	for _, c := range []struct{ given, want string }{
		{"", "made"}, {"a-b_c.1", "a-b_c.1"}, {"has space", "made"}, {strings.Repeat("x", 129), "made"},
	} {
		got := s.do(t, "GET", "", "/", "", headerRequestID, c.given)
		if diff := cmp.Diff(got.header.Values(headerRequestID), []string{c.want}); diff != "" {
			t.Errorf("given %q: header %s", c.given, diff)
		}
		// The call's id is never the client's: functions make keys of it.
		if want := "made " + c.want; got.body != want || f.id.Load() != "made" {
			t.Errorf("given %q: the function saw %q and call %q, want %q", c.given, got.body, f.id.Load(), want)
		}
	}
}

func TestFailuresHaveTheirStatus(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		kind   string
	}{
		{function.ErrTooManyRequests, 429, "too-many-requests"},
		{function.ErrTimeout, 504, "timeout"},
		{function.ErrInit, 502, "function-init"},
		{function.ErrCrashed, 502, "function-crashed"},
		{&function.HandlerError{Type: "T", Message: "secret"}, 502, "function-error"},
		{function.ErrResponseTooLarge, 502, "response-too-large"},
		{function.ErrRequestTooLarge, 413, "too-large"},
		{function.ErrClosed, 503, "stopping"},
		{errors.New("anything"), 502, "target"},
	} {
		log := &strings.Builder{}
		s := serve(t, Config{Log: slog.New(slog.NewTextHandler(log, nil))}, api(says("", fmt.Errorf("%w: secret", c.err))))
		got := s.do(t, "POST", "", "/", "")
		got.want(t, c.status, c.kind)
		if strings.Contains(got.body, "secret") {
			t.Errorf("%v: the reason went to the client: %s", c.err, got.body)
		}
		if c.status >= 500 && !strings.Contains(log.String(), "secret") {
			t.Errorf("%v: the reason is not in the log", c.err)
		}
	}
}

func TestTimeoutIs504(t *testing.T) {
	service := api(&fakeFunction{invoke: func(ctx context.Context, _ event) (string, error) {
		<-ctx.Done()
		return "", ctx.Err()
	}})
	service.Timeout = 20 * time.Millisecond
	serve(t, Config{}, service).do(t, "GET", "", "/", "").want(t, 504, "timeout")

	hanging := make(chan struct{})
	backend := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hanging }))
	defer backend.Close()
	defer close(hanging)
	base, _ := url.Parse(backend.URL)
	s := serve(t, Config{}, Service{Name: "shop", Backend: base, Timeout: 20 * time.Millisecond})
	s.do(t, "GET", "", "/", "").want(t, 504, "timeout")
}

func TestBodiesAreBounded(t *testing.T) {
	service := api(&fakeFunction{invoke: func(_ context.Context, e event) (string, error) { return fmt.Sprint(len(e.Body)), nil }})
	service.BodyMax = 10
	s := serve(t, Config{}, service)
	if got := s.do(t, "POST", "", "/", "0123456789"); got.body != "10" {
		t.Errorf("got %d %s, want 10", got.status, got.body)
	}
	s.do(t, "POST", "", "/", "0123456789X").want(t, 413, "too-large")
	// Without a length, and to a backend.
	backend := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) }))
	defer backend.Close()
	base, _ := url.Parse(backend.URL)
	s.Publish(&Snapshot{Services: []Service{{Name: "shop", Backend: base, BodyMax: 10}}})
	for _, method := range []string{"POST", "OPTIONS"} {
		r, _ := http.NewRequest(method, "http://"+s.address, io.MultiReader(strings.NewReader("0123456789"), strings.NewReader("X")))
		read(t, http.DefaultClient, r).want(t, 413, "too-large")
	}
}

func TestPanicIs500AndCounted(t *testing.T) {
	var panics atomic.Int64
	s := serve(t, Config{Metrics: Metrics{Panic: func() { panics.Add(1) }}}, api(&fakeFunction{invoke: func(context.Context, event) (string, error) {
		panic("a bug")
	}}))
	s.do(t, "GET", "", "/", "").want(t, 500, "internal")
	if got := panics.Load(); got != 1 {
		t.Errorf("got %d panics counted, want 1", got)
	}
}

func TestBothProtocolsOnOnePort(t *testing.T) {
	s := serve(t, Config{}, api(&fakeFunction{invoke: func(_ context.Context, e event) (string, error) {
		return fmt.Sprintf("%q", e.Context.HTTP.Protocol), nil
	}}))
	for _, want := range []string{"HTTP/1.1", "HTTP/2.0"} {
		protocols := new(http.Protocols)
		protocols.SetHTTP1(want == "HTTP/1.1")
		protocols.SetUnencryptedHTTP2(want == "HTTP/2.0")
		transport := &http.Transport{Protocols: protocols}
		defer transport.CloseIdleConnections()
		r, _ := http.NewRequest("GET", "http://"+s.address, nil)
		if got := read(t, &http.Client{Transport: transport}, r); got.body != fmt.Sprintf("%q", want) {
			t.Errorf("got %s, want %q", got.body, want)
		}
	}
}

func TestMalformedRequestsAreAnsweredAndCounted(t *testing.T) {
	counted := make(chan struct{}, 10)
	s := serve(t, Config{Metrics: Metrics{Malformed: func() { counted <- struct{}{} }}}, api(says(`{}`, nil)))
	for _, bytes := range []string{
		"\x16\x03\x01 nonsense\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
		"GET /" + strings.Repeat("x", 1<<20), "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: weird\r\n\r\n",
	} {
		conn, err := net.Dial("tcp", s.address)
		if err != nil {
			t.Fatal(err)
		}
		go io.WriteString(conn, bytes) // the gateway may not read all of it
		line, _ := bufio.NewReader(conn).ReadString('\n')
		if !strings.HasPrefix(line, "HTTP/1.1 4") && !strings.HasPrefix(line, "HTTP/1.1 5") && !strings.HasPrefix(line, "HTTP/1.0 4") {
			t.Errorf("%.40q got %q, want an error", bytes, line)
		}
		conn.Close()
		<-counted
	}
	if got := s.do(t, "GET", "", "/", ""); got.status != 200 {
		t.Errorf("got %d afterwards, want 200", got.status)
	}
}

func TestU2_RunFinishesRequestsInFlight(t *testing.T) {
	began, finish := make(chan struct{}), make(chan struct{})
	s := serve(t, Config{}, api(&fakeFunction{invoke: func(context.Context, event) (string, error) {
		close(began)
		<-finish
		return `"done"`, nil
	}}))
	got := make(chan reply, 1)
	go func() { got <- s.do(t, "GET", "", "/", "") }()
	<-began
	stopped := make(chan error, 1)
	go func() { stopped <- s.stop() }()
	for {
		conn, err := net.Dial("tcp", s.address)
		if err != nil {
			break // it takes no new connection
		}
		conn.Close()
	}
	close(finish)
	if got := <-got; got.body != `"done"` {
		t.Errorf("got %d %q, want the response", got.status, got.body)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestEventStreamsOutliveTheTimeout(t *testing.T) {
	next := make(chan struct{})
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.(http.Flusher).Flush()
		<-next
		io.WriteString(w, "data: x\n\n")
	}))
	defer backend.Close()
	base, _ := url.Parse(backend.URL)
	const timeout = 50 * time.Millisecond
	s := serve(t, Config{}, Service{Name: "shop", Backend: base, Timeout: timeout})
	resp, err := http.Get("http://" + s.address)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	time.AfterFunc(2*timeout, func() { close(next) })
	if text, err := io.ReadAll(resp.Body); err != nil || string(text) != "data: x\n\n" {
		t.Errorf("got %q (%v), want the event", text, err)
	}
}

// A request that was on its way to a function when a new version took its place
// is served by the new one.
func TestU2_RequestGoesToTheVersionThatTookOver(t *testing.T) {
	after := says(`"the new one"`, nil)
	var s *serving
	before := says("", function.ErrRetired)
	before.invoke = func(context.Context, event) (string, error) {
		s.Publish(&Snapshot{Services: []Service{api(after)}})
		return "", function.ErrRetired
	}
	s = serve(t, Config{}, api(before))
	if got := s.do(t, "POST", "", "/", "x"); got.body != `"the new one"` {
		t.Errorf("got %d %s, want the new version's answer", got.status, got.body)
	}
	gone := serve(t, Config{}, api(says("", function.ErrRetired)))
	gone.do(t, "POST", "", "/", "x").want(t, 503, "stopping")
}
