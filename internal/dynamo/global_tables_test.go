package dynamo_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/meridian-run/meridian/internal/table"
)

// D2: the current form of global tables through an SDK.
func TestD2_ReplicasHaveSettingsOfTheirOwn(t *testing.T) {
	r := newRegion(t).tables()
	db, ctx, name, us := r.sdk(admin), t.Context(), aws.String("events"), aws.String("us-east-1")
	update := func(u types.ReplicationGroupUpdate) *types.TableDescription {
		t.Helper()
		out, err := db.UpdateTable(ctx, &dynamodb.UpdateTableInput{TableName: name, ReplicaUpdates: []types.ReplicationGroupUpdate{u}})
		if err != nil {
			t.Fatal(err)
		}
		return out.TableDescription
	}
	reads := func(n int64) *types.ProvisionedThroughputOverride {
		return &types.ProvisionedThroughputOverride{ReadCapacityUnits: aws.Int64(n)}
	}
	d := update(types.ReplicationGroupUpdate{Create: &types.CreateReplicationGroupMemberAction{
		RegionName: us, ProvisionedThroughputOverride: reads(7),
		GlobalSecondaryIndexes: []types.ReplicaGlobalSecondaryIndex{{IndexName: aws.String("colors"), ProvisionedThroughputOverride: reads(8)}},
	}})
	here, there := d.Replicas[0], d.Replicas[1]
	if len(here.GlobalSecondaryIndexes) != 2 || here.ProvisionedThroughputOverride != nil || there.ReplicaStatus != types.ReplicaStatusActive ||
		*there.ProvisionedThroughputOverride.ReadCapacityUnits != 7 || *there.GlobalSecondaryIndexes[1].ProvisionedThroughputOverride.ReadCapacityUnits != 8 {
		t.Errorf("replicas %+v", d.Replicas)
	}
	d = update(types.ReplicationGroupUpdate{Update: &types.UpdateReplicationGroupMemberAction{
		RegionName: us, TableClassOverride: types.TableClassStandardInfrequentAccess, OnDemandThroughputOverride: &types.OnDemandThroughputOverride{MaxReadRequestUnits: aws.Int64(90)},
	}})
	there = d.Replicas[1]
	if there.ReplicaTableClassSummary.TableClass != types.TableClassStandardInfrequentAccess || *there.OnDemandThroughputOverride.MaxReadRequestUnits != 90 || *there.ProvisionedThroughputOverride.ReadCapacityUnits != 7 {
		t.Errorf("replica %+v", there)
	}
	v := "ValidationException"
	for body, words := range map[string]string{
		`[{"Update":{"RegionName":"ap-south-1"}}]`:                                    "replicas were not part of the global table. Please retry the request without these replicas: [ap-south-1]",
		`[{"Create":{"RegionName":"us-east-1"}}]`:                                     "one or more replicas already existed as tables",
		`[{"Create":{"RegionName":"us-east-1"},"Delete":{"RegionName":"us-east-1"}}]`: "more than one type of replica actions not allowed",
		`[{"Delete":{}}]`: "Value null at 'replicaUpdates.1.member.delete.regionName' failed to satisfy constraint: Member must not be null",
		`[{"Update":{"RegionName":"us-east-1","GlobalSecondaryIndexes":[{"IndexName":"none"}]}}]`:         "no global secondary index none",
		`[{"Update":{"RegionName":"us-east-1","ProvisionedThroughputOverride":{"ReadCapacityUnits":0}}}]`: "Member must have value greater than or equal to 1",
	} {
		r.refuse("UpdateTable", `{"TableName":"events","ReplicaUpdates":`+body+`}`, v, words)
	}
	r.must("UpdateTable", `{"TableName":"events","DeletionProtectionEnabled":true}`)
	r.refuse("UpdateTable", `{"TableName":"events","ReplicaUpdates":[{"Delete":{"RegionName":"us-east-1"}}]}`, v, "Cannot delete table events in region us-east-1 because it has deletion protection enabled.")
	r.must("UpdateTable", `{"TableName":"events","DeletionProtectionEnabled":false}`)
	d = update(types.ReplicationGroupUpdate{Delete: &types.DeleteReplicationGroupMemberAction{RegionName: us}})
	if left, _ := r.catalog.Table("events"); len(d.Replicas) != 0 || left.Settings.Replicas != nil {
		t.Errorf("after it is removed: %+v, %+v", d.Replicas, left.Settings)
	}
}

