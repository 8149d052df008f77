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
	// Where the leader counts on what the copy lacks, its directory is set aside;
	// where there was an election meanwhile, the leader looks for where they agree.
	aside := false
	eventually(t, 60*time.Second, "control takes the copy in or sets it aside", func() bool {
		text := node.log()
		aside = strings.Contains(text, "is set aside") && strings.Contains(text, "meridian replace")
		return aside || strings.Contains(text, "control has a leader and a quorum")
	})
	if aside {
		w.must("replace", restored)
	}
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
