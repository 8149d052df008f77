package region

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/meridian-run/meridian/internal/atomicfile"
)

// Format is the version of a data directory's layout: which part of it is where
// (DATA 23). The parts carry their own.
const Format = 1

// ownerFile says whose a data directory is.
const ownerFile = "node.json"

// ErrForeignDirectory wraps whose data a directory holds instead.
var ErrForeignDirectory = errors.New("the data directory is another node's")

// Owner is whose a data directory is.
type Owner struct {
	World   string
	Node    string
	Witness bool
}

func (o Owner) String() string {
	if o.Witness {
		return "the witness of world " + o.World
	}
	return "region " + o.Node + " of world " + o.World
}

type ownerDocument struct {
	Format  int    `json:"format"`
	World   string `json:"world"`
	Node    string `json:"node"`
	Witness bool   `json:"witness,omitempty"`
}

// Claim makes sure that a data directory is this node's before anything in it is
// touched: a control member that starts with another's memory could undo what
// that one voted for. A new directory is made and marked as the node's.
func Claim(dir string, who Owner) error {
	path := filepath.Join(dir, ownerFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return mark(path, who)
	}
	if err != nil {
		return fmt.Errorf("read whose the data directory is: %w", err)
	}
	var doc ownerDocument
	if err := json.Unmarshal(text, &doc); err != nil {
		return fmt.Errorf("%s does not say whose the data is: %w", path, err)
	}
	if doc.Format < 1 || doc.Format > Format {
		return fmt.Errorf("%s has format %d, this release reads up to %d: start the release that wrote it, or a newer one", dir, doc.Format, Format)
	}
	if has := (Owner{World: doc.World, Node: doc.Node, Witness: doc.Witness}); has != who {
		return fmt.Errorf("%w: %s belongs to %s, this is %s; use another --data", ErrForeignDirectory, dir, has, who)
	}
	return nil
}

// mark writes the file in one step: a crash leaves none or a whole one.
func mark(path string, who Owner) error {
	text, err := json.Marshal(ownerDocument{Format: Format, World: who.World, Node: who.Node, Witness: who.Witness})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	if err := atomicfile.Write(path, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("mark the data directory: %w", err)
	}
	return nil
}

// ControlDir is where a node's part in control lives in its data directory.
func ControlDir(dir string) string { return filepath.Join(dir, "control") }
