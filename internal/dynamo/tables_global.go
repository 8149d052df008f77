package dynamo

import (
	"slices"
	"strconv"
	"strings"

	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/table"
)

// Parameters of replicas, current form (2019.11.21).
var (
	replicaRegion  = parameter{name: "RegionName", required: true}
	replicaReads   = parameter{name: "ProvisionedThroughputOverride", form: objectForm, members: []parameter{{name: "ReadCapacityUnits", form: integerForm, min: 1}}}
	replicaBound   = parameter{name: "OnDemandThroughputOverride", form: objectForm, members: []parameter{{name: "MaxReadRequestUnits", form: integerForm, min: -1}}}
	replicaMembers = []parameter{
		replicaRegion,
		{name: "KMSMasterKeyId"},
		{name: "TableClassOverride", enum: []string{"STANDARD", "STANDARD_INFREQUENT_ACCESS"}},
		replicaReads, replicaBound,
		{name: "GlobalSecondaryIndexes", form: listForm, min: 1, members: []parameter{indexNamed, replicaReads, replicaBound}},
	}
	indexNamed     = parameter{name: "IndexName", required: true, min: 3, max: 255, isName: true}
	replicaUpdates = parameter{name: "ReplicaUpdates", form: listForm, min: 1, members: []parameter{
		{name: "Create", form: objectForm, members: replicaMembers},
		{name: "Update", form: objectForm, members: replicaMembers},
		{name: "Delete", form: objectForm, members: []parameter{replicaRegion}},
	}}
)

// replicaChange changes one replica of a table.
type replicaChange struct {
	region string
	kind   string // Create, Update, Delete
	set    func(*table.ReplicaSettings)
}

// changeReplicas reads ReplicaUpdates.
func changeReplicas(c *call, t table.Table) (func(*table.Table) error, error) {
	var changes []func(*table.Table) error
	list := c.request.Get("ReplicaUpdates")
	for n, ok := list.First(); ok; n, ok = n.Next() {
		change, err := readReplicaChange(n, t)
		if err != nil {
			return nil, err
		}
		if change.region == c.server.config.Region {
			return nil, invalid("Cannot add, delete, or update the local region through ReplicaUpdates. Use CreateTable, DeleteTable, or UpdateTable as required.")
		}
		changes = append(changes, change.apply)
	}
	return together(changes), nil
}

// readReplicaChange reads one of ReplicaUpdates, whose form is checked.
func readReplicaChange(n item.Node, t table.Table) (change replicaChange, err error) {
	var of item.Node
	for _, kind := range []string{"Create", "Update", "Delete"} {
		if x := n.Get(kind); x.Exists() {
			if change.kind != "" {
				return change, invalid("Update table operation with more than one type of replica actions not allowed.")
			}
			change.kind, of = kind, x
		}
	}
	if change.kind == "" {
		return change, invalid("There are no actions specified in the Replica Update Action of the request.")
	}
	change.region = of.Get("RegionName").Text()
	change.set, err = readReplicaSettings(of, t)
	return change, err
}

// readReplicaSettings reads in what a replica shall differ from its table.
func readReplicaSettings(n item.Node, t table.Table) (func(*table.ReplicaSettings), error) {
	class, key := n.Get("TableClassOverride"), n.Get("KMSMasterKeyId")
	reads, bound := overrides(n)
	indexes := map[string][2]int64{}
	list := n.Get("GlobalSecondaryIndexes")
	for x, ok := list.First(); ok; x, ok = x.Next() {
		name := x.Get("IndexName").Text()
		if _, ok := t.Index(name); !ok {
			return nil, invalidValues("Table %s has no global secondary index %s", t.Name, name)
		}
		r, b := overrides(x)
		indexes[name] = [2]int64{r, b}
	}
	return func(s *table.ReplicaSettings) {
		if class.Exists() {
			s.Class = class.Text()
		}
		if key.Exists() {
			s.Key = key.Text()
		}
		override(&s.Read, reads)
		override(&s.OnDemandRead, bound)
		for name, to := range indexes {
			s.SetIndex(name, func(x *table.ReplicaIndex) {
				override(&x.Read, to[0])
				override(&x.OnDemandRead, to[1])
			})
		}
	}, nil
}

// overrides reads the reads of a replica or its index; 0 is not given.
func overrides(n item.Node) (reads, bound int64) {
	return units(n.Get("ProvisionedThroughputOverride").Get("ReadCapacityUnits")), units(n.Get("OnDemandThroughputOverride").Get("MaxReadRequestUnits"))
}

// override replaces a value by one that is given; -1 takes it away.
func override(have *int64, given int64) {
	switch given {
	case 0:
	case -1:
		*have = 0
	default:
		*have = given
	}
}

