package item

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Limits of the JSON reader.
const (
	// jsonDepthMax bounds the reader's stack. It is far above what values may
	// nest, two JSON levels each inside those of a request, so that the answer to
	// one that nests too deep is about values and not about JSON.
	jsonDepthMax = 1024
	// nodesMax bounds the memory of one document: 16 MB of "0," would be 8
	// million values.
	nodesMax = 1 << 21
	// largeSource is from where on the memory for a document is counted out before.
	largeSource = 256 << 10
)

// Form is the kind of a JSON value.
type Form uint8

// The forms of JSON values. Absent is what Get answers for a missing member, and
// what null counts as.
const (
	Absent Form = iota
	Literal
	True
	False
	String
	Array
	Object
)

type node struct {
	key, text string
	form      Form
	count     int32 // children
	first     int32 // index of the first child, 0 if none
	next      int32 // index of the next sibling, 0 if none
}

// Document is a parsed JSON text. It can be used again and again: Parse keeps
// its memory. Strings share memory with the source text where they had no
// escapes.
type Document struct {
	source string
	at     int
	nodes  []node
}

// Node is a value of a Document, valid until its next Parse. The zero Node is
// absent.
type Node struct {
	doc   *Document
	index int32
}

// Parse reads a JSON text. It accepts what encoding/json does, up to
// jsonDepthMax levels and in valid UTF-8. Of members of one name the last counts.
func (d *Document) Parse(source string) error {
	d.source, d.at = source, 0
	d.nodes = d.nodes[:0]
	if len(source) > largeSource {
		d.nodes = slices.Grow(d.nodes, min(Most(source), nodesMax)) // growing by the way would take several times as much
	}
	if !utf8.ValidString(source) {
		return d.fail("invalid UTF-8")
	}
	d.space()
	if err := d.value("", 0); err != nil {
		return err
	}
	d.space()
	if d.at != len(source) {
		return d.fail("unexpected text after the value")
	}
	return nil
}

// Root is the document's value.
func (d *Document) Root() Node { return Node{doc: d} }

// Forget lets the source go, and the memory of an unusually large document.
func (d *Document) Forget() {
	d.source = ""
	if cap(d.nodes) > 1<<12 {
		d.nodes = nil
	}
	clear(d.nodes[:cap(d.nodes)])
}

func (d *Document) fail(message string) error {
	return &SyntaxError{Message: message, Offset: d.at}
}

func (d *Document) space() {
	for d.at < len(d.source) {
		switch d.source[d.at] {
		case ' ', '\t', '\n', '\r':
			d.at++
		default:
			return
		}
	}
}

func (d *Document) peek() byte {
	if d.at < len(d.source) {
		return d.source[d.at]
	}
	return 0
}

// value reads one value and appends its node, then its children's.
func (d *Document) value(key string, depth int) error {
	if depth > jsonDepthMax {
		return d.fail("nested too deeply")
	}
	if len(d.nodes) >= nodesMax {
		return d.fail("too many values")
	}
	switch c := d.peek(); {
	case c == '"':
		text, err := d.text()
		if err != nil {
			return err
		}
		d.nodes = append(d.nodes, node{key: key, text: text, form: String})
		return nil
	case c == '{':
		return d.object(key, depth)
	case c == '[':
		return d.array(key, depth)
	case c == 't':
		return d.word("true", node{key: key, form: True, text: "true"})
	case c == 'f':
		return d.word("false", node{key: key, form: False, text: "false"})
	case c == 'n':
		return d.word("null", node{key: key, form: Absent})
	case c == '-' || isDigit(c):
		return d.number(key)
	}
	if d.at >= len(d.source) {
		return d.fail("unexpected end")
	}
	return d.fail("unexpected character")
}

func (d *Document) word(word string, n node) error {
	if !strings.HasPrefix(d.source[d.at:], word) {
		return d.fail("unexpected character")
	}
	d.at += len(word)
	d.nodes = append(d.nodes, n)
	return nil
}

