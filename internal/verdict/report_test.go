package verdict

import (
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestReportsSurviveTheWire(t *testing.T) {
	want := Report{Observer: "eu-west-1", Life: 1<<64 - 1, Sequence: 3, Full: true, Observations: []Observation{{
		Service: "api", Region: "us-east-1", Sequence: 9, Decided: true, Healthy: true, Passed: true, Streak: 4,
		Reason: "200 in 12 ms", Latency: 12 * time.Millisecond, At: time.Unix(1700000000, 5).UTC(),
	}}}
	packed, err := want.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(packed)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestBadReportsAreRefused(t *testing.T) {
	for name, src := range map[string]string{
		"nothing":      "",
		"no observer":  `{"life":1}`,
		"no region":    `{"observer":"a","observations":[{"service":"x"}]}`,
		"long service": `{"observer":"a","observations":[{"region":"x","service":"` + strings.Repeat("s", 300) + `"}]}`,
		"long reason":  `{"observer":"a","observations":[{"region":"x","service":"s","reason":"` + strings.Repeat("s", 300) + `"}]}`,
		"latency":      `{"observer":"a","observations":[{"region":"x","service":"s","latency":-1}]}`,
		"streak":       `{"observer":"a","observations":[{"region":"x","service":"s","streak":-1}]}`,
		"many":         `{"observer":"a","observations":[` + strings.Repeat(`{"region":"x","service":"s"},`, 5000) + `{"region":"x","service":"s"}]}`,
		"large":        `{"observer":"a","x":"` + strings.Repeat("s", reportBytesMax) + `"}`,
		"shape":        `{"observer":["a"]}`,
	} {
		if _, err := Decode([]byte(src)); !errors.Is(err, ErrReport) {
			t.Errorf("%s: got %v, want an ErrReport", name, err)
		}
	}
}

func TestShorten(t *testing.T) {
	long := Shorten(strings.Repeat("é\n", 1000) + "\xff")
	if len(long) > reasonBytesMax || !utf8.ValidString(long) || strings.Contains(long, "\n") {
		t.Errorf("Shorten gives %d bytes: %q", len(long), long)
	}
	if got := Shorten("connection refused"); got != "connection refused" {
		t.Errorf("a short reason became %q", got)
	}
}

// Whatever a peer sends, it is refused or can be judged and sent on.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"observer":"b","life":1,"sequence":1,"full":true,"observations":[{"service":"api","region":"b","sequence":1,"decided":true}]}`))
	f.Add([]byte(`{"observer":"b","observations":[{"service":"api","region":"b","at":"0001-01-01T00:00:00Z"}]}`))
	f.Fuzz(func(t *testing.T, src []byte) {
		r, err := Decode(src)
		if err != nil {
			return
		}
		now := time.Unix(1, 0)
		b := boardOf(t, now, apiInB)
		if err := b.Add(r, now); err == nil {
			b.Evaluate(now)
			b.Verdict("api", "b", now.Add(time.Hour))
		}
		if _, err := r.Encode(); err != nil && !strings.Contains(err.Error(), "year") {
			t.Fatalf("decoded but not encoded: %v", err)
		}
	})
}
