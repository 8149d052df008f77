package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/meridian-run/meridian/internal/atomicfile"
)

// Context says how a world is reached: the file that `meridian dev` and
// `meridian init` write.
type Context struct {
	World string `json:"world"`
	// Controller is the admin URL of `meridian dev` itself, which answers
	// while every region is stopped; empty for worlds of `meridian serve`.
	Controller string     `json:"controller,omitempty"`
	Regions    []Endpoint `json:"regions"`
	// TokenFile holds the admin token. A relative path is relative to the
	// context file; LoadContext makes it absolute. CAFile likewise: the
	// certificates that admin URLs with https are checked against.
	TokenFile string `json:"token_file,omitempty"`
	CAFile    string `json:"ca_file,omitempty"`
}

// Endpoint is where a region's admin API is.
type Endpoint struct {
	Region string `json:"region"`
	URL    string `json:"url"`
}

// ContextName is the file's name in a data directory.
const ContextName = "context.json"

// contextPlaces is where FindContext looks in each directory, in order.
var contextPlaces = []string{
	filepath.Join(".meridian", ContextName),
	filepath.Join(".demo", ContextName),
	filepath.Join("bundles", ContextName),
}

// ErrNoContext says that no context file was found.
var ErrNoContext = errors.New("no world here: start one with `meridian dev`, or name its context file with --context or MERIDIAN_CONTEXT")

// contextBytesMax bounds a context file: a thousand regions need less.
const contextBytesMax = 1 << 20

// FindContext returns the path of the context file of dir or of the nearest
// directory above it: .meridian/context.json, else .demo/context.json.
func FindContext(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("find context: %w", err)
	}
	for {
		for _, place := range contextPlaces {
			path := filepath.Join(dir, place)
			if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
				return path, nil
			}
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", ErrNoContext
		}
		dir = parent
	}
}

// LoadContext reads a context file.
func LoadContext(path string) (Context, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Context{}, fmt.Errorf("context file %s does not exist: %w", path, ErrNoContext)
	}
	if err != nil {
		return Context{}, fmt.Errorf("read context: %w", err)
	}
	if info.Size() > contextBytesMax {
		return Context{}, fmt.Errorf("%s is no context file: it has %d bytes", path, info.Size())
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return Context{}, fmt.Errorf("read context: %w", err)
	}
	var c Context
	if err := json.Unmarshal(data, &c); err != nil {
		return Context{}, fmt.Errorf("%s is no context file: %w", path, err)
	}
	if len(c.Regions) == 0 {
		return Context{}, fmt.Errorf("%s names no region", path)
	}
	dir := filepath.Dir(path)
	c.TokenFile = under(dir, c.TokenFile)
	c.CAFile = under(dir, c.CAFile)
	return c, nil
}

// WriteContext writes the file so that no reader ever sees half of it.
func WriteContext(path string, c Context) error {
	data, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return fmt.Errorf("write context: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("write context: %w", err)
	}
	if err := atomicfile.Write(path, append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("write context: %w", err)
	}
	return nil
}

// token reads the admin token; empty if the context names none.
func (c Context) token() (string, error) {
	if c.TokenFile == "" {
		return "", nil
	}
	data, err := os.ReadFile(c.TokenFile)
	if err != nil {
		return "", fmt.Errorf("read the admin token: %w", err)
	}
	return strings.TrimSpace(string(data)), nil
}

func under(dir, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}
