package sim_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// mutation is one text in place of another.
type mutation struct{ old, new string }

// mutating is a source file that mutants change. Each gets a copy of the function
// that it changes, and the function itself calls the copy of the mutant that the
// environment names: so one build has all of them.
type mutating struct {
	path    string
	source  string
	copies  bytes.Buffer
	variant map[string][]string // of a function, by its first byte in the file
	replace map[int]function
}

// function is a declaration in a file.
type function struct {
	declaration *ast.FuncDecl
	from, to    int
}

// mutantVariable is in the environment of a simulator that is to be a mutant.
const mutantVariable = "SIM_MUTANT"

// buildMutants builds one simulator with all mutants in it.
func buildMutants(t *testing.T, root string, mutants []mutant) (binary string) {
	t.Helper()
	files := map[string]*mutating{}
	for _, m := range mutants {
		for _, change := range m.changes {
			m.file(t, root, files, change).add(t, m.name, change)
		}
	}
	dir := t.TempDir()
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	for i, path := range slices.Sorted(maps.Keys(files)) {
		f := files[path]
		changed := filepath.Join(dir, fmt.Sprint("changed", i, ".go"))
		write(t, changed, f.result(t))
		overlay.Replace[filepath.Join(root, path)] = changed
		chosen := filepath.Join(dir, fmt.Sprint("chosen", i, ".go"))
		write(t, chosen, fmt.Appendf(nil, "package %s\n\nimport \"os\"\n\nvar chosenMutant = os.Getenv(%q)\n", filepath.Base(filepath.Dir(path)), mutantVariable))
		overlay.Replace[filepath.Join(root, filepath.Dir(path), "chosen_mutant.go")] = chosen
	}
	encoded, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "overlay.json"), encoded)
	binary = filepath.Join(dir, "sim")
	out, err := exec.Command("go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "-ldflags=-s -w", "-o", binary, "github.com/meridian-run/meridian/internal/sim/run").CombinedOutput()
	if err != nil {
		t.Fatalf("the mutants do not build: %v\n%s", err, out)
	}
	return binary
}

// file is the one of a mutant's files that has the text of a change, once.
func (m mutant) file(t *testing.T, root string, files map[string]*mutating, change mutation) *mutating {
	t.Helper()
	var found *mutating
	for _, path := range m.paths {
		if files[path] == nil {
			source, err := os.ReadFile(filepath.Join(root, path))
			if err != nil {
				t.Fatal(err)
			}
			files[path] = &mutating{path: path, source: string(source), variant: map[string][]string{}, replace: map[int]function{}}
		}
		switch n := strings.Count(files[path].source, change.old); {
		case n == 1 && found == nil:
			found = files[path]
		case n > 0:
			t.Fatalf("%s: the old text is in %v more than once: bring the mutant up to date", m.name, m.paths)
		}
	}
	if found == nil {
		t.Fatalf("%s: the old text is not in %v: bring the mutant up to date", m.name, m.paths)
	}
	return found
}

// add gives the file a copy of the function that the mutant changes.
func (f *mutating) add(t *testing.T, name string, change mutation) {
	t.Helper()
	in := f.functionAt(t, f.source, strings.Index(f.source, change.old))
	f.replace[in.from] = in
	f.variant[fmt.Sprint(in.from)] = append(f.variant[fmt.Sprint(in.from)], name)
	changed := strings.Replace(f.source[in.from:in.to], change.old, change.new, 1)
	if changed == f.source[in.from:in.to] {
		t.Fatalf("%s: the old text is not within one function", name)
	}
	f.copies.WriteString("\n" + renamed(t, changed, copyName(in.declaration.Name.Name, name)) + "\n")
}

// copyName is what a mutant's copy of a function is called.
func copyName(function, mutant string) string {
	return "mutant" + strings.ReplaceAll(mutant, "-", "") + strings.ToUpper(function[:1]) + function[1:]
}

func (f *mutating) functionAt(t *testing.T, source string, at int) function {
	t.Helper()
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, f.path, source, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range parsed.Decls {
		declaration, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		from, to := set.Position(declaration.Pos()).Offset, set.Position(declaration.End()).Offset
		if from <= at && at < to {
			return function{declaration, from, to}
		}
	}
	t.Fatalf("%s: no function is around the old text", f.path)
	return function{}
}

// renamed is a function's text under another name.
func renamed(t *testing.T, text, name string) string {
	t.Helper()
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, "", "package p\n"+text, parser.SkipObjectResolution)
	if err != nil {
		t.Fatalf("the mutant cannot be read: %v\n%s", err, text)
	}
	id := parsed.Decls[0].(*ast.FuncDecl).Name
	from := set.Position(id.Pos()).Offset - len("package p\n")
	return text[:from] + name + text[from+len(id.Name):]
}

// result is the file with a choice at the beginning of each function that a mutant
// changes.
func (f *mutating) result(t *testing.T) []byte {
	t.Helper()
	var out strings.Builder
	last := 0
	for _, from := range slices.Sorted(maps.Keys(f.replace)) {
		body := f.replace[from].declaration.Body
		brace := from + int(body.Lbrace-f.replace[from].declaration.Pos()) + 1
		out.WriteString(f.source[last:brace])
		last = brace
		for _, mutant := range f.variant[fmt.Sprint(from)] {
			fmt.Fprintf(&out, "\nif chosenMutant == %q {\n%s\n}\n", mutant, call(t, f.replace[from].declaration, mutant))
		}
	}
	out.WriteString(f.source[last:] + f.copies.String())
	formatted, err := format.Source([]byte(out.String()))
	if err != nil {
		t.Fatalf("%s with its mutants: %v", f.path, err)
	}
	return formatted
}

// call calls a mutant's copy of a function as that was called.
func call(t *testing.T, d *ast.FuncDecl, mutant string) string {
	t.Helper()
	name := copyName(d.Name.Name, mutant)
	if d.Recv != nil {
		name = d.Recv.List[0].Names[0].Name + "." + name
	}
	var args []string
	for _, field := range d.Type.Params.List {
		for _, id := range field.Names {
			arg := id.Name
			if arg == "_" { // nobody reads it
				arg = "*new(" + types.ExprString(field.Type) + ")"
			}
			if _, variadic := field.Type.(*ast.Ellipsis); variadic {
				arg += "..."
			}
			args = append(args, arg)
		}
	}
	text := name + "(" + strings.Join(args, ", ") + ")"
	if d.Type.Results == nil {
		return text + "\nreturn"
	}
	return "return " + text
}
