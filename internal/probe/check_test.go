package probe

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// once makes one check over real sockets.
func once(t *testing.T, r request) (bool, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	return check(ctx, new(net.Dialer).DialContext, r)
}

func TestHTTPAndHTTPS(t *testing.T) {
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/redirect":
			http.Redirect(w, r, "/500", http.StatusFound)
		case "/early":
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusOK)
		case "/query":
			if r.FormValue("deep") != "1" || r.Header.Get(Header) != "me" || r.Host != "api.a.test" {
				w.WriteHeader(http.StatusBadRequest)
			}
		case "/ok":
		default:
			http.Error(w, "broken:\n everything", http.StatusInternalServerError)
		}
	})
	plain, secure := httptest.NewServer(answer), httptest.NewTLSServer(answer)
	defer plain.Close()
	defer secure.Close()
	secure.Config.ErrorLog = nil
	for path, want := range map[string]bool{"/ok": true, "ok": true, "/redirect": true, "/early": true, "/query?deep=1": true, "/500": false} {
		for kind, server := range map[Kind]*httptest.Server{HTTP: plain, HTTPS: secure} {
			passed, reason := once(t, request{kind: kind, address: server.Listener.Addr().String(), host: "api.a.test", path: path, self: "me"})
			if passed != want {
				t.Errorf("%s %s: passed %v, %s", kind, path, passed, reason)
			}
			if !want && reason != "500: broken:" {
				t.Errorf("%s %s: %q", kind, path, reason)
			}
		}
	}
	if passed, _ := once(t, request{kind: HTTP, address: plain.Listener.Addr().String(), path: "/500", any: true}); !passed {
		t.Error("a reference point passes with any answer")
	}
}

func TestTCP(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if passed, reason := once(t, request{kind: TCP, address: address}); !passed {
		t.Error(reason)
	}
	listener.Close()
	if passed, reason := once(t, request{kind: TCP, address: address}); passed || reason != "connection refused" {
		t.Errorf("passed %v, %q", passed, reason)
	}
}

// answering serves raw bytes to every connection.
func answering(t *testing.T, text string) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				conn.Read(make([]byte, 4096))
				io.WriteString(conn, text)
			}()
		}
	}()
	return listener.Addr().String()
}

func TestAnswersThatAreNone(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":         "",
		"no HTTP":         "SSH-2.0-OpenSSH_9.2\r\n",
		"only interim":    strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 20),
		"endless headers": "HTTP/1.1 200 OK\r\n" + strings.Repeat("X: "+strings.Repeat("y", 1000)+"\r\n", 200),
	} {
		if passed, reason := once(t, request{kind: HTTP, address: answering(t, text)}); passed || reason == "" {
			t.Errorf("%s: passed %v, %q", name, passed, reason)
		}
	}
}

func TestReferencePoints(t *testing.T) {
	for point, want := range map[string]request{
		"tcp://[::1]:53":           {kind: TCP, address: "[::1]:53"},
		"1.1.1.1:53":               {kind: TCP, address: "1.1.1.1:53"},
		"example.com":              {kind: TCP, address: "example.com:443"},
		"2606:4700::1111":          {kind: TCP, address: "[2606:4700::1111]:443"},
		"https://example.com":      {kind: HTTPS, address: "example.com:443", host: "example.com", path: "/", any: true},
		"http://[::1]:8080/ok?a=b": {kind: HTTP, address: "[::1]:8080", host: "[::1]:8080", path: "/ok?a=b", any: true},
	} {
		if got := reference(point); got != want {
			t.Errorf("%s: %+v, want %+v", point, got, want)
		}
	}
}
