package gateway

import (
	"io"
	"net/http"
	"net/http/httptrace"
	"testing"
)

// A region that leaves sends clients away that would keep their connection.
func TestU2_LeavingEndsKeptConnections(t *testing.T) {
	t.Parallel()
	for name, h2c := range map[string]bool{"HTTP/1.1": false, "h2c": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := serve(t, Config{}, Service{Name: "api", Host: "api.test", Function: says(`{"statusCode":200}`, nil)})
			protocols := new(http.Protocols)
			protocols.SetHTTP1(!h2c)
			protocols.SetUnencryptedHTTP2(h2c)
			transport := &http.Transport{Protocols: protocols}
			defer transport.CloseIdleConnections()
			reused := func() bool {
				t.Helper()
				again := false
				r, err := http.NewRequest("GET", "http://"+g.address+"/", nil)
				if err != nil {
					t.Fatal(err)
				}
				r.Host = "api.test"
				r = r.WithContext(httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(c httptrace.GotConnInfo) { again = c.Reused }}))
				resp, err := transport.RoundTrip(r)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != 200 {
					t.Fatalf("status %d, %v", resp.StatusCode, err)
				}
				return again
			}
			reused()
			if !reused() {
				t.Error("connections are not kept before the region leaves")
			}
			g.Leave()
			reused() // on the kept one, which this response ends
			if reused() {
				t.Error("the connection is kept although the region leaves")
			}
		})
	}
}
