package dynamo

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/meridian-run/meridian/internal/access"
	"github.com/meridian-run/meridian/internal/backup"
	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/table"
)

// backupsMax is AWS's page of backups.
const backupsMax = 100

var (
	backupARN = parameter{name: "BackupArn", required: true, min: 37, max: 1024}

	createBackupParameters = []parameter{tableName, {name: "BackupName", required: true, min: 3, max: 255, isName: true}}
	backupOnly             = []parameter{backupARN}
	listBackupsParameters  = []parameter{
		{name: "TableName", min: 3, max: 255, isName: true},
		{name: "Limit", form: integerForm, min: 1, max: backupsMax},
		{name: "TimeRangeLowerBound", form: integerForm},
		{name: "TimeRangeUpperBound", form: integerForm},
		{name: "ExclusiveStartBackupArn", min: 37, max: 1024},
		{name: "BackupType", enum: []string{"SYSTEM", "AWS_BACKUP", "USER", "ALL"}},
	}
)

// jobARN is the name of what a job makes.
func (s *Server) jobARN(j backup.Job) string {
	return s.arn(j.Table.Name) + "/" + string(j.Kind) + "/" + j.ID
}

// jobNamed finds the job that an ARN names, if the key may do to its table what
// the operation needs.
func (c *call) jobNamed(kind backup.Kind, arn string) (backup.Job, bool, error) {
	name, id, ok := strings.Cut(tableFrom(arn), "/"+string(kind)+"/")
	if !ok {
		return backup.Job{}, false, nil
	}
	if !c.allowed(name) {
		return backup.Job{}, false, c.denied(name)
	}
	j, ok := c.server.config.Backups.Job(kind, id)
	return j, ok && c.server.jobARN(j) == arn, nil
}

// sourceTable is the table of a backup, in the words that backups have for one
// that is not there.
func (c *call) sourceTable(name string) (table.Table, error) {
	t, err := c.tableHere(name)
	if err == errNotFound {
		err = noSourceTable(name)
	}
	return t, err
}

func noSourceTable(name string) error {
	return refusal("TableNotFoundException", "Table not found: %s", name)
}

// keepsBackups refuses where the region has no place for them.
func (c *call) keepsBackups() error {
	if c.server.config.Backups == nil {
		return unavailable("This region keeps no backups")
	}
	return nil
}

// servedSource is the table of a request if it can be read.
func (c *call) servedSource(name string) (table.Table, error) {
	if err := c.keepsBackups(); err != nil {
		return table.Table{}, err
	}
	t, err := c.sourceTable(name)
	if err != nil {
		return t, err
	}
	if served, err := c.server.serves(t); err != nil || !served {
		return t, refusal("TableInUseException", "Table is not in a valid state: %s is being created", name)
	}
	return t, nil
}

// copiedSource is the table of a request that makes files of it, for which the key
// has to be allowed to manage the table and to read all of it.
func (c *call) copiedSource(name string) (table.Table, error) {
	if !c.allowed(name) {
		return table.Table{}, c.denied(name)
	}
	c.requires(access.Read)
	return c.servedSource(name)
}

// createBackup takes the moment that the backup is of, and answers; its files are
// written afterwards.
func createBackup(ctx context.Context, c *call) error {
	t, err := c.copiedSource(tableFrom(c.text("TableName")))
	if err != nil {
		return err
	}
	s := c.server
	m, err := s.config.Store.Moment(ctx)
	if err != nil {
		return err
	}
	j := s.newJob(backup.Backup)
	j.Name, j.Table, j.At = c.text("BackupName"), t, m.Taken.UnixMilli()
	if err := s.jobs.hold(j.ID, m); err != nil {
		return err
	}
	if err := s.config.Backups.Put(j); err != nil {
		if m := s.jobs.take(j.ID); m != nil {
			_ = m.Close() // that it could not be kept is what matters
		}
		return err
	}
	s.jobs.soon()
	c.out = append(c.out, `{"BackupDetails":`...)
	c.out = append(c.appendBackupDetails(c.out, j), '}')
	return nil
}

// backupNamed is the request's backup.
func (c *call) backupNamed() (backup.Job, error) {
	if err := c.keepsBackups(); err != nil {
		return backup.Job{}, err
	}
	arn := c.text("BackupArn")
	j, ok, err := c.jobNamed(backup.Backup, arn)
	if err == nil && !ok {
		err = refusal("BackupNotFoundException", "Backup not found: %s", arn)
	}
	return j, err
}

func describeBackup(_ context.Context, c *call) error {
	j, err := c.backupNamed()
	if err != nil {
		return err
	}
	c.out = append(c.out, `{"BackupDescription":`...)
	c.out = append(c.appendBackup(c.out, j), '}')
	return nil
}

func deleteBackup(_ context.Context, c *call) error {
	j, err := c.backupNamed()
	if err != nil {
		return err
	}
	used := slices.ContainsFunc(c.server.config.Backups.Jobs(backup.Restore), func(r backup.Job) bool {
		return r.Backup == j.ID && r.Status == backup.Running
	})
	if j.Status == backup.Running || used {
		return refusal("BackupInUseException", "Backup %s is being created, or used to restore a table", c.text("BackupArn"))
	}
	if err := c.server.config.Backups.Remove(j.ID); err != nil {
		return err
	}
	c.out = append(c.out, `{"BackupDescription":`...)
	c.out = append(c.appendBackup(c.out, j), '}')
	return nil
}

