package main

import (
	"testing"

	"github.com/meridian-run/meridian/client"
)

// A region that has got nothing of a peer yet is not behind since 1970.
func TestLagOfAJoiner(t *testing.T) {
	v := &statusView{}
	for want, lag := range map[string]client.Lag{
		"copying": {Connected: true, Seconds: 20778 * 86400}, "2 days": {Connected: true, Seconds: 2 * 86400},
	} {
		if got := v.lagCell(lag); got != want {
			t.Errorf("%+v is shown as %q, want %q", lag, got, want)
		}
	}
}
