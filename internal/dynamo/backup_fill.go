package dynamo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/meridian-run/meridian/internal/access"
	"github.com/meridian-run/meridian/internal/backup"
	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

// Bounds of what is written at once into a table that is filled: one batch of the
// store, and one wait for the disk.
const (
	fillItemsMax = 256
	fillBytesMax = 1 << 20
)

// filler writes items into a table that serves nobody yet.
type filler struct {
	server *Server
	job    *backup.Job
	table  table.Table
	call   *call // with all rights
	pace   *pace
	read   item.Document

	keys   []record.Key
	values [][]byte
	taken  map[string]bool // keys in the batch
	bytes  int
}

// fill lets from write the items of a new table, and opens it when it is whole.
func (s *Server) fill(ctx context.Context, j *backup.Job, from func(*filler) error) error {
	t, ok := s.config.Catalog.Table(j.Table.Name)
	switch {
	case !ok || t.Origin == nil || t.Origin.Job != j.ID && (t.ID != j.Table.ID || t.Filling()):
		return fmt.Errorf("table %s is not there any more", j.Table.Name)
	case !t.Filling():
		return nil // it was whole when a crash came
	}
	if _, ok := s.config.Store.Table(t.ID); !ok {
		return fmt.Errorf("%w for table %s", errLater, t.Name)
	}
	j.Restarted()
	f := &filler{server: s, job: j, table: t, pace: s.newPace(), taken: map[string]bool{}}
	f.call = &call{server: s, key: access.Key{Kind: access.Admin}}
	if err := from(f); err != nil {
		return err
	}
	if err := f.flush(ctx); err != nil {
		return err
	}
	j.Table.ID = t.ID
	if err := s.config.Backups.Put(*j); err != nil { // what it counted
		return err
	}
	_, err := s.config.Catalog.UpdateTable(ctx, t.Name, func(now *table.Table) error {
		if now.Origin == nil || now.Origin.Job != j.ID {
			return fmt.Errorf("table %s is another one", t.Name)
		}
		now.Origin.Job = ""
		return nil
	})
	return err
}

// put adds a stored item.
func (f *filler) put(ctx context.Context, key record.Key, value []byte) error {
	key.Table = f.table.ID
	name := fmt.Sprintf("%d %s%s", len(key.Partition), key.Partition, key.Sort)
	if f.taken[name] || len(f.keys) == fillItemsMax || f.bytes >= fillBytesMax {
		if err := f.flush(ctx); err != nil {
			return err
		}
	}
	f.taken[name] = true
	f.keys, f.values = append(f.keys, key), append(f.values, value)
	f.bytes += len(value)
	size, err := item.StoredSize(value)
	f.job.Items++
	f.job.Bytes += int64(size)
	return err
}

