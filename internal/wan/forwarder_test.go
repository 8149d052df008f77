package wan_test

import (
	"strings"
	"testing"

	"github.com/meridian-run/meridian/internal/wan"
)

func TestHTTPHeader(t *testing.T) {
	source := wan.HTTPHeader("X-Server-From", func(v string) string { return "site " + v })
	for head, want := range map[string]string{
		"":                              "",
		"POST /raft HTTP/1.1":           "",
		"GET / HTTP/1.1\r\nHost: x\r\n": "",
		"GET / HTTP/1.1\r\nX-Server-From: 1f\r\n":    "site 1f",
		"GET / HTTP/1.1\r\nx-server-from:1f\r\n\r\n": "site 1f",
		"GET / HTTP/1.1\r\nX-Server-From: 1":         "", // it may go on
		"X-Server-From: 1f\r\n":                      "site 1f",
	} {
		if got := source([]byte(head)); got != want {
			t.Errorf("%q: source %q, want %q", head, got, want)
		}
	}
}

func FuzzHTTPHeader(f *testing.F) {
	f.Add([]byte("GET / HTTP/1.1\r\nX-Server-From: 1f\r\n\r\n"))
	f.Add([]byte("\r\n:\r\n"))
	source := wan.HTTPHeader("X-Server-From", func(v string) string { return v })
	f.Fuzz(func(t *testing.T, head []byte) {
		got := source(head)
		if strings.ContainsAny(got, "\n") && !strings.Contains(string(head), got) {
			t.Errorf("source %q is not from %q", got, head)
		}
		// What is complete stays as it is, whatever follows.
		if got != "" && source(append(head, "more"...)) != got {
			t.Errorf("source %q of %q changes when more arrives", got, head)
		}
	})
}
