package access

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"

	"github.com/meridian-run/meridian/internal/atomicfile"
)

// fileSizeMax bounds what is read of a keys file: some ten thousand keys.
const fileSizeMax = 4 << 20

// ReadFile reads the keys of a keys file: a JSON list of them.
func ReadFile(path string) ([]Key, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the access keys: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, fileSizeMax+1))
	if err != nil {
		return nil, fmt.Errorf("read the access keys: %w", err)
	}
	if len(text) > fileSizeMax {
		return nil, fmt.Errorf("%s has more than %d bytes", path, fileSizeMax)
	}
	var keys []Key
	if err := json.Unmarshal(text, &keys); err != nil {
		return nil, fmt.Errorf("%s: want a list of {id, secret, kind}: %w", path, err)
	}
	seen := map[string]bool{}
	for i, k := range keys {
		if err := k.Check(); err != nil {
			return nil, fmt.Errorf("%s, key %d: %w", path, i+1, err)
		}
		if seen[k.ID] {
			return nil, fmt.Errorf("%s has the key %s twice", path, k.ID)
		}
		seen[k.ID] = true
	}
	return keys, nil
}

// WriteFile replaces a keys file in one step, readable by its owner only.
func WriteFile(path string, keys []Key) error {
	text, err := json.MarshalIndent(keys, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.Write(path, append(text, '\n'), 0o600)
}

// File is a keys file that is read again when it has changed. If it cannot be
// read then, the last good keys stay in use. It is safe for concurrent use; nil
// has no keys.
type File struct {
	path  string
	mu    sync.Mutex // guards what was read last
	stamp string
	keys  []Key
}

// Open reads a keys file.
func Open(path string) (*File, error) {
	f := &File{path: path}
	_, err := f.Reread()
	return f, err
}

// Keys are the keys in use. Nobody may change them.
func (f *File) Keys() []Key {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clip(f.keys)
}

// Reread reads the file if it has changed, and reports whether it did.
func (f *File) Reread() (changed bool, err error) {
	if f == nil {
		return false, nil
	}
	info, err := os.Stat(f.path)
	if err != nil {
		return false, fmt.Errorf("read the access keys: %w", err)
	}
	stamp := fmt.Sprint(info.Size(), info.ModTime().UnixNano())
	f.mu.Lock()
	defer f.mu.Unlock()
	if stamp == f.stamp {
		return false, nil
	}
	keys, err := ReadFile(f.path)
	if err != nil {
		return false, err
	}
	f.keys, f.stamp = keys, stamp
	return true, nil
}
