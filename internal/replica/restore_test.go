package replica_test

import (
	"fmt"
	"strings"
	"testing"
)

// DATA 5, 18: a directory that was restored from a copy holds items that were
// deleted since, and whose tombstones every region has collected. They do not
// come back, and go from the restored region, too.
func TestDATA18_RestoredDirectoryBringsNothingDeletedBack(t *testing.T) {
	for _, restored := range []string{"a", "b"} { // whose items they were, or another
		t.Run(restored, func(t *testing.T) {
			w := newWorld(t, 0, "a", "b", "c").start()
			n := w.nodes[restored]
			for i := range 5 {
				w.nodes["a"].put(notes, fmt.Sprintf("gone%d", i), "v")
			}
			w.nodes["a"].put(notes, "stays", "v")
			w.equal(notes, 6)
			n.stop()
			copied := n.engine
			n.restart(copied)
			n.put(notes, "more", "v")
			w.equal(notes, 7)
			for i := range 5 {
				w.nodes["c"].remove(notes, fmt.Sprintf("gone%d", i))
			}
			w.collected(notes, 2)

			n.stop()
			w.net.Isolate(restored)
			n.restart(copied)
			n.put(notes, "gone4", "written again")
			n.put(notes, "after", "v")
			w.net.Rejoin(restored)
			w.equal(notes, 4)
			w.collected(notes, 4)
			w.equal(notes, 4)
			for _, name := range w.names {
				got := w.nodes[name].dump(notes)
				for _, k := range []string{"stays", "more", "after", "gone4"} {
					if got[k] == "" {
						t.Errorf("%s lacks %s: %v", name, k, got)
					}
				}
			}
			var told []string // by whoever was first to judge
			for _, name := range w.names {
				told = append(told, w.nodes[name].said()...)
			}
			if all := strings.Join(told, "\n"); !strings.Contains(all, "outdated "+restored+": ") {
				t.Errorf("nothing tells of the deleted items: %s", all)
			}
		})
	}
}
