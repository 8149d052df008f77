package spec

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Load reads and parses a spec file, and looks whether the bundles of its
// functions are there. The error is of type [Errors].
func Load(path string) (*World, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		absolute = path
	}
	source, err := read(absolute)
	if err != nil {
		return nil, Errors{{File: path, What: unreadable(err), Instead: "name a spec file, such as meridian.yaml", cause: err}}
	}
	return parse(file{shown: path, path: absolute, exists: bundleAt}, source)
}

// Parse parses a spec. Relative bundle paths are taken from the directory of
// name, a file name that need not exist; no file is looked at. The error is
// of type [Errors].
func Parse(name string, source []byte) (*World, error) {
	absolute, err := filepath.Abs(name)
	if err != nil {
		absolute = name
	}
	return parse(file{shown: name, path: absolute}, source)
}

// file is where a spec comes from.
type file struct {
	shown string // in messages
	path  string // absolute
	// exists says what is wrong with a bundle's path; nil if nobody looks.
	exists func(path string) (what string)
}

// read stops a little above the limit, which parse then reports.
func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, sourceMax+1))
}

func unreadable(err error) string {
	var path *os.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return "cannot be read: " + err.Error()
}

func bundleAt(path string) string {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "there is no file or directory " + path
	case err != nil:
		return unreadable(err)
	case !info.IsDir() && filepath.Ext(path) != ".zip":
		return path + " is neither a directory nor a zip file"
	}
	return ""
}

func parse(f file, source []byte) (*World, error) {
	p := &parser{file: f, nodes: make(map[string]*yaml.Node), keys: make(map[string]*yaml.Node)}
	w := &World{File: f.path, Source: bytes.Clone(source)}
	if root, ok := p.document(source); ok {
		p.world(root, w)
		p.check(w)
	}
	if len(p.errs) > 0 {
		return nil, p.errs.sorted()
	}
	return w, nil
}

// document turns the source into the one mapping that it must be.
func (p *parser) document(source []byte) (value, bool) {
	if len(source) > sourceMax {
		p.report(position{}, "", fmt.Sprintf("the file has more than %d KB", sourceMax>>10), "a spec is much smaller; is this the right file?")
		return value{}, false
	}
	decoder := yaml.NewDecoder(bytes.NewReader(source))
	var root, second yaml.Node
	switch err := decoder.Decode(&root); {
	case errors.Is(err, io.EOF):
		p.report(position{1, 1}, "", "the file is empty", "start with \"world: NAME\"")
		return value{}, false
	case err != nil:
		p.syntax(err)
		return value{}, false
	}
	switch err := decoder.Decode(&second); {
	case err == nil:
		p.report(position{second.Line, second.Column}, "", "a second YAML document", "write one file for each world")
	case !errors.Is(err, io.EOF):
		p.syntax(err)
	}
	if len(root.Content) != 1 || root.Content[0].Kind != yaml.MappingNode {
		p.report(position{1, 1}, "", "the file does not hold settings", "start with \"world: NAME\"")
		return value{}, false
	}
	v := value{p: p, node: root.Content[0]}
	return v, p.plain(v.node, "")
}

var (
	yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)
	// fromZero matches the messages whose line yaml.v3 counts from 0: those
	// of its parser, whereas its scanner counts from 1.
	fromZero = regexp.MustCompile(`^did not find expected (',' or|key|'-' indicator|node content|<)`)
)

// syntax reports what the YAML parser says, with its line if it has one.
func (p *parser) syntax(err error) {
	at, what := position{1, 1}, err.Error()
	if m := yamlLine.FindStringSubmatch(strings.ReplaceAll(what, "\n", " ")); m != nil {
		what = m[2]
		if line, err := strconv.Atoi(m[1]); err == nil {
			at.line = line
		}
		if fromZero.MatchString(what) && m[1] != "" {
			at.line++
		}
	}
	p.report(at, "", "not valid YAML: "+what, "look at the indentation and quotes of this line and the one before")
}
