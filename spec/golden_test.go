package spec

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestErrors parses each testdata/NAME.yaml; NAME.errors has what it answers,
// one line for each mistake, and is empty for a good spec.
func TestErrors(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no test files: %v", err)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			source, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Parse(filepath.Base(path), source)
			got := ""
			if err != nil {
				got = err.Error() + "\n"
			}
			golden(t, strings.TrimSuffix(path, ".yaml")+".errors", got)
			checkErrors(t, err)
		})
	}
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; run with -update", err)
	}
	if diff := cmp.Diff(got, string(want)); diff != "" {
		t.Errorf("got (-), want (+) %s; run with -update\n%s", path, diff)
	}
}

// checkErrors holds what is true of every answer: only Errors, in the order
// of the file, each saying where, what, and what instead.
func checkErrors(t testing.TB, err error) {
	t.Helper()
	if err == nil {
		return
	}
	var list Errors
	if !errors.As(err, &list) || len(list) == 0 {
		t.Fatalf("%T is not a list of errors", err)
	}
	for i, e := range list {
		if e.File == "" || e.What == "" || e.Instead == "" || e.Line < 0 || e.Column < 0 {
			t.Errorf("incomplete: %+v", e)
		}
		if strings.ContainsAny(e.Error(), "\n") {
			t.Errorf("more than a line: %q", e.Error())
		}
		if i > 0 && e.Line < list[i-1].Line {
			t.Errorf("line %d after line %d", e.Line, list[i-1].Line)
		}
	}
}