func (d *Document) object(key string, depth int) error {
	return d.children(node{key: key, form: Object}, '}', func() error {
		if d.peek() != '"' {
			return d.fail("expected a member's name")
		}
		name, err := d.text()
		if err != nil {
			return err
		}
		d.space()
		if d.peek() != ':' {
			return d.fail("expected a colon")
		}
		d.at++
		d.space()
		return d.value(name, depth+1)
	})
}

func (d *Document) array(key string, depth int) error {
	return d.children(node{key: key, form: Array}, ']', func() error { return d.value("", depth+1) })
}

// children reads the elements of an object or array, separated by commas, and
// links their nodes.
func (d *Document) children(parent node, end byte, element func() error) error {
	d.at++
	self := len(d.nodes)
	d.nodes = append(d.nodes, parent)
	d.space()
	if d.peek() == end {
		d.at++
		return nil
	}
	last := -1
	for {
		child := len(d.nodes)
		if err := element(); err != nil {
			return err
		}
		if last < 0 {
			d.nodes[self].first = int32(child)
		} else {
			d.nodes[last].next = int32(child)
		}
		last = child
		d.nodes[self].count++
		d.space()
		switch d.peek() {
		case ',':
			d.at++
			d.space()
		case end:
			d.at++
			return nil
		default:
			return d.fail("expected a comma or the end of the list")
		}
	}
}

// number reads JSON's number: -? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?
func (d *Document) number(key string) error {
	start := d.at
	if d.peek() == '-' {
		d.at++
	}
	zero := d.peek() == '0'
	if n := d.digits(); n == 0 || zero && n > 1 {
		return d.fail("bad number")
	}
	if d.peek() == '.' {
		d.at++
		if d.digits() == 0 {
			return d.fail("bad number")
		}
	}
	if c := d.peek(); c == 'e' || c == 'E' {
		d.at++
		if c := d.peek(); c == '+' || c == '-' {
			d.at++
		}
		if d.digits() == 0 {
			return d.fail("bad number")
		}
	}
	d.nodes = append(d.nodes, node{key: key, form: Literal, text: d.source[start:d.at]})
	return nil
}

func (d *Document) digits() int {
	start := d.at
	for isDigit(d.peek()) {
		d.at++
	}
	return d.at - start
}

// text reads a string; the reader stands on its opening quote.
func (d *Document) text() (string, error) {
	d.at++
	start := d.at
	for ; d.at < len(d.source); d.at++ {
		switch c := d.source[d.at]; {
		case c == '"':
			d.at++
			return d.source[start : d.at-1], nil
		case c == '\\':
			return d.escaped(start)
		case c < ' ':
			return "", d.fail("control character in a string")
		}
	}
	return "", d.fail("unexpected end in a string")
}

// Form is the form of the value; null and a missing value are Absent.
func (n Node) Form() Form {
	if n.doc == nil {
		return Absent
	}
	return n.node().form
}

func (n Node) node() *node { return &n.doc.nodes[n.index] }

// Exists reports whether there is a value other than null.
func (n Node) Exists() bool { return n.Form() != Absent }

// Key is the member's name.
func (n Node) Key() string { return n.node().key }

// Text is a string's content, or a literal as it is written.
func (n Node) Text() string {
	if n.doc == nil {
		return ""
	}
	return n.node().text
}

// Len is the number of elements or members.
func (n Node) Len() int {
	if n.doc == nil {
		return 0
	}
	return int(n.node().count)
}

// First is the first element or member: for c, ok := n.First(); ok; c, ok = c.Next().
func (n Node) First() (Node, bool) {
	if n.doc == nil || n.node().first == 0 {
		return Node{}, false
	}
	return Node{n.doc, n.node().first}, true
}

// Next is the following element or member of the same parent.
func (n Node) Next() (Node, bool) {
	if n.node().next == 0 {
		return Node{}, false
	}
	return Node{n.doc, n.node().next}, true
}

// Get is an object's member; absent if there is none or n is no object.
func (n Node) Get(name string) Node {
	if n.Form() != Object {
		return Node{}
	}
	found := Node{}
	for c, ok := n.First(); ok; c, ok = c.Next() {
		if c.node().key == name {
			found = c
		}
	}
	return found
}
