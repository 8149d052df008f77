package spec

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// parser walks the YAML nodes of one file and collects what is wrong.
type parser struct {
	file file
	errs Errors
	// nodes and keys hold, by path, each value and the key before it, so that
	// a check of the finished world can point at what was written.
	nodes, keys map[string]*yaml.Node
}

// position is a line and column, both from 1.
type position struct{ line, column int }

func (p *parser) report(at position, path, what, instead string) {
	p.errs = append(p.errs, Error{File: p.file.shown, Line: at.line, Column: at.column, Path: path, What: oneLine(what), Instead: oneLine(instead)})
}

// oneLine keeps what a file says from breaking or flooding a message.
func oneLine(message string) string {
	const longest = 600
	if len(message) > longest {
		message = strings.ToValidUTF8(message[:longest], "") + "…"
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, message)
}

// errorAt reports about the value at a path, or about the nearest thing
// around it if the file leaves it out.
func (p *parser) errorAt(path, what, instead string) {
	for at := path; ; at = parent(at) {
		if n := p.nodes[at]; n != nil && (n.Kind == yaml.ScalarNode && n.ShortTag() != "!!null" || p.keys[at] == nil) {
			p.report(position{n.Line, n.Column}, path, what, instead)
			return
		}
		if k := p.keys[at]; k != nil {
			p.report(position{k.Line, k.Column}, path, what, instead)
			return
		}
		if at == "" {
			p.report(position{1, 1}, path, what, instead)
			return
		}
	}
}

// has reports whether the file says something at a path.
func (p *parser) has(path string) bool { return p.nodes[path] != nil }

// line tells where the key of a path is, for messages about two places.
func (p *parser) line(path string) int {
	if k := p.keys[path]; k != nil {
		return k.Line
	}
	return 1
}

// value is a node and where it stands.
type value struct {
	p    *parser
	node *yaml.Node
	path string
}

func (v value) fail(what, instead string) { v.p.errorAt(v.path, what, instead) }

// plain refuses, below a node, what YAML offers and a spec does not use:
// anchors, aliases, merges and tags. It keeps the walk linear in the size of
// the file and the file readable from top to bottom.
func (p *parser) plain(n *yaml.Node, path string) bool {
	at := position{n.Line, n.Column}
	switch {
	case n.Kind == yaml.AliasNode:
		p.report(at, path, "an alias (*"+n.Value+")", "write the value out")
		return false
	case n.Anchor != "":
		p.report(at, path, "an anchor (&"+n.Anchor+")", "leave it out and write the value where it is needed")
		return false
	case n.Style&yaml.TaggedStyle != 0:
		p.report(at, path, "a tag ("+n.Tag+")", "leave it out; put text in quotes")
		return false
	}
	ok := true
	for _, child := range n.Content {
		ok = p.plain(child, path) && ok
	}
	return ok
}

// entry is one key of a mapping and what it holds.
type entry struct {
	name string
	value
}

// entries are the keys of a mapping in the file's order; nothing is an empty
// mapping. A key that comes twice is reported and the second left out.
func (v value) entries(instead string) []entry {
	if v.null() {
		return nil
	}
	if v.node.Kind != yaml.MappingNode {
		v.fail("is "+kind(v.node)+" where settings are expected", instead)
		return nil
	}
	var list []entry
	seen := make(map[string]int)
	for i := 0; i+1 < len(v.node.Content); i += 2 {
		k, n := v.node.Content[i], v.node.Content[i+1]
		path := join(v.path, k.Value)
		switch {
		case k.Kind != yaml.ScalarNode:
			v.p.report(position{k.Line, k.Column}, v.path, "a key that is "+kind(k), "write a name and a colon")
			continue
		case seen[k.Value] > 0:
			v.p.report(position{k.Line, k.Column}, path, fmt.Sprintf("%q is already there in line %d", k.Value, seen[k.Value]), "keep one of them")
			continue
		}
		seen[k.Value] = k.Line
		v.p.keys[path], v.p.nodes[path] = k, n
		list = append(list, entry{k.Value, value{v.p, n, path}})
	}
	return list
}

// fields are the settings of a mapping with known keys.
type fields struct {
	value
	byName map[string]value
}

// fields reads a mapping and reports the keys that are not known here.
func (v value) fields(known ...string) fields {
	f := fields{v, make(map[string]value)}
	for _, e := range v.entries("write " + strings.Join(known, ", ") + " below it, indented") {
		if slices.Contains(known, e.name) {
			f.byName[e.name] = e.value
			continue
		}
		k := v.p.keys[e.path]
		instead := "known here: " + strings.Join(known, ", ")
		if near := nearest(e.name, known); near != "" {
			instead = "did you mean " + near + "? " + instead
		}
		v.p.report(position{k.Line, k.Column}, e.path, fmt.Sprintf("unknown key %q", e.name), instead)
	}
	return f
}

// get returns a setting that may be missing.
func (f fields) get(name string) (value, bool) {
	v, ok := f.byName[name]
	return v, ok
}

// need returns a setting and reports if it is missing.
func (f fields) need(name, instead string) (value, bool) {
	v, ok := f.byName[name]
	if !ok && (f.null() || f.node.Kind == yaml.MappingNode) {
		f.fail("missing setting "+name, instead)
	}
	return v, ok
}

// list returns the elements of a list.
func (v value) list(instead string) []value {
	if v.node.Kind != yaml.SequenceNode {
		v.fail("is "+kind(v.node)+" where a list is expected", instead)
		return nil
	}
	var list []value
	for i, n := range v.node.Content {
		path := v.path + "[" + strconv.Itoa(i) + "]"
		v.p.nodes[path] = n
		list = append(list, value{v.p, n, path})
	}
	return list
}

func (v value) null() bool {
	return v.node.Kind == yaml.ScalarNode && v.node.ShortTag() == "!!null"
}

func (v value) scalar() bool { return v.node.Kind == yaml.ScalarNode && !v.null() }

// kind names a node's type as a person would.
func kind(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.ShortTag() {
	case "!!int", "!!float":
		return "a number"
	case "!!bool":
		return "true or false"
	case "!!null":
		return "empty"
	case "!!timestamp":
		return "a date"
	}
	return "text"
}

var bareKey = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// join extends a path by a key, in quotes where dots would mislead.
func join(path, key string) string {
	switch {
	case !bareKey.MatchString(key):
		return path + "[" + strconv.Quote(key) + "]"
	case path == "":
		return key
	}
	return path + "." + key
}

// parent is the path without its last step.
func parent(path string) string {
	if strings.HasSuffix(path, `"]`) {
		if i := strings.LastIndex(path, `["`); i >= 0 {
			return path[:i]
		}
	}
	return path[:max(0, strings.LastIndexAny(path, ".["))]
}
