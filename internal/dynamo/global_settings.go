package dynamo

import (
	"context"

	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/table"
)

// Settings of global tables in their older form.

var updateGlobalSettingsParameters = []parameter{
	globalTableName,
	{name: "GlobalTableBillingMode", enum: []string{"PROVISIONED", "PAY_PER_REQUEST"}},
	{name: "GlobalTableProvisionedWriteCapacityUnits", form: integerForm, min: 1},
	{name: "GlobalTableProvisionedWriteCapacityAutoScalingSettingsUpdate", form: objectForm},
	{name: "GlobalTableGlobalSecondaryIndexSettingsUpdate", form: listForm, min: 1, members: []parameter{
		indexNamed, {name: "ProvisionedWriteCapacityUnits", form: integerForm, min: 1}, scalesWrites,
	}},
	{name: "ReplicaSettingsUpdate", form: listForm, min: 1, members: []parameter{
		replicaRegion,
		{name: "ReplicaProvisionedReadCapacityUnits", form: integerForm, min: 1},
		{name: "ReplicaProvisionedReadCapacityAutoScalingSettingsUpdate", form: objectForm},
		{name: "ReplicaTableClass", enum: []string{"STANDARD", "STANDARD_INFREQUENT_ACCESS"}},
		{name: "ReplicaGlobalSecondaryIndexSettingsUpdate", form: listForm, min: 1, members: []parameter{
			indexNamed, {name: "ProvisionedReadCapacityUnits", form: integerForm, min: 1},
		}},
	}},
}

var scalesWrites = parameter{name: "ProvisionedWriteCapacityAutoScalingSettingsUpdate", form: objectForm}

func noScaling() error {
	return invalid("Auto scaling is not supported: nothing is charged for capacity, use PAY_PER_REQUEST")
}

// updateGlobalTableSettings changes how a global table is billed, and its
// replicas' own settings.
func updateGlobalTableSettings(ctx context.Context, c *call) error {
	if c.request.Get("GlobalTableProvisionedWriteCapacityAutoScalingSettingsUpdate").Exists() {
		return noScaling()
	}
	t, err := c.global()
	if err != nil {
		return err
	}
	changes := []func(*table.Table) error{c.changeGlobalBilling()}
	indexes := c.request.Get("GlobalTableGlobalSecondaryIndexSettingsUpdate")
	for n, ok := indexes.First(); ok; n, ok = n.Next() {
		change, err := c.changeGlobalIndex(t, n)
		if err != nil {
			return err
		}
		changes = append(changes, change)
	}
	replicas := c.request.Get("ReplicaSettingsUpdate")
	for n, ok := replicas.First(); ok; n, ok = n.Next() {
		change, err := changeGlobalReplica(t, n)
		if err != nil {
			return err
		}
		changes = append(changes, change)
	}
	updated, err := c.server.config.Catalog.UpdateTable(ctx, t.Name, together(changes))
	if err != nil {
		return err
	}
	c.appendGlobalSettings(updated)
	return nil
}

// changeGlobalBilling changes the billing mode and the writes of all replicas.
func (c *call) changeGlobalBilling() func(*table.Table) error {
	mode, now := c.text("GlobalTableBillingMode"), c.server.config.Now().UnixMilli()
	writes := units(c.request.Get("GlobalTableProvisionedWriteCapacityUnits"))
	return func(t *table.Table) error {
		s := &t.Settings
		switch {
		case mode == "PAY_PER_REQUEST" && writes != 0, mode == "" && writes != 0 && s.Provisioned == nil:
			return invalidValues(noUnitsByRequest)
		case mode == "PAY_PER_REQUEST":
			chargeByRequest(s, now)
			return nil
		case mode == "PROVISIONED" && s.Provisioned == nil:
			return invalidValues("ProvisionedThroughput must be specified when BillingMode is PROVISIONED: change it with UpdateTable")
		case writes != 0:
			s.Provisioned = provision(s.Provisioned, table.Throughput{Read: s.Provisioned.Read, Write: writes}, now)
		}
		return nil
	}
}

// changeGlobalIndex changes the writes of an index in all replicas.
func (c *call) changeGlobalIndex(t table.Table, n item.Node) (func(*table.Table) error, error) {
	name, writes := n.Get("IndexName").Text(), units(n.Get("ProvisionedWriteCapacityUnits"))
	switch _, ok := t.Index(name); {
	case n.Get(scalesWrites.name).Exists():
		return nil, noScaling()
	case !ok:
		return nil, refusal("IndexNotFoundException", "Table %s has no global secondary index %s", t.Name, name)
	case writes == 0:
		return together(nil), nil
	}
	now := c.server.config.Now().UnixMilli()
	return func(t *table.Table) error {
		if t.Settings.Indexes[name].Provisioned == nil {
			return invalidValues(noUnitsByRequest)
		}
		t.Settings.SetIndex(name, func(x *table.IndexSettings) {
			x.Provisioned = provision(x.Provisioned, table.Throughput{Read: x.Provisioned.Read, Write: writes}, now)
		})
		return nil
	}, nil
}