// D2: a replica that copies says how far it is.
func TestD2_AReplicaTellsItsProgress(t *testing.T) {
	r := newRegion(t).tables()
	r.copied = func(t table.Table, region string) (float64, bool) { return 0.425, region == "us-east-1" }
	r.replicas("notes", func(t *table.Table) {
		t.Replicas = []table.Replica{{Region: "ap-south-1", ID: 7, Since: 9}, {Region: "eu-west-1", ID: 1}, {Region: "us-east-1", ID: 2, Since: 9}}
	})
	for _, call := range []string{
		r.must("DescribeTable", `{"TableName":"notes"}`), r.must("DescribeGlobalTable", `{"GlobalTableName":"notes"}`),
	} {
		if !strings.Contains(call, `"RegionName":"us-east-1","ReplicaStatus":"CREATING","ReplicaStatusPercentProgress":"42"`) || strings.Count(call, "PercentProgress") != 1 {
			t.Errorf("description %s", call)
		}
	}
}

// D2: the older form of global tables through an SDK.
func TestD2_GlobalTablesOf2017(t *testing.T) {
	r := newRegion(t).tables()
	db, ctx, name := r.sdk(admin), t.Context(), aws.String("events")
	group := func(regions ...string) (group []types.Replica) {
		for _, region := range regions {
			group = append(group, types.Replica{RegionName: aws.String(region)})
		}
		return group
	}
	r.must("PutItem", `{"TableName":"events","Item":{"pk":{"S":"a"},"sk":{"N":"1"}}}`) // it need not be empty
	_, err := db.DescribeGlobalTable(ctx, &dynamodb.DescribeGlobalTableInput{GlobalTableName: name})
	if unknown := (*types.GlobalTableNotFoundException)(nil); !errors.As(err, &unknown) {
		t.Errorf("not global yet: %v", err)
	}
	_, err = db.CreateGlobalTable(ctx, &dynamodb.CreateGlobalTableInput{GlobalTableName: aws.String("none"), ReplicationGroup: group("eu-west-1")})
	if unknown := (*types.TableNotFoundException)(nil); !errors.As(err, &unknown) {
		t.Errorf("no table: %v", err)
	}
	r.refuse("CreateGlobalTable", `{"GlobalTableName":"events","ReplicationGroup":[{"RegionName":"us-east-1"}]}`, "ValidationException", "must contain this region")
	created, err := db.CreateGlobalTable(ctx, &dynamodb.CreateGlobalTableInput{GlobalTableName: name, ReplicationGroup: group("eu-west-1")})
	if err != nil || *created.GlobalTableDescription.GlobalTableArn != "arn:aws:dynamodb::000000000000:global-table/events" || len(created.GlobalTableDescription.ReplicationGroup) != 1 {
		t.Fatalf("created %+v, %v", created, err)
	}
	_, err = db.CreateGlobalTable(ctx, &dynamodb.CreateGlobalTableInput{GlobalTableName: name, ReplicationGroup: group("eu-west-1")})
	if exists := (*types.GlobalTableAlreadyExistsException)(nil); !errors.As(err, &exists) {
		t.Errorf("created again: %v", err)
	}
	update := func(u types.ReplicaUpdate) error {
		_, err := db.UpdateGlobalTable(ctx, &dynamodb.UpdateGlobalTableInput{GlobalTableName: name, ReplicaUpdates: []types.ReplicaUpdate{u}})
		return err
	}
	us := aws.String("us-east-1")
	add, remove := types.ReplicaUpdate{Create: &types.CreateReplicaAction{RegionName: us}}, types.ReplicaUpdate{Delete: &types.DeleteReplicaAction{RegionName: us}}
	if err := update(add); err != nil {
		t.Fatal(err)
	}
	if exists := (*types.ReplicaAlreadyExistsException)(nil); !errors.As(update(add), &exists) {
		t.Error("a replica was added twice")
	}
	d, err := db.DescribeGlobalTable(ctx, &dynamodb.DescribeGlobalTableInput{GlobalTableName: name})
	if err != nil || d.GlobalTableDescription.GlobalTableStatus != types.GlobalTableStatusActive || len(d.GlobalTableDescription.ReplicationGroup) != 2 || d.GlobalTableDescription.CreationDateTime.UnixMilli() != 1_700_000_000_123 {
		t.Errorf("described %+v, %v", d, err)
	}
	r.expect("ListGlobalTables", `{}`, `{"GlobalTables":[{"GlobalTableName":"events","ReplicationGroup":[{"RegionName":"eu-west-1"},{"RegionName":"us-east-1"}]}]}`)
	r.expect("ListGlobalTables", `{"RegionName":"ap-south-1"}`, `{"GlobalTables":[]}`)
	r.must("CreateGlobalTable", `{"GlobalTableName":"notes","ReplicationGroup":[{"RegionName":"eu-west-1"}]}`)
	r.expect("ListGlobalTables", `{"Limit":1,"RegionName":"us-east-1"}`, `{"GlobalTables":[{"GlobalTableName":"events","ReplicationGroup":[{"RegionName":"eu-west-1"},{"RegionName":"us-east-1"}]}]}`)
	if page := r.must("ListGlobalTables", `{"Limit":1}`); !strings.HasSuffix(page, `"LastEvaluatedGlobalTableName":"events"}`) {
		t.Errorf("page %s", page)
	}
	if page := r.must("ListGlobalTables", `{"ExclusiveStartGlobalTableName":"events"}`); !strings.HasPrefix(page, `{"GlobalTables":[{"GlobalTableName":"notes"`) {
		t.Errorf("page %s", page)
	}
	if err := update(remove); err != nil {
		t.Fatal(err)
	}
	if gone := (*types.ReplicaNotFoundException)(nil); !errors.As(update(remove), &gone) {
		t.Error("a replica was removed twice")
	}
}

