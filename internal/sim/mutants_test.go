package sim_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// mutant is a mistake that the simulator must find: one text of production code
// in place of another.
type mutant struct {
	path   string
	breaks []string // the invariants, one of which it must break
	old    string
	new    string
}

func readMutant(t *testing.T, file string) mutant {
	t.Helper()
	a, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var m mutant
	for line := range strings.Lines(string(a.Comment)) {
		if value, ok := strings.CutPrefix(line, "path: "); ok {
			m.path = strings.TrimSpace(value)
		}
		if value, ok := strings.CutPrefix(line, "breaks: "); ok {
			m.breaks = strings.Split(strings.TrimSpace(value), ", ")
		}
	}
	if len(a.Files) != 2 || m.path == "" || len(m.breaks) == 0 {
		t.Fatalf("%s: want a path, what it breaks, an old and a new text", file)
	}
	m.old, m.new = string(a.Files[0].Data), string(a.Files[1].Data)
	return m
}

// build builds the simulator with the mutant in it.
func (m mutant) build(t *testing.T, root string) (binary string) {
	t.Helper()
	original := filepath.Join(root, m.path)
	source, err := os.ReadFile(original)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(source), m.old); n != 1 {
		t.Fatalf("the old text is in %s %d times, want once: bring the mutant up to date", m.path, n)
	}
	dir := t.TempDir()
	changed, overlay := filepath.Join(dir, "changed.go"), filepath.Join(dir, "overlay.json")
	replace := map[string]map[string]string{"Replace": {original: changed}}
	encoded, err := json.Marshal(replace)
	if err != nil {
		t.Fatal(err)
	}
	write(t, changed, []byte(strings.Replace(string(source), m.old, m.new, 1)))
	write(t, overlay, encoded)
	binary = filepath.Join(dir, "sim")
	out, err := exec.Command("go", "build", "-overlay", overlay, "-ldflags=-s -w", "-o", binary, "github.com/meridian-run/meridian/internal/sim/run").CombinedOutput()
	if err != nil {
		t.Fatalf("the mutant does not build: %v\n%s", err, out)
	}
	return binary
}

func write(t *testing.T, file string, content []byte) {
	t.Helper()
	if err := os.WriteFile(file, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

var broken = regexp.MustCompile(`(?m)^(?:seed \d+|\S+\.sim): ([a-z ]+), after`)

// Each mutant is caught by the kept histories or within the default seeds, and by
// an invariant that it is known to break.
func TestD1_MutantsAreCaught(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it builds a simulator for every mutant, which takes minutes")
	}
	if raceEnabled {
		t.Skip("the mutants run in binaries of their own, which the race detector does not see")
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("testdata/mutants/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no mutants: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			m := readMutant(t, file)
			binary := m.build(t, root)
			out, _ := exec.Command(binary, "-first", "-shrink", "0", "-corpus", "testdata", "-seeds", fmt.Sprint(*seeds)).CombinedOutput()
			found := broken.FindSubmatch(out)
			if found == nil {
				t.Fatalf("nothing noticed it:\n%s", out)
			}
			if !slices.Contains(m.breaks, string(found[1])) {
				t.Errorf("it broke %q, want one of %q:\n%s", found[1], m.breaks, out)
			}
			t.Logf("caught: %s", found[0])
		})
	}
}
