package backup

import (
	"slices"
	"time"

	"github.com/meridian-run/meridian/internal/table"
)

// Kind is what a job does.
type Kind string

// The kinds of jobs, as they are in ARNs.
const (
	Backup  Kind = "backup"
	Export  Kind = "export"
	Import  Kind = "import"
	Restore Kind = "restore"
)

// Status is how far a job is.
type Status string

const (
	Running Status = "running"
	Done    Status = "done"
	Failed  Status = "failed"
)

// errorsKept bounds the mistakes of files that a job keeps word for word.
const errorsKept = 100

// Job is one backup, export, import or restore, and what came of it.
type Job struct {
	ID     string `json:"id"`
	Kind   Kind   `json:"kind"`
	Status Status `json:"status"`
	// Name is a backup's.
	Name string `json:"name,omitempty"`
	// Table is what is backed up or exported, as it was; or what is to be made.
	Table table.Table `json:"table"`
	// Backup is the id of the backup that is restored; Source the name of the
	// table of which an earlier state is.
	Backup string `json:"backup,omitempty"`
	Source string `json:"source,omitempty"`
	// From is where an export of changes begins; At the moment of the data. In Unix
	// milliseconds.
	From int64 `json:"from,omitempty"`
	At   int64 `json:"at,omitempty"`
	// Bucket and Prefix say where files are, by the names of S3.
	Bucket string `json:"bucket,omitempty"`
	Prefix string `json:"prefix,omitempty"`
	// View is what an export of changes shows; empty is both images.
	View string `json:"view,omitempty"`
	// Format and Compression are those of imported files, in AWS's words.
	Format      string `json:"format,omitempty"`
	Compression string `json:"compression,omitempty"`
	// Token is the client's name for the request that began the job, Print tells
	// that one from others.
	Token string `json:"token,omitempty"`
	Print string `json:"print,omitempty"`
	// Began and Ended are in Unix milliseconds.
	Began int64 `json:"began"`
	Ended int64 `json:"ended,omitempty"`
	// Code and Why are of a job that failed.
	Code string `json:"code,omitempty"`
	Why  string `json:"why,omitempty"`

	// Items and Bytes are what was written; Read and ReadBytes what was read of
	// files, Wrong how much of it was no item, and Errors the first of those.
	Items     int64    `json:"items,omitempty"`
	Bytes     int64    `json:"bytes,omitempty"`
	Read      int64    `json:"read,omitempty"`
	ReadBytes int64    `json:"read_bytes,omitempty"`
	Wrong     int64    `json:"wrong,omitempty"`
	Errors    []string `json:"errors,omitempty"`
	// Manifest is the name of an export's summary. Files are a backup's.
	Manifest string `json:"manifest,omitempty"`
	Files    []File `json:"files,omitempty"`
}

// End notes when a job ended, and with what.
func (j *Job) End(s Status, now time.Time) {
	j.Status, j.Ended = s, now.UnixMilli()
}

// Mistake counts something in a file that is no item.
func (j *Job) Mistake(where string) {
	if j.Wrong++; j.Wrong <= errorsKept {
		j.Errors = append(j.Errors, where)
	}
}

// Restarted forgets what a job has counted before it was interrupted.
func (j *Job) Restarted() {
	j.Items, j.Bytes, j.Read, j.ReadBytes, j.Wrong, j.Errors = 0, 0, 0, 0, 0, nil
}

func (j Job) clone() Job {
	j.Table = j.Table.Clone()
	j.Files, j.Errors = slices.Clone(j.Files), slices.Clone(j.Errors)
	return j
}
