package region

import (
	"testing"
	"time"

	"github.com/meridian-run/meridian/client"
)

// A region that said that it leaves stays out of the answers until its next
// life has said that it is ready; a delayed word of the former life changes
// nothing.
func TestGossipKeepsTheLatestWordOfTheLatestLife(t *testing.T) {
	ready := client.Region{Ready: true}
	steps := []struct {
		what    string
		word    word
		changes bool
		leaving bool
		ready   bool
	}{
		{"first word", word{Life: 1, Sequence: 1}, true, false, false},
		{"ready", word{Life: 1, Sequence: 2, Region: ready}, true, false, true},
		{"nothing new", word{Life: 1, Sequence: 3, Region: ready}, false, false, true},
		{"leaving", word{Life: 1, Sequence: 5, Leaving: true, Region: ready}, true, true, true},
		{"delayed", word{Life: 1, Sequence: 4, Region: ready}, false, true, true},
		{"a new life starts", word{Life: 2, Sequence: 1}, true, false, false},
		{"delayed from the former life", word{Life: 1, Sequence: 9, Region: ready}, false, false, false},
		{"ready again", word{Life: 2, Sequence: 2, Region: ready}, true, false, true},
	}
	var g gossip
	now := time.Now()
	for _, s := range steps {
		if got := g.hear("eu", s.word, now); got != s.changes {
			t.Errorf("%s: changes = %v, want %v", s.what, got, s.changes)
		}
		w, _, heard := g.last("eu")
		if !heard || w.Leaving != s.leaving || w.Region.Ready != s.ready {
			t.Errorf("%s: leaving %v, ready %v; want %v, %v", s.what, w.Leaving, w.Region.Ready, s.leaving, s.ready)
		}
	}
	if _, _, heard := g.last("ap"); heard {
		t.Error("a region that never spoke was heard")
	}
}
