package main

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
)

// root is the repository seen from this package.
const root = "../.."

// page is one Markdown file.
type page struct {
	path   string // below root
	text   string
	blocks []block
	// prose is the text without its blocks.
	prose string
}

// block is a fenced block; info is what stands behind the fence.
type block struct {
	info, text string
	line       int
}

var fence = regexp.MustCompile("(?ms)^```([^\n]*)\n(.*?)^```$")

// pages are all that users read.
func pages(t *testing.T) []page {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"} {
		paths = append(paths, filepath.Join(root, name))
	}
	var all []page
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		p := page{path: strings.TrimPrefix(path, root+"/"), text: string(text)}
		for _, at := range fence.FindAllStringSubmatchIndex(p.text, -1) {
			p.blocks = append(p.blocks, block{
				info: p.text[at[2]:at[3]], text: p.text[at[4]:at[5]], line: 1 + strings.Count(p.text[:at[4]], "\n"),
			})
		}
		p.prose = fence.ReplaceAllString(p.text, "")
		all = append(all, p)
	}
	return all
}

func onePage(t *testing.T, path string) page {
	t.Helper()
	for _, p := range pages(t) {
		if p.path == path {
			return p
		}
	}
	t.Fatalf("there is no %s", path)
	return page{}
}

var span = regexp.MustCompile("`([^`\n]+)`")

// spans are the pieces of code in the prose.
func (p page) spans() []string {
	var all []string
	for _, m := range span.FindAllStringSubmatch(p.prose, -1) {
		all = append(all, m[1])
	}
	return all
}

// Every meridian command in the docs is one that this binary takes, and every
// flag named there exists.
func TestDocsCommandsParse(t *testing.T) {
	for _, p := range pages(t) {
		for _, b := range p.blocks {
			for i, line := range strings.Split(b.text, "\n") {
				line = strings.TrimPrefix(line, "$ ")
				for _, words := range commandsIn(line) {
					if err := parses(words); err != nil {
						t.Errorf("%s:%d: %s: %v", p.path, b.line+i, strings.Join(words, " "), err)
					}
				}
			}
		}
		for _, code := range p.spans() {
			for _, words := range commandsIn(code) {
				// In a sentence a flag may stand without its value.
				if err := parses(words); err != nil && !strings.Contains(err.Error(), "needs an argument") {
					t.Errorf("%s: `%s`: %v", p.path, code, err)
				}
			}
			if name, is := strings.CutPrefix(strings.Fields(code + " -")[0], "--"); is && !isFlag(name) {
				t.Errorf("%s: no command has the flag --%s", p.path, name)
			}
		}
	}
}

// commandsIn are the meridian commands of a shell line, as words.
func commandsIn(line string) [][]string {
	var all [][]string
	for _, words := range shellWords(line) {
		if len(words) > 1 && filepath.Base(words[0]) == "meridian" && unicode.IsLower(rune(words[1][0])) {
			all = append(all, words[1:])
		}
	}
	return all
}

// shellWords splits a line into commands and words, as far as the docs need it.
func shellWords(line string) [][]string {
	var all [][]string
	var words []string
	var word strings.Builder
	inWord, quote := false, rune(0)
	endWord := func() {
		if inWord {
			words = append(words, word.String())
		}
		word.Reset()
		inWord = false
	}
	endCommand := func() {
		endWord()
		if len(words) > 0 {
			all = append(all, words)
		}
		words = nil
	}
	line = strings.NewReplacer(`"$(`, ";", `$(`, ";", `)"`, ";").Replace(line)
	for i, c := range line {
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(c)
		case c == '\'' || c == '"':
			quote, inWord = c, true
		case c == '#' && !inWord && i > 0:
			endCommand()
			return all
		case strings.ContainsRune(";&|)(", c):
			endCommand()
		case c == ' ':
			endWord()
		default:
			word.WriteRune(c)
			inWord = true
		}
	}
	endCommand()
	return all
}

// parses reports whether a command line is understood; nothing is run.
func parses(words []string) error {
	c := find(words[0])
	if c == nil {
		return usagef("there is no such command")
	}
	flags := newFlagSet(c.name)
	c.build(docsApp(), flags)
	_, err := flags.parse(words[1:])
	return err
}

