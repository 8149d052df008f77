package dynamo

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"sync"
	"time"

	"github.com/meridian-run/meridian/internal/backup"
	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

const (
	// jobsEvery is how often jobs that could not go on are tried again.
	jobsEvery = 10 * time.Second
	// jobsShowEvery is after how many items a job tells how far it is.
	jobsShowEvery = 1000
	// momentsMax bounds the backups that wait for others: each holds the moment
	// that it is of, which holds back compaction.
	momentsMax = 4
	// paceStep is how long a job works before it rests as long.
	paceStep = 10 * time.Millisecond
)

// errLater says that a job cannot go on now; it begins again later.
var errLater = errors.New("waits")

// jobs are the backups, exports, imports and restores of this region, which run
// one after the other.
type jobs struct {
	wake chan struct{}

	mu      sync.Mutex
	stopped bool                     // guarded by mu
	moments map[string]*store.Moment // of backups that wait, by job; guarded by mu
	// prepared are the jobs whose table is being made: they cannot begin yet.
	prepared map[string]bool // guarded by mu
}

func newJobs() jobs {
	return jobs{wake: make(chan struct{}, 1), moments: map[string]*store.Moment{}, prepared: map[string]bool{}}
}

// prepare keeps a job from beginning until the function that it answers is called.
func (j *jobs) prepare(id string) (done func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.prepared[id] = true
	return func() {
		j.mu.Lock()
		defer j.mu.Unlock()
		delete(j.prepared, id)
	}
}

func (j *jobs) preparing(id string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.prepared[id]
}

// hold keeps the moment that a backup is to be of.
func (j *jobs) hold(id string, m *store.Moment) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	var err error
	switch {
	case j.stopped:
		err = unavailable("The region is being stopped: try again")
	case len(j.moments) == momentsMax:
		err = refusal("LimitExceededException", "Too many backups are being created: at most %d wait at a time", momentsMax)
	default:
		j.moments[id] = m
		return nil
	}
	return errors.Join(err, m.Close())
}

// take answers the moment of a backup; nil is none, after a restart.
func (j *jobs) take(id string) *store.Moment {
	j.mu.Lock()
	defer j.mu.Unlock()
	m := j.moments[id]
	delete(j.moments, id)
	return m
}

// stop lets go of all moments.
func (j *jobs) stop() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.stopped = true
	var errs []error
	for id, m := range j.moments {
		errs = append(errs, m.Close())
		delete(j.moments, id)
	}
	return errors.Join(errs...)
}

func (j *jobs) soon() {
	select {
	case j.wake <- struct{}{}:
	default:
	}
}

// newJob is a job that begins now.
func (s *Server) newJob(kind backup.Kind) backup.Job {
	now := s.config.Now().UnixMilli()
	id := fmt.Sprintf("%014d-%08x", now, crc32.ChecksumIEEE([]byte(s.config.NewRequestID())))
	return backup.Job{ID: id, Kind: kind, Status: backup.Running, Began: now, At: now}
}

// RunJobs does what backups, exports, imports and restores take, until ctx ends.
// What it did not finish it does from the beginning when it is called the next
// time. Call it once.
func (s *Server) RunJobs(ctx context.Context) error {
	ticker := time.NewTicker(jobsEvery)
	defer ticker.Stop()
	for ctx.Err() == nil {
		for _, kind := range []backup.Kind{backup.Backup, backup.Export, backup.Restore, backup.Import} {
			for _, listed := range s.config.Backups.Jobs(kind) {
				if ctx.Err() != nil || listed.Status != backup.Running || s.jobs.preparing(listed.ID) {
					continue
				}
				if j, ok := s.config.Backups.Job(kind, listed.ID); ok { // as it is once prepared
					s.runJob(ctx, j)
				}
			}
		}
		s.removeHalfTables(ctx)
		select {
		case <-ctx.Done():
		case <-s.jobs.wake:
		case <-ticker.C:
		}
	}
	return s.jobs.stop()
}

