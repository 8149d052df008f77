package replicate_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/meridian-run/meridian/internal/replicate"
)

func TestReadinessIsDecidedOnce(t *testing.T) {
	start := time.Unix(1000, 0)
	silent := func(since time.Duration) replicate.PeerState {
		return replicate.PeerState{Region: "b", Since: start.Add(since)}
	}
	behind := func(lag time.Duration) replicate.PeerState {
		return replicate.PeerState{Region: "b", Connected: true, Lag: lag}
	}
	for name, c := range map[string]struct {
		after    time.Duration
		complete bool
		peers    []replicate.PeerState
		want     bool
	}{
		"alone":                         {0, true, nil, true},
		"tables not complete":           {time.Hour, false, nil, false},
		"a peer has not answered":       {4 * time.Second, true, []replicate.PeerState{silent(0)}, false},
		"a peer is silent for grace":    {5 * time.Second, true, []replicate.PeerState{silent(0)}, true},
		"a peer has gone just now":      {6 * time.Second, true, []replicate.PeerState{silent(5 * time.Second)}, false},
		"far behind a peer":             {time.Hour, true, []replicate.PeerState{behind(2 * time.Second)}, false},
		"close behind a peer":           {0, true, []replicate.PeerState{behind(1900 * time.Millisecond)}, true},
		"one close, one silent for now": {time.Second, true, []replicate.PeerState{behind(0), silent(0)}, false},
		"one close, one silent":         {time.Minute, true, []replicate.PeerState{behind(0), silent(0)}, true},
	} {
		var r replicate.Readiness
		got, why := r.Decide(start.Add(c.after), c.complete, c.peers)
		if got != c.want || got == (why != "") {
			t.Errorf("%s: %t (%s), want %t", name, got, why, c.want)
		}
		if !got {
			continue
		}
		if again, _ := r.Decide(start, false, []replicate.PeerState{behind(time.Hour)}); !again {
			t.Errorf("%s: readiness was taken back", name)
		}
	}
}

func TestBackoff(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for failures := range 100 {
		got := replicate.Backoff(failures, random)
		if got < 25*time.Millisecond || got > 2*time.Second {
			t.Errorf("after %d failures wait %v, want 25 ms to 2 s", failures, got)
		}
		if failures > 7 && got < time.Second {
			t.Errorf("after %d failures wait %v, want at least 1 s", failures, got)
		}
	}
}
