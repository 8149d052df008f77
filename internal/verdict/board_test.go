package verdict

import (
	"errors"
	"testing"
	"time"
)

func boardOf(t *testing.T, now time.Time, targets ...Target) *Board {
	t.Helper()
	b := NewBoard(Config{Self: "a"}, now)
	b.Configure(Setup{Observers: []string{"b", "c"}, Targets: targets})
	return b
}

func said(service, region string, sequence uint64, healthy bool) Observation {
	return Observation{Service: service, Region: region, Sequence: sequence, Decided: true, Healthy: healthy, Passed: healthy, Streak: 9}
}

func mustAdd(t *testing.T, b *Board, r Report, now time.Time) {
	t.Helper()
	if err := b.Add(r, now); err != nil {
		t.Fatal(err)
	}
}

var apiInB = Target{Endpoint: Endpoint{"api", "b"}, Every: time.Second, Timeout: time.Second}

func TestOlderSequencesAreSkipped(t *testing.T) {
	now := time.Now()
	b := boardOf(t, now, apiInB)
	mustAdd(t, b, Report{Observer: "b", Life: 1, Sequence: 2, Observations: []Observation{said("api", "b", 7, false)}}, now)
	mustAdd(t, b, Report{Observer: "b", Life: 1, Sequence: 1, Observations: []Observation{said("api", "b", 6, true)}}, now)
	if v := b.Verdict("api", "b", now); v.Healthy {
		t.Errorf("a delayed report changed the verdict: %s", v.Reason)
	}
	mustAdd(t, b, Report{Observer: "b", Life: 1, Sequence: 3, Observations: []Observation{said("api", "b", 8, true)}}, now)
	if v := b.Verdict("api", "b", now); !v.Healthy {
		t.Errorf("a newer report did not: %s", v.Reason)
	}
}

// Repeating an old result keeps its sender heard, but the result gets no younger.
func TestRepeatedResultsGoStale(t *testing.T) {
	now := time.Now()
	b := boardOf(t, now, apiInB)
	r := Report{Observer: "b", Life: 1, Observations: []Observation{said("api", "b", 1, false)}}
	for range 20 {
		now = now.Add(500 * time.Millisecond)
		r.Sequence++
		mustAdd(t, b, r, now)
		b.Evaluate(now)
	}
	if v := b.Verdict("api", "b", now); v.Rule != Stale || v.Healthy {
		t.Errorf("verdict %q healthy %v, want the last one kept as stale", v.Rule, v.Healthy)
	}
	if s := b.Standing(now); len(s.Heard) != 1 {
		t.Errorf("heard %v, want b", s.Heard)
	}
}

func TestFormerLivesAreRefused(t *testing.T) {
	now := time.Now()
	b := boardOf(t, now, apiInB)
	mustAdd(t, b, Report{Observer: "b", Life: 1, Sequence: 900, Observations: []Observation{said("api", "b", 900, false)}}, now)
	mustAdd(t, b, Report{Observer: "b", Life: 2, Sequence: 1, Observations: []Observation{said("api", "b", 1, true)}}, now)
	if v := b.Verdict("api", "b", now); !v.Healthy {
		t.Errorf("a restarted observer is not believed: %s", v.Reason)
	}
	if err := b.Add(Report{Observer: "b", Life: 1, Sequence: 901}, now); !errors.Is(err, ErrFormerLife) {
		t.Errorf("a delayed report of the former life gives %v", err)
	}
	if err := b.Add(Report{Observer: "zz", Life: 1}, now); !errors.Is(err, ErrUnknownObserver) {
		t.Errorf("a stranger's report gives %v", err)
	}
}

func TestFullReportsDropWhatIsNoLongerChecked(t *testing.T) {
	now := time.Now()
	b := boardOf(t, now, apiInB)
	mustAdd(t, b, Report{Observer: "b", Life: 1, Sequence: 5, Observations: []Observation{said("api", "b", 1, false)}}, now)
	mustAdd(t, b, Report{Observer: "b", Life: 1, Sequence: 4, Full: true}, now) // late
	if v := b.Verdict("api", "b", now); !v.Known {
		t.Error("a late full report dropped a newer result")
	}
	mustAdd(t, b, Report{Observer: "b", Life: 1, Sequence: 6, Full: true}, now)
	if v := b.Verdict("api", "b", now); v.Known {
		t.Errorf("the result stayed: %s", v.Reason)
	}
}

func TestUndecidedObserversDoNotVote(t *testing.T) {
	now := time.Now()
	b := boardOf(t, now, apiInB)
	mustAdd(t, b, Report{Observer: "a", Life: 1, Sequence: 1, Observations: []Observation{{Service: "api", Region: "b", Sequence: 1, Streak: 1}}}, now)
	if v := b.Verdict("api", "b", now); v.Known || !v.Healthy {
		t.Errorf("got %+v, want unknown", v)
	}
	mustAdd(t, b, Report{Observer: "c", Life: 1, Sequence: 1, Observations: []Observation{said("api", "b", 1, false)}}, now)
	if v := b.Verdict("api", "b", now); !v.Known || v.Healthy || v.Rule != Quorum {
		t.Errorf("got %+v, want c's opinion", v)
	}
}

