package link_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-run/meridian/internal/link"
	"github.com/meridian-run/meridian/internal/wan"
)

// events collects what Events report.
type events struct {
	mu    sync.Mutex
	lines []string
	count int
}

func (e *events) add(format string, args ...any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lines = append(e.lines, fmt.Sprintf(format, args...))
}

func (e *events) callbacks() link.Events {
	return link.Events{
		Up:      func(peer string) { e.add("up %s", peer) },
		Down:    func(peer string, err error) { e.add("down %s", peer) },
		Refused: func(who link.Identity, from string, err error) { e.add("refused %q: %v", who.Region, err) },
		RefusedCount: func() {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.count++
		},
		Failed: func(text string) { e.add("failed %s", text) },
	}
}

func (e *events) seen() ([]string, int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]string(nil), e.lines...), e.count
}

// serve starts a server and answers its address.
func serve(t *testing.T, c link.ServerConfig) string {
	t.Helper()
	var err error
	if c.Listen, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	address := c.Listen.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- link.NewServer(c).Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("server: %v", err)
		}
	})
	return address
}

func connect(t *testing.T, c link.ClientConfig, address string) *link.Client {
	t.Helper()
	c.Address = func(string) (string, bool) { return address, true }
	client := link.NewClient(c)
	t.Cleanup(func() { client.Close() })
	return client
}

func id(region string) link.Identity { return link.Identity{World: "notes", Region: region} }

func echoPosts() map[string]link.Handler {
	return map[string]link.Handler{
		"echo": func(_ context.Context, from string, payload []byte) ([]byte, error) {
			return append([]byte(from+": "), payload...), nil
		},
		"panic": func(context.Context, string, []byte) ([]byte, error) { panic("a bug") },
		"fail": func(context.Context, string, []byte) ([]byte, error) {
			return nil, errors.New("no such observation")
		},
	}
}

func TestPost(t *testing.T) {
	ca := newAuthority(t)
	var seen events
	var inside events
	address := serve(t, link.ServerConfig{Identity: id("b"), TLS: ca.node("notes", "b"), Posts: echoPosts(), Events: inside.callbacks()})
	client := connect(t, link.ClientConfig{Identity: id("a"), TLS: ca.node("notes", "a"), Events: seen.callbacks()}, address)

	for range 2 {
		if got, err := client.Post(t.Context(), "b", "echo", []byte("hello")); err != nil || string(got) != "a: hello" {
			t.Errorf("post: %q, %v", got, err)
		}
	}
	if _, err := client.Post(t.Context(), "b", "fail", nil); !errors.Is(err, link.ErrRemote) || !strings.Contains(err.Error(), "no such observation") {
		t.Errorf("failing handler: %v", err)
	}
	if _, err := client.Post(t.Context(), "b", "other", nil); !errors.Is(err, link.ErrRemote) {
		t.Errorf("unknown kind: %v", err)
	}
	if _, err := client.Post(t.Context(), "b", "echo", make([]byte, link.PostMax+1)); err == nil {
		t.Error("a payload over the limit was taken")
	}
	if got, _ := seen.seen(); !cmp.Equal(got, []string{"up b"}) {
		t.Errorf("events %q, want one up", got)
	}
	if _, err := client.Post(t.Context(), "b", "panic", nil); err == nil {
		t.Error("a handler's panic was answered as success")
	}
	for { // it is told behind the caller's back
		if got, _ := inside.seen(); len(got) > 0 {
			if !strings.Contains(got[0], "a bug") {
				t.Errorf("a handler's panic is told as %q", got)
			}
			break
		}
		if _, err := client.Post(t.Context(), "b", "echo", nil); err != nil {
			t.Fatal(err)
		}
	}
}

