package pebblekv

import (
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// errDropped is what Pebble's background work gets from a disk that has stopped
// writing.
var errDropped = errors.New("the disk was taken away")

// disk is the file system that Pebble sees. It hides failures of the write-ahead
// log and of directory syncs from Pebble, which would panic while it holds locks
// and end the process: the first failure is told to failed, and from then on the
// disk drops what is written. Tables and manifests fail openly instead, so that
// Pebble never relies on a file that is not there.
type disk struct {
	vfs.FS
	dropping atomic.Bool
	hidden   sync.Once
	failed   func(error)
	closing  chan struct{} // closed when the engine ends
}

var _ vfs.FS = (*disk)(nil)

// drop stops all writing.
func (d *disk) drop() { d.dropping.Store(true) }

// hide reports a failure and drops everything from here on. The failure is known
// before anything is dropped: a sync that is dropped succeeds as Pebble sees it,
// and must not count.
func (d *disk) hide(err error) {
	d.hidden.Do(func() {
		d.failed(err)
		d.drop()
	})
}

func isLog(name string) bool { return strings.HasSuffix(name, ".log") }

func (d *disk) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return d.open(name, func() (vfs.File, error) { return d.FS.Create(name, c) })
}

func (d *disk) ReuseForWrite(oldname, newname string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return d.open(newname, func() (vfs.File, error) { return d.FS.ReuseForWrite(oldname, newname, c) })
}

func (d *disk) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	return d.open(name, func() (vfs.File, error) { return d.FS.OpenReadWrite(name, c, o...) })
}

// open opens a file for writing.
func (d *disk) open(name string, open func() (vfs.File, error)) (vfs.File, error) {
	log := isLog(name)
	if d.dropping.Load() {
		if log {
			return nothing{}, nil
		}
		d.pause()
		return nil, errDropped
	}
	f, err := open()
	if err == nil {
		return &file{File: f, disk: d, log: log}, nil
	}
	if log {
		d.hide(err)
		return nothing{}, nil
	}
	return nil, err
}

// pauseDropped keeps Pebble, which retries a failed flush at once, from
// spinning until the engine is closed.
const pauseDropped = 100 * time.Millisecond

func (d *disk) pause() {
	timer := time.NewTimer(pauseDropped)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-d.closing:
	}
}

func (d *disk) OpenDir(name string) (vfs.File, error) {
	f, err := d.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &file{File: f, disk: d, log: true}, nil
}

func (d *disk) Remove(name string) error {
	return d.unless(nil, func() error { return d.FS.Remove(name) })
}

func (d *disk) RemoveAll(name string) error {
	return d.unless(nil, func() error { return d.FS.RemoveAll(name) })
}

func (d *disk) Rename(oldname, newname string) error {
	return d.unless(errDropped, func() error { return d.FS.Rename(oldname, newname) })
}

func (d *disk) Link(oldname, newname string) error {
	return d.unless(errDropped, func() error { return d.FS.Link(oldname, newname) })
}

func (d *disk) MkdirAll(dir string, mode os.FileMode) error {
	return d.unless(errDropped, func() error { return d.FS.MkdirAll(dir, mode) })
}

func (d *disk) Unwrap() vfs.FS { return d.FS }

// unless does what changes the directory, or answers dropped.
func (d *disk) unless(dropped error, do func() error) error {
	if d.dropping.Load() {
		return dropped
	}
	return do()
}

// file is a file open for writing, or a directory open for syncing.
type file struct {
	vfs.File
	disk *disk
	log  bool // failures are hidden: the write-ahead log, and directories
}

func (f *file) Write(p []byte) (n int, err error) {
	n = len(p)
	err = f.guard(func() error { n, err = f.File.Write(p); return err })
	if err == nil {
		n = len(p)
	}
	return n, err
}

func (f *file) WriteAt(p []byte, at int64) (n int, err error) {
	err = f.guard(func() error { _, err := f.File.WriteAt(p, at); return err })
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

func (f *file) Sync() error     { return f.guard(f.File.Sync) }
func (f *file) SyncData() error { return f.guard(f.File.SyncData) }

func (f *file) SyncTo(length int64) (full bool, err error) {
	err = f.guard(func() error { full, err = f.File.SyncTo(length); return err })
	return full, err
}

func (f *file) Preallocate(offset, length int64) error {
	return f.guard(func() error { return f.File.Preallocate(offset, length) })
}

// guard does one write or sync. What began before the disk dropped is undone or
// unacknowledged, whichever way it ended.
func (f *file) guard(do func() error) error {
	if f.disk.dropping.Load() {
		if f.log {
			return nil
		}
		return errDropped
	}
	err := do()
	if err != nil && f.log {
		f.disk.hide(err)
		return nil
	}
	return err
}

// nothing is a file that swallows what is written to it.
type nothing struct{}

var _ vfs.File = nothing{}

func (nothing) Close() error                           { return nil }
func (nothing) Read([]byte) (int, error)               { return 0, io.EOF }
func (nothing) ReadAt([]byte, int64) (int, error)      { return 0, io.EOF }
func (nothing) Write(p []byte) (int, error)            { return len(p), nil }
func (nothing) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }
func (nothing) Preallocate(int64, int64) error         { return nil }
func (nothing) Stat() (vfs.FileInfo, error)            { return nothingInfo{}, nil }
func (nothing) Sync() error                            { return nil }
func (nothing) SyncTo(int64) (bool, error)             { return false, nil }
func (nothing) SyncData() error                        { return nil }
func (nothing) Prefetch(int64, int64) error            { return nil }
func (nothing) Fd() uintptr                            { return vfs.InvalidFd }

// nothingInfo is what is known of nothing: Pebble asks how large a log is that it
// writes over, and panics at an error.
type nothingInfo struct{}

func (nothingInfo) Name() string           { return "" }
func (nothingInfo) Size() int64            { return 0 }
func (nothingInfo) Mode() os.FileMode      { return 0 }
func (nothingInfo) ModTime() time.Time     { return time.Time{} }
func (nothingInfo) IsDir() bool            { return false }
func (nothingInfo) Sys() any               { return nil }
func (nothingInfo) DeviceID() vfs.DeviceID { return vfs.DeviceID{} }
