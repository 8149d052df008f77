package dynamo

import (
	"context"
	"slices"

	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

var updateTableParameters = []parameter{
	tableName, billingMode, provisionedThroughput, onDemandThroughput, warmThroughput,
	{name: "AttributeDefinitions", form: listForm},
	indexUpdates,
	replicaUpdates,
	{name: "StreamSpecification", form: objectForm},
	tableClass, deletionProtection, encryption,
	{name: "MultiRegionConsistency", enum: []string{"EVENTUAL", "STRONG"}},
	{name: "GlobalTableWitnessUpdates", form: listForm},
	vectorUpdates, settingsReplication, disassociationProtects,
}

// tableChange is something that UpdateTable changes.
type tableChange struct {
	parameter string // asks for it
	// alone is said to requests that ask for anything else, but for the
	// parameters in with; empty: they may.
	alone string
	with  []string
	// words are said to requests that ask for the parameter apart, too.
	apart, words string
	// prepare reads the request and holds it against the table as it is; what it
	// answers makes the change, perhaps more than once.
	prepare func(c *call, t table.Table) (func(*table.Table) error, error)
}

// tableChanges are in the order in which AWS looks at them.
var tableChanges = []tableChange{
	{parameter: "ReplicaUpdates", alone: "Replica modification must be the only operation in the request", with: []string{"MultiRegionConsistency"}, prepare: changeReplicas},
	{parameter: "SSESpecification", alone: "Server-Side Encryption modification must be the only operation in the request", prepare: changeEncryption},
	{parameter: "TableClass", alone: "TableClass modification must be the only operation in the request", prepare: changeClass},
	{parameter: "DeletionProtectionEnabled", alone: "DeletionProtection modification must be the only operation in the request", prepare: changeProtection},
	{parameter: "WarmThroughput", alone: "WarmThroughput must be the only operation in the request", prepare: changeWarm},
	{parameter: "BillingMode", prepare: changeBilling},
	{parameter: "ProvisionedThroughput", prepare: changeThroughput},
	{parameter: "OnDemandThroughput", alone: "OnDemandThroughput can only be combined with BillingMode in an UpdateTable request", with: []string{"BillingMode"}, prepare: changeOnDemand},
	{parameter: "StreamSpecification", apart: "ProvisionedThroughput", words: "You cannot modify stream status while updating table IOPS", prepare: changeStream},
	{parameter: "GlobalSecondaryIndexUpdates", prepare: changeIndexes},
}

const nothingAsked = "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates, SSESpecification, ReplicaUpdates, MultiAccountReplicaReady, ReplicaTransitRoleArn, MultiRegionConsistency, DeletionProtectionEnabled, OnDemandThroughput, WarmThroughput or TableClass is required"

// updateTable changes a table's settings, and adds and removes replicas: a new
// one copies what the table holds from the others.
func updateTable(ctx context.Context, c *call) error {
	if !c.allowed(tableFrom(c.text("TableName"))) {
		return c.denied(tableFrom(c.text("TableName")))
	}
	if err := c.checkRefused(); err != nil {
		return err
	}
	asked, err := c.tableChanges()
	if err != nil {
		return err
	}
	t, err := c.changeable()
	if err != nil {
		return err
	}
	var changes []func(*table.Table) error
	for _, a := range asked {
		change, err := a.prepare(c, t)
		if err != nil {
			return err
		}
		changes = append(changes, change)
	}
	updated, err := c.server.config.Catalog.UpdateTable(ctx, t.Name, together(changes))
	if err != nil {
		return err
	}
	c.appendDescription(c.withRemoved(updated, t), table.Updating)
	return nil
}

// tableChanges are the changes that the request asks for, if they go together.
func (c *call) tableChanges() (asked []tableChange, err error) {
	var names []string
	for _, change := range tableChanges {
		if n := c.request.Get(change.parameter); n.Exists() && (n.Form() != item.Array || n.Len() > 0) {
			asked, names = append(asked, change), append(names, change.parameter)
		}
	}
	if len(asked) == 0 {
		return nil, invalid(nothingAsked)
	}
	for _, change := range asked {
		other := slices.ContainsFunc(names, func(name string) bool {
			return name != change.parameter && !slices.Contains(change.with, name)
		})
		switch {
		case change.alone != "" && other:
			return nil, invalidValues("%s", change.alone)
		case slices.Contains(names, change.apart):
			return nil, invalidValues("%s", change.words)
		}
	}
	return asked, nil
}

// together makes changes one after the other.
func together(changes []func(*table.Table) error) func(*table.Table) error {
	return func(t *table.Table) error {
		for _, change := range changes {
			if err := change(t); err != nil {
				return err
			}
		}
		return nil
	}
}

func changeStream(c *call, _ table.Table) (func(*table.Table) error, error) { return c.streamChange() }

// changeEncryption keeps how the table shall be encrypted.
func changeEncryption(c *call, t table.Table) (func(*table.Table) error, error) {
	e, err := readEncryption(c.request.Get("SSESpecification"))
	switch have := t.Settings.Encryption; {
	case err != nil:
		return nil, err
	case e == nil && have == nil:
		return nil, invalidValues("Table is already encrypted by default")
	case e != nil && have != nil && *e == *have:
		return nil, invalidValues("Table is already encrypted with given KMSMasterKeyId. Use KMSMasterKeyId parameter if you want to change Master Key")
	}
	return func(t *table.Table) error {
		t.Settings.Encryption = e
		return nil
	}, nil
}

func changeClass(c *call, _ table.Table) (func(*table.Table) error, error) {
	var wanted table.Settings
	if err := c.readClass(&wanted); err != nil {
		return nil, err
	}
	now := c.server.config.Now().UnixMilli()
	return func(t *table.Table) error {
		if t.Settings.Class != wanted.Class {
			t.Settings.Class, t.Settings.ClassSince = wanted.Class, now
		}
		c.unsetHere(t, func(own *table.ReplicaSettings) { own.Class = "" })
		return nil
	}, nil
}

func changeProtection(c *call, _ table.Table) (func(*table.Table) error, error) {
	wanted := c.flag("DeletionProtectionEnabled")
	return func(t *table.Table) error {
		t.Settings.Protected = wanted
		return nil
	}, nil
}

func (c *call) isEmpty(ctx context.Context, t table.Table) (bool, error) {
	empty := true
	err := c.server.config.Store.Scan(ctx, store.Scan{Table: t.ID}, func(record.Key, record.Record) (bool, error) {
		empty = false
		return false, nil
	})
	return empty, err
}

var updateTimeToLiveParameters = []parameter{
	tableName, {name: "TimeToLiveSpecification", form: objectForm, required: true, members: []parameter{
		{name: "Enabled", form: flagForm, required: true}, {name: "AttributeName", required: true},
	}},
}

// describeTimeToLive answers the table's expiry attribute.
func describeTimeToLive(_ context.Context, c *call) error {
	t, err := c.described()
	if err != nil {
		return err
	}
	if t.TTL == "" {
		c.out = append(c.out, `{"TimeToLiveDescription":{"TimeToLiveStatus":"DISABLED"}}`...)
		return nil
	}
	whole, err := c.server.config.Store.TimesWhole(t)
	if err != nil {
		return err
	}
	status := "ENABLING"
	if whole {
		status = "ENABLED"
	}
	c.out = append(c.out, `{"TimeToLiveDescription":{"TimeToLiveStatus":"`+status+`","AttributeName":`...)
	c.out = append(item.AppendQuoted(c.out, t.TTL), `}}`...)
	return nil
}

// updateTimeToLive sets the table's expiry attribute, or removes it from a table
// that is empty.
func updateTimeToLive(ctx context.Context, c *call) error {
	t, err := c.managed()
	if err != nil {
		return err
	}
	n := c.request.Get("TimeToLiveSpecification")
	name := n.Get("AttributeName").Text()
	enabled, err := item.BoolFrom(n.Get("Enabled"))
	if err != nil {
		return err
	}
	if name == "" {
		return invalid("TimeToLiveSpecification.AttributeName must be non empty")
	}
	if err := switchesTTL(t, name, enabled); err != nil {
		return err
	}
	if c.status(t) == table.Creating {
		return inUse("Attempt to change a resource which is still in use: Table is being created: %s", t.Name)
	}
	if !enabled {
		empty, err := c.isEmpty(ctx, t)
		if err != nil {
			return err
		}
		if !empty {
			return invalid("TimeToLive can be disabled only while the table is empty: regions that learn of it at different times would not keep the same items")
		}
	}
	_, err = c.server.config.Catalog.UpdateTable(ctx, t.Name, func(t *table.Table) error {
		if err := switchesTTL(*t, name, enabled); err != nil {
			return err
		}
		t.TTL = ""
		if enabled {
			t.TTL = name
		}
		return nil
	})
	if err != nil {
		return err
	}
	c.out = append(c.out, `{"TimeToLiveSpecification":{"AttributeName":`...)
	c.out = item.AppendQuoted(c.out, name)
	if enabled {
		c.out = append(c.out, `,"Enabled":true}}`...)
	} else {
		c.out = append(c.out, `,"Enabled":false}}`...)
	}
	return nil
}

// switchesTTL refuses what changes nothing, and to go from one attribute to
// another at once.
func switchesTTL(t table.Table, name string, enabled bool) error {
	switch {
	case t.TTL != "" && t.TTL != name:
		return invalid("TimeToLive is active on a different AttributeName: current AttributeName is %s", t.TTL)
	case enabled && t.TTL != "":
		return invalid("TimeToLive is already enabled")
	case !enabled && t.TTL == "":
		return invalid("TimeToLive is already disabled")
	}
	return nil
}
