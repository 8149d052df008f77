package replica

import (
	"testing"

	"github.com/meridian-run/meridian/internal/hlc"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/replicate"
)

// Frames are joined only where one frontier holds for all of their records
// (DATA 7), and where a report would not take effect early (DATA 14).
func TestBatchTakesFramesOfOneFrontier(t *testing.T) {
	frame := func(table record.TableID, at hlc.Time) *replicate.Frame {
		return &replicate.Frame{Frontiers: []replicate.Frontier{{Table: table, Time: at}}}
	}
	report := frame(1, 5)
	report.Report = replicate.Report{{Origin: 2, Time: 9}}
	scan := frame(1, 5)
	scan.Scan = true
	for name, c := range map[string]struct {
		first, next *replicate.Frame
		want        bool
	}{
		"the same frontier":       {frame(1, 5), frame(1, 5), true},
		"a later frontier":        {frame(1, 5), frame(1, 6), false},
		"an earlier frontier":     {frame(1, 5), frame(1, 4), false},
		"another table":           {frame(1, 5), frame(2, 6), true},
		"a heartbeat":             {frame(1, 5), &replicate.Frame{}, true},
		"a report that comes":     {frame(1, 5), report, true},
		"behind a report":         {report, frame(1, 5), false},
		"a resend's chunk behind": {frame(1, 5), scan, false},
	} {
		b := batch{frontiers: c.first.Frontiers, last: c.first}
		if got := b.fits(c.next); got != c.want {
			t.Errorf("%s: fits %t, want %t", name, got, c.want)
		}
	}
}
