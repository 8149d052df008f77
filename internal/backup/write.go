package backup

import (
	"compress/gzip"
	"crypto/md5"
	"errors"
	"fmt"
	"hash"
	"io"
)

// fileBytes is how many bytes of lines a data file gets before the next one
// begins.
const fileBytes = 64 << 20

// File is a data file, as a manifest lists it.
type File struct {
	Items int64  `json:"itemCount"`
	MD5   string `json:"md5Checksum"`
	ETag  string `json:"etag"`
	// Name is the file's in its folder.
	Name string `json:"dataFileS3Key"`
}

// Writer writes lines into data files of a folder.
type Writer struct {
	folder *Folder
	name   func(n int) string
	files  []File

	creation *creation
	sum      hash.Hash
	zip      *gzip.Writer
	size     int
	items    int64
}

// NewWriter writes files into a folder; name names the nth.
func NewWriter(f *Folder, name func(n int) string) *Writer {
	return &Writer{folder: f, name: name}
}

// Write adds a line, which has no line end.
func (w *Writer) Write(line []byte) error {
	if w.creation == nil {
		c, err := w.folder.create(w.name(len(w.files)))
		if err != nil {
			return err
		}
		w.creation, w.sum, w.size, w.items = c, md5.New(), 0, 0
		w.zip, _ = gzip.NewWriterLevel(io.MultiWriter(c.file, w.sum), gzip.BestSpeed) // a level that there is
	}
	if _, err := w.zip.Write(line); err != nil {
		return err
	}
	if _, err := w.zip.Write([]byte{'\n'}); err != nil {
		return err
	}
	w.items++
	if w.size += len(line) + 1; w.size >= fileBytes {
		return w.finish()
	}
	return nil
}

// finish completes the present file.
func (w *Writer) finish() error {
	c := w.creation
	w.creation = nil
	if err := w.zip.Close(); err != nil {
		return errors.Join(err, c.abandon())
	}
	if err := c.commit(); err != nil {
		return err
	}
	sum := w.sum.Sum(nil)
	w.files = append(w.files, File{Items: w.items, MD5: base64Sum(sum), ETag: hexSum(sum), Name: c.name})
	return nil
}

// Close completes the last file and answers all of them. After an error it only
// lets go of what is not whole.
func (w *Writer) Close(failed error) ([]File, error) {
	if w.creation == nil {
		return w.files, failed
	}
	if failed != nil {
		return nil, errors.Join(failed, w.creation.abandon())
	}
	if err := w.finish(); err != nil {
		return nil, fmt.Errorf("write the data: %w", err)
	}
	return w.files, nil
}
