package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-run/meridian/client"
)

// region is an admin API that answers everything with one thing.
func region(t *testing.T, status int, answer any) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" {
			t.Errorf("%s came with %q, want the token", r.URL.Path, r.Header.Get("Authorization"))
		}
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(answer)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// gone is the address of a region that is down.
func gone(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	return "http://" + l.Addr().String()
}

// hung accepts connections and says nothing.
func hung(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return "http://" + l.Addr().String()
}

func newClient(t *testing.T, config client.Config, urls ...string) *client.Client {
	t.Helper()
	config.Context.World, config.Token = "notes", "secret"
	for i, url := range urls {
		config.Context.Regions = append(config.Context.Regions, client.Endpoint{Region: string(rune('a' + i)), URL: url})
	}
	c, err := client.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestRegionsAreAskedInTurn(t *testing.T) {
	ok := func(name string) client.Status { return client.Status{Answered: name} }
	starting := client.Errorf(client.CodeUnavailable, "starting")
	tests := []struct {
		name string
		urls func() []string
		want string
	}{
		{"the first one answers", func() []string { return []string{region(t, 200, ok("a")), region(t, 200, ok("b"))} }, "a"},
		{"the first one is down", func() []string { return []string{gone(t), region(t, 200, ok("b"))} }, "b"},
		{"the first one hangs", func() []string { return []string{hung(t), region(t, 200, ok("b"))} }, "b"},
		{"the first one starts", func() []string { return []string{region(t, 503, starting), region(t, 200, ok("b"))} }, "b"},
		{"the first one is no admin API", func() []string { return []string{region(t, 404, "what?"), region(t, 200, ok("b"))} }, "b"},
	}
	for _, test := range tests {
		c := newClient(t, client.Config{TimeoutRead: 200 * time.Millisecond}, test.urls()...)
		got, err := c.Status(t.Context())
		if err != nil || got.Answered != test.want || c.Answered() != test.want {
			t.Errorf("%s: got %q (%v), client says %q; want %q", test.name, got.Answered, err, c.Answered(), test.want)
		}
	}
}

func TestARefusalEndsTheTurn(t *testing.T) {
	refusal := client.Errorf(client.CodeConflict, "no")
	c := newClient(t, client.Config{}, region(t, 409, refusal), region(t, 200, client.Applied{}))
	_, err := c.Apply(t.Context(), client.ApplyRequest{Spec: []byte("x")})
	var refused *client.Error
	if !errors.As(err, &refused) {
		t.Fatalf("got %v, want the first region's refusal", err)
	}
	want := &client.Error{Code: client.CodeConflict, Message: "no", Region: "a"}
	if diff := cmp.Diff(want, refused); diff != "" {
		t.Errorf("refusal (-want +got):\n%s", diff)
	}
}

// dropped takes a request and ends the connection.
func dropped(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	t.Cleanup(server.Close)
	return server.URL
}

// A change goes on to the next region only where it cannot have been made yet.
func TestAChangeIsMadeOnce(t *testing.T) {
	noQuorum := client.Errorf(client.CodeUnavailable, "this node reaches no leader of control")
	uncertain := client.Errorf(client.CodeUncertain, "the change was sent")
	tests := []struct {
		name  string
		first func() string
		want  client.Code // empty: the second region made it
	}{
		{"it is down", func() string { return gone(t) }, ""},
		{"it has no leader", func() string { return region(t, 503, noQuorum) }, ""},
		{"it is something else", func() string { return region(t, 404, "what?") }, ""},
		{"it does not know", func() string { return region(t, 504, uncertain) }, client.CodeUncertain},
		{"it ends the connection", func() string { return dropped(t) }, client.CodeUncertain},
		{"it is a proxy that has lost its region", func() string { return region(t, 502, "bad gateway") }, client.CodeUncertain},
	}
	for _, test := range tests {
		for what, change := range map[string]func(*client.Client) error{
			"drain": func(c *client.Client) error {
				_, err := c.Drain(t.Context(), client.DrainRequest{Region: "x"})
				return err
			},
			"apply": func(c *client.Client) error {
				_, err := c.Apply(t.Context(), client.ApplyRequest{Spec: []byte("x")})
				return err
			},
		} {
			err := change(newClient(t, client.Config{}, test.first(), region(t, 200, client.Drained{})))
			var refused *client.Error
			switch {
			case test.want == "" && err != nil:
				t.Errorf("%s, %s: %v, want the second region's answer", test.name, what, err)
			case test.want != "" && (!errors.As(err, &refused) || refused.Code != test.want || refused.Region != "a"):
				t.Errorf("%s, %s: %v, want %s of the first", test.name, what, err, test.want)
			}
		}
	}
}

func TestAnAnswerIsRememberedAndAPreferenceKept(t *testing.T) {
	urls := []string{gone(t), region(t, 200, client.Status{}), region(t, 200, client.Status{})}
	c := newClient(t, client.Config{Region: "c"}, urls...)
	if _, err := c.Status(t.Context()); err != nil || c.Answered() != "c" {
		t.Errorf("got %q (%v), want the preferred c", c.Answered(), err)
	}
	if _, err := c.Environment(t.Context(), "a"); err != nil || c.Answered() == "a" {
		t.Errorf("the environment of a dead region: %q, %v; want another one's answer", c.Answered(), err)
	}
}

func TestNobodyAnswers(t *testing.T) {
	c := newClient(t, client.Config{}, gone(t), gone(t))
	_, err := c.Status(t.Context())
	var unreachable *client.UnreachableError
	if !errors.As(err, &unreachable) || len(unreachable.Attempts) != 2 {
		t.Fatalf("got %v, want an UnreachableError of two attempts", err)
	}
	if text := err.Error(); !strings.Contains(text, `no region of world "notes" answered`) || !strings.Contains(text, "connection refused") {
		t.Errorf("the error says too little: %s", text)
	}

	starting := client.Errorf(client.CodeUnavailable, "starting: waits for eu")
	c = newClient(t, client.Config{}, region(t, 503, starting), gone(t))
	if _, err := c.Status(t.Context()); err == nil || err.Error() != "starting: waits for eu" {
		t.Errorf("got %v, want what the starting region said", err)
	}
}

func TestACancelledCallStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := newClient(t, client.Config{}, hung(t), hung(t))
	if _, err := c.Status(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that it was cancelled", err)
	}
}

