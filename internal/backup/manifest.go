package backup

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// Names of files in an export, AWS's.
const (
	exportsDir      = "AWSDynamoDB"
	filesManifest   = "manifest-files.json"
	summaryManifest = "manifest-summary.json"
	startedMark     = "_started"
	manifestMax     = 64 << 20 // bytes
)

// Summary is an export's manifest-summary.json.
type Summary struct {
	Version       string  `json:"version"`
	ExportARN     string  `json:"exportArn"`
	Start         string  `json:"startTime"`
	End           string  `json:"endTime"`
	TableARN      string  `json:"tableArn"`
	TableID       string  `json:"tableId"`
	At            string  `json:"exportTime,omitempty"`
	From          string  `json:"exportFromTime,omitempty"`
	To            string  `json:"exportToTime,omitempty"`
	Bucket        string  `json:"s3Bucket"`
	Prefix        *string `json:"s3Prefix"`
	SseAlgorithm  *string `json:"s3SseAlgorithm"`
	SseKey        *string `json:"s3SseKmsKeyId"`
	FilesManifest string  `json:"manifestFilesS3Key"`
	Billed        int64   `json:"billedSizeBytes"`
	Items         int64   `json:"itemCount"`
	Format        string  `json:"outputFormat"`
	View          string  `json:"outputView,omitempty"`
	Type          string  `json:"exportType"`
}

// ExportDir is where the files of an export are in its bucket.
func ExportDir(prefix, id string) string {
	return path.Join(strings.Trim(prefix, "/"), exportsDir, id)
}

// SummaryName is the name of the summary of an export.
func SummaryName(prefix, id string) string { return path.Join(ExportDir(prefix, id), summaryManifest) }

// DataName names a data file of an export.
func DataName(prefix, id string, n int) string {
	return path.Join(ExportDir(prefix, id), "data", fmt.Sprintf("%s-%05d.json.gz", id[max(0, len(id)-8):], n))
}

// Started marks a place where an export is about to be, which shows that it can be
// written.
func (f *Folder) Started(prefix, id string) error {
	return f.Write(path.Join(ExportDir(prefix, id), startedMark), nil)
}

// WriteManifests completes an export: with the summary it is whole.
func (f *Folder) WriteManifests(prefix, id string, s Summary, files []File) error {
	var list bytes.Buffer
	lines := json.NewEncoder(&list)
	for _, file := range files {
		if err := lines.Encode(file); err != nil {
			return err
		}
	}
	s.FilesManifest = path.Join(ExportDir(prefix, id), filesManifest)
	summary, err := json.Marshal(s)
	if err != nil {
		return err
	}
	for _, w := range []struct {
		name    string
		content []byte
	}{{s.FilesManifest, list.Bytes()}, {SummaryName(prefix, id), summary}} {
		sum := strings.TrimSuffix(w.name, ".json") + ".md5"
		if err := f.Write(sum, []byte(base64Sum(md5Of(w.content)))); err != nil {
			return err
		}
		if err := f.Write(w.name, w.content); err != nil {
			return err
		}
	}
	return nil
}

// Input is a data file to be imported.
type Input struct {
	File
	// Listed says that a manifest has it, with a checksum.
	Listed bool
}

// Inputs are the data files under a prefix, in the order of their names. Exports
// among them are held against their manifests: a file that is listed and not
// there is an error.
func (f *Folder) Inputs(prefix string) (inputs []Input, err error) {
	names, err := f.Names(prefix)
	if err != nil {
		return nil, err
	}
	listed := map[string]File{}
	seen := map[string]bool{}
	for _, name := range names {
		dir := path.Dir(name)
		if path.Base(dir) == "data" {
			dir = path.Dir(dir)
		}
		if seen[dir] {
			continue
		}
		seen[dir] = true
		if err := f.readManifest(dir, prefix, listed); err != nil {
			return nil, err
		}
	}
	for _, name := range names {
		base := path.Base(name)
		if base == startedMark || strings.HasPrefix(base, "manifest-") {
			continue
		}
		file, ok := listed[name]
		delete(listed, name)
		file.Name = name
		inputs = append(inputs, Input{file, ok})
	}
	for name := range listed {
		return nil, fmt.Errorf("%w: %s is in the manifest and not there", ErrDamaged, name)
	}
	return inputs, nil
}

// readManifest adds the files under a prefix that a directory's manifest lists, if
// it has one. Its names are those of the bucket that was exported to: where the
// directory was copied from another place, the names from the directory on count.
func (f *Folder) readManifest(dir, prefix string, listed map[string]File) error {
	name := path.Join(dir, filesManifest)
	raw, err := f.Read(name, manifestMax)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	sum, err := f.Read(path.Join(dir, "manifest-files.md5"), 1<<10)
	if err == nil && strings.TrimSpace(string(sum)) != base64Sum(md5Of(raw)) {
		return fmt.Errorf("%w: %s has another checksum than manifest-files.md5 says", ErrDamaged, name)
	}
	lines := json.NewDecoder(bytes.NewReader(raw))
	for lines.More() {
		var file File
		if err := lines.Decode(&file); err != nil {
			return fmt.Errorf("%w: %s: %w", ErrDamaged, name, err)
		}
		file.Name = path.Join(dir, "data", path.Base(file.Name))
		if strings.HasPrefix(file.Name, prefix) {
			listed[file.Name] = file
		}
	}
	return nil
}