func docsApp() *app {
	return &app{out: &bytes.Buffer{}, err: &bytes.Buffer{}, getenv: func(string) string { return "" }}
}

func isFlag(name string) bool {
	return slices.ContainsFunc(commands(), func(c *command) bool {
		flags := newFlagSet(c.name)
		c.build(docsApp(), flags)
		return flags.Lookup(name) != nil
	})
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	docPath = regexp.MustCompile(`^(docs|internal|cmd|spec|client|bench|examples|tools)/[A-Za-z0-9_./-]+$`)
)

// results is what `make bench` writes; it may not have run yet.
const results = "bench/RESULTS.md"

// Every link leads somewhere, and so does every path in the prose.
func TestDocsLinksResolve(t *testing.T) {
	for _, p := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(p.prose, -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			path := p.path
			if target != "" {
				path = filepath.Join(filepath.Dir(p.path), target)
			}
			text, err := os.ReadFile(filepath.Join(root, path))
			switch {
			case target == results && err != nil:
				continue
			case err != nil:
				t.Errorf("%s links to %s: %v", p.path, m[1], err)
				continue
			}
			if anchor != "" && !slices.Contains(anchors(string(text)), anchor) {
				t.Errorf("%s links to %s: %s has no such heading", p.path, m[1], path)
			}
		}
		for _, code := range p.spans() {
			if !docPath.MatchString(code) || code == results {
				continue
			}
			if _, err := os.Stat(filepath.Join(root, code)); err != nil && p.path != "ARCHITECTURE.md" {
				t.Errorf("%s names `%s`: %v", p.path, code, err)
			}
		}
	}
}

// anchors are a page's headings as links name them.
func anchors(text string) []string {
	var all []string
	for _, m := range heading.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		all = append(all, strings.Map(func(c rune) rune {
			switch {
			case c == ' ':
				return '-'
			case unicode.IsLetter(c), unicode.IsDigit(c), c == '-', c == '_':
				return unicode.ToLower(c)
			}
			return -1
		}, m[1]))
	}
	return all
}

// rows are the first cells of a page's table rows, without the heading.
func (p page) rows(title string) [][]string {
	var rows [][]string
	in := false
	for line := range strings.Lines(p.prose) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, title):
			in = true
		case !strings.HasPrefix(line, "|"):
			in = false
		case in && !strings.HasPrefix(line, "|--"):
			cells := strings.Split(strings.Trim(line, "|"), "|")
			for i := range cells {
				cells[i] = strings.TrimSpace(cells[i])
			}
			rows = append(rows, cells)
		}
	}
	return rows
}

