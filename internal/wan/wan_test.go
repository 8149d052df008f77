package wan_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/meridian-run/meridian/internal/wan"
)

// world places one echoing address at site "b"; the tests dial from "a".
func world(t *testing.T, roundTrip time.Duration) (*wan.Network, net.Listener) {
	t.Helper()
	n := wan.New(wan.Config{
		RoundTrip:   func(a, b string) time.Duration { return roundTrip },
		DialTimeout: 300*time.Millisecond + 2*roundTrip,
	})
	t.Cleanup(func() { n.Close() })
	listener := listen(t, n, "b")
	return n, listener
}

func listen(t *testing.T, n *wan.Network, site string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	addr := l.Addr().(*net.TCPAddr).AddrPort()
	n.Place(site, netip.PrefixFrom(addr.Addr(), 32), addr.Port(), addr.Port())
	return l
}

func dial(t *testing.T, n *wan.Network, from, address string) net.Conn {
	t.Helper()
	c, err := n.Dialer(from).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func echo(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			io.Copy(c, c)
		}()
	}
}

func TestDelaysBothDirections(t *testing.T) {
	const roundTrip = 1500 * time.Millisecond
	n, l := world(t, roundTrip)
	go echo(l)
	start := time.Now()
	c := dial(t, n, "a", l.Addr().String())
	if took := time.Since(start); took < roundTrip {
		t.Errorf("connected after %v, want at least a round trip of %v", took, roundTrip)
	}
	start = time.Now()
	io.WriteString(c, "hello")
	got := make([]byte, 5)
	if _, err := io.ReadFull(c, got); err != nil || string(got) != "hello" {
		t.Fatalf("read %q, %v", got, err)
	}
	if took := time.Since(start); took < roundTrip || took >= 2*roundTrip {
		t.Errorf("echo after %v, want one round trip of %v, not two", took, roundTrip)
	}
}

func TestKeepsBandwidth(t *testing.T) {
	const roundTrip, size = 100 * time.Millisecond, 12 << 20
	n, l := world(t, roundTrip)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		io.Copy(io.Discard, c)
		c.Write([]byte("k"))
		c.Close()
	}()
	c := dial(t, n, "a", l.Addr().String())
	start := time.Now()
	block := make([]byte, 16<<10)
	for range size / len(block) {
		if _, err := c.Write(block); err != nil {
			t.Fatal(err)
		}
	}
	c.(interface{ CloseWrite() error }).CloseWrite()
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	// One block a round trip would take over a minute.
	if took := time.Since(start); took > 40*time.Second {
		t.Errorf("%d bytes took %v", size, took)
	}
	if got := n.Bytes("a", "b"); got != size {
		t.Errorf("delivered %d bytes, want %d", got, size)
	}
}

func TestWriteThenCloseDelivers(t *testing.T) {
	n, l := world(t, 40*time.Millisecond)
	c := dial(t, n, "a", l.Addr().String())
	io.WriteString(c, "last words")
	c.Close()
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer accepted.Close()
	if got, err := io.ReadAll(accepted); err != nil || string(got) != "last words" {
		t.Fatalf("read %q, %v", got, err)
	}
	if _, err := c.Write([]byte("x")); err == nil {
		t.Error("a write after Close succeeded")
	}
}

func TestCutStallsAndHealDelivers(t *testing.T) {
	n, l := world(t, 2*time.Millisecond)
	go echo(l)
	c := dial(t, n, "a", l.Addr().String())
	roundTrip(t, c)

	n.Cut("a", "b")
	out, back := n.Bytes("a", "b"), n.Bytes("b", "a")
	io.WriteString(c, "hello")
	c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if _, err := c.Read(make([]byte, 5)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("read over a cut: %v, want a timeout", err)
	}
	if n.Bytes("a", "b") != out || n.Bytes("b", "a") != back {
		t.Error("bytes passed a cut")
	}
	if _, err := n.Dialer("a").DialContext(t.Context(), "tcp", l.Addr().String()); !isTimeout(err) {
		t.Errorf("dial over a cut: %v, want a timeout", err)
	}
	if other, err := n.Dialer("c").DialContext(t.Context(), "tcp", l.Addr().String()); err != nil {
		t.Errorf("dial from a site that is not cut: %v", err)
	} else {
		other.Close()
	}

	n.Heal("a", "b")
	c.SetReadDeadline(time.Time{})
	if _, err := io.ReadFull(c, make([]byte, 5)); err != nil {
		t.Errorf("after heal: %v", err)
	}
}

func TestCutOneWay(t *testing.T) {
	n, l := world(t, 0)
	c := dial(t, n, "a", l.Addr().String())
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer accepted.Close()
	n.CutOneWay("b", "a")
	io.WriteString(c, "there")
	if _, err := io.ReadFull(accepted, make([]byte, 5)); err != nil {
		t.Fatalf("the open direction: %v", err)
	}
	io.WriteString(accepted, "back")
	c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if _, err := c.Read(make([]byte, 4)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("the cut direction: %v", err)
	}
}

