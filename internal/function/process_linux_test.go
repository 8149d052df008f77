package function

import (
	"testing"
	"time"
)

// Children in sessions of their own end with their instance, however it ends.
func TestNoChildOutlivesItsInstance(t *testing.T) {
	for _, c := range []struct {
		name string
		env  string // "bare": the child does not carry the instance's environment
		end  func(t *testing.T, u *under)
	}{
		{"idle", "", func(*testing.T, *under) {}},
		{"idle, environment gone", "bare", func(*testing.T, *under) {}},
		{"the runner's end", "bare", func(_ *testing.T, u *under) { u.stop() }},
		{"its deadline", "bare", func(t *testing.T, u *under) { u.order(order{Do: "wait", File: t.TempDir() + "/never"}) }},
		{"a crash", "", func(_ *testing.T, u *under) { u.order(order{Do: "crash"}) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			u := run(t, "function", func(cfg *Config) {
				cfg.Timeout = time.Second
				if c.name == "idle" || c.name == "idle, environment gone" {
					cfg.Idle = 100 * time.Millisecond
				}
			})
			d := u.mustOrder(t, order{Do: "escape", File: c.env})
			p, ok := readProcess(d.Child)
			if !ok || p.session != d.Child {
				t.Fatalf("the child is %+v, want one with a session of its own", p)
			}
			c.end(t, u)
			until(t, "the child's end", func() bool {
				now, ok := readProcess(d.Child)
				return !ok || now.started != p.started
			})
		})
	}
}

func TestOneInstancesEndLeavesTheOthers(t *testing.T) {
	u := run(t, "function", func(c *Config) { c.Concurrency = 2 })
	file := t.TempDir() + "/go"
	first := make(chan did)
	go func() {
		d, _ := u.order(order{Do: "wait", File: file})
		first <- d
	}()
	until(t, "the first instance", func() bool { return len(u.started) == 1 })
	second := u.mustOrder(t, order{Do: "escape"})
	u.order(order{Do: "crash"})
	until(t, "the child's end", func() bool { _, ok := readProcess(second.Child); return !ok })
	until(t, "the first to be the only instance", func() bool { return u.Instances() == 1 })
	touch(t, file)
	if d := <-first; d.PID == 0 {
		t.Error("the other instance's call failed")
	}
}

// BenchmarkKillTree is what the end of an instance costs on top of a signal.
func BenchmarkKillTree(b *testing.B) {
	for b.Loop() {
		killTree(0, "nobody")
	}
}