func source(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// all returns what the expression's group matches, sorted, each once.
func all(expression, text string) []string {
	var names []string
	for _, m := range regexp.MustCompile(expression).FindAllStringSubmatch(text, -1) {
		names = append(names, m[1])
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// metricsIn are the names of metrics that docs/operations.md lists.
func metricsIn(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, row := range onePage(t, "docs/operations.md").rows("| metric |") {
		names = append(names, strings.Trim(row[0], "`"))
	}
	slices.Sort(names)
	return names
}

// docs/operations.md has every metric that a region has, and no other.
func TestDocsMetrics(t *testing.T) {
	code := source(t, "internal/region/metrics.go")
	defined := slices.Sorted(slices.Values(append(all(`(?:counter|histogram|gauge)\("([A-Za-z_]+)"`, code), all(`Name: "([a-z_]+)"`, code)...)))
	if diff := cmp.Diff(defined, metricsIn(t)); diff != "" {
		t.Errorf("metrics of the code (-) and of the docs (+):\n%s", diff)
	}
}

// ARCHITECTURE.md has every package of floors.txt in its table of floors, in the
// plan's order, and no other.
func TestDocsFloors(t *testing.T) {
	var listed [][]string
	for _, row := range onePage(t, "ARCHITECTURE.md").rows("| floor |") {
		listed = append(listed, all("`([a-z/]+)`", row[1]))
	}
	var planned [][]string
	for floor := range strings.SplitSeq(source(t, "floors.txt"), "\n--\n") {
		planned = append(planned, all(`(?m)^(?:internal/)?([a-z/]+)$`, floor))
	}
	if diff := cmp.Diff(planned, listed); diff != "" {
		t.Errorf("floors of floors.txt (-) and of ARCHITECTURE.md (+):\n%s", diff)
	}
}

// docs/operations.md has every kind of event, and no other.
func TestDocsEvents(t *testing.T) {
	kinds := all(`Kind = "([a-z-]+)"`, source(t, "internal/event/event.go"))
	var listed []string
	for _, row := range onePage(t, "docs/operations.md").rows("| kind | what happened") {
		for _, m := range span.FindAllStringSubmatch(row[0], -1) {
			listed = append(listed, m[1])
		}
	}
	slices.Sort(listed)
	if diff := cmp.Diff(kinds, listed); diff != "" {
		t.Errorf("kinds of events of the code (-) and of the docs (+):\n%s", diff)
	}
}

// The gateway's kinds of errors are all in docs/functions.md.
func TestDocsErrorKinds(t *testing.T) {
	kinds := all(`problem\{(?:http\.Status\w+|statusClientGone), "([a-z-]+)"`, source(t, "internal/gateway/errors.go"))
	kinds = append(kinds, all(`kind: "([a-z-]+)"`, source(t, "internal/gateway/serve.go"))...)
	kinds = slices.DeleteFunc(kinds, func(k string) bool { return k == "client-gone" }) // nobody is there to read it
	slices.Sort(kinds)
	var listed []string
	for _, row := range onePage(t, "docs/functions.md").rows("| `Meridian-Error` | status") {
		listed = append(listed, strings.Trim(row[0], "`"))
	}
	slices.Sort(listed)
	if diff := cmp.Diff(kinds, listed); diff != "" {
		t.Errorf("kinds of errors of the gateway (-) and of the docs (+):\n%s", diff)
	}
}

// Blocks that say `console run` are typed at a real `meridian dev`; what they
// show must come, numbers aside. A line "…" stands for anything.
func TestDocsSessions(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	for _, p := range pages(t) {
		for _, b := range p.blocks {
			if b.info == "console run" {
				playBlock(t, d, p.path, b)
			}
		}
	}
	live := all(`(?m)^# HELP ([A-Za-z_]+) `, d.shell(`curl -s "$(sed -n 's/.*"url": "\(.*\)".*/\1/p' .demo/context.json | head -1)/metrics"`))
	listed := metricsIn(t)
	for _, name := range live {
		if !strings.HasPrefix(name, "go_") && !strings.HasPrefix(name, "process_") && !slices.Contains(listed, name) {
			t.Errorf("/metrics has %s, docs/operations.md has not", name)
		}
	}
	if !slices.Contains(live, "verdict") {
		t.Errorf("/metrics has only %v", live)
	}
}

func playBlock(t *testing.T, d *demo, path string, b block) {
	t.Helper()
	var line string
	var want []string
	at := b.line
	play := func() {
		if line == "" || strings.Contains(line, "aws ") && !hasAWS() {
			return
		}
		out := d.shell(line)
		got := strings.Split(numberless(out), "\n")
		for _, w := range want {
			if strings.HasPrefix(w, "…") || strings.TrimSpace(w) == "" {
				continue
			}
			i := slices.Index(got, numberless(w))
			if i < 0 {
				t.Errorf("%s:%d: %s\ndid not print %q, but\n%s", path, at, line, w, out)
				return
			}
			got = got[i+1:]
		}
	}
	for i, l := range strings.Split(b.text, "\n") {
		if command, is := strings.CutPrefix(l, "$ "); is {
			play()
			line, want, at = command, nil, b.line+i
			continue
		}
		want = append(want, l)
	}
	play()
}

func hasAWS() bool {
	_, err := exec.LookPath("aws")
	return err == nil
}

var number = regexp.MustCompile(`[0-9]+([.:][0-9]+)*`)

// numberless is a text whose numbers, times and addresses do not matter.
func numberless(s string) string {
	return number.ReplaceAllString(strings.ReplaceAll(s, "127.0.0.1", "127.0.10.1"), "#")
}

// The README's picture is there and small.
func TestDocsPicture(t *testing.T) {
	info, err := fs.Stat(os.DirFS(root), "docs/status.png")
	if err != nil || info.Size() > 300<<10 {
		t.Errorf("docs/status.png: %v, %v", info, err)
	}
}
