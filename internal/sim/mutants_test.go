package sim_test

import (
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

// mutant is a mistake that the simulator must find: texts of production code with
// others in their place.
type mutant struct {
	name    string
	paths   []string
	breaks  []string // the invariants, one of which it must break
	script  string   // the history that finds it, and is played first; empty for a seed
	changes []mutation
}

func readMutant(t *testing.T, file string) mutant {
	t.Helper()
	a, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	m := mutant{name: strings.TrimSuffix(filepath.Base(file), ".txt")}
	for line := range strings.Lines(string(a.Comment)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch key {
		case "path":
			m.paths = strings.Split(value, ", ")
		case "breaks":
			m.breaks = strings.Split(value, ", ")
		case "script":
			m.script = value
		}
	}
	for pair := range slices.Chunk(a.Files, 2) {
		if len(pair) != 2 || pair[0].Name != "old" || pair[1].Name != "new" {
			t.Fatalf("%s: want old and new texts", file)
		}
		m.changes = append(m.changes, mutation{string(pair[0].Data), string(pair[1].Data)})
	}
	if len(m.changes) == 0 || len(m.paths) == 0 || len(m.breaks) == 0 {
		t.Fatalf("%s: want a path, what it breaks, an old and a new text", file)
	}
	return m
}

// caught plays histories until one fails: the one that is known to find the mutant,
// then all that are kept, then seeds.
func (m mutant) caught(binary string) []byte {
	var out []byte
	for _, args := range [][]string{
		{"-script", filepath.Join("testdata", m.script), "-shrink", "0"},
		{"-first", "-shrink", "0", "-corpus", "testdata", "-seeds", fmt.Sprint(*seeds)},
	} {
		if m.script == "" && args[0] == "-script" {
			continue
		}
		play := exec.Command(binary, args...)
		play.Env = append(os.Environ(), mutantVariable+"="+m.name)
		out, _ = play.CombinedOutput() // it fails, if all is well
		if broken.Match(out) {
			return out
		}
	}
	return out
}

func write(t *testing.T, file string, content []byte) {
	t.Helper()
	if err := os.WriteFile(file, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

var broken = regexp.MustCompile(`(?m)^(?:FAILED )?(?:seed \d+|\S+\.sim): ([a-z ]+), after`)

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
	var mutants []mutant
	for _, file := range files {
		mutants = append(mutants, readMutant(t, file))
	}
	binary := buildMutants(t, root, mutants)
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			out := m.caught(binary)
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
	if _, err := exec.Command(binary, "-corpus", "testdata", "-seeds", "3", "-shrink", "0").CombinedOutput(); err != nil {
		t.Errorf("what was built for the mutants fails without one: %v", err)
	}
}
