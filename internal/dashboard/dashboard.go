package dashboard

import (
	_ "embed"
	"net/http"
)

//go:embed page.html
var page []byte

// policy lets the page run its own script and ask its own server, and nothing
// else: a region's name or an error text can never become more than text.
const policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

// Serve answers with the page. It holds no data.
func Serve(w http.ResponseWriter, _ *http.Request) {
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", policy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cache-Control", "no-cache")
	_, _ = w.Write(page) // an error is a reader that went away
}
