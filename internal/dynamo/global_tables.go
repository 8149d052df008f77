package dynamo

import (
	"context"
	"slices"
	"strings"

	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/table"
)

// The older form of global tables (2017.11.29). There, tables of one name in
// several regions, empty and with streams, were joined. Here one name is one
// table: joining adds its replicas, and it may hold data. A table of several
// regions is a global table in both forms, however it came to be one.

var (
	globalTableName = parameter{name: "GlobalTableName", required: true, min: 3, max: 255, isName: true}
	globalOnly      = []parameter{globalTableName}

	createGlobalParameters = []parameter{
		globalTableName,
		{name: "ReplicationGroup", form: listForm, required: true, members: []parameter{replicaRegion}},
	}
	updateGlobalParameters = []parameter{
		globalTableName,
		{name: "ReplicaUpdates", form: listForm, required: true, members: []parameter{
			{name: "Create", form: objectForm, members: []parameter{replicaRegion}},
			{name: "Delete", form: objectForm, members: []parameter{replicaRegion}},
		}},
	}
	listGlobalParameters = []parameter{
		{name: "ExclusiveStartGlobalTableName", min: 3, max: 255, isName: true}, limit, {name: "RegionName"},
	}
)

// global is the request's global table.
func (c *call) global() (table.Table, error) {
	name := c.text("GlobalTableName")
	t, err := c.tableHere(name)
	if err == errNotFound || err == nil && !isGlobal(t) {
		return t, noGlobalTable(name)
	}
	return t, err
}

func noGlobalTable(name string) error {
	return refusal("GlobalTableNotFoundException", "Global table with name: '%s' does not exist.", name)
}

func isGlobal(t table.Table) bool { return len(t.Replicas) > 1 || t.Settings.Global }

// createGlobalTable makes a table of this region a global one, and adds the
// regions of the replication group.
func createGlobalTable(ctx context.Context, c *call) error {
	name := c.text("GlobalTableName")
	t, err := c.tableHere(name)
	switch {
	case err == errNotFound:
		return refusal("TableNotFoundException", "Table not found: %s", name)
	case err != nil:
		return err
	case isGlobal(t):
		return refusal("GlobalTableAlreadyExistsException", "Global table with name: '%s' already exists.", name)
	}
	var regions []string
	list := c.request.Get("ReplicationGroup")
	for n, ok := list.First(); ok; n, ok = n.Next() {
		regions = append(regions, n.Get("RegionName").Text())
	}
	if !slices.Contains(regions, c.server.config.Region) {
		return invalidValues("ReplicationGroup must contain this region, %s", c.server.config.Region)
	}
	return c.changeGlobal(ctx, name, func(t *table.Table) error {
		if isGlobal(*t) { // another request came first
			return refusal("GlobalTableAlreadyExistsException", "Global table with name: '%s' already exists.", name)
		}
		t.Settings.Global = true
		for _, region := range regions {
			if !t.In(region) {
				addReplica(t, region)
			}
		}
		return nil
	})
}

// updateGlobalTable adds and removes replicas.
func updateGlobalTable(ctx context.Context, c *call) error {
	var changes []func(*table.Table) error
	list := c.request.Get("ReplicaUpdates")
	for n, ok := list.First(); ok; n, ok = n.Next() {
		created, deleted := n.Get("Create"), n.Get("Delete")
		if created.Exists() == deleted.Exists() {
			return invalidValues("each of ReplicaUpdates must have one of Create and Delete")
		}
		changes = append(changes, func(t *table.Table) error {
			if created.Exists() {
				return createGlobalReplica(t, created.Get("RegionName").Text())
			}
			return deleteGlobalReplica(t, deleted.Get("RegionName").Text())
		})
	}
	t, err := c.global()
	if err != nil {
		return err
	}
	return c.changeGlobal(ctx, t.Name, together(changes))
}

func createGlobalReplica(t *table.Table, region string) error {
	if t.In(region) {
		return refusal("ReplicaAlreadyExistsException", "Failed to add replica '%s' to global table with name: '%s' because the replica already exists.", region, t.Name)
	}
	addReplica(t, region)
	return nil
}

func deleteGlobalReplica(t *table.Table, region string) error {
	if !t.In(region) {
		return refusal("ReplicaNotFoundException", "Failed to remove replica '%s' from global table with name: '%s' because the replica does not exist.", region, t.Name)
	}
	return removeReplica(t, region)
}

// changeGlobal changes a table and answers its description as a global one.
func (c *call) changeGlobal(ctx context.Context, name string, change func(*table.Table) error) error {
	t, err := c.server.config.Catalog.UpdateTable(ctx, name, change)
	if err != nil {
		return err
	}
	c.appendGlobalTable(t, table.Updating)
	return nil
}

// describeGlobalTable answers the description of a global table.
func describeGlobalTable(_ context.Context, c *call) error {
	t, err := c.global()
	if err != nil {
		return err
	}
	c.appendGlobalTable(t, c.status(t))
	return nil
}

func (c *call) appendGlobalTable(t table.Table, status table.State) {
	dst := append(c.out, `{"GlobalTableDescription":{"GlobalTableName":`...)
	dst = item.AppendQuoted(dst, t.Name)
	dst = item.AppendQuoted(member(dst, "GlobalTableArn"), "arn:aws:dynamodb::"+account+":global-table/"+t.Name)
	dst = item.AppendQuoted(member(dst, "GlobalTableStatus"), string(status))
	dst = appendTime(dst, "CreationDateTime", t.Created)
	c.out = append(c.appendReplicas(member(dst, "ReplicationGroup"), t), `}}`...)
}

// listGlobalTables answers the global tables of this region, in order.
func listGlobalTables(_ context.Context, c *call) error {
	var tables []table.Table
	for _, t := range c.server.config.Catalog.Tables() {
		region := c.text("RegionName")
		wanted := t.In(c.server.config.Region) && isGlobal(t) && (region == "" || t.In(region))
		if wanted && c.visible(t.Name) && t.Name > c.text("ExclusiveStartGlobalTableName") {
			tables = append(tables, t)
		}
	}
	slices.SortFunc(tables, func(a, b table.Table) int { return strings.Compare(a.Name, b.Name) })
	size := listMax
	if n := c.request.Get("Limit"); n.Exists() {
		size = min(size, integer(n))
	}
	more := len(tables) > size
	tables = tables[:min(size, len(tables))]
	c.out = append(c.out, `{"GlobalTables":[`...)
	for i, t := range tables {
		c.out = item.AppendQuoted(append(comma(c.out, i), `{"GlobalTableName":`...), t.Name)
		c.out = append(member(c.out, "ReplicationGroup"), '[')
		for j, region := range t.Regions() {
			c.out = item.AppendQuoted(append(comma(c.out, j), `{"RegionName":`...), region)
			c.out = append(c.out, '}')
		}
		c.out = append(c.out, `]}`...)
	}
	c.out = append(c.out, ']')
	if more {
		c.out = item.AppendQuoted(member(c.out, "LastEvaluatedGlobalTableName"), tables[len(tables)-1].Name)
	}
	c.out = append(c.out, '}')
	return nil
}
