package main

import (
	"os"
	"strings"
	"testing"
	"time"
)

// A whole data directory that was restored from a copy, control's part too, is
// noticed: the process does not panic, control's part is set aside, and after
// `meridian replace` the region votes again and has what the others have (DATA 5,
// 18).
func TestDATA5_AWholeDirectoryRestoredFromACopy(t *testing.T) {
	t.Parallel()
	w := serve(t, worldPlan{Regions: 3})
	const restored = "eu-west-1"
	fill(t, w, "us-east-1", 50)
	w.awaitNotes([]string{"note49"}, restored)
	w.kill(restored)
	if err := os.CopyFS(w.path("copy"), os.DirFS(w.path("data", restored))); err != nil {
		t.Fatal(err)
	}
	w.start(restored)
	w.awaitAnswered(w.spec.RegionNames()...)
	fill(t, w, restored, 100)
	for range 3 { // what control's member acknowledges, and the copy does not have
		w.must("drain", "us-east-1")
		w.must("undrain", "us-east-1")
	}
	w.awaitNotes([]string{"note99"}, "us-east-1")
	w.kill(restored)
	if err := os.RemoveAll(w.path("data", restored)); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(w.path("data", restored), os.DirFS(w.path("copy"))); err != nil {
		t.Fatal(err)
	}
	w.start(restored)
	node := w.nodes[restored]
	node.awaitLog(60*time.Second, "is set aside")
	node.awaitLog(60*time.Second, "meridian replace")
	w.must("replace", restored)
	w.awaitAnswered(w.spec.RegionNames()...)
	w.awaitNotes([]string{"note0", "note99"}, w.spec.RegionNames()...)
	if strings.Contains(node.log(), "goroutine ") {
		t.Errorf("it panicked:\n%s", node.log())
	}
	w.kill("us-east-1")
	eventually(t, 60*time.Second, "the restored region votes", func() bool {
		_, err := w.meridian("drain", restored)
		return err == nil
	})
}
