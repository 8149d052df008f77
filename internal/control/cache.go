package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/meridian-run/meridian/internal/atomicfile"
)

// cacheFile holds the last state known, in the control directory.
const cacheFile = "state.json"

// cacheSizeMax bounds what is read back: a state is far smaller.
const cacheSizeMax = 64 << 20

// Known reads the last state that a node kept in dir, its Config.Dir: what is in
// force there until it hears more; nil if there is none. It clears away what a
// crash in the middle of writing left.
func Known(dir, world string) (*State, error) {
	path := filepath.Join(dir, cacheFile)
	torn, err := filepath.Glob(path + ".*")
	if err != nil {
		return nil, err
	}
	for _, leftover := range torn {
		if err := os.Remove(leftover); err != nil {
			return nil, err
		}
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if info.Size() > cacheSizeMax {
		return nil, fmt.Errorf("%s has %d bytes, more than any state: move it away", path, info.Size())
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	s, err := ParseState(b, world)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return s, nil
}

// ParseState decodes a state from JSON, as the disk and peers hold it, and
// refuses one of another world, of a newer format, or that contradicts itself.
func ParseState(b []byte, world string) (*State, error) {
	if len(b) > cacheSizeMax {
		return nil, fmt.Errorf("a control state of %d bytes, more than any has", len(b))
	}
	s := &State{}
	if err := json.Unmarshal(b, s); err != nil {
		return nil, fmt.Errorf("not a control state: %w", err)
	}
	if err := s.complete(world); err != nil {
		return nil, err
	}
	return s, nil
}

// JSON encodes the state for the disk and for peers; ParseState reads it.
func (s *State) JSON() ([]byte, error) {
	b, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("encode the state: %w", err)
	}
	return b, nil
}

// saveCache replaces the file in one step: a crash leaves the old state or the
// new one.
func saveCache(dir string, s *State) error {
	b, err := s.JSON()
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(dir, cacheFile), b, 0o600)
}
