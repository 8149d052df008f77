package dynamo

import (
	"context"
	"errors"
	"slices"

	"github.com/meridian-run/meridian/internal/access"
	"github.com/meridian-run/meridian/internal/backup"
	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/table"
)

var (
	indexOverride   = []parameter{{name: "IndexName", required: true, min: 3, max: 255, isName: true}}
	restoreSettings = []parameter{
		{name: "BillingModeOverride", enum: billingMode.enum},
		{name: "ProvisionedThroughputOverride", form: objectForm, members: provisionedThroughput.members},
		{name: "OnDemandThroughputOverride", form: objectForm, members: onDemandThroughput.members},
		{name: "GlobalSecondaryIndexOverride", form: listForm, members: indexOverride},
		{name: "LocalSecondaryIndexOverride", form: listForm, members: indexOverride},
		{name: "SSESpecificationOverride", form: objectForm, members: encryption.members},
	}
	targetName              = parameter{name: "TargetTableName", required: true, min: 3, max: 255, isName: true}
	restoreBackupParameters = append([]parameter{targetName, backupARN}, restoreSettings...)
	restoreTimeParameters   = append([]parameter{
		targetName,
		{name: "SourceTableName", min: 3, max: 255, isName: true},
		{name: "SourceTableArn", min: 1, max: 1024},
		{name: "UseLatestRestorableTime", form: flagForm},
		{name: "RestoreDateTime", form: integerForm},
	}, restoreSettings...)
)

// restoreTableFromBackup makes a table of a backup.
func restoreTableFromBackup(ctx context.Context, c *call) error {
	if err := c.mayMake(tableFrom(c.text("TargetTableName"))); err != nil {
		return err
	}
	from, err := c.restoredBackup()
	if err != nil {
		return err
	}
	if from.Status != backup.Done {
		return refusal("BackupInUseException", "Backup %s is being created", c.text("BackupArn"))
	}
	j := c.server.newJob(backup.Restore)
	j.Backup, j.At = from.ID, from.At
	return c.restoreInto(ctx, j, from.Table, c.server.jobARN(from))
}

// mayMake refuses a key that may not make the table of a restore.
func (c *call) mayMake(name string) error {
	if !c.key.MayAll(access.Manage, name) {
		return c.denied(name)
	}
	return nil
}

// restoredBackup is the request's backup, which the key must be allowed to read.
func (c *call) restoredBackup() (backup.Job, error) {
	c.requires(access.Read)
	defer c.requires(access.Manage)
	return c.backupNamed()
}

// restoreTableToPointInTime makes a table of an earlier state of another one.
func restoreTableToPointInTime(ctx context.Context, c *call) error {
	name, now := c.text("SourceTableName"), c.flag("UseLatestRestorableTime")
	if name == "" {
		name = c.text("SourceTableArn")
	}
	given := c.request.Get("RestoreDateTime").Exists()
	switch {
	case name == "":
		return invalid("One of SourceTableName or SourceTableArn must be specified")
	case given && now:
		return invalid("Both RestoreDateTime and UseLatestRestorableTime cannot be specified")
	case !given && !now:
		return invalid("Either RestoreDateTime or UseLatestRestorableTime must be specified")
	}
	if err := c.mayMake(tableFrom(c.text("TargetTableName"))); err != nil {
		return err
	}
	c.requires(access.Read)
	source, err := c.servedSource(tableFrom(name))
	c.requires(access.Manage)
	if err != nil {
		return err
	}
	j := c.server.newJob(backup.Restore)
	j.Source = source.Name
	if given {
		j.At = c.millis("RestoreDateTime")
	}
	if err := c.checkMoment(source, j.At, "InvalidRestoreTimeException"); err != nil {
		return err
	}
	return c.restoreInto(ctx, j, source, "")
}

// restoreInto makes the table that a restore is into. What it has is what the
// source had; streams, expiry, tags, recovery and replicas are for later, as on
// AWS.
func (c *call) restoreInto(ctx context.Context, j backup.Job, source table.Table, backupARN string) error {
	t := table.Table{
		Name: tableFrom(c.text("TargetTableName")), Owner: table.OwnerAPI, Key: source.Key, Sort: source.Sort,
		Indexes: source.Indexes, Merge: source.Merge, Counters: source.Counters,
	}
	t.Settings = table.Settings{
		Provisioned: source.Settings.Provisioned, OnDemand: source.Settings.OnDemand, Warm: source.Settings.Warm, Indexes: source.Settings.Indexes,
		Class: source.Settings.Class, Encryption: source.Settings.Encryption,
	}
	t = t.Clone()
	for i := range t.Indexes {
		t.Indexes[i].Since = 0
	}
	if err := c.override(&t); err != nil {
		return err
	}
	t.Origin = &table.Origin{Source: c.server.arn(source.Name), Backup: backupARN, At: j.At}
	created, err := c.createFilled(ctx, j, t)
	if err != nil {
		return err
	}
	c.appendDescription(created, table.Creating)
	return nil
}

