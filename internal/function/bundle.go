package function

import (
	"archive/zip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

// Limits of a zip: Lambda's for an unzipped bundle, and a bound on its entries.
const (
	bundleBytesMax = 250 << 20
	bundleFilesMax = 50_000
)

var errTooLarge = fmt.Errorf("the bundle is larger than %d bytes", bundleBytesMax)

// openBundle returns the directory that holds a runnable bootstrap. A zip is
// extracted below state once for its content; then hold keeps that directory
// until it is closed, and those that nobody holds are removed. hold is nil for a
// bundle that is a directory.
func openBundle(path, state string) (dir string, hold *os.File, err error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil, fmt.Errorf("bundle %s does not exist: build it first", path)
	}
	if err != nil {
		return "", nil, fmt.Errorf("bundle: %w", err)
	}
	if dir, err = filepath.Abs(path); err != nil {
		return "", nil, fmt.Errorf("bundle: %w", err)
	}
	if !info.IsDir() {
		if dir, hold, err = extract(path, filepath.Join(state, "bundles")); err != nil {
			return "", nil, fmt.Errorf("bundle %s: %w", path, err)
		}
	}
	if err := checkBootstrap(path, dir); err != nil {
		letGo(hold)
		return "", nil, err
	}
	return dir, hold, nil
}

func checkBootstrap(bundle, dir string) error {
	bootstrap := filepath.Join(dir, "bootstrap")
	info, err := os.Stat(bootstrap)
	if err != nil || !info.Mode().IsRegular() {
		return fmt.Errorf("bundle %s has no file named bootstrap: it must hold an executable of that name", bundle)
	}
	if info.Mode()&0o111 == 0 {
		return fmt.Errorf("bundle %s: bootstrap is not executable: run chmod +x %s", bundle, bootstrap)
	}
	f, err := os.Open(bootstrap)
	if err != nil {
		return fmt.Errorf("bundle %s: %w", bundle, err)
	}
	defer f.Close()
	return checkProgram(bundle, f)
}

// Check reports why the bundle at a path cannot run on this system. It unpacks
// nothing and writes nothing, so that it can be asked before anything starts.
func Check(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("bundle: %w", err)
	}
	if info.IsDir() {
		return checkBootstrap(path, path)
	}
	archive, err := zip.OpenReader(path)
	if err != nil {
		return fmt.Errorf("bundle %s: it is neither a directory nor a zip: %w", path, err)
	}
	defer archive.Close()
	f, err := archive.Open("bootstrap")
	if err != nil {
		return fmt.Errorf("bundle %s has no file named bootstrap: it must hold an executable of that name", path)
	}
	defer f.Close()
	return checkProgram(path, f)
}

// checkProgram looks at the beginning of a bootstrap.
func checkProgram(bundle string, program io.Reader) error {
	head := make([]byte, headerMax)
	n, err := io.ReadFull(program, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return fmt.Errorf("bundle %s: read bootstrap: %w", bundle, err)
	}
	if err := runnable(head[:n], system{runtime.GOOS, runtime.GOARCH}); err != nil {
		return fmt.Errorf("bundle %s: bootstrap %w", bundle, err)
	}
	return nil
}

// extract unpacks a zip below bundles, under the digest of its bytes, and holds
// what it unpacked.
func extract(path, bundles string) (string, *os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", nil, err
	}
	defer f.Close()
	hash := sha256.New()
	size, err := io.Copy(hash, io.LimitReader(f, bundleBytesMax+1))
	if err != nil {
		return "", nil, err
	}
	if size > bundleBytesMax {
		return "", nil, errTooLarge
	}
	name := hex.EncodeToString(hash.Sum(nil)[:16])
	dir := filepath.Join(bundles, name)
	hold, err := holdDirectory(dir)
	if errors.Is(err, fs.ErrNotExist) {
		if err = unzip(f, size, dir); err == nil {
			hold, err = holdDirectory(dir)
		}
	}
	removeUnheld(bundles, name)
	return dir, hold, err
}

// unzip makes dir of an archive, whole or not at all.
func unzip(f io.ReaderAt, size int64, dir string) error {
	archive, err := zip.NewReader(f, size)
	if err != nil {
		return fmt.Errorf("it is neither a directory nor a zip: %w", err)
	}
	partial := dir + ".partial"
	if err := os.RemoveAll(partial); err != nil { // it was cut short
		return err
	}
	if err := os.MkdirAll(partial, 0o755); err != nil {
		return err
	}
	if err := unpack(archive, partial, bundleBytesMax); err != nil {
		os.RemoveAll(partial)
		return err
	}
	return os.Rename(partial, dir)
}

// holdDirectory keeps a directory from removeUnheld until the file is closed, or
// the process ends.
func holdDirectory(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	// On a file system without locks removeUnheld gets none either, and removes
	// nothing.
	_ = syscall.Flock(int(f.Fd()), syscall.LOCK_SH)
	return f, nil
}

func letGo(hold *os.File) {
	if hold != nil {
		hold.Close()
	}
}

// removeUnheld removes what earlier bundles left: all but the one to keep, and
// those that a runner holds, which finishes its calls. What cannot be removed now
// is tried again with the next bundle.
func removeUnheld(bundles, keep string) {
	entries, _ := os.ReadDir(bundles)
	for _, e := range entries {
		if e.Name() == keep {
			continue
		}
		f, err := os.Open(filepath.Join(bundles, e.Name()))
		if err != nil {
			continue
		}
		if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			os.RemoveAll(f.Name())
		}
		f.Close()
	}
}

func unpack(archive *zip.Reader, dir string, bytesMax int64) error {
	if len(archive.File) > bundleFilesMax {
		return fmt.Errorf("it has %d entries, at most %d are allowed", len(archive.File), bundleFilesMax)
	}
	// A root refuses names that lead out of it.
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	left := bytesMax
	for _, entry := range archive.File {
		n, err := unpackEntry(root, entry, left)
		if err != nil {
			return fmt.Errorf("entry %q: %w", entry.Name, err)
		}
		left -= n
	}
	return nil
}

func unpackEntry(root *os.Root, entry *zip.File, left int64) (int64, error) {
	mode := entry.Mode()
	if !filepath.IsLocal(entry.Name) {
		return 0, errors.New("its name leads out of the bundle")
	}
	if mode.IsDir() {
		return 0, root.MkdirAll(filepath.Clean(entry.Name), 0o755)
	}
	if !mode.IsRegular() {
		return 0, errors.New("only files and directories are allowed")
	}
	perm := mode.Perm()&0o755 | 0o644
	if entry.Name == "bootstrap" {
		perm = 0o755 // zips made on Windows carry no such bit
	}
	if err := root.MkdirAll(filepath.Dir(entry.Name), 0o755); err != nil {
		return 0, err
	}
	out, err := root.OpenFile(entry.Name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, perm)
	if err != nil {
		return 0, err
	}
	n, err := copyEntry(out, entry, left)
	return n, errors.Join(err, out.Close())
}

func copyEntry(out io.Writer, entry *zip.File, left int64) (int64, error) {
	in, err := entry.Open()
	if err != nil {
		return 0, err
	}
	defer in.Close()
	n, err := io.Copy(out, io.LimitReader(in, left+1))
	if err == nil && n > left {
		err = errTooLarge
	}
	return n, err
}