func (r replicaChange) apply(t *table.Table) error {
	switch r.kind {
	case "Delete":
		return removeReplica(t, r.region)
	case "Update":
		if !t.In(r.region) {
			return noReplica(r.region)
		}
	default:
		if t.In(r.region) {
			return invalid("Failed to create a the new replica of table with name: ‘%s’ because one or more replicas already existed as tables.", t.Name)
		}
		if slices.ContainsFunc(t.Leaving, func(x table.Replica) bool { return x.Region == r.region }) {
			return inUse("Attempt to change a resource which is still in use: Replica of table %s is being deleted in region %s: its last writes have to reach the other regions first", t.Name, r.region)
		}
		addReplica(t, r.region)
	}
	t.Settings.SetReplica(r.region, r.set)
	return nil
}

func noReplica(region string) error {
	return invalid("Update global table operation failed because one or more replicas were not part of the global table. Please retry the request without these replicas: [%s].", region)
}

func addReplica(t *table.Table, region string) {
	t.Replicas = append(slices.Clone(t.Replicas), table.Replica{Region: region})
	slices.SortFunc(t.Replicas, func(a, b table.Replica) int { return strings.Compare(a.Region, b.Region) })
}

func removeReplica(t *table.Table, region string) error {
	switch {
	case !t.In(region):
		return noReplica(region)
	case len(t.Replicas) == 1:
		return invalid("The last replica of table '%s' cannot be removed: delete the table", t.Name)
	case t.Settings.Protected:
		return invalid("Cannot delete table %s in region %s because it has deletion protection enabled. Disable deletion protection first.", t.Name, region)
	}
	t.Replicas = slices.DeleteFunc(slices.Clone(t.Replicas), func(r table.Replica) bool { return r.Region == region })
	t.Settings.SetReplica(region, func(s *table.ReplicaSettings) { *s = table.ReplicaSettings{} })
	return nil
}

// appendGlobal appends what the description of a global table has more: its
// regions, this one too.
func (c *call) appendGlobal(dst []byte, t table.Table) []byte {
	if len(t.Holders()) < 2 {
		return dst
	}
	dst = append(member(dst, "GlobalTableVersion"), `"2019.11.21"`...)
	dst = c.appendReplicas(member(dst, "Replicas"), t)
	return append(member(dst, "MultiRegionConsistency"), `"EVENTUAL","GlobalTableSettingsReplicationMode":"ENABLED"`...)
}

// appendReplicas appends the list of a table's replicas.
func (c *call) appendReplicas(dst []byte, t table.Table) []byte {
	dst = append(dst, '[')
	for i, r := range t.Holders() {
		status := c.replicaStatus(t, r, i)
		dst = append(comma(dst, i), `{"RegionName":`...)
		dst = item.AppendQuoted(dst, r.Region)
		dst = item.AppendQuoted(member(dst, "ReplicaStatus"), string(status))
		if copied := c.server.config.Copied; status == table.Creating && copied != nil {
			if part, ok := copied(t, r.Region); ok {
				dst = item.AppendQuoted(member(dst, "ReplicaStatusPercentProgress"), strconv.Itoa(int(100*max(0, min(part, 1)))))
			}
		}
		dst = item.AppendQuoted(member(dst, "ReplicaArn"), arnIn(r.Region, t.Name))
		dst = append(appendReplicaSettings(dst, t, t.Settings.Replicas[r.Region]), '}')
	}
	return append(dst, ']')
}

// appendReplicaSettings appends in what a replica differs from its table.
func appendReplicaSettings(dst []byte, t table.Table, s table.ReplicaSettings) []byte {
	dst = appendText(dst, "KMSMasterKeyId", s.Key)
	dst = appendOverrides(dst, s.Read, s.OnDemandRead)
	dst = appendClass(member(dst, "ReplicaTableClassSummary"), classOf(t, s), 0)
	indexes := globalIndexes(t)
	if len(indexes) == 0 {
		return dst
	}
	dst = append(member(dst, "GlobalSecondaryIndexes"), '[')
	for i, x := range indexes {
		dst = item.AppendQuoted(append(comma(dst, i), `{"IndexName":`...), x.Name)
		own := s.Indexes[x.Name]
		dst = append(appendOverrides(dst, own.Read, own.OnDemandRead), '}')
	}
	return append(dst, ']')
}

// globalIndexes are the table's global secondary indexes: those that have
// settings of their own.
func globalIndexes(t table.Table) []table.Index {
	return slices.DeleteFunc(slices.Clone(t.Indexes), func(x table.Index) bool { return x.Local })
}

func appendOverrides(dst []byte, reads, bound int64) []byte {
	if reads != 0 {
		dst = append(appendNumber(append(member(dst, "ProvisionedThroughputOverride"), '{'), "ReadCapacityUnits", reads), '}')
	}
	if bound != 0 {
		dst = append(appendNumber(append(member(dst, "OnDemandThroughputOverride"), '{'), "MaxReadRequestUnits", bound), '}')
	}
	return dst
}

// replicaStatus is the status of the holder at i: of this region's own as its
// table's, of others as they have told.
func (c *call) replicaStatus(t table.Table, r table.Replica, i int) table.State {
	served, err := r.Complete(), error(nil)
	if r.Region == c.server.config.Region {
		served, err = c.server.serves(t)
	}
	switch {
	case i >= len(t.Replicas):
		return table.Deleting
	case !served || err != nil:
		return table.Creating
	}
	return table.Active
}