// D2: the settings of a global table in its older form.
func TestD2_SettingsOfGlobalTablesOf2017(t *testing.T) {
	r := newRegion(t)
	r.must("CreateTable", creation("orders", `,"ProvisionedThroughput":`+five+`,"GlobalSecondaryIndexes":[{"IndexName":"same","KeySchema":[{"AttributeName":"pk","KeyType":"HASH"}],"Projection":{"ProjectionType":"ALL"},"ProvisionedThroughput":`+five+`}]`))
	r.must("CreateGlobalTable", `{"GlobalTableName":"orders","ReplicationGroup":[{"RegionName":"eu-west-1"},{"RegionName":"us-east-1"}]}`)
	settings := func(region, reads, writes, class, indexReads, indexWrites string) string {
		return `{"RegionName":"` + region + `","ReplicaStatus":"ACTIVE","ReplicaBillingModeSummary":{"BillingMode":"PROVISIONED"},"ReplicaProvisionedReadCapacityUnits":` + reads +
			`,"ReplicaProvisionedWriteCapacityUnits":` + writes + `,"ReplicaTableClassSummary":{"TableClass":"` + class + `"},"ReplicaGlobalSecondaryIndexSettings":[{"IndexName":"same","ProvisionedReadCapacityUnits":` + indexReads + `,"ProvisionedWriteCapacityUnits":` + indexWrites + `}]}`
	}
	r.expect("DescribeGlobalTableSettings", `{"GlobalTableName":"orders"}`, `{"GlobalTableName":"orders","ReplicaSettings":[`+
		settings("eu-west-1", "5", "5", "STANDARD", "5", "5")+`,`+settings("us-east-1", "5", "5", "STANDARD", "5", "5")+`]}`)
	r.expect("UpdateGlobalTableSettings", `{"GlobalTableName":"orders","GlobalTableProvisionedWriteCapacityUnits":9,"GlobalTableGlobalSecondaryIndexSettingsUpdate":[{"IndexName":"same","ProvisionedWriteCapacityUnits":8}],
		"ReplicaSettingsUpdate":[{"RegionName":"us-east-1","ReplicaProvisionedReadCapacityUnits":7,"ReplicaTableClass":"STANDARD_INFREQUENT_ACCESS","ReplicaGlobalSecondaryIndexSettingsUpdate":[{"IndexName":"same","ProvisionedReadCapacityUnits":6}]}]}`,
		`{"GlobalTableName":"orders","ReplicaSettings":[`+settings("eu-west-1", "5", "9", "STANDARD", "5", "8")+`,`+settings("us-east-1", "7", "9", "STANDARD_INFREQUENT_ACCESS", "6", "8")+`]}`)
	for body, kind := range map[string]string{
		`"ReplicaSettingsUpdate":[{"RegionName":"ap-south-1"}]`:                                   "ReplicaNotFoundException",
		`"GlobalTableGlobalSecondaryIndexSettingsUpdate":[{"IndexName":"none"}]`:                  "IndexNotFoundException",
		`"GlobalTableProvisionedWriteCapacityAutoScalingSettingsUpdate":{}`:                       "ValidationException",
		`"GlobalTableBillingMode":"PAY_PER_REQUEST","GlobalTableProvisionedWriteCapacityUnits":1`: "ValidationException",
	} {
		r.refuse("UpdateGlobalTableSettings", `{"GlobalTableName":"orders",`+body+`}`, kind, "")
	}
	if got := r.must("UpdateGlobalTableSettings", `{"GlobalTableName":"orders","GlobalTableBillingMode":"PAY_PER_REQUEST"}`); strings.Count(got, "PAY_PER_REQUEST") != 2 {
		t.Errorf("settings %s", got)
	}
	r.refuse("DescribeGlobalTableSettings", `{"GlobalTableName":"none"}`, "GlobalTableNotFoundException", "none")
}

