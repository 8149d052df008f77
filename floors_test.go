package meridian_test

import (
	"bufio"
	"bytes"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

const module = "github.com/meridian-run/meridian"

// TestFloors keeps floors.txt and the sources true to each other. It parses the
// sources itself: the test cache would keep what a go list said, and go list
// leaves out the files of other systems.
func TestFloors(t *testing.T) {
	plan, err := os.ReadFile("floors.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range checkFloors(plan, os.DirFS(".")) {
		t.Error(problem)
	}
}

// checkFloors returns what is wrong with the plan, or with the tree under it.
func checkFloors(plan []byte, tree fs.FS) []string {
	floors, problems := readPlan(plan)
	imports, err := readImports(tree)
	if err != nil {
		return append(problems, err.Error())
	}
	for dir := range floors {
		if _, exists := imports[dir]; !exists {
			problems = append(problems, fmt.Sprintf("floors.txt plans %s, which has no Go file: write it or take the line out", dir))
		}
	}
	for dir, files := range imports {
		if dir == "." {
			continue // this test's own directory looks at the house from outside
		}
		if _, planned := floors[dir]; !planned {
			problems = append(problems, fmt.Sprintf("package %s is outside the plan: give it a floor in floors.txt", dir))
			continue
		}
		for _, use := range files {
			problems = append(problems, checkUse(floors, dir, use)...)
		}
	}
	slices.Sort(problems)
	return problems
}

// checkUse judges one import: it must come from a floor below.
func checkUse(floors map[string]int, dir string, use use) []string {
	from := floors[dir]
	to, planned := floors[use.imports]
	switch {
	case use.imports == dir: // an external test package imports what it tests
		return nil
	case !planned:
		return []string{fmt.Sprintf("%s imports %s, which is outside the plan", use.file, use.imports)}
	case to == from:
		return []string{fmt.Sprintf("%s imports %s, which is on its own floor: what both need belongs one floor below", use.file, use.imports)}
	case to < from:
		return []string{fmt.Sprintf("%s imports %s, which is on a floor above", use.file, use.imports)}
	}
	return nil
}

// readPlan returns each package's floor, counted from the top.
func readPlan(plan []byte) (floors map[string]int, problems []string) {
	floors = map[string]int{}
	floor := 0
	lines := bufio.NewScanner(bytes.NewReader(plan))
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimSpace(lines.Text())
		switch _, twice := floors[line]; {
		case line == "" || strings.HasPrefix(line, "#"):
		case line == "--":
			floor++
		case !fs.ValidPath(line) || line == "." || strings.ContainsAny(line, " \t"):
			problems = append(problems, fmt.Sprintf("floors.txt:%d: %q is no package folder", number, line))
		case twice:
			problems = append(problems, fmt.Sprintf("floors.txt:%d: %s has a floor already", number, line))
		default:
			floors[line] = floor
		}
	}
	return floors, problems
}

// use is one import of one of our packages.
type use struct {
	file    string
	imports string // the folder
}

// readImports returns, for each folder with Go files, what they import of ours.
// Test files count, and files of every system; other modules, testdata and
// what the go command ignores do not.
func readImports(tree fs.FS) (map[string][]use, error) {
	imports := map[string][]use{}
	err := fs.WalkDir(tree, ".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return descend(tree, file)
		}
		if path.Ext(file) != ".go" || ignored(path.Base(file)) {
			return nil
		}
		uses, err := importsOf(tree, file)
		dir := path.Dir(file)
		imports[dir] = append(imports[dir], uses...)
		return err
	})
	return imports, err
}

// descend says whether the walk goes into dir.
func descend(tree fs.FS, dir string) error {
	if dir == "." {
		return nil
	}
	if ignored(path.Base(dir)) || path.Base(dir) == "testdata" {
		return fs.SkipDir
	}
	if _, err := fs.Stat(tree, path.Join(dir, "go.mod")); err == nil {
		return fs.SkipDir
	}
	return nil
}

func ignored(name string) bool {
	return strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_")
}

func importsOf(tree fs.FS, file string) ([]use, error) {
	source, err := fs.ReadFile(tree, file)
	if err != nil {
		return nil, err
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), file, source, parser.ImportsOnly)
	if err != nil {
		return nil, err
	}
	var uses []use
	for _, spec := range parsed.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, fmt.Errorf("%s: import %s: %w", file, spec.Path.Value, err)
		}
		if imported == module {
			uses = append(uses, use{file: file, imports: "."})
		} else if dir, ours := strings.CutPrefix(imported, module+"/"); ours {
			uses = append(uses, use{file: file, imports: dir})
		}
	}
	return uses, nil
}

