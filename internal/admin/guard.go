package admin

import (
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/meridian-run/meridian/client"
)

var (
	errToken = client.Errorf(client.CodeUnauthorized,
		"this call needs the admin token of this world: Authorization: Bearer TOKEN (the context file names the token's file)")
	errController = client.Errorf(client.CodeUnavailable,
		"this is the controller of `meridian dev`, which starts and stops regions; ask a region for its state")
	errNoDev = client.Errorf(client.CodeInvalid,
		"this world runs with `meridian serve`: there is no simulated network and no switch for a process; stop it where it runs, or take its traffic away with `meridian drain`")
)

// guarded asks every caller for the token.
func (a *api) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !a.hasToken(r) {
			writeError(w, errToken)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// readable asks for the token unless the caller is on this machine.
func (a *api) readable(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !sameMachine(r) && !a.hasToken(r) {
			writeError(w, errToken)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (a *api) hasToken(r *http.Request) bool {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return a.config.Token != "" && strings.EqualFold(scheme, "Bearer") &&
		subtle.ConstantTimeCompare([]byte(token), []byte(a.config.Token)) == 1
}

// sameMachine reports whether the request came over loopback, to a loopback
// address, and nobody passed it on. The Host check keeps out web pages that
// let their own name point at 127.0.0.1 to read what is here.
func sameMachine(r *http.Request) bool {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !peer.Addr().Unmap().IsLoopback() {
		return false
	}
	for _, header := range []string{"Forwarded", "X-Forwarded-For", "Via"} {
		if r.Header.Get(header) != "" {
			return false
		}
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.Unmap().IsLoopback()
}
