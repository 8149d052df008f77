package pebblekv

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
)

// scene is a directory with a forgetful file system over it.
type scene struct {
	t   *testing.T
	dir string
	fs  *forgetful
}

func newScene(t *testing.T) scene {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "old"), []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	fs, err := newForgetful(vfs.Default, dir)
	if err != nil {
		t.Fatal(err)
	}
	return scene{t, dir, fs}
}

func (s scene) path(name string) string { return filepath.Join(s.dir, name) }

func (s scene) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// create writes a file; the first synced bytes of content are synced.
func (s scene) create(name, content string, synced int) {
	s.t.Helper()
	f, err := s.fs.Create(s.path(name), vfs.WriteCategoryUnspecified)
	s.must(err)
	_, err = f.Write([]byte(content[:synced]))
	s.must(err)
	s.must(f.Sync())
	_, err = f.Write([]byte(content[synced:]))
	s.must(err)
	s.must(f.Close())
}

func (s scene) syncDir() {
	s.t.Helper()
	d, err := s.fs.OpenDir(s.dir)
	s.must(err)
	s.must(d.Sync())
	s.must(d.Close())
}

// left answers what a crash leaves, by name.
func (s scene) left() map[string]string {
	s.t.Helper()
	s.must(s.fs.crash())
	entries, err := os.ReadDir(s.dir)
	s.must(err)
	out := map[string]string{}
	for _, e := range entries {
		if e.Name() == trashName {
			continue
		}
		content, err := os.ReadFile(s.path(e.Name()))
		s.must(err)
		out[e.Name()] = string(content)
	}
	return out
}

func TestForgetful(t *testing.T) {
	tests := []struct {
		name string
		do   func(scene)
		want map[string]string
	}{
		{"bytes behind the last sync are lost", func(s scene) {
			s.create("a", "kept lost", 4)
			s.syncDir()
		}, map[string]string{"old": "old", "a": "kept"}},
		{"a file whose directory was not synced is lost", func(s scene) {
			s.create("a", "synced", 6)
		}, map[string]string{"old": "old"}},
		{"a removal comes undone", func(s scene) {
			s.must(s.fs.Remove(s.path("old")))
		}, map[string]string{"old": "old"}},
		{"a synced removal stays", func(s scene) {
			s.must(s.fs.Remove(s.path("old")))
			s.syncDir()
		}, map[string]string{}},
		{"replacing comes undone", func(s scene) {
			s.create("old", "new", 3)
		}, map[string]string{"old": "old"}},
		{"a rename over a file comes undone", func(s scene) {
			s.create("new", "new", 3)
			s.syncDir()
			s.must(s.fs.Rename(s.path("new"), s.path("old")))
		}, map[string]string{"old": "old", "new": "new"}},
		{"a synced rename stays, and unsynced bytes are lost under the new name", func(s scene) {
			s.create("new", "new, more", 3)
			s.must(s.fs.Rename(s.path("new"), s.path("old")))
			s.syncDir()
		}, map[string]string{"old": "new"}},
		{"a chain of changes comes undone in reverse", func(s scene) {
			s.create("a", "a", 1)
			s.must(s.fs.Rename(s.path("a"), s.path("b")))
			s.must(s.fs.Remove(s.path("b")))
			s.must(s.fs.Rename(s.path("old"), s.path("b")))
			s.must(s.fs.Link(s.path("b"), s.path("c")))
		}, map[string]string{"old": "old"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newScene(t)
			test.do(s)
			if d := cmp.Diff(s.left(), test.want); d != "" {
				t.Errorf("got (-), want (+):\n%s", d)
			}
		})
	}
}
