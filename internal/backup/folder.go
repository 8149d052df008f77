package backup

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
)

// temporary ends the names of files that are not whole.
const temporary = ".part"

// Folder is a directory in which files have names with slashes, as in S3.
// Nothing that is done with it leads out of it, by name or by link.
type Folder struct{ root *os.Root }

func openFolder(dir string) (*Folder, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &Folder{root}, nil
}

// Close ends the use of the folder.
func (f *Folder) Close() error { return f.root.Close() }

// CheckName refuses names, and beginnings of names, that are no files of a folder.
func CheckName(name string) error {
	for part := range strings.SplitSeq(name, "/") {
		if part == "." || part == ".." || strings.ContainsAny(part, "\\\x00") {
			return fmt.Errorf("%q is no name of a file: it must not have parts like %q", name, part)
		}
	}
	return nil
}

// Write makes a small file, whole or not at all.
func (f *Folder) Write(name string, content []byte) error {
	w, err := f.create(name)
	if err != nil {
		return err
	}
	_, err = w.file.Write(content)
	if err != nil {
		return errors.Join(err, w.abandon())
	}
	return w.commit()
}

// Read reads a file of at most so many bytes.
func (f *Folder) Read(name string, max int64) ([]byte, error) {
	info, err := f.root.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.Size() > max {
		return nil, fmt.Errorf("%s has %d bytes, at most %d are read", name, info.Size(), max)
	}
	return f.root.ReadFile(name)
}

// Names are the files whose names begin with a prefix, in order; those that are
// not whole are left out.
func (f *Folder) Names(prefix string) (names []string, err error) {
	err = fs.WalkDir(f.root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name != "." && !strings.HasPrefix(name+"/", prefix) && !strings.HasPrefix(prefix, name+"/") {
				return fs.SkipDir
			}
			return nil
		}
		if d.Type().IsRegular() && strings.HasPrefix(name, prefix) && !strings.HasSuffix(name, temporary) {
			names = append(names, name)
		}
		return nil
	})
	return names, err
}

// creation is a file on its way.
type creation struct {
	folder *Folder
	name   string
	file   *os.File
}

// create begins a file; nobody sees it under its name until it is committed.
func (f *Folder) create(name string) (*creation, error) {
	if dir := path.Dir(name); dir != "." {
		if err := f.root.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
	}
	file, err := f.root.OpenFile(name+temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	return &creation{f, name, file}, nil
}

// commit syncs the file and gives it its name.
func (c *creation) commit() error {
	if err := errors.Join(c.file.Sync(), c.file.Close()); err != nil {
		return fmt.Errorf("write %s: %w", c.name, err)
	}
	if err := c.folder.root.Rename(c.name+temporary, c.name); err != nil {
		return err
	}
	for dir := path.Dir(c.name); ; dir = path.Dir(dir) {
		if err := c.folder.sync(dir); err != nil || dir == "." {
			return err
		}
	}
}

func (c *creation) abandon() error {
	return errors.Join(c.file.Close(), c.folder.root.Remove(c.name+temporary))
}

// sync makes the names in a directory durable.
func (f *Folder) sync(dir string) error {
	d, err := f.root.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// base64Sum is an MD5 checksum as AWS's manifests have it: it finds damage, and
// protects against nobody.
func base64Sum(sum []byte) string { return base64.StdEncoding.EncodeToString(sum) }

func md5Of(content []byte) []byte {
	sum := md5.Sum(content)
	return sum[:]
}

func hexSum(sum []byte) string { return hex.EncodeToString(sum) }