// D1: local indexes have no throughput of their own, and none has to be given.
func TestD1_LocalIndexesShareTheirTablesThroughput(t *testing.T) {
	r := newRegion(t)
	r.must("CreateTable", `{"TableName":"orders","AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"},{"AttributeName":"sk","AttributeType":"S"},{"AttributeName":"at","AttributeType":"N"}],
		"KeySchema":[{"AttributeName":"pk","KeyType":"HASH"},{"AttributeName":"sk","KeyType":"RANGE"}],"BillingMode":"PAY_PER_REQUEST",
		"LocalSecondaryIndexes":[{"IndexName":"by-at","KeySchema":[{"AttributeName":"pk","KeyType":"HASH"},{"AttributeName":"at","KeyType":"RANGE"}],"Projection":{"ProjectionType":"ALL"}}]}`)
	r.must("UpdateTable", `{"TableName":"orders","BillingMode":"PROVISIONED","ProvisionedThroughput":`+five+`}`)
	r.must("UpdateTable", `{"TableName":"orders","ReplicaUpdates":[{"Create":{"RegionName":"us-east-1"}}]}`)
	for _, body := range []string{r.must("DescribeTable", `{"TableName":"orders"}`), r.must("DescribeGlobalTableSettings", `{"GlobalTableName":"orders"}`)} {
		if strings.Contains(body, `GlobalSecondaryIndex`) {
			t.Errorf("described %s", body)
		}
	}
}

