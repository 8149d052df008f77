package dynamo

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/meridian-run/meridian/internal/backup"
	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
)

// itemLines writes items into data files and counts them in a job.
type itemLines struct {
	server *Server
	job    *backup.Job
	to     *backup.Writer
	pace   *pace
	line   []byte
}

func (s *Server) newItemLines(j *backup.Job, to *backup.Writer) *itemLines {
	j.Restarted()
	return &itemLines{server: s, job: j, to: to, pace: s.newPace()}
}

// item writes one item.
func (w *itemLines) item(ctx context.Context, r record.Record) (err error) {
	w.line = append(w.line[:0], `{"Item":`...)
	if w.line, err = item.AppendStoredJSON(w.line, r.Value); err != nil {
		return err
	}
	size, err := item.StoredSize(r.Value)
	if err != nil {
		return err
	}
	w.line = append(w.line, '}')
	return w.write(ctx, size)
}

func (w *itemLines) write(ctx context.Context, size int) error {
	if err := w.to.Write(w.line); err != nil {
		return err
	}
	w.job.Items++
	w.job.Bytes += int64(size)
	if w.job.Items%jobsShowEvery == 0 {
		w.server.config.Backups.Show(*w.job)
	}
	return w.pace.step(ctx)
}

// change writes what became of an item, as AWS's incremental exports have it.
func (w *itemLines) change(ctx context.Context, n store.Net) (err error) {
	w.line = append(w.line[:0], `{"Metadata":{"WriteTimestampMicros":{"N":"`...)
	w.line = strconv.AppendInt(w.line, n.Time.UnixMicro(), 10)
	w.line = append(w.line, `"}}`...)
	any := n.New
	if any == nil {
		any = n.Old
	}
	whole, err := item.Decode(any.Value)
	if err != nil {
		return err
	}
	w.line = append(w.line, `,"Keys":`...)
	w.line = whole.Pick(pageAttributes(w.job.Table, nil)...).AppendJSON(w.line)
	images := []struct {
		name string
		of   *record.Record
	}{{"OldImage", n.Old}, {"NewImage", n.New}}
	if w.job.View == "NEW_IMAGE" {
		images = images[1:]
	}
	size := 0
	for _, image := range images {
		if image.of == nil {
			continue
		}
		w.line = append(append(append(w.line, `,"`...), image.name...), `":`...)
		if w.line, err = item.AppendStoredJSON(w.line, image.of.Value); err != nil {
			return err
		}
		size += len(image.of.Value)
	}
	w.line = append(w.line, '}')
	return w.write(ctx, size)
}

// makeBackup writes the files of a backup. If the moment at which it was asked for
// is gone with a restart, it is of the present one.
func (s *Server) makeBackup(ctx context.Context, j *backup.Job) (err error) {
	m := s.jobs.take(j.ID)
	if m == nil {
		if _, err := s.held(j.Table); err != nil {
			return err
		}
		if m, err = s.config.Store.Moment(ctx); err != nil {
			return err
		}
		j.At = m.Taken.UnixMilli()
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	folder, err := s.config.Backups.Files(j.ID)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, folder.Close()) }()
	w := s.newItemLines(j, backup.NewWriter(folder, func(n int) string { return fmt.Sprintf("data-%05d.json.gz", n) }))
	err = m.Records(ctx, j.Table.ID, func(_ record.Key, r record.Record) error { return w.item(ctx, r) })
	j.Files, err = w.to.Close(err)
	return err
}

// export writes a table as it was at a time, or what changed in it, into a
// bucket.
func (s *Server) export(ctx context.Context, j *backup.Job) (err error) {
	if _, err := s.held(j.Table); err != nil {
		return err
	}
	bucket, err := s.config.Backups.Bucket(j.Bucket, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, bucket.Close()) }()
	if err := bucket.Started(j.Prefix, j.ID); err != nil {
		return err
	}
	m, err := s.config.Store.Moment(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	w := s.newItemLines(j, backup.NewWriter(bucket, func(n int) string { return backup.DataName(j.Prefix, j.ID, n) }))
	at := time.UnixMilli(j.At)
	if j.From != 0 {
		err = m.Changes(ctx, j.Table.ID, time.UnixMilli(j.From), at, func(n store.Net) error { return w.change(ctx, n) })
	} else {
		err = m.RecordsAt(ctx, j.Table.ID, at, func(_ record.Key, r record.Record) error { return w.item(ctx, r) })
	}
	files, err := w.to.Close(err)
	if err != nil {
		return err
	}
	j.Manifest = backup.SummaryName(j.Prefix, j.ID)
	return bucket.WriteManifests(j.Prefix, j.ID, s.summary(*j), files)
}

// summary is what an export's manifest says of it.
func (s *Server) summary(j backup.Job) backup.Summary {
	stamp := func(millis int64) string { return time.UnixMilli(millis).UTC().Format("2006-01-02T15:04:05.000Z") }
	sum := backup.Summary{
		Version: "2020-06-30", ExportARN: s.jobARN(j), Start: stamp(j.Began), End: stamp(s.config.Now().UnixMilli()),
		TableARN: s.arn(j.Table.Name), TableID: tableID(j.Table), Bucket: j.Bucket, Billed: j.Bytes, Items: j.Items,
		Format: "DYNAMODB_JSON", Type: exportType(j),
	}
	if j.Prefix != "" {
		sum.Prefix = &j.Prefix
	}
	if j.From != 0 {
		sum.Version, sum.From, sum.To, sum.View = "2023-08-01", stamp(j.From), stamp(j.At), j.View
	} else {
		sum.At = stamp(j.At)
	}
	return sum
}

func exportType(j backup.Job) string {
	if j.From != 0 {
		return "INCREMENTAL_EXPORT"
	}
	return "FULL_EXPORT"
}
