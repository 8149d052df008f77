package gateway

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/meridian-run/meridian/internal/function"
)

// refusing is an address where nobody listens.
func refusing(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestSafeRequestsGoOnToTheNextHealthyRegion(t *testing.T) {
	there := says("", nil)
	there.invoke = func(_ context.Context, e event) (string, error) {
		return fmt.Sprintf(`{"statusCode":201,"body":%q}`, e.Context.HTTP.Method+" "+e.RawPath+"?"+e.RawQueryString+" "+e.Headers["host"]+" "+e.Body), nil
	}
	other := serve(t, Config{Region: "us-east-1"}, api(there))
	broken := serve(t, Config{Region: "ap-southeast-2"}, api(says("", function.ErrCrashed)))
	here := api(says("", fmt.Errorf("%w: out of luck", function.ErrCrashed)))
	here.Peers = func() []Peer {
		return []Peer{{"ap-southeast-2", broken.address}, {"us-east-1", other.address}}
	}
	var passedOn []string
	s := serve(t, Config{Metrics: Metrics{PassedOn: func(_, to string) { passedOn = append(passedOn, to) }}}, here)

	const id = "one-id"
	for _, c := range []struct {
		name, method string
		header       []string
		want         string // "" is the failure here
	}{
		{"GET", "GET", nil, "GET /a?b=c api.notes.test "},
		{"OPTIONS", "OPTIONS", nil, "OPTIONS /a?b=c api.notes.test "},
		{"POST", "POST", nil, ""},
		{"POST that may be repeated", "POST", []string{"Idempotency-Key", "k"}, "POST /a?b=c api.notes.test text"},
		{"passed on already", "GET", []string{headerHop, "us-east-1"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			body := ""
			if c.method == "POST" {
				body = "text"
			}
			got := s.do(t, c.method, "", "/a?b=c", body, append(c.header, headerRequestID, id, "Content-Type", "text/plain")...)
			if c.want == "" {
				got.want(t, 502, "function-crashed")
				return
			}
			if got.status != 201 || got.body != c.want {
				t.Errorf("got %d %q, want 201 %q", got.status, got.body, c.want)
			}
			if got.header.Get(headerRegion) != "us-east-1" || got.header.Get(headerVia) != "eu-west-1" || got.header.Get(headerRequestID) != id {
				t.Errorf("got headers %v", got.header)
			}
		})
	}
	if len(passedOn) != 3 {
		t.Errorf("counted %v as passed on, want 3", passedOn)
	}
	s.do(t, "GET", "api.eu-west-1.notes.test", "/", "").want(t, 502, "function-crashed")
}

// The id that the client is told is that of the call that answered.
func TestPassedOnRequestHasTheIDOfItsCall(t *testing.T) {
	newID := func(region string) func() string {
		var made atomic.Int64
		return func() string { return fmt.Sprintf("%s-%d", region, made.Add(1)) }
	}
	there := &fakeFunction{invoke: func(_ context.Context, e event) (string, error) {
		return fmt.Sprintf(`{"statusCode":200,"body":%q}`, e.Context.RequestID), nil
	}}
	other := serve(t, Config{Region: "us-east-1", NewID: newID("us")}, api(there))
	here := api(says("", function.ErrCrashed))
	here.Peers = func() []Peer { return []Peer{{"us-east-1", other.address}} }
	s := serve(t, Config{NewID: newID("eu")}, here)
	if got := s.do(t, "GET", "", "/", ""); got.body != "us-1" || got.header.Get(headerRequestID) != "us-1" {
		t.Errorf("the function saw %q and the client %q, want us-1", got.body, got.header.Get(headerRequestID))
	}
	if got := s.do(t, "GET", "", "/", "", headerRequestID, "mine"); got.body != "us-2" || got.header.Get(headerRequestID) != "mine" {
		t.Errorf("the function saw %q and the client %q, want us-2 and mine", got.body, got.header.Get(headerRequestID))
	}
}

func TestFullAndLateRegionsKeepTheirRequests(t *testing.T) {
	for _, err := range []error{function.ErrTooManyRequests, function.ErrTimeout, function.ErrRequestTooLarge} {
		here := api(says("", err))
		here.Peers = func() []Peer {
			t.Errorf("%v: another region was looked for", err)
			return nil
		}
		serve(t, Config{}, here).do(t, "GET", "", "/", "")
	}
}

func TestBackendsRequestsGoOn(t *testing.T) {
	var seen []string
	healthy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Header.Get(headerHop))
		fmt.Fprint(w, "alive")
	}))
	defer healthy.Close()
	alive, _ := url.Parse(healthy.URL)
	other := serve(t, Config{Region: "us-east-1"}, Service{Name: "shop", Host: "shop.test", Backend: alive})
	dead, _ := url.Parse("http://" + refusing(t))
	s := serve(t, Config{ReplayMax: 10}, Service{Name: "shop", Host: "shop.test", Backend: dead, Peers: func() []Peer {
		return []Peer{{"ap-southeast-2", refusing(t)}, {"us-east-1", other.address}}
	}})
	if got := s.do(t, "GET", "shop.test", "/", ""); got.body != "alive" || got.header.Get(headerRegion) != "us-east-1" {
		t.Errorf("got %d %q", got.status, got.body)
	}
	if got := s.do(t, "PUT", "shop.test", "/", "0123456789", "Idempotency-Key", "k"); got.body != "alive" {
		t.Errorf("got %d %q", got.status, got.body)
	}
	s.do(t, "PUT", "shop.test", "/", "0123456789 too long to keep", "Idempotency-Key", "k").want(t, 502, "backend")
	s.do(t, "POST", "shop.test", "/", "once").want(t, 502, "backend")
	if strings.Join(seen, "") != "" {
		t.Errorf("the backend saw the gateways' own header: %q", seen)
	}
}