func TestIsolateCutsFromAllButItself(t *testing.T) {
	n, l := world(t, 0)
	go echo(l)
	n.Isolate("b")
	if _, err := n.Dialer("a").DialContext(t.Context(), "tcp", l.Addr().String()); !isTimeout(err) {
		t.Errorf("dial to an isolated site: %v, want a timeout", err)
	}
	roundTrip(t, dial(t, n, "b", l.Addr().String()))
	n.Rejoin("b")
	roundTrip(t, dial(t, n, "a", l.Addr().String()))
}

func TestLossDelaysStreams(t *testing.T) {
	n, l := world(t, 0)
	go echo(l)
	c := dial(t, n, "a", l.Addr().String())
	n.Loss("a", "b", 1)
	start := time.Now()
	roundTrip(t, c)
	if took := time.Since(start); took < 400*time.Millisecond {
		t.Errorf("two lost chunks took %v, want two retransmissions", took)
	}
}

func TestDatagrams(t *testing.T) {
	n := wan.New(wan.Config{RoundTrip: func(a, b string) time.Duration { return 40 * time.Millisecond }})
	defer n.Close()
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	go func() {
		buffer := make([]byte, 2048)
		for {
			size, from, err := server.ReadFrom(buffer)
			if err != nil {
				return
			}
			server.WriteTo(bytes.ToUpper(buffer[:size]), from)
		}
	}()
	addr := server.LocalAddr().(*net.UDPAddr).AddrPort()
	n.Place("b", netip.PrefixFrom(addr.Addr(), 32), 0, 0)
	c, err := n.Dialer("a").DialContext(t.Context(), "udp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()

	start := time.Now()
	io.WriteString(c, "one")
	io.WriteString(c, "two")
	buffer := make([]byte, 100)
	for _, want := range []string{"ONE", "TWO"} {
		if size, err := c.Read(buffer); err != nil || string(buffer[:size]) != want {
			t.Fatalf("read %q, %v, want %q", buffer[:size], err, want)
		}
	}
	if took := time.Since(start); took < 40*time.Millisecond {
		t.Errorf("answers after %v, want a round trip", took)
	}
	n.Cut("a", "b")
	io.WriteString(c, "lost")
	c.SetReadDeadline(time.Now().Add(80 * time.Millisecond))
	if _, err := c.Read(buffer); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("read over a cut: %v", err)
	}
	n.Heal("a", "b")
	io.WriteString(c, "three")
	c.SetReadDeadline(time.Time{})
	if size, err := c.Read(buffer); err != nil || string(buffer[:size]) != "THREE" {
		t.Fatalf("after heal: %q, %v", buffer[:size], err)
	}
}

func TestForwarderKnowsTheSourceByHeader(t *testing.T) {
	n, l := world(t, 0)
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.Header.Get("X-Server-From")+" "+r.Header.Get("Connection"))
	}))
	front, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	members := map[string]string{"1f": "a", "2f": "c"}
	f := &wan.Forwarder{
		Network: n, Listen: front, To: "b", Target: l.Addr().String(),
		Source: wan.HTTPHeader("X-Server-From", func(id string) string { return members[id] }),
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- f.Run(ctx) }()
	get := func(member string) (string, error) {
		client := http.Client{Transport: &http.Transport{DisableKeepAlives: member != ""}, Timeout: time.Second}
		defer client.CloseIdleConnections()
		r, _ := http.NewRequest("GET", "http://"+front.Addr().String(), strings.NewReader("body"))
		if member != "" {
			r.Header.Set("X-Server-From", member)
		}
		response, err := client.Do(r)
		if err != nil {
			return "", err
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		return string(body), err
	}
	if got, err := get("1f"); err != nil || !strings.HasPrefix(got, "1f") {
		t.Errorf("named request: %q, %v", got, err)
	}
	if got, err := get(""); err != nil || got != " close" {
		t.Errorf("nameless request: %q, %v, want one that closes its connection", got, err)
	}
	n.Cut("a", "b")
	before := n.Bytes("a", "b")
	if got, err := get("1f"); err == nil {
		t.Errorf("request over a cut answered %q", got)
	}
	if _, err := get(""); err == nil {
		t.Error("a nameless request passed while its target is cut from a site")
	}
	if got, err := get("2f"); err != nil || !strings.HasPrefix(got, "2f") {
		t.Errorf("request from a site that is not cut: %q, %v", got, err)
	}
	if n.Bytes("a", "b") != before {
		t.Error("bytes passed a cut")
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestCloseEndsConnections(t *testing.T) {
	n, l := world(t, time.Hour)
	go echo(l)
	c, err := n.Dialer("b").DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	n.Close()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("read after Close: %v", err)
	}
	if _, err := n.Dialer("b").DialContext(t.Context(), "tcp", l.Addr().String()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("dial after Close: %v", err)
	}
}

func roundTrip(t *testing.T, c net.Conn) {
	t.Helper()
	io.WriteString(c, "ping")
	got := make([]byte, 4)
	if _, err := io.ReadFull(c, got); err != nil || string(got) != "ping" {
		t.Fatalf("read %q, %v", got, err)
	}
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}
