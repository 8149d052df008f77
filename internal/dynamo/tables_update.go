package dynamo

import (
	"context"
	"slices"
	"strings"

	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

var updateTableParameters = []parameter{
	tableName,
	{name: "BillingMode", enum: []string{"PROVISIONED", "PAY_PER_REQUEST"}},
	{name: "ProvisionedThroughput", form: objectForm},
	{name: "GlobalSecondaryIndexUpdates", form: listForm},
	{name: "ReplicaUpdates", form: listForm, min: 1},
	{name: "StreamSpecification", form: objectForm},
	{name: "DeletionProtectionEnabled", form: flagForm},
	{name: "MultiRegionConsistency", enum: []string{"EVENTUAL", "STRONG"}},
	{name: "GlobalTableWitnessUpdates", form: listForm},
}

// updateTable adds and removes replicas; a new one copies what the table holds
// from the others. A change of throughput is taken and has no effect.
func updateTable(ctx context.Context, c *call) error {
	t, err := c.managed()
	if err != nil {
		return err
	}
	if c.request.Get("GlobalSecondaryIndexUpdates").Len() > 0 {
		return invalid("GlobalSecondaryIndexUpdates is not supported: define the indexes when the table is created")
	}
	if err := c.checkUnsupported(); err != nil {
		return err
	}
	updates, err := readReplicaUpdates(c.request.Get("ReplicaUpdates"))
	if err != nil {
		return err
	}
	stream, err := c.streamChange()
	if err != nil {
		return err
	}
	if updates == nil && stream == nil {
		if !c.request.Get("BillingMode").Exists() && !c.request.Get("ProvisionedThroughput").Exists() {
			return invalid("At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates or SSESpecification or ReplicaUpdates is required")
		}
		c.appendDescription(t, table.Active)
		return nil
	}
	updated, err := c.server.config.Catalog.UpdateTable(ctx, t.Name, func(t *table.Table) error {
		for _, u := range updates {
			if err := u.apply(t); err != nil {
				return err
			}
		}
		if stream != nil {
			return stream(t)
		}
		return nil
	})
	if err != nil {
		return err
	}
	c.appendDescription(updated, table.Updating)
	return nil
}

// replicaUpdate adds or removes the replica in a region.
type replicaUpdate struct {
	region string
	create bool
}

func readReplicaUpdates(list item.Node) ([]replicaUpdate, error) {
	var updates []replicaUpdate
	for n, ok := list.First(); ok; n, ok = n.Next() {
		created, deleted := n.Get("Create"), n.Get("Delete")
		if n.Get("Update").Exists() {
			return nil, invalid("Update in ReplicaUpdates is not supported: replicas have no settings of their own")
		}
		if created.Exists() == deleted.Exists() {
			return nil, invalid("One or more parameter values were invalid: exactly one of Create and Delete must be given in each of ReplicaUpdates")
		}
		u := replicaUpdate{region: deleted.Get("RegionName").Text(), create: created.Exists()}
		if u.create {
			u.region = created.Get("RegionName").Text()
		}
		if u.region == "" {
			return nil, invalid("1 validation error detected: Value null at 'replicaUpdates.%d.member.regionName' failed to satisfy constraint: Member must not be null", len(updates)+1)
		}
		updates = append(updates, u)
	}
	return updates, nil
}

func (u replicaUpdate) apply(t *table.Table) error {
	if !u.create {
		return removeReplica(t, u.region)
	}
	if t.In(u.region) {
		return invalid("Failed to create a the new replica of table with name: '%s' because one or more replicas already existed as tables.", t.Name)
	}
	t.Replicas = append(slices.Clone(t.Replicas), table.Replica{Region: u.region})
	slices.SortFunc(t.Replicas, func(a, b table.Replica) int { return strings.Compare(a.Region, b.Region) })
	return nil
}

func removeReplica(t *table.Table, region string) error {
	if !t.In(region) {
		return invalid("Replica specified in the Replica Update or Replica Delete action of the request was not found: %s", region)
	}
	if len(t.Replicas) == 1 {
		return invalid("The last replica of table '%s' cannot be removed: delete the table", t.Name)
	}
	t.Replicas = slices.DeleteFunc(slices.Clone(t.Replicas), func(r table.Replica) bool { return r.Region == region })
	return nil
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
	tableName, {name: "TimeToLiveSpecification", form: objectForm, required: true},
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
	c.out = append(c.out, `{"TimeToLiveDescription":{"TimeToLiveStatus":"ENABLED","AttributeName":`...)
	c.out = append(item.AppendQuoted(c.out, t.TTL), `}}`...)
	return nil
}

// updateTimeToLive sets the table's expiry attribute. Items get their expiry
// when they are written, so it can be switched only while there are none.
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
	switch {
	case name == "":
		return invalid("TimeToLiveSpecification.AttributeName must be non empty")
	case enabled && t.TTL != "":
		return invalid("TimeToLive is already enabled")
	case !enabled && t.TTL == "":
		return invalid("TimeToLive is already disabled")
	case !enabled && t.TTL != name:
		return invalid("TimeToLive is active on a different AttributeName: current AttributeName is %s", t.TTL)
	}
	if c.status(t) == table.Creating {
		return inUse("Attempt to change a resource which is still in use: Table is being created: %s", t.Name)
	}
	empty, err := c.isEmpty(ctx, t)
	if err != nil {
		return err
	}
	if !empty {
		return invalid("TimeToLive can be switched only while the table is empty: items that are there keep the expiry they were written with in this version")
	}
	_, err = c.server.config.Catalog.UpdateTable(ctx, t.Name, func(t *table.Table) error {
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
