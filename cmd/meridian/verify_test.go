package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/meridian-run/meridian/client"
)

// A region that was not compared in one part of a table, because it did not apply
// in time what another one has, is not among those that hold the same.
func TestVerifyNamesWhatWasNotCompared(t *testing.T) {
	var out bytes.Buffer
	v := &verifyRun{app: &app{out: &out, err: &out, getenv: func(string) string { return "" }}}
	var sum client.Verified
	for _, part := range []client.Verified{
		{Compared: []string{"us", "eu", "ap"}},
		{Compared: []string{"us", "eu"}, Unsettled: 3, Skipped: []client.SkippedRegion{{Region: "ap", Why: "ap has not applied what us has"}}},
		{Compared: []string{"us", "eu", "ap"}},
	} {
		addVerified(&sum, part)
	}
	v.conclude("notes", sum)
	for _, want := range []string{"ap was not compared: ap has not applied what us has\n", "notes: us, eu hold the same\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in:\n%s", want, &out)
		}
	}
	if !v.open || strings.Contains(out.String(), "eu, ap hold") {
		t.Errorf("it passes for compared (open %t):\n%s", v.open, &out)
	}
}