func TestContextsAreFoundUpwards(t *testing.T) {
	root := t.TempDir()
	deep := filepath.Join(root, "a", "b")
	if err := os.MkdirAll(deep, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := client.FindContext(deep); !errors.Is(err, client.ErrNoContext) {
		t.Fatalf("got %v, want ErrNoContext", err)
	}
	want := client.Context{World: "notes", TokenFile: "token", Regions: []client.Endpoint{{Region: "a", URL: "http://x"}}}
	for _, place := range []string{"bundles", ".demo", ".meridian"} { // each wins over the one before
		path := filepath.Join(root, place, client.ContextName)
		if err := client.WriteContext(path, want); err != nil {
			t.Fatal(err)
		}
		got, err := client.FindContext(deep)
		if err != nil || got != path {
			t.Errorf("found %q (%v), want %q", got, err, path)
		}
	}
	path := filepath.Join(root, ".meridian", client.ContextName)
	got, err := client.LoadContext(path)
	want.TokenFile = filepath.Join(root, ".meridian", "token")
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("context (-want +got): %v\n%s", err, diff)
	}
	if _, err := client.New(client.Config{Context: got}); err == nil || !strings.Contains(err.Error(), "read the admin token") {
		t.Errorf("a context whose token is missing: got %v", err)
	}
}

func TestWrongContextsAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		"hello":                  "is no context file",
		`{"world": "notes"}`:     "names no region",
		strings.Repeat(" ", 2e6): "is no context file",
	} {
		path := filepath.Join(t.TempDir(), "context.json")
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := client.LoadContext(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: got %v, want that it %s", text, err, want)
		}
	}
}

func FuzzLoadContext(f *testing.F) {
	f.Add([]byte(`{"world":"notes","regions":[{"region":"a","url":"http://127.0.0.1:7070"}],"token_file":"token"}`))
	f.Add([]byte(`{"regions":[{}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "context.json")
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		c, err := client.LoadContext(path)
		if err == nil && len(c.Regions) == 0 {
			t.Error("a context without a region was accepted")
		}
	})
}
