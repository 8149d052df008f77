package replicate_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/meridian-run/meridian/internal/replicate"
)

func TestReadinessIsDecidedOnce(t *testing.T) {
	start := time.Unix(1000, 0)
	silent := func(heard time.Duration) replicate.PeerState {
		return replicate.PeerState{Region: "b", Heard: start.Add(heard)}
	}
	behind := func(lag time.Duration) replicate.PeerState {
		return replicate.PeerState{Region: "b", Answers: true, Lag: lag}
	}
	copying := replicate.PeerState{Region: "b", Answers: true, Copying: true}
	copyingSilent := replicate.PeerState{Region: "b", Copying: true, Heard: start}
	for name, c := range map[string]struct {
		after time.Duration
		peers []replicate.PeerState
		want  bool
	}{
		"alone":                          {0, nil, true},
		"a table is being copied":        {time.Hour, []replicate.PeerState{copying}, false},
		"who has the rest is silent":     {5 * time.Second, []replicate.PeerState{copyingSilent}, true},
		"who has the rest may yet speak": {4 * time.Second, []replicate.PeerState{copyingSilent}, false},
		"a peer has not answered":        {4 * time.Second, []replicate.PeerState{silent(0)}, false},
		"a peer is silent for grace":     {5 * time.Second, []replicate.PeerState{silent(0)}, true},
		"a peer has gone just now":       {6 * time.Second, []replicate.PeerState{silent(5 * time.Second)}, false},
		"far behind a peer":              {time.Hour, []replicate.PeerState{behind(2 * time.Second)}, false},
		"close behind a peer":            {0, []replicate.PeerState{behind(1900 * time.Millisecond)}, true},
		"one close, one silent for now":  {time.Second, []replicate.PeerState{behind(0), silent(0)}, false},
		"one close, one silent":          {time.Minute, []replicate.PeerState{behind(0), silent(0)}, true},
	} {
		var r replicate.Readiness
		got, why := r.Decide(start.Add(c.after), c.peers)
		if got != c.want || got == (why != "") {
			t.Errorf("%s: %t (%s), want %t", name, got, why, c.want)
		}
		if !got {
			continue
		}
		if again, _ := r.Decide(start, []replicate.PeerState{behind(time.Hour)}); !again {
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