// createFilled makes a table that a job is to fill, which is known before the
// table is there.
func (c *call) createFilled(ctx context.Context, j backup.Job, t table.Table) (table.Table, error) {
	s := c.server
	if _, ok := s.config.Catalog.Table(t.Name); ok {
		return t, tableIsThere(j.Kind, t.Name)
	}
	if len(s.config.Catalog.Tables()) >= tablesMax {
		return t, refusal("LimitExceededException", "Subscriber limit exceeded: Account limit for total number of tables is %d", tablesMax)
	}
	t.Replicas = []table.Replica{{Region: s.config.Region}}
	t.Origin.Job, t.Origin.Region = j.ID, s.config.Region
	j.Table = t
	defer s.jobs.soon() // once it is prepared
	defer s.jobs.prepare(j.ID)()
	if err := s.config.Backups.Put(j); err != nil {
		return t, err
	}
	created, err := s.config.Catalog.CreateTable(ctx, t)
	if err != nil {
		if errors.Is(err, ErrTableExists) {
			err = tableIsThere(j.Kind, t.Name)
		}
		// If it is made all the same, it is removed as one that nobody fills.
		return t, errors.Join(err, s.config.Backups.Remove(j.ID))
	}
	j.Table = created
	return created, s.config.Backups.Put(j)
}

func tableIsThere(kind backup.Kind, name string) error {
	if kind == backup.Import {
		return inUse("Table already exists: %s", name)
	}
	return refusal("TableAlreadyExistsException", "Table already exists: %s", name)
}

// override changes of a restored table what the request wants otherwise.
func (c *call) override(t *table.Table) error {
	n := c.request.Get("ProvisionedThroughputOverride")
	switch c.text("BillingModeOverride") {
	case "PAY_PER_REQUEST":
		if n.Exists() {
			return invalidValues(noUnitsByRequest)
		}
		t.Settings.Provisioned = nil
		for _, x := range t.Indexes {
			t.Settings.SetIndex(x.Name, func(s *table.IndexSettings) { s.Provisioned = nil })
		}
	case "PROVISIONED":
		if !n.Exists() && t.Settings.Provisioned == nil {
			return invalidValues("ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED")
		}
		t.Settings.OnDemand = table.Throughput{}
	}
	if n.Exists() {
		to, err := readProvisioned(n)
		if err != nil {
			return err
		}
		t.Settings.Provisioned = &table.Provisioned{Throughput: to}
	}
	if n := c.request.Get("OnDemandThroughputOverride"); n.Exists() {
		if err := readOnDemand(n, &t.Settings.OnDemand, heldAgainst{of: &t.Settings, what: "table", creating: true}); err != nil {
			return err
		}
	}
	if n := c.request.Get("SSESpecificationOverride"); n.Exists() {
		var err error
		if t.Settings.Encryption, err = readEncryption(n); err != nil {
			return err
		}
	}
	if err := c.overrideIndexes(t, "GlobalSecondaryIndexOverride", false); err != nil {
		return err
	}
	return c.overrideIndexes(t, "LocalSecondaryIndexOverride", true)
}

// overrideIndexes leaves of a table's indexes those that the request names: all of
// them must be there.
func (c *call) overrideIndexes(t *table.Table, parameter string, local bool) error {
	list := c.request.Get(parameter)
	if !list.Exists() {
		return nil
	}
	wanted := map[string]item.Node{}
	for n, ok := list.First(); ok; n, ok = n.Next() {
		name := n.Get("IndexName").Text()
		if x, there := t.Index(name); !there || x.Local != local {
			return invalidValues("%s names the index %s, which the source does not have", parameter, name)
		}
		wanted[name] = n
	}
	t.Indexes = slices.DeleteFunc(t.Indexes, func(x table.Index) bool {
		_, keep := wanted[x.Name]
		return x.Local == local && !keep
	})
	for name, n := range wanted {
		throughput := n.Get("ProvisionedThroughput")
		if !throughput.Exists() {
			continue
		}
		to, err := readProvisioned(throughput)
		if err != nil {
			return err
		}
		t.Settings.SetIndex(name, func(s *table.IndexSettings) { s.Provisioned = &table.Provisioned{Throughput: to} })
	}
	return nil
}

// appendOrigin appends what a description tells of a table's restore.
func appendOrigin(dst []byte, t table.Table) []byte {
	o := t.Origin
	if o == nil || o.Source == "" {
		return dst
	}
	dst = append(member(dst, "RestoreSummary"), '{')
	dst = appendText(dst, "SourceBackupArn", o.Backup)
	dst = appendText(dst, "SourceTableArn", o.Source)
	dst = appendTime(dst, "RestoreDateTime", o.At)
	dst = append(member(dst, "RestoreInProgress"), "false"...)
	if t.Filling() {
		dst = append(dst[:len(dst)-len("false")], "true"...)
	}
	return append(dst, '}')
}
