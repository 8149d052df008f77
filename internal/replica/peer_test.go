package replica

import (
	"testing"
	"time"

	"github.com/meridian-run/meridian/internal/replicate"
	"github.com/meridian-run/meridian/internal/store"
)

// DATA 18: a second resend is asked for while the end of the first is being
// applied: the first does not answer it.
func TestDATA18_AResendAnswersOnlyWhatCameBeforeIt(t *testing.T) {
	a := newPeer(Peer{Name: "a", ID: 1}, time.Now())
	b := &Replica{self: 2, peers: map[string]*peer{"a": a}, changed: make(chan struct{})}
	end := batch{peer: a, last: &replicate.Frame{Scan: true, ScanDone: true, ScanEnd: true}}

	a.askResend("a trimmed cursor")
	a.scanBegins()
	a.askResend("a lost log")
	b.progress(end, store.ApplyResult{}, time.Now())
	if a.resend == "" || a.scanning {
		t.Errorf("the second resend is forgotten: resend %q, scanning %t", a.resend, a.scanning)
	}
	a.scanBegins()
	b.progress(end, store.ApplyResult{}, time.Now())
	if a.resend != "" {
		t.Errorf("a resend is asked for again: %q", a.resend)
	}
}