// runJob does one job, and keeps what came of it.
func (s *Server) runJob(ctx context.Context, j backup.Job) {
	run := map[backup.Kind]func(context.Context, *backup.Job) error{
		backup.Backup: s.makeBackup, backup.Export: s.export, backup.Restore: s.restore, backup.Import: s.importFiles,
	}[j.Kind]
	log := s.config.Log.With("job", string(j.Kind), "id", j.ID, "table", j.Table.Name)
	log.Info("begins")
	switch err := run(ctx, &j); {
	case err == nil:
		j.End(backup.Done, s.config.Now())
		log.Info("done", "items", j.Items, "bytes", j.Bytes, "mistakes", j.Wrong)
	case ctx.Err() != nil:
		return // after the restart
	case errors.Is(err, errLater), errors.Is(err, ErrUnavailable), errors.Is(err, kv.ErrFrozen), errors.Is(err, kv.ErrClosed):
		log.Warn("begins again later", "error", err)
		return
	default:
		log.Error("failed", "error", err)
		j.End(backup.Failed, s.config.Now())
		j.Code, j.Why = failureCode(err), err.Error()
		if j.Kind == backup.Backup { // AWS has no such state
			if err := s.config.Backups.Remove(j.ID); err != nil {
				log.Error("not removed", "error", err)
			}
			return
		}
	}
	if err := s.config.Backups.Put(j); err != nil {
		log.Error("not kept what came of it", "error", err)
	}
}

// failureCode is what AWS calls a failure of an export or import.
func failureCode(err error) string {
	switch {
	case errors.Is(err, backup.ErrNoBucket):
		return "S3NoSuchBucket"
	case errors.Is(err, backup.ErrDamaged):
		return "ItemValidationError"
	case errors.Is(err, store.ErrTooOld), errors.Is(err, store.ErrNoImages):
		return "PointInTimeRecoveryUnavailable"
	}
	return "UNKNOWN"
}

// removeHalfTables deletes the tables that were to be filled here and are not
// going to be: their job has failed, or this region's directory was lost.
func (s *Server) removeHalfTables(ctx context.Context) {
	for _, t := range s.config.Catalog.Tables() {
		if !t.Filling() || t.Origin.Region != s.config.Region {
			continue
		}
		if s.fillJob(t.Origin.Job) {
			continue
		}
		if _, err := s.config.Catalog.DeleteTable(ctx, t.Name); err != nil && ctx.Err() == nil {
			s.config.Log.Warn("a table that could not be filled is not deleted yet", "table", t.Name, "error", err)
		}
	}
}

// fillJob reports whether a job that fills a table is to go on.
func (s *Server) fillJob(id string) bool {
	return slices.ContainsFunc([]backup.Kind{backup.Restore, backup.Import}, func(kind backup.Kind) bool {
		j, ok := s.config.Backups.Job(kind, id)
		return ok && j.Status == backup.Running
	})
}

// pace lets a job rest as long as it works.
type pace struct {
	now   func() time.Time
	began time.Time
}

func (s *Server) newPace() *pace { return &pace{now: s.config.Now, began: s.config.Now()} }

// step is called every now and then.
func (p *pace) step(ctx context.Context) error {
	worked := p.now().Sub(p.began)
	if worked < paceStep {
		return nil
	}
	rest := time.NewTimer(worked)
	defer rest.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-rest.C:
	}
	p.began = p.now()
	return nil
}

// held is a table that a job reads, if it is still there and whole.
func (s *Server) held(t table.Table) (table.Table, error) {
	have, ok := s.config.Catalog.Table(t.Name)
	if !ok || have.ID != t.ID || !have.In(s.config.Region) {
		return have, fmt.Errorf("table %s is not there any more", t.Name)
	}
	if _, ok := s.config.Store.Table(t.ID); !ok {
		return have, fmt.Errorf("%w for table %s", errLater, t.Name)
	}
	if served, err := s.serves(have); err != nil || !served {
		return have, fmt.Errorf("%w until table %s is whole here", errLater, t.Name)
	}
	return have, nil
}
