package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestJoined(t *testing.T) {
	file := filepath.Join(t.TempDir(), "RESULTS.md")
	if err := os.WriteFile(file, []byte("# Results\n\n## one\n\n1\n\n## two\n\n2\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for measured, want := range map[string]string{
		"\n## one\n\nnew\n": "# Results\n\n## one\n\nnew\n\n## two\n\n2\n",
		"\n## three\n\n3\n": "# Results\n\n## one\n\n1\n\n## two\n\n2\n\n## three\n\n3\n",
	} {
		if got, err := joined(file, measured); err != nil || got != want {
			t.Errorf("got %q (%v), want %q", got, err, want)
		}
	}
	if got, want := kept(file, []string{"two", "four"}), "\n## two\n\n2\n"; got != want {
		t.Errorf("kept %q, want %q", got, want)
	}
}
