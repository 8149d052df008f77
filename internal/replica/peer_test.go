package replica

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/replicate"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

// DATA 16: a second table is given to this region while the end of the first
// one's resend is being applied. It was not in that resend, so it is not whole by
// it, and is still to be asked for.
func TestDATA16_AResendCopiesOnlyWhatItBeganWith(t *testing.T) {
	const first, second = record.TableID(1), record.TableID(2)
	held := func(id record.TableID, since uint64) table.Table {
		return table.Table{ID: id, Replicas: []table.Replica{{Region: "a", ID: 1}, {Region: "b", ID: 2, Since: since}}}
	}
	a := newPeer(Peer{Name: "a", ID: 1}, time.Now())
	b := &Replica{
		self: 2, peers: map[string]*peer{"a": a}, changed: make(chan struct{}),
		tables:  map[record.TableID]table.Table{first: held(first, 5), second: held(second, 6)},
		copying: map[record.TableID]uint64{first: 5},
	}
	end := batch{peer: a, last: &replicate.Frame{Scan: true, ScanDone: true, ScanEnd: true}}

	a.askResend("the first table")
	a.scanBegins(b.copying)
	b.copying[second] = 6
	a.askResend("the second table")
	got := b.progress(end, store.ApplyResult{}, time.Now())
	if d := cmp.Diff(got.copied, map[record.TableID]uint64{first: 5}); d != "" {
		t.Errorf("whole by the first resend: got (-), want (+):\n%s", d)
	}
	if a.resend == "" || a.scanning {
		t.Errorf("the second table is not asked for: resend %q, scanning %t", a.resend, a.scanning)
	}
	a.scanBegins(b.copying)
	got = b.progress(end, store.ApplyResult{}, time.Now())
	if d := cmp.Diff(got.copied, map[record.TableID]uint64{second: 6}); d != "" || a.resend != "" {
		t.Errorf("whole by the second resend: got (-), want (+), resend %q:\n%s", a.resend, d)
	}
}
