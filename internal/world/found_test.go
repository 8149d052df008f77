package world

import (
	"os"
	"path/filepath"
	"testing"
)

// A world founds itself only where no region has data: what a region that lost
// its disk begins with is for the others to say.
func TestOnlyAWorldWithoutDataFoundsItself(t *testing.T) {
	t.Parallel()
	w := &World{cfg: Config{Spec: parse(t, notesSpec), Dir: t.TempDir()}, sites: []site{{name: "us-east-1"}, {name: "eu-west-1"}}}
	if err := w.found(); err != nil || w.first == nil {
		t.Fatalf("without data: state %v, error %v, want a state", w.first, err)
	}
	w.first = nil
	if err := os.Mkdir(filepath.Join(w.cfg.Dir, "eu-west-1"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := w.found(); err != nil || w.first != nil {
		t.Fatalf("with a region's data: state %v, error %v, want none", w.first, err)
	}
}