func TestStreamBothWays(t *testing.T) {
	ca := newAuthority(t)
	address := serve(t, link.ServerConfig{Identity: id("b"), TLS: ca.node("notes", "b"), Streams: map[string]link.StreamHandler{
		"echo": func(ctx context.Context, from string, s *link.Stream) error {
			for {
				m, err := s.Receive()
				if err == io.EOF {
					return s.Send([]byte("end of " + from))
				}
				if err != nil {
					return err
				}
				if err := s.Send(bytes.ToUpper(m)); err != nil {
					return err
				}
			}
		},
		"refuse": func(_ context.Context, _ string, s *link.Stream) error {
			defer s.Close()
			return s.Send([]byte("the reason"))
		},
		"reset": func(context.Context, string, *link.Stream) error { return errors.New("reset") },
	}})
	client := connect(t, link.ClientConfig{Identity: id("a"), TLS: ca.node("notes", "a")}, address)
	ctx, cancel := context.WithCancel(t.Context())
	s, err := client.Open(ctx, "b", "echo")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	cancel() // bounds the opening only
	large := bytes.Repeat([]byte("x"), 3<<20)
	for _, m := range [][]byte{[]byte("one"), {}, large} {
		if err := s.Send(m); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Receive(); err != nil || !bytes.Equal(got, bytes.ToUpper(m)) {
			t.Fatalf("received %d bytes, %v, want %d", len(got), err, len(m))
		}
	}
	if err := s.Send(make([]byte, link.MessageMax+1)); err == nil {
		t.Error("a message over the limit was sent")
	}
	for range 20 { // a last message arrives, although the stream is closed behind it
		r, err := client.Open(t.Context(), "b", "refuse")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := r.Receive(); err != nil || string(got) != "the reason" {
			t.Fatalf("last words: %q, %v", got, err)
		}
		r.Close()
	}
	r, err := client.Open(t.Context(), "b", "reset")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := r.Receive(); err == nil || err == io.EOF {
		t.Errorf("a stream whose handler failed ended with %v, want a reset", err)
	}
}

func TestRefusals(t *testing.T) {
	ca, foreign := newAuthority(t), newAuthority(t)
	var seen events
	address := serve(t, link.ServerConfig{
		Identity: id("b"), TLS: ca.node("notes", "b"), Posts: echoPosts(), Events: seen.callbacks(),
		Known: func(region string) bool { return region != "removed" },
	})
	try := func(who link.Identity, config *tls.Config, peer string) error {
		client := connect(t, link.ClientConfig{Identity: who, TLS: config}, address)
		defer client.Close()
		_, err := client.Post(t.Context(), peer, "echo", nil)
		return err
	}
	both := func(client, server *authority, region, world string) *tls.Config {
		config := client.node(world, region)
		config.RootCAs = server.pool // this test's clients trust the server, so that the server must refuse
		return config
	}
	for name, c := range map[string]struct {
		who    link.Identity
		config *tls.Config
		peer   string
		want   string
	}{
		"server of another authority": {id("a"), both(ca, foreign, "a", "notes"), "b", "not this world's"},
		"client of another authority": {id("a"), both(foreign, ca, "a", "notes"), "b", ""},
		"client of another world":     {id("a"), both(ca, ca, "a", "shop"), "b", ""},
		"server of another world":     {link.Identity{World: "shop", Region: "a"}, both(ca, ca, "a", "shop"), "b", `belongs to world "notes", not to "shop"`},
		"server is another region":    {id("a"), both(ca, ca, "a", "notes"), "c", `answers as region "b", not "c"`},
		"client is not in the world":  {id("removed"), both(ca, ca, "removed", "notes"), "b", "does not know"},
		"client without certificate":  {id("a"), &tls.Config{RootCAs: ca.pool}, "b", ""},
	} {
		for range 3 {
			if err := try(c.who, c.config, c.peer); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v, want an error with %q", name, err, c.want)
			}
		}
	}
	if err := try(id("a"), ca.node("notes", "a"), "b"); err != nil {
		t.Errorf("the right certificate: %v", err)
	}
	lines, count := seen.seen()
	said := map[string]int{}
	for _, l := range lines {
		said[l]++
	}
	for l, times := range said {
		if times > 1 {
			t.Errorf("said %d times: %s", times, l)
		}
	}
	for _, want := range []string{"not this world's", `world "shop"`, `know a region or witness "removed"`} {
		if !strings.Contains(strings.Join(lines, "\n"), want) {
			t.Errorf("no refusal says %q: %q", want, lines)
		}
	}
	if count < 3*len(said) {
		t.Errorf("%d refusals counted, want at least %d", count, 3*len(said))
	}
}