// changeGlobalReplica changes in what a replica differs.
func changeGlobalReplica(t table.Table, n item.Node) (func(*table.Table) error, error) {
	region, class := n.Get("RegionName").Text(), n.Get("ReplicaTableClass").Text()
	reads := units(n.Get("ReplicaProvisionedReadCapacityUnits"))
	if n.Get("ReplicaProvisionedReadCapacityAutoScalingSettingsUpdate").Exists() {
		return nil, noScaling()
	}
	indexes := map[string]int64{}
	list := n.Get("ReplicaGlobalSecondaryIndexSettingsUpdate")
	for x, ok := list.First(); ok; x, ok = x.Next() {
		name := x.Get("IndexName").Text()
		if _, ok := t.Index(name); !ok {
			return nil, refusal("IndexNotFoundException", "Table %s has no global secondary index %s", t.Name, name)
		}
		indexes[name] = units(x.Get("ProvisionedReadCapacityUnits"))
	}
	return func(t *table.Table) error {
		if !t.In(region) {
			return refusal("ReplicaNotFoundException", "Global table with name: '%s' has no replica in '%s'.", t.Name, region)
		}
		t.Settings.SetReplica(region, func(s *table.ReplicaSettings) {
			if class != "" {
				s.Class = class
			}
			override(&s.Read, reads)
			for name, reads := range indexes {
				s.SetIndex(name, func(x *table.ReplicaIndex) { override(&x.Read, reads) })
			}
		})
		return nil
	}, nil
}

// describeGlobalTableSettings answers the settings of a global table's replicas.
func describeGlobalTableSettings(_ context.Context, c *call) error {
	t, err := c.global()
	if err != nil {
		return err
	}
	c.appendGlobalSettings(t)
	return nil
}

func (c *call) appendGlobalSettings(t table.Table) {
	dst := item.AppendQuoted(append(c.out, `{"GlobalTableName":`...), t.Name)
	dst = append(member(dst, "ReplicaSettings"), '[')
	for i, r := range t.Holders() {
		dst = item.AppendQuoted(append(comma(dst, i), `{"RegionName":`...), r.Region)
		dst = item.AppendQuoted(member(dst, "ReplicaStatus"), string(c.replicaStatus(t, r, i)))
		dst = append(appendReplicaBilling(dst, t, t.Settings.Replicas[r.Region]), '}')
	}
	c.out = append(dst, `]}`...)
}

// appendReplicaBilling appends how a replica is billed.
func appendReplicaBilling(dst []byte, t table.Table, own table.ReplicaSettings) []byte {
	s := t.Settings
	dst = appendMode(member(dst, "ReplicaBillingModeSummary"), s)
	throughput := func(p *table.Provisioned, reads int64) table.Throughput {
		if s.Provisioned == nil || p == nil {
			return table.Throughput{}
		}
		if reads == 0 {
			reads = p.Read
		}
		return table.Throughput{Read: reads, Write: p.Write}
	}
	of := throughput(s.Provisioned, own.Read)
	dst = appendNumber(dst, "ReplicaProvisionedReadCapacityUnits", of.Read)
	dst = appendNumber(dst, "ReplicaProvisionedWriteCapacityUnits", of.Write)
	dst = appendClass(member(dst, "ReplicaTableClassSummary"), classOf(t, own), 0)
	indexes := globalIndexes(t)
	if len(indexes) == 0 {
		return dst
	}
	dst = append(member(dst, "ReplicaGlobalSecondaryIndexSettings"), '[')
	for i, x := range indexes {
		of := throughput(s.Indexes[x.Name].Provisioned, own.Indexes[x.Name].Read)
		dst = item.AppendQuoted(append(comma(dst, i), `{"IndexName":`...), x.Name)
		dst = appendNumber(dst, "ProvisionedReadCapacityUnits", of.Read)
		dst = append(appendNumber(dst, "ProvisionedWriteCapacityUnits", of.Write), '}')
	}
	return append(dst, ']')
}

// classOf is the class of a replica.
func classOf(t table.Table, own table.ReplicaSettings) string {
	if own.Class != "" {
		return own.Class
	}
	return t.Settings.Class
}
