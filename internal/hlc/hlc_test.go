package hlc

import (
	"testing"
	"time"
)

// DATA 1: time = max(wall clock, last + 1, current record's + 1).
func TestNext(t *testing.T) {
	var c Clock
	steps := []struct {
		name  string
		wall  int64
		floor Time
		want  Time
	}{
		{"follows the wall clock", 100, 0, 100},
		{"never repeats", 100, 0, 101},
		{"never runs back", 50, 0, 102},
		{"passes the record that it replaces", 50, 200, 201},
		{"stays there", 150, 0, 202},
		{"follows the wall clock again", 300, 0, 300},
		{"reads times before 1970 as zero", -5, 0, 301},
	}
	for _, s := range steps {
		if got := c.Next(time.Unix(0, s.wall), s.floor); got != s.want {
			t.Errorf("%s: got %d, want %d", s.name, got, s.want)
		}
	}
	c.Raise(1000)
	c.Raise(10)
	if got := c.Next(time.Unix(0, 400), 0); got != 1001 || c.Last() != 1001 {
		t.Errorf("after Raise: got %d, last %d, want 1001", got, c.Last())
	}
}

func TestWallRoundTrips(t *testing.T) {
	at := time.Date(2026, 11, 20, 8, 30, 0, 123456789, time.UTC)
	if got := Of(at).Wall(); !got.Equal(at) {
		t.Errorf("got %v, want %v", got, at)
	}
}
