package backup

import (
	"bufio"
	"compress/gzip"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
)

// LineMax bounds a line of a data file: an item of 400 KB in JSON, where each of
// its bytes takes six at most, and some more for structure.
const LineMax = 8 << 20

// ErrDamaged says that a file is not what it was when it was written.
var ErrDamaged = errors.New("the file is damaged")

// Verify holds a data file against its checksum.
func (f *Folder) Verify(file File) (err error) {
	r, err := f.root.Open(file.Name)
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrDamaged, file.Name, err)
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	sum := md5.New()
	if _, err := io.Copy(sum, r); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrDamaged, file.Name, err)
	}
	if got := base64Sum(sum.Sum(nil)); got != file.MD5 {
		return fmt.Errorf("%w: %s has the checksum %s, it was written with %s", ErrDamaged, file.Name, got, file.MD5)
	}
	return nil
}

// Lines reads the lines of a file until fn answers an error. A line is valid
// during the call; one that is too long is nil. Empty lines are left out, and
// counted. ErrDamaged says that the file ends early, or is not what its
// compression says.
func (f *Folder) Lines(name string, zipped bool, fn func(number int64, line []byte) error) (err error) {
	file, err := f.root.Open(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	var r io.Reader = file
	if zipped {
		if r, err = gzip.NewReader(file); err != nil {
			return fmt.Errorf("%w: %s: %w", ErrDamaged, name, err)
		}
	}
	return readLines(r, name, fn)
}

func readLines(from io.Reader, name string, fn func(int64, []byte) error) error {
	r := bufio.NewReaderSize(from, 64<<10)
	var line []byte
	for number := int64(1); ; number++ {
		line = line[:0]
		tooLong, err := false, bufio.ErrBufferFull
		for errors.Is(err, bufio.ErrBufferFull) {
			var part []byte
			part, err = r.ReadSlice('\n')
			if tooLong = tooLong || len(line)+len(part) > LineMax; !tooLong {
				line = append(line, part...)
			}
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("%w: %s, line %d: %w", ErrDamaged, name, number, err)
		}
		for len(line) > 0 && (line[len(line)-1] == '\n' || line[len(line)-1] == '\r') {
			line = line[:len(line)-1]
		}
		if tooLong {
			line = nil
		}
		if tooLong || len(line) > 0 {
			if err := fn(number, line); err != nil {
				return err
			}
		}
		if err != nil {
			return nil // the end
		}
	}
}
