package gateway

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"
)

func TestTLSListenerSpeaksBothProtocols(t *testing.T) {
	// It is there for its certificate and a client that trusts it.
	certified := httptest.NewTLSServer(http.NotFoundHandler())
	defer certified.Close()
	g := New(Config{Region: "eu-west-1", TLS: &tls.Config{Certificates: certified.TLS.Certificates}})
	g.Publish(&Snapshot{Services: []Service{api(&fakeFunction{invoke: func(_ context.Context, e event) (string, error) {
		return fmt.Sprintf("%q", e.Context.HTTP.Protocol+" "+e.Headers["x-forwarded-proto"]), nil
	}})}})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx, Listeners{TLS: []net.Listener{listener}}) }()
	for _, http2 := range []bool{false, true} {
		transport := certified.Client().Transport.(*http.Transport).Clone()
		transport.Protocols = new(http.Protocols)
		transport.Protocols.SetHTTP1(!http2)
		transport.Protocols.SetHTTP2(http2)
		transport.TLSClientConfig.NextProtos = nil
		r, _ := http.NewRequest("GET", "https://"+listener.Addr().String(), nil)
		want := `"HTTP/1.1 https"`
		if http2 {
			want = `"HTTP/2.0 https"`
		}
		if got := read(t, &http.Client{Transport: transport}, r); got.body != want {
			t.Errorf("got %d %s, want %s", got.status, got.body, want)
		}
		transport.CloseIdleConnections()
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestTLSListenerNeedsACertificate(t *testing.T) {
	if err := New(Config{}).Run(context.Background(), Listeners{TLS: []net.Listener{nil}}); err == nil {
		t.Error("a TLS listener without a certificate was accepted")
	}
}

func TestUpgradedConnectionsOutliveTheTimeout(t *testing.T) {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		line, _ := buffered.ReadString('\n')
		io.WriteString(conn, line)
	}))
	defer backend.Close()
	base, err := url.Parse(backend.URL)
	if err != nil {
		t.Fatal(err)
	}
	const timeout = 50 * time.Millisecond
	s := serve(t, Config{}, Service{Name: "shop", Backend: base, Timeout: timeout})
	conn, err := net.Dial("tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols || resp.Header.Get(headerRegion) != "eu-west-1" {
		t.Fatalf("got %v (%v), want an upgrade", resp, err)
	}
	time.AfterFunc(2*timeout, func() { io.WriteString(conn, "hello\n") })
	if line, err := in.ReadString('\n'); err != nil || line != "hello\n" {
		t.Errorf("got %q (%v), want the echo", line, err)
	}
}

func TestSlowBodyDoesNotHoldAConnectionForEver(t *testing.T) {
	service := api(says(`{}`, nil))
	service.Timeout = 20 * time.Millisecond
	s := serve(t, Config{}, service)
	conn, err := net.Dial("tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || resp.StatusCode != http.StatusRequestTimeout {
		t.Fatalf("got %v (%v), want 408", resp, err)
	}
}

// What cannot become a request is refused at once, not when the time for a
// header is over, although the port takes HTTP/2 too.
func TestMalformedRequestsAreAnsweredAtOnce(t *testing.T) {
	s := serve(t, Config{}, api(says(`{}`, nil)))
	for text, want := range map[string]int{
		"FOO\r\n\r\n":                 400,
		"GET /\r\n\r\n":               400,
		"X\r\n":                       400,
		"PRI\r\n\r\n":                 400,
		"A / HTTP/1.0\r\n\r\n":        200, // shorter than HTTP/2's first line
		"POST / HTTP/1.0\r\n\r\n":     200,
		"P / HTTP/1.1\nHost: x\n\n":   404,
		"GET / HTTP/1.1\r\nA\r\n\r\n": 400,
	} {
		conn, err := net.Dial("tcp", s.address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(headerDelayMax / 2))
		for _, b := range []byte(text) { // in as many packets as it likes to be
			if _, err := conn.Write([]byte{b}); err != nil {
				break // it has answered already
			}
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Errorf("%q: %v, want %d", text, err, want)
		} else if resp.StatusCode != want {
			t.Errorf("%q: got %d, want %d", text, resp.StatusCode, want)
		}
	}
}

func TestHTTP2PrefaceMayComeInPieces(t *testing.T) {
	s := serve(t, Config{}, api(says(`{}`, nil)))
	conn, err := net.Dial("tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(headerDelayMax / 2))
	const emptySettings = "\x00\x00\x00\x04\x00\x00\x00\x00\x00"
	for _, b := range []byte(prefaceLine + "\r\n\r\nSM\r\n\r\n" + emptySettings) {
		if _, err := conn.Write([]byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	frame := make([]byte, 9)
	if _, err := io.ReadFull(conn, frame); err != nil || frame[3] != 4 {
		t.Errorf("got a frame %x (%v), want SETTINGS", frame, err)
	}
}
