package pebblekv

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// trashName is the directory, beside the files, that holds what was removed or
// replaced until the directory is synced.
const trashName = ".unsynced"

// forgetful is a file system over a real directory that remembers what was not
// synced and can undo it: bytes behind the last sync of their file, and files
// created, removed and renamed since the last sync of their directory. It is
// made for engines that write files from front to back.
type forgetful struct {
	vfs.FS
	trash string

	mu      sync.Mutex       // guards what follows
	files   map[string]*size // by path: files written since the start
	changes []change         // of directories, oldest first
	moved   int              // files ever moved to the trash
}

// size is how much of a file is written and synced, in bytes.
type size struct{ written, synced int64 }

// change is one unsynced change of a directory.
type change struct {
	dir  string
	undo func() error
	done func() error // makes it final; may be nil
}

var _ vfs.FS = (*forgetful)(nil)

// newForgetful wraps fs for the directory dir. What an earlier process left in
// the trash was removed by it: it goes.
func newForgetful(fs vfs.FS, dir string) (*forgetful, error) {
	f := &forgetful{FS: fs, trash: filepath.Join(dir, trashName), files: map[string]*size{}}
	if err := os.RemoveAll(f.trash); err != nil {
		return nil, err
	}
	return f, os.MkdirAll(f.trash, 0o755)
}

// crash undoes everything that was not synced. Nothing may use the file system
// afterwards.
func (f *forgetful) crash() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var errs []error
	for _, c := range slices.Backward(f.changes) {
		errs = append(errs, c.undo())
	}
	f.changes = nil
	for path, s := range f.files {
		if err := os.Truncate(path, s.synced); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// setAside moves a file that is about to go to the trash; the caller holds mu.
// It answers how to bring it back and how to let it go. A file that does not
// exist needs neither.
func (f *forgetful) setAside(path string) (undo, done func() error, err error) {
	f.moved++
	kept := filepath.Join(f.trash, fmt.Sprint(f.moved))
	if err := os.Rename(path, kept); errors.Is(err, os.ErrNotExist) {
		return func() error { return nil }, nil, nil
	} else if err != nil {
		return nil, nil, err
	}
	s := f.files[path]
	delete(f.files, path)
	undo = func() error {
		if s != nil {
			f.files[path] = s
		}
		return os.Rename(kept, path)
	}
	return undo, func() error { return os.Remove(kept) }, nil
}

func (f *forgetful) note(path string, undo, done func() error) {
	f.changes = append(f.changes, change{dir: filepath.Dir(path), undo: undo, done: done})
}

func (f *forgetful) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	restore, done, err := f.setAside(name)
	if err != nil {
		return nil, err
	}
	inner, err := f.FS.Create(name, c)
	if err != nil {
		return nil, errors.Join(err, restore())
	}
	s := &size{}
	f.files[name] = s
	f.note(name, func() error {
		delete(f.files, name)
		return errors.Join(os.Remove(name), restore())
	}, done)
	return &trackedFile{File: inner, fs: f, size: s}, nil
}

// ReuseForWrite gives up the old file: bytes of a former life behind the synced
// end would make undoing guesswork.
func (f *forgetful) ReuseForWrite(oldname, newname string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if err := f.Remove(oldname); err != nil {
		return nil, err
	}
	return f.Create(newname, c)
}

// OpenReadWrite is for writing in place, which cannot be undone here.
func (f *forgetful) OpenReadWrite(name string, _ vfs.DiskWriteCategory, _ ...vfs.OpenOption) (vfs.File, error) {
	return nil, fmt.Errorf("open %s: writing in place is not supported", name)
}

func (f *forgetful) Remove(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if info, err := os.Stat(name); err != nil || info.IsDir() {
		return f.FS.Remove(name)
	}
	undo, done, err := f.setAside(name)
	if err != nil {
		return err
	}
	f.note(name, undo, done)
	return nil
}

func (f *forgetful) Rename(oldname, newname string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	restore, done, err := f.setAside(newname)
	if err != nil {
		return err
	}
	if err := f.FS.Rename(oldname, newname); err != nil {
		return errors.Join(err, restore())
	}
	f.rekey(oldname, newname)
	f.note(newname, func() error {
		f.rekey(newname, oldname)
		return errors.Join(os.Rename(newname, oldname), restore())
	}, done)
	return nil
}

func (f *forgetful) rekey(from, to string) {
	if s := f.files[from]; s != nil {
		delete(f.files, from)
		f.files[to] = s
	}
}

func (f *forgetful) Link(oldname, newname string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.FS.Link(oldname, newname); err != nil {
		return err
	}
	f.note(newname, func() error { return os.Remove(newname) }, nil)
	return nil
}

func (f *forgetful) List(dir string) ([]string, error) {
	names, err := f.FS.List(dir)
	return slices.DeleteFunc(names, func(n string) bool { return n == trashName }), err
}

func (f *forgetful) OpenDir(name string) (vfs.File, error) {
	inner, err := f.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &trackedDir{File: inner, fs: f, path: filepath.Clean(name)}, nil
}

func (f *forgetful) Unwrap() vfs.FS { return f.FS }

// trackedFile counts what is written and synced.
type trackedFile struct {
	vfs.File
	fs   *forgetful
	size *size
}

func (t *trackedFile) Write(p []byte) (int, error) {
	n, err := t.File.Write(p)
	t.fs.mu.Lock()
	defer t.fs.mu.Unlock()
	t.size.written += int64(n)
	return n, err
}

func (t *trackedFile) WriteAt([]byte, int64) (int, error) {
	return 0, errors.New("writing in place is not supported")
}

func (t *trackedFile) Sync() error     { return t.sync(t.File.Sync) }
func (t *trackedFile) SyncData() error { return t.sync(t.File.SyncData) }

func (t *trackedFile) SyncTo(length int64) (full bool, err error) {
	covered := t.written()
	if full, err = t.File.SyncTo(length); full && err == nil {
		t.synced(covered)
	}
	return full, err
}

// sync counts what was written before it began.
func (t *trackedFile) sync(do func() error) error {
	covered := t.written()
	if err := do(); err != nil {
		return err
	}
	t.synced(covered)
	return nil
}

func (t *trackedFile) written() int64 {
	t.fs.mu.Lock()
	defer t.fs.mu.Unlock()
	return t.size.written
}

func (t *trackedFile) synced(covered int64) {
	t.fs.mu.Lock()
	defer t.fs.mu.Unlock()
	t.size.synced = max(t.size.synced, covered)
}

// trackedDir makes changes of its directory final when it is synced.
type trackedDir struct {
	vfs.File
	fs   *forgetful
	path string
}

func (t *trackedDir) Sync() error {
	t.fs.mu.Lock()
	defer t.fs.mu.Unlock()
	if err := t.File.Sync(); err != nil {
		return err
	}
	var errs []error
	t.fs.changes = slices.DeleteFunc(t.fs.changes, func(c change) bool {
		if c.dir != t.path {
			return false
		}
		if c.done != nil {
			errs = append(errs, c.done())
		}
		return true
	})
	return errors.Join(errs...)
}