// TestCheckFloors shows the checker made-up trees.
func TestCheckFloors(t *testing.T) {
	const plan = "# a comment\ntop\n--\n\nleft\nright\n--\nbase\n"
	good := map[string]string{
		"floors_test.go": "package meridian_test\n" + importing("top"),
		"top/a.go":       "package top\n" + importing("left", "right", "base"),
		"left/a.go":      "package left\n" + importing("base"),
		"left/a_test.go": "package left_test\n" + importing("left", "base"),
		"right/a.go":     "package right\nimport \"fmt\"\nimport \"github.com/meridian-run/meridiansomething\"\n",
		"base/a.go":      "package base\n",
	}
	tests := []struct {
		name string
		plan string
		tree map[string]string
		want []string
	}{
		{name: "a tree that keeps the plan"},
		{
			name: "an upward import",
			tree: map[string]string{"base/b.go": "package base\n" + importing("left")},
			want: []string{"base/b.go imports left, which is on a floor above"},
		},
		{
			name: "an import on the same floor",
			tree: map[string]string{"left/b.go": "package left\n" + importing("right")},
			want: []string{"left/b.go imports right, which is on its own floor: what both need belongs one floor below"},
		},
		{
			name: "test files count",
			tree: map[string]string{"base/b_test.go": "package base_test\n" + importing("base", "top")},
			want: []string{"base/b_test.go imports top, which is on a floor above"},
		},
		{
			name: "files of other systems count",
			tree: map[string]string{"base/b_plan9.go": "//go:build plan9 && ignore\n\npackage base\n" + importing("top")},
			want: []string{"base/b_plan9.go imports top, which is on a floor above"},
		},
		{
			name: "a package outside the plan",
			tree: map[string]string{"util/a.go": "package util\n", "top/b.go": "package top\n" + importing("util")},
			want: []string{
				"package util is outside the plan: give it a floor in floors.txt",
				"top/b.go imports util, which is outside the plan",
			},
		},
		{
			name: "a folder below a package is a package of its own",
			tree: map[string]string{"left/inner/a_test.go": "package inner\n"},
			want: []string{"package left/inner is outside the plan: give it a floor in floors.txt"},
		},
		{
			name: "a planned package that is not there",
			plan: plan + "attic\n",
			want: []string{"floors.txt plans attic, which has no Go file: write it or take the line out"},
		},
		{
			name: "a plan that says it twice, and one that says nothing",
			plan: plan + "top\n../x\nleft right\n",
			want: []string{
				"floors.txt:10: \"../x\" is no package folder",
				"floors.txt:11: \"left right\" is no package folder",
				"floors.txt:9: top has a floor already",
			},
		},
		{
			name: "other modules, testdata and ignored folders are not ours",
			tree: map[string]string{
				"tools/go.mod": "module tools\n", "tools/a.go": "package tools\n" + importing("top"),
				"base/testdata/a.go": "package broken (", "_old/a.go": "package old\n", ".hidden/a.go": "package hidden\n",
			},
		},
		{
			name: "the root may not be imported",
			tree: map[string]string{"base/b.go": "package base\nimport \"" + module + "\"\n"},
			want: []string{"base/b.go imports ., which is outside the plan"},
		},
		{
			name: "a file that cannot be parsed",
			tree: map[string]string{"base/b.go": "pakcage base"},
			want: []string{"base/b.go:1:1: expected 'package', found pakcage"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			tree := fstest.MapFS{}
			for _, files := range []map[string]string{good, test.tree} {
				for name, source := range files {
					tree[name] = &fstest.MapFile{Data: []byte(source)}
				}
			}
			got := checkFloors([]byte(planned(test.plan, plan)), tree)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

// planned returns the test's own plan, or else the usual one.
func planned(own, usual string) string {
	if own != "" {
		return own
	}
	return usual
}

func importing(dirs ...string) string {
	var source strings.Builder
	for _, dir := range dirs {
		fmt.Fprintf(&source, "import _ %q\n", module+"/"+dir)
	}
	return source.String()
}