// D2: a region describes its replica as it is there, and what is asked for there
// holds there.
func TestD2_ARegionDescribesItsOwnReplica(t *testing.T) {
	r := newRegion(t).tables()
	db, ctx, name := r.sdk(admin), t.Context(), aws.String("events")
	units := func(n int64) *types.ProvisionedThroughput {
		return &types.ProvisionedThroughput{ReadCapacityUnits: aws.Int64(n), WriteCapacityUnits: aws.Int64(5)}
	}
	update := func(in dynamodb.UpdateTableInput) {
		t.Helper()
		in.TableName = name
		if _, err := db.UpdateTable(ctx, &in); err != nil {
			t.Fatal(err)
		}
	}
	want := func(reads, ofIndex int64, class types.TableClass) {
		t.Helper()
		out, err := db.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: name})
		if err != nil {
			t.Fatal(err)
		}
		d := out.Table
		if *d.ProvisionedThroughput.ReadCapacityUnits != reads || *d.GlobalSecondaryIndexes[0].ProvisionedThroughput.ReadCapacityUnits != ofIndex || d.TableClassSummary.TableClass != class {
			t.Errorf("%d %d %s of %+v", reads, ofIndex, class, d)
		}
	}
	var all []types.GlobalSecondaryIndexUpdate
	for _, x := range []string{"by-color", "colors"} {
		all = append(all, types.GlobalSecondaryIndexUpdate{Update: &types.UpdateGlobalSecondaryIndexAction{IndexName: aws.String(x), ProvisionedThroughput: units(5)}})
	}
	update(dynamodb.UpdateTableInput{BillingMode: types.BillingModeProvisioned, ProvisionedThroughput: units(5), GlobalSecondaryIndexUpdates: all})
	want(5, 5, types.TableClassStandard)
	if _, err := r.catalog.UpdateTable(ctx, *name, func(t *table.Table) error { // as another region does
		t.Settings.SetReplica("eu-west-1", func(s *table.ReplicaSettings) {
			*s = table.ReplicaSettings{Read: 70, Class: table.InfrequentAccess, Indexes: map[string]table.ReplicaIndex{*all[0].Update.IndexName: {Read: 80}}}
		})
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	want(70, 80, types.TableClassStandardInfrequentAccess)
	r.refuse("UpdateTable", `{"TableName":"events","ProvisionedThroughput":{"ReadCapacityUnits":70,"WriteCapacityUnits":5}}`, "ValidationException", "will not change")
	update(dynamodb.UpdateTableInput{ProvisionedThroughput: units(6)})
	want(6, 80, types.TableClassStandardInfrequentAccess)
	update(dynamodb.UpdateTableInput{TableClass: types.TableClassStandard})
	all[0].Update.ProvisionedThroughput = units(9)
	update(dynamodb.UpdateTableInput{GlobalSecondaryIndexUpdates: all[:1]})
	want(6, 9, types.TableClassStandard)
	if left, _ := r.catalog.Table(*name); left.Settings.Replicas != nil {
		t.Errorf("left %+v", left.Settings.Replicas)
	}
}

// D2: a region that is still giving up its replica gets none; who asks may ask
// again later.
func TestD2_AReplicaIsAddedAgainOnceItIsGone(t *testing.T) {
	r := newRegion(t).tables()
	leaving := func(replicas ...table.Replica) {
		if _, err := r.catalog.UpdateTable(t.Context(), "notes", func(t *table.Table) error { t.Leaving = replicas; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	add := `{"TableName":"notes","ReplicaUpdates":[{"Create":{"RegionName":"us-east-1"}}]}`
	leaving(table.Replica{Region: "us-east-1", ID: 2})
	r.refuse("UpdateTable", add, "ResourceInUseException", "Replica of table notes is being deleted in region us-east-1")
	leaving()
	r.must("UpdateTable", add)
}

// D2: an index that gets the name of a removed one has none of its settings.
func TestD2_ReplicasForgetARemovedIndex(t *testing.T) {
	r := newRegion(t).tables()
	r.must("UpdateTable", `{"TableName":"events","ReplicaUpdates":[{"Create":{"RegionName":"us-east-1","GlobalSecondaryIndexes":[{"IndexName":"colors","OnDemandThroughputOverride":{"MaxReadRequestUnits":3}}]}}]}`)
	r.must("UpdateTable", `{"TableName":"events","GlobalSecondaryIndexUpdates":[{"Delete":{"IndexName":"colors"}}]}`)
	if left, _ := r.catalog.Table("events"); left.Settings.Replicas != nil {
		t.Errorf("left %+v", left.Settings.Replicas)
	}
}