func TestNoiseIsRefusedWithoutPanic(t *testing.T) {
	ca := newAuthority(t)
	var seen events
	address := serve(t, link.ServerConfig{Identity: id("b"), TLS: ca.node("notes", "b"), Posts: echoPosts(), Events: seen.callbacks()})
	for range 3 {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		io.ReadAll(c)
		c.Close()
	}
	client := connect(t, link.ClientConfig{Identity: id("a"), TLS: ca.node("notes", "a")}, address)
	if _, err := client.Post(t.Context(), "b", "echo", nil); err != nil {
		t.Errorf("after noise: %v", err)
	}
	if lines, count := seen.seen(); len(lines) != 1 || count != 3 {
		t.Errorf("noise was reported as %q and counted %d times, want one report and 3", lines, count)
	}
}

// distant joins the client "a" to an address of "b" over a simulated WAN.
func distant(t *testing.T, roundTrip time.Duration, address string) *wan.Network {
	t.Helper()
	n := wan.New(wan.Config{RoundTrip: func(a, b string) time.Duration { return roundTrip }, DialTimeout: time.Second + 2*roundTrip})
	t.Cleanup(func() { n.Close() })
	at := netip.MustParseAddrPort(address)
	n.Place("b", netip.PrefixFrom(at.Addr(), 32), at.Port(), at.Port())
	return n
}

// A window of 8 MB is under way on a long link before anything comes back.
func TestWindowKeepsALongLinkBusy(t *testing.T) {
	t.Parallel()
	const roundTrip, window = 2 * time.Second, 8 << 20 // so long that a busy machine sends a window in less
	ca := newAuthority(t)
	sent := make(chan time.Duration, 1)
	address := serve(t, link.ServerConfig{Identity: id("b"), TLS: ca.node("notes", "b"), Streams: map[string]link.StreamHandler{
		"bulk": func(ctx context.Context, from string, s *link.Stream) error {
			s.Receive() // lets the first settings arrive
			start := time.Now()
			for range window >> 20 {
				if err := s.Send(make([]byte, 1<<20)); err != nil {
					return err
				}
			}
			sent <- time.Since(start)
			_, err := s.Receive()
			return err
		},
	}})
	n := distant(t, roundTrip, address)
	client := connect(t, link.ClientConfig{Identity: id("a"), TLS: ca.node("notes", "a"), Dial: n.Dialer("a").DialContext}, address)
	s, err := client.Open(t.Context(), "b", "bulk")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.Send([]byte("go"))
	for range window >> 20 {
		if _, err := s.Receive(); err != nil {
			t.Fatal(err)
		}
	}
	if took := <-sent; took >= roundTrip {
		t.Errorf("sending one window took %v: it waited for the other side", took)
	}
}

func TestCutEndsStreamsAndHealBringsThePeerUp(t *testing.T) {
	ca := newAuthority(t)
	ended := make(chan error, 1)
	address := serve(t, link.ServerConfig{Identity: id("b"), TLS: ca.node("notes", "b"), Posts: echoPosts(), Streams: map[string]link.StreamHandler{
		"wait": func(ctx context.Context, from string, s *link.Stream) error {
			_, err := s.Receive()
			ended <- err
			return err
		},
	}})
	n := distant(t, 0, address)
	var seen events
	client := connect(t, link.ClientConfig{Identity: id("a"), TLS: ca.node("notes", "a"), Dial: n.Dialer("a").DialContext, Events: seen.callbacks()}, address)
	s, err := client.Open(t.Context(), "b", "wait")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	n.Cut("a", "b")
	if _, err := s.Receive(); err == nil || err == io.EOF {
		t.Errorf("a cut stream ended with %v", err)
	}
	if err := <-ended; err == nil || err == io.EOF {
		t.Errorf("the server's end of a cut stream ended with %v", err)
	}
	for range 2 {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		if _, err := client.Post(ctx, "b", "echo", nil); err == nil {
			t.Error("a post passed a cut")
		}
		cancel()
	}
	n.Heal("a", "b")
	if _, err := client.Post(t.Context(), "b", "echo", nil); err != nil {
		t.Errorf("after heal: %v", err)
	}
	if got, _ := seen.seen(); !cmp.Equal(got, []string{"up b", "down b", "up b"}) {
		t.Errorf("events %q", got)
	}
}
