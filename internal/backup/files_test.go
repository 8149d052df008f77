package backup

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/meridian-run/meridian/internal/table"
)

func library(t *testing.T) *Library {
	t.Helper()
	l, err := Open(filepath.Join(t.TempDir(), "backups"), filepath.Join(t.TempDir(), "buckets"))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// exported writes an export of lines into a bucket.
func exported(t *testing.T, f *Folder, prefix, id string, lines ...string) []File {
	t.Helper()
	w := NewWriter(f, func(n int) string { return DataName(prefix, id, n) })
	for _, line := range lines {
		if err := w.Write([]byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	files, err := w.Close(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.WriteManifests(prefix, id, Summary{Items: int64(len(lines))}, files); err != nil {
		t.Fatal(err)
	}
	return files
}

func bucket(t *testing.T, l *Library) *Folder {
	t.Helper()
	f, err := l.Bucket("lake", true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// D1: files are read as they were written; damaged or missing ones are refused by
// name.
func TestD1_FilesAndTheirChecksums(t *testing.T) {
	l := library(t)
	f := bucket(t, l)
	files := exported(t, f, "p", "id-00000001", `{"Item":1}`, `{"Item":2}`)
	inputs, err := f.Inputs("p")
	if err != nil || len(inputs) != 1 || !inputs[0].Listed || inputs[0].Name != files[0].Name || inputs[0].Items != 2 {
		t.Fatalf("%+v, %v", inputs, err)
	}
	if err := f.Verify(inputs[0].File); err != nil {
		t.Error(err)
	}
	var got []string
	if err := f.Lines(files[0].Name, true, func(n int64, line []byte) error {
		got = append(got, fmt.Sprint(n, string(line)))
		return nil
	}); err != nil || !slices.Equal(got, []string{`1{"Item":1}`, `2{"Item":2}`}) {
		t.Errorf("%q, %v", got, err)
	}
	path := filepath.Join(l.Buckets(), "lake", files[0].Name)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, damaged := range map[string][]byte{"shorter": raw[:len(raw)-9], "changed": append([]byte{raw[0] ^ 1}, raw[1:]...), "empty": {}} {
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := f.Verify(files[0]); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), files[0].Name) {
			t.Errorf("%s: %v", name, err)
		}
		if err := f.Lines(files[0].Name, true, func(int64, []byte) error { return nil }); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s, read: %v", name, err)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Inputs("p"); !errors.Is(err, ErrDamaged) {
		t.Errorf("without a file: %v", err)
	}
	list := filepath.Join(l.Buckets(), "lake", ExportDir("p", "id-00000001"), "manifest-files.json")
	if err := os.WriteFile(list, []byte(`{"itemCount":1`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Inputs("p"); !errors.Is(err, ErrDamaged) {
		t.Errorf("with a damaged manifest: %v", err)
	}
}

// D1: nothing leads out of a bucket: no name, and no link in it.
func TestD1_NothingLeadsOutOfABucket(t *testing.T) {
	l := library(t)
	for _, name := range []string{"", ".", "..", "...", "a/b", "../x", `a\b`} {
		if f, err := l.Bucket(name, true); !errors.Is(err, ErrNoBucket) {
			t.Errorf("bucket %q: %v, %v", name, f, err)
		}
	}
	if _, err := l.Bucket("absent", false); !errors.Is(err, ErrNoBucket) {
		t.Errorf("absent: %v", err)
	}
	f := bucket(t, l)
	outside := t.TempDir()
	if err := os.Symlink(outside, filepath.Join(l.Buckets(), "lake", "link")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"../out", "link/out", "a/../../out", "/out"} {
		if err := f.Write(name, []byte("x")); err == nil {
			t.Errorf("wrote %q", name)
		}
		if _, err := f.Read(name, 10); err == nil {
			t.Errorf("read %q", name)
		}
	}
	if left, err := os.ReadDir(outside); err != nil || len(left) > 0 {
		t.Errorf("outside there is %v, %v", left, err)
	}
	for _, name := range []string{"..", "a/..", "./a", `a\b`, "a\x00"} {
		if CheckName(name) == nil {
			t.Errorf("%q is taken for a name", name)
		}
	}
	if err := CheckName("a/b..c/d/"); err != nil {
		t.Error(err)
	}
}

// Jobs and backups are there after a restart; what was removed is not; a damaged
// record is named.
func TestB1_ALibraryIsKept(t *testing.T) {
	dir := t.TempDir()
	l, err := Open(dir, dir)
	if err != nil {
		t.Fatal(err)
	}
	for i, kind := range []Kind{Backup, Export, Backup} {
		j := Job{ID: fmt.Sprint("j", i), Kind: kind, Status: Running, Began: int64(10 - i), Table: table.Table{Name: "notes"}}
		if i == 2 {
			j.End(Done, time.UnixMilli(99))
		}
		if err := l.Put(j); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Remove("j0"); err != nil {
		t.Fatal(err)
	}
	again, err := Open(dir, dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := again.Jobs(Backup); len(got) != 1 || got[0].ID != "j2" || got[0].Status != Done || got[0].Ended != 99 {
		t.Errorf("got %+v", got)
	}
	if _, ok := again.Job(Backup, "j1"); ok {
		t.Error("an export is taken for a backup")
	}
	if err := os.WriteFile(filepath.Join(dir, jobsDir, "j1.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, dir); err == nil || !strings.Contains(err.Error(), "j1.json") {
		t.Errorf("damaged: %v", err)
	}
}

// FuzzLines reads any bytes as lines: what it yields is what is there, whole lines
// within their bound.
func FuzzLines(f *testing.F) {
	f.Add([]byte("a\nb\r\n\nc"))
	f.Add([]byte("\n"))
	f.Add(bytes.Repeat([]byte("x"), 70_000))
	f.Fuzz(func(t *testing.T, data []byte) {
		var got []string
		err := readLines(bytes.NewReader(data), "f", func(_ int64, line []byte) error {
			if len(line) == 0 || bytes.Contains(line, []byte("\n")) {
				t.Errorf("a line %q", line)
			}
			got = append(got, string(line))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		for line := range strings.SplitSeq(string(data), "\n") {
			if line = strings.TrimRight(line, "\r"); line != "" {
				want = append(want, line)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}
