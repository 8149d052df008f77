package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/meridian-run/meridian/client"
)

func TestLookupSaysForWhomTheAnswerHolds(t *testing.T) {
	for _, c := range []struct {
		client string
		scope  int
		want   string
	}{
		{"198.18.7.0/24", 24, "the answer holds for this network"},
		{"198.18.7.9/32", 24, "the answer holds for all of 198.18.7.0/24"},
		{"2001:db8:1::/56", 48, "the answer holds for all of 2001:db8:1::/48"},
		{"198.18.0.0/15", 24, "the answer is for it as a whole: it has parts, as its first /24, that may get others"},
		{"198.18.7.0/24", 0, "the answer is not for its network alone, but for all"},
		{"0.0.0.0/0", 0, "the answer is not for its network alone, but for all"},
	} {
		if got := holdsFor(client.Lookup{Client: c.client, Scope: c.scope}); got != c.want {
			t.Errorf("%s with scope %d: got %q, want %q", c.client, c.scope, got, c.want)
		}
	}
}

func TestH8_FailOpenIsSaidOnce(t *testing.T) {
	for _, reason := range []string{
		"fail open: no region is healthy, so the answer is as if all were: a is first",
		"no region is healthy, so the answer is as if all were: a is first",
	} {
		var out bytes.Buffer
		writeReason(&out, style{}, client.Lookup{FailOpen: true, Reason: reason})
		if got := strings.Count(out.String(), "fail open"); got != 1 {
			t.Errorf("said %d times: %s", got, &out)
		}
		out.Reset()
		writeResponse(&out, style{}, client.Request{}, client.Response{Lookup: client.Lookup{FailOpen: true, Reason: reason}})
		if got := strings.Count(out.String(), "fail open"); got != 1 {
			t.Errorf("request says it %d times: %s", got, &out)
		}
	}
}
