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
)

// Limits of a zip: Lambda's for an unzipped bundle, and a bound on its entries.
const (
	bundleBytesMax = 250 << 20
	bundleFilesMax = 50_000
)

var errTooLarge = fmt.Errorf("the bundle is larger than %d bytes", bundleBytesMax)

// openBundle returns the directory that holds a runnable bootstrap. A zip is
// extracted below state once for its content; earlier ones are removed.
func openBundle(path, state string) (string, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("bundle %s does not exist: build it first", path)
	}
	if err != nil {
		return "", fmt.Errorf("bundle: %w", err)
	}
	dir, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("bundle: %w", err)
	}
	if !info.IsDir() {
		if dir, err = extract(path, filepath.Join(state, "bundles")); err != nil {
			return "", fmt.Errorf("bundle %s: %w", path, err)
		}
	}
	return dir, checkBootstrap(path, dir)
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

// extract unpacks a zip below bundles, under the digest of its bytes.
func extract(path, bundles string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	hash := sha256.New()
	size, err := io.Copy(hash, io.LimitReader(f, bundleBytesMax+1))
	if err != nil {
		return "", err
	}
	if size > bundleBytesMax {
		return "", errTooLarge
	}
	dir := filepath.Join(bundles, hex.EncodeToString(hash.Sum(nil)[:16]))
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	// Whatever is here is of an earlier bundle, or was cut short.
	if err := os.RemoveAll(bundles); err != nil {
		return "", err
	}
	archive, err := zip.NewReader(f, size)
	if err != nil {
		return "", fmt.Errorf("it is neither a directory nor a zip: %w", err)
	}
	partial := dir + ".partial"
	if err := os.MkdirAll(partial, 0o755); err != nil {
		return "", err
	}
	if err := unpack(archive, partial, bundleBytesMax); err != nil {
		os.RemoveAll(bundles)
		return "", err
	}
	return dir, os.Rename(partial, dir)
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
