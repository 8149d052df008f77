package region

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/meridian-run/meridian/internal/control"
	"github.com/meridian-run/meridian/internal/replica"
)

func TestCatchUpIsToldOnceAndOnlyIfItBroughtSomething(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c catchUps
		behind := replica.PeerLag{Connected: true, Entries: 3}
		level := replica.PeerLag{Connected: true}
		c.begin("b", time.Now())
		if _, told := c.look("a", "b", level); told {
			t.Error("told of a catch-up that brought nothing")
		}
		c.begin("b", time.Now())
		c.applied("b", 41)
		time.Sleep(1500 * time.Millisecond)
		if _, told := c.look("a", "b", behind); told {
			t.Error("told while entries are missing")
		}
		c.applied("b", 1)
		e, told := c.look("a", "b", level)
		if want := "a has caught up with b: 42 records in 1.5 s"; !told || e.Text != want || e.Region != "b" {
			t.Errorf("got %v %+v, want %q about b", told, e, want)
		}
		c.applied("b", 1)
		if _, told := c.look("a", "b", level); told {
			t.Error("told twice")
		}
	})
}

func TestQuorumIsNewsOnceItIsGoneForLongerThanAnElection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q quorumWatch
		var start time.Time
		look := func(quorum bool, since time.Time) string {
			e, _ := q.look(quorum, since, []string{"eu-west-1"})
			return e.Text
		}
		time.Sleep(time.Minute)
		if got := look(false, time.Now()); got != "" {
			t.Errorf("a starting world told %q", got)
		}
		for _, step := range []struct {
			wait   time.Duration
			quorum bool
			want   string
		}{
			{0, true, ""},
			{time.Second, false, ""},
			{time.Second, true, ""}, // an election
			{0, false, ""},
			{6 * time.Second, false, "no quorum of control is reached from here: serving goes on, changes wait for eu-west-1"},
			{4 * time.Second, false, ""},
			{0, true, "a quorum of control is reached again, after 10.0 s: changes go on"},
		} {
			time.Sleep(step.wait)
			since := start
			if step.quorum || step.wait == 0 || step.wait == time.Second {
				since = time.Now()
				start = since
			}
			if got := look(step.quorum, since); got != step.want {
				t.Errorf("after %v, quorum %v: got %q, want %q", step.wait, step.quorum, got, step.want)
			}
		}
	})
}

func TestTheEndOfADrainIsToldOnce(t *testing.T) {
	now, w := time.Now(), drainWatch{}
	timed := control.Drain{Region: "a", Until: now.Add(time.Minute)}
	drains := []control.Drain{timed, {Region: "b"}}
	if over := w.look(drains, now); len(over) != 0 {
		t.Errorf("%v are over at once", over)
	}
	if over := w.look(drains, now.Add(2*time.Minute)); len(over) != 1 || over[0] != timed {
		t.Errorf("%v are over, want %v", over, timed)
	}
	if over := w.look(drains, now.Add(3*time.Minute)); len(over) != 0 {
		t.Errorf("%v are over twice", over)
	}
	w.look(nil, now)
	if len(w) != 0 {
		t.Errorf("%v is remembered although it is gone", w)
	}
}