// listBackups answers the backups of the tables that the key may read, the oldest
// first.
func listBackups(_ context.Context, c *call) error {
	if err := c.keepsBackups(); err != nil {
		return err
	}
	var all []backup.Job
	if kind := c.text("BackupType"); kind == "" || kind == "USER" || kind == "ALL" {
		all = c.server.config.Backups.Jobs(backup.Backup)
	}
	name, lower, upper := tableFrom(c.text("TableName")), c.millis("TimeRangeLowerBound"), c.millis("TimeRangeUpperBound")
	all = slices.DeleteFunc(all, func(j backup.Job) bool {
		return name != "" && j.Table.Name != name || !c.visible(j.Table.Name) || lower != 0 && j.At < lower || upper != 0 && j.At >= upper
	})
	if start := c.text("ExclusiveStartBackupArn"); start != "" {
		i := slices.IndexFunc(all, func(j backup.Job) bool { return c.server.jobARN(j) == start })
		all = all[i+1:]
	}
	page, more := firstPage(c, all)
	c.out = append(c.out, `{"BackupSummaries":[`...)
	for i, j := range page {
		c.out = item.AppendQuoted(append(comma(c.out, i), `{"TableName":`...), j.Table.Name)
		c.out = item.AppendQuoted(member(c.out, "TableId"), tableID(j.Table))
		c.out = item.AppendQuoted(member(c.out, "TableArn"), c.server.arn(j.Table.Name))
		c.out = append(c.appendBackupState(c.out, j), '}')
	}
	c.out = append(c.out, ']')
	if more {
		c.out = item.AppendQuoted(member(c.out, "LastEvaluatedBackupArn"), c.server.jobARN(page[len(page)-1]))
	}
	c.out = append(c.out, '}')
	return nil
}

// millis is a time that a request gives in seconds, in Unix milliseconds; 0 if it
// does not.
func (c *call) millis(name string) int64 { return millis(c.request.Get(name)) }

// appendBackup appends a BackupDescription.
func (c *call) appendBackup(dst []byte, j backup.Job) []byte {
	t := j.Table
	dst = append(dst, `{"BackupDetails":`...)
	dst = c.appendBackupDetails(dst, j)
	dst = append(member(dst, "SourceTableDetails"), '{')
	dst = item.AppendQuoted(member(dst, "TableName"), t.Name)
	dst = item.AppendQuoted(member(dst, "TableId"), tableID(t))
	dst = item.AppendQuoted(member(dst, "TableArn"), c.server.arn(t.Name))
	dst = appendTime(dst, "TableCreationDateTime", t.Created)
	dst = appendKeySchema(dst, t)
	dst = c.appendProvisioned(dst, t.Settings.Provisioned)
	dst = item.AppendQuoted(member(dst, "BillingMode"), modeOf(t.Settings))
	dst = appendNumber(dst, "ItemCount", j.Items)
	dst = append(appendNumber(dst, "TableSizeBytes", j.Bytes), '}')
	dst = append(member(dst, "SourceTableFeatureDetails"), '{')
	for _, list := range []struct {
		name  string
		local bool
	}{{"LocalSecondaryIndexes", true}, {"GlobalSecondaryIndexes", false}} {
		dst = c.appendBackupIndexes(dst, list.name, t, list.local)
	}
	if t.TTL != "" {
		dst = item.AppendQuoted(append(member(dst, "TimeToLiveDescription"), `{"TimeToLiveStatus":"ENABLED","AttributeName":`...), t.TTL)
		dst = append(dst, '}')
	}
	if t.Stream != nil {
		dst = item.AppendQuoted(append(member(dst, "StreamDescription"), `{"StreamEnabled":true,"StreamViewType":`...), t.Stream.View)
		dst = append(dst, '}')
	}
	return append(dst, "}}"...)
}

func (c *call) appendBackupIndexes(dst []byte, name string, t table.Table, local bool) []byte {
	dst = append(member(dst, name), '[')
	shown := 0
	for _, x := range t.Indexes {
		if x.Local != local {
			continue
		}
		dst = item.AppendQuoted(append(comma(dst, shown), `{"IndexName":`...), x.Name)
		dst = appendProjection(appendIndexSchema(dst, x), x)
		if !local {
			dst = c.appendProvisioned(dst, t.Settings.Indexes[x.Name].Provisioned)
		}
		dst = append(dst, '}')
		shown++
	}
	return append(dst, ']')
}

// appendBackupDetails appends BackupDetails.
func (c *call) appendBackupDetails(dst []byte, j backup.Job) []byte {
	return append(c.appendBackupState(append(dst, '{'), j), '}')
}

// appendBackupState appends what details and summaries have in common.
func (c *call) appendBackupState(dst []byte, j backup.Job) []byte {
	dst = item.AppendQuoted(member(dst, "BackupArn"), c.server.jobARN(j))
	dst = item.AppendQuoted(member(dst, "BackupName"), j.Name)
	dst = appendNumber(dst, "BackupSizeBytes", j.Bytes)
	status := "AVAILABLE"
	switch {
	case j.Status == backup.Running:
		status = "CREATING"
	case c.operation == "DeleteBackup":
		status = "DELETED"
	}
	dst = item.AppendQuoted(member(dst, "BackupStatus"), status)
	return appendTime(append(dst, `,"BackupType":"USER"`...), "BackupCreationDateTime", j.At)
}

func modeOf(s table.Settings) string {
	if s.Provisioned != nil {
		return "PROVISIONED"
	}
	return "PAY_PER_REQUEST"
}

// recoverable is since when the request's table can be restored to any moment,
// until the present.
func (s *Server) recoverable(t table.Table) (since time.Time, until time.Time, err error) {
	keep, _ := t.Recoverable()
	log, err := s.config.Store.ImageLog(t.ID)
	if err != nil {
		return since, until, err
	}
	until = s.config.Now().Truncate(time.Millisecond)
	since = log.Since
	if oldest := until.Add(-keep); oldest.After(since) {
		since = oldest
	}
	return since, until, nil
}
