package differ

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
)

// Step is one request.
type Step struct {
	Operation string         `json:"operation"`
	Request   map[string]any `json:"request"`
	// Walk asks again with each LastEvaluatedKey until there is none.
	Walk bool `json:"walk,omitempty"`
}

// History is what is asked one after the other.
type History []Step

// Read reads a history as String writes it. Empty lines and lines that begin
// with # say nothing.
func Read(r io.Reader) (History, error) {
	var h History
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		var s Step
		if err := decode(line, &s); err != nil {
			return nil, fmt.Errorf("request %d: %w", len(h)+1, err)
		}
		h = append(h, s)
	}
	return h, lines.Err()
}

// String is the history as JSON lines.
func (h History) String() string {
	var b bytes.Buffer
	for _, s := range h {
		b.Write(encode(s))
		b.WriteByte('\n')
	}
	return b.String()
}

// decode reads JSON with its numbers as they are written.
func decode(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	return d.Decode(into)
}

// encode writes what decode reads, members by name.
func encode(j any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(j); err != nil {
		panic(err) // it is of JSON's own types
	}
	return bytes.TrimSpace(b.Bytes())
}

// clone is a copy that shares nothing.
func clone[T any](j T) T {
	var c T
	if err := decode(encode(j), &c); err != nil {
		panic(err)
	}
	return c
}