// flush writes what was put.
func (f *filler) flush(ctx context.Context) error {
	if len(f.keys) == 0 {
		return nil
	}
	_, err := f.server.config.Store.Update(ctx, f.keys, func(tx *store.Tx) error {
		for i, key := range f.keys {
			if err := tx.Put(key, f.values[i], store.PutOptions{}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	f.keys, f.values, f.bytes = f.keys[:0], f.values[:0], 0
	clear(f.taken)
	f.server.config.Backups.Show(*f.job)
	return f.pace.step(ctx)
}

// item puts an item that was read from a file, if it can be in the table; an error
// of the item is an errItem.
func (f *filler) item(ctx context.Context, it item.Item) error {
	key, err := f.call.keyOf(f.table, it)
	if err == nil {
		err = it.CheckDepth()
	}
	if err == nil {
		err = checkIndexKeys(f.table, it)
	}
	if err == nil && it.Size() > itemMax {
		err = invalid("Item size has exceeded the maximum allowed size")
	}
	if err != nil {
		return &errItem{err}
	}
	return f.put(ctx, key, item.Encode(nil, it))
}

// line puts the item in a line of a data file.
func (f *filler) line(ctx context.Context, line []byte) error {
	if line == nil {
		return &errItem{fmt.Errorf("the line is longer than %d bytes", backup.LineMax)}
	}
	if err := f.read.Parse(string(line)); err != nil {
		return &errItem{err}
	}
	n := f.read.Root().Get("Item")
	if !n.Exists() {
		return &errItem{errors.New(`the line is not of the form {"Item": ...}`)}
	}
	it, err := item.FromJSON(n)
	if err != nil {
		return &errItem{err}
	}
	return f.item(ctx, it)
}

// errItem says that one item is wrong, and nothing else.
type errItem struct{ error }

// restore fills a table from a backup, or from an earlier state of another one.
func (s *Server) restore(ctx context.Context, j *backup.Job) error {
	return s.fill(ctx, j, func(f *filler) error {
		if j.Backup != "" {
			return f.fromBackup(ctx)
		}
		return f.fromPast(ctx)
	})
}

// fromBackup holds all files against their checksums before it reads any.
func (f *filler) fromBackup(ctx context.Context) (err error) {
	library := f.server.config.Backups
	from, ok := library.Job(backup.Backup, f.job.Backup)
	if !ok {
		return fmt.Errorf("backup %s is not there any more", f.job.Backup)
	}
	folder, err := library.Files(from.ID)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, folder.Close()) }()
	for _, file := range from.Files {
		if err := folder.Verify(file); err != nil {
			return err
		}
	}
	for _, file := range from.Files {
		err := folder.Lines(file.Name, true, func(number int64, line []byte) error {
			if err := f.line(ctx, line); err != nil {
				return fmt.Errorf("%s, line %d: %w", file.Name, number, err)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if f.job.Items != from.Items {
		return fmt.Errorf("%w: backup %s has %d items, %d were written", backup.ErrDamaged, from.ID, f.job.Items, from.Items)
	}
	return nil
}

func (f *filler) fromPast(ctx context.Context) (err error) {
	source, ok := f.server.config.Catalog.Table(f.job.Source)
	if !ok {
		return fmt.Errorf("table %s is not there any more", f.job.Source)
	}
	if source, err = f.server.held(source); err != nil {
		return err
	}
	m, err := f.server.config.Store.Moment(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	return m.RecordsAt(ctx, source.ID, time.UnixMilli(f.job.At), func(k record.Key, r record.Record) error { return f.put(ctx, k, r.Value) })
}

// importFiles fills a table from files in a bucket: those with a checksum are held
// against it before any is read. Lines that are no items of the table are counted.
func (s *Server) importFiles(ctx context.Context, j *backup.Job) error {
	return s.fill(ctx, j, func(f *filler) (err error) {
		bucket, err := s.config.Backups.Bucket(j.Bucket, false)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, bucket.Close()) }()
		inputs, err := bucket.Inputs(j.Prefix)
		if err != nil {
			return err
		}
		if len(inputs) == 0 {
			return fmt.Errorf("%w: no file in %s begins with %q", backup.ErrNoBucket, j.Bucket, j.Prefix)
		}
		for _, input := range inputs {
			if !input.Listed {
				continue
			}
			if err := bucket.Verify(input.File); err != nil {
				return err
			}
		}
		for _, input := range inputs {
			if err := f.fromFile(ctx, bucket, input.Name); err != nil {
				return err
			}
		}
		return nil
	})
}

func (f *filler) fromFile(ctx context.Context, bucket *backup.Folder, name string) error {
	lines := func(number int64, line []byte) error {
		f.job.Read++
		f.job.ReadBytes += int64(len(line))
		return f.noted(f.line(ctx, line), name, number)
	}
	return bucket.Lines(name, f.job.Compression == "GZIP", lines)
}

// noted counts what is wrong with an item, and lets other errors through.
func (f *filler) noted(err error, name string, number int64) error {
	var wrong *errItem
	if errors.As(err, &wrong) {
		f.job.Mistake(fmt.Sprintf("%s, line %d: %v", name, number, wrong))
		return nil
	}
	return err
}
