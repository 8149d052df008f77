package backup

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/meridian-run/meridian/internal/atomicfile"
)

const (
	jobsDir    = "jobs"
	backupsDir = "backups"
	jobSuffix  = ".json"
)

// jobsMax bounds the jobs that are remembered: of those that ended and have no
// files here, the oldest go first.
const jobsMax = 2000

// Library is a region's backups and the jobs that it has run, in a directory, and
// its buckets in another. It is safe for concurrent use.
type Library struct {
	dir     string
	buckets string

	mu   sync.Mutex
	jobs map[string]Job // by id; guarded by mu
}

// Open reads a library. Buckets are the directories below the one of that name;
// both directories are made when they are needed. A file that cannot be read is
// told, and no job.
func Open(dir, buckets string) (*Library, error) {
	l := &Library{dir: dir, buckets: buckets, jobs: map[string]Job{}}
	files, err := os.ReadDir(filepath.Join(dir, jobsDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the backups: %w", err)
	}
	for _, f := range files {
		id, ok := strings.CutSuffix(f.Name(), jobSuffix)
		if !ok {
			continue // of a write that a crash cut off
		}
		raw, err := os.ReadFile(filepath.Join(dir, jobsDir, f.Name()))
		if err != nil {
			return nil, fmt.Errorf("read the backups: %w", err)
		}
		var j Job
		if err := json.Unmarshal(raw, &j); err != nil || j.ID != id {
			return nil, fmt.Errorf("%s is damaged: move it away, and what it describes is not known any more: %w", filepath.Join(dir, jobsDir, f.Name()), err)
		}
		l.jobs[id] = j
	}
	return l, nil
}

// Buckets is the directory whose subdirectories are the buckets.
func (l *Library) Buckets() string { return l.buckets }

// Job finds a job of a kind.
func (l *Library) Job(kind Kind, id string) (Job, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	j, ok := l.jobs[id]
	return j.clone(), ok && j.Kind == kind
}

// Jobs are all jobs of a kind, the oldest first.
func (l *Library) Jobs(kind Kind) []Job {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []Job
	for _, j := range l.jobs {
		if j.Kind == kind {
			all = append(all, j.clone())
		}
	}
	slices.SortFunc(all, func(a, b Job) int { return cmp.Or(cmp.Compare(a.Began, b.Began), cmp.Compare(a.ID, b.ID)) })
	return all
}

// Put keeps a job: once it has returned, over a restart.
func (l *Library) Put(j Job) error {
	raw, err := json.Marshal(j)
	if err != nil {
		return fmt.Errorf("keep %s %s: %w", j.Kind, j.ID, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := os.MkdirAll(filepath.Join(l.dir, jobsDir), 0o700); err != nil {
		return fmt.Errorf("make the directory of backups: %w", err)
	}
	if err := atomicfile.Write(l.path(j.ID), append(raw, '\n'), 0o600); err != nil {
		return err
	}
	l.jobs[j.ID] = j.clone()
	return l.forget()
}

// Show tells readers how far a job is, without keeping it.
func (l *Library) Show(j Job) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.jobs[j.ID]; ok {
		l.jobs[j.ID] = j.clone()
	}
}

// Remove forgets a job, and the files of a backup.
func (l *Library) Remove(id string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.remove(id)
}

func (l *Library) remove(id string) error {
	if _, ok := l.jobs[id]; !ok {
		return nil
	}
	if err := os.Remove(l.path(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove a backup: %w", err)
	}
	delete(l.jobs, id)
	if err := os.RemoveAll(l.filesDir(id)); err != nil {
		return fmt.Errorf("remove a backup's files: %w", err)
	}
	return nil
}

// forget lets go of the oldest jobs that ended, but for backups.
func (l *Library) forget() error {
	if len(l.jobs) <= jobsMax {
		return nil
	}
	var oldest Job
	for _, j := range l.jobs {
		if j.Kind != Backup && j.Status != Running && (oldest.ID == "" || j.Ended < oldest.Ended) {
			oldest = j
		}
	}
	return l.remove(oldest.ID)
}

func (l *Library) path(id string) string     { return filepath.Join(l.dir, jobsDir, id+jobSuffix) }
func (l *Library) filesDir(id string) string { return filepath.Join(l.dir, backupsDir, id) }

// Files opens the directory of a backup's files, empty if it was not there.
func (l *Library) Files(id string) (*Folder, error) {
	dir := l.filesDir(id)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of a backup: %w", err)
	}
	return openFolder(dir)
}

// ErrNoBucket says that there is no bucket of a name.
var ErrNoBucket = errors.New("there is no such bucket")

// Bucket opens a bucket, and makes it if that is asked for. Nothing that is done
// with it leads out of its directory.
func (l *Library) Bucket(name string, create bool) (*Folder, error) {
	if name == "" || strings.ContainsAny(name, `/\`) || strings.Trim(name, ".") == "" {
		return nil, fmt.Errorf("%w: %q is no name of a bucket", ErrNoBucket, name)
	}
	dir := filepath.Join(l.buckets, name)
	if create {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("make the bucket %s: %w", name, err)
		}
	}
	f, err := openFolder(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s would be the directory %s", ErrNoBucket, name, dir)
	}
	return f, err
}