func TestASplitKeepsTheLastVerdict(t *testing.T) {
	for _, last := range []bool{true, false} {
		now := time.Now()
		b := boardOf(t, now, apiInB)
		mustAdd(t, b, Report{Observer: "a", Life: 1, Sequence: 1, Observations: []Observation{said("api", "b", 1, last)}}, now)
		b.Evaluate(now)
		mustAdd(t, b, Report{Observer: "c", Life: 1, Sequence: 1, Observations: []Observation{said("api", "b", 1, !last)}}, now)
		b.Evaluate(now)
		if v := b.Verdict("api", "b", now); v.Healthy != last || v.Rule != Split {
			t.Errorf("verdict healthy %v by %q, want %v by split", v.Healthy, v.Rule, last)
		}
	}
}

func TestEvaluateTellsChangesOnce(t *testing.T) {
	now := time.Now()
	b := boardOf(t, now, apiInB, Target{Endpoint: Endpoint{"api", "a"}})
	r := Report{Observer: "a", Life: 1, Sequence: 1, Observations: []Observation{said("api", "b", 1, true), said("api", "a", 2, true)}}
	mustAdd(t, b, r, now)
	if changes := b.Evaluate(now); len(changes) != 2 || changes[0].Region != "a" || changes[0].Before.Known {
		t.Errorf("first changes: %+v", changes)
	}
	if changes := b.Evaluate(now); len(changes) != 0 {
		t.Errorf("repeated: %+v", changes)
	}
	later := now.Add(time.Second)
	mustAdd(t, b, Report{Observer: "a", Life: 1, Sequence: 2, Observations: []Observation{said("api", "b", 3, false)}}, later)
	changes := b.Evaluate(later)
	if len(changes) != 1 || changes[0].After.Healthy || !changes[0].After.Since.Equal(later) || !changes[0].Before.Since.Equal(now) {
		t.Errorf("changes: %+v", changes)
	}
}

func TestConfigureForgetsWhatLeft(t *testing.T) {
	now := time.Now()
	b := boardOf(t, now, apiInB)
	mustAdd(t, b, Report{Observer: "c", Life: 1, Sequence: 1, Observations: []Observation{said("api", "b", 1, false)}}, now)
	b.Evaluate(now)
	b.Configure(Setup{Observers: []string{"b"}, Targets: []Target{apiInB}})
	if err := b.Add(Report{Observer: "c", Life: 1}, now); !errors.Is(err, ErrUnknownObserver) {
		t.Errorf("c has left, but Add gives %v", err)
	}
	b.Configure(Setup{Observers: []string{"b"}})
	b.Configure(Setup{Observers: []string{"b"}, Targets: []Target{apiInB}})
	if v := b.Verdict("api", "b", now); v.Known {
		t.Errorf("a removed endpoint came back with %+v", v)
	}
}

// An endpoint that passes again is unhealthy until it has passed often enough:
// "200 in 3ms" would be no reason for that.
func TestTheReasonTellsWhoPassesAgain(t *testing.T) {
	now := time.Now()
	b := boardOf(t, now, apiInB)
	passing, failing := said("api", "b", 1, false), said("api", "b", 1, false)
	passing.Passed, passing.Reason, failing.Reason = true, "200 in 3ms", "connection refused"
	mustAdd(t, b, Report{Observer: "a", Life: 1, Sequence: 1, Observations: []Observation{passing}}, now)
	mustAdd(t, b, Report{Observer: "c", Life: 1, Sequence: 1, Observations: []Observation{failing}}, now)
	want := "unhealthy: 2 of 2 observers say so (a: passes again, not often enough yet; c: connection refused)"
	if got := b.Verdict("api", "b", now).Reason; got != want {
		t.Errorf("the reason is %q, want %q", got, want)
	}
}

func TestWhatSeveralObserversSayIsSaidOnce(t *testing.T) {
	now := time.Now()
	b := boardOf(t, now, apiInB)
	for _, observer := range []string{"a", "c"} {
		failing := said("api", "b", 1, false)
		failing.Reason = "503: store: storage failed: writes are refused"
		mustAdd(t, b, Report{Observer: observer, Life: 1, Sequence: 1, Observations: []Observation{failing}}, now)
	}
	want := "unhealthy: 2 of 2 observers say so (a, c: 503: store: storage failed: writes are refused)"
	if got := b.Verdict("api", "b", now).Reason; got != want {
		t.Errorf("the reason is %q, want %q", got, want)
	}
}
