package dynamo_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/meridian-run/meridian/internal/table"
)

func TestD2_TablesAndTheirReplicasThroughTheAWSSDK(t *testing.T) {
	r := newRegion(t)
	db := r.sdk(admin)
	ctx := t.Context()
	created, err := db.CreateTable(ctx, &dynamodb.CreateTableInput{
		TableName: aws.String("orders"), BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String("id"), AttributeType: types.ScalarAttributeTypeB},
			{AttributeName: aws.String("at"), AttributeType: types.ScalarAttributeTypeN},
			{AttributeName: aws.String("who"), AttributeType: types.ScalarAttributeTypeS},
		},
		KeySchema: []types.KeySchemaElement{{AttributeName: aws.String("id"), KeyType: types.KeyTypeHash}, {AttributeName: aws.String("at"), KeyType: types.KeyTypeRange}},
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{{
			IndexName: aws.String("by-who"), KeySchema: []types.KeySchemaElement{{AttributeName: aws.String("who"), KeyType: types.KeyTypeHash}},
			Projection: &types.Projection{ProjectionType: types.ProjectionTypeInclude, NonKeyAttributes: []string{"total"}},
		}},
	})
	if err != nil || created.TableDescription.TableStatus != types.TableStatusCreating {
		t.Fatalf("created %+v, %v", created, err)
	}
	if err := dynamodb.NewTableExistsWaiter(db).Wait(ctx, &dynamodb.DescribeTableInput{TableName: aws.String("orders")}, time.Minute); err != nil {
		t.Fatal(err)
	}
	described, err := db.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String("orders")})
	if err != nil {
		t.Fatal(err)
	}
	d := described.Table
	x := d.GlobalSecondaryIndexes[0]
	if d.TableStatus != types.TableStatusActive || len(d.AttributeDefinitions) != 3 || *d.KeySchema[1].AttributeName != "at" || d.KeySchema[1].KeyType != types.KeyTypeRange ||
		*d.TableArn != "arn:aws:dynamodb:eu-west-1:000000000000:table/orders" || d.CreationDateTime.UnixMilli() != 1_700_000_000_123 || d.BillingModeSummary.BillingMode != types.BillingModePayPerRequest ||
		*x.IndexName != "by-who" || x.IndexStatus != types.IndexStatusActive || x.Projection.NonKeyAttributes[0] != "total" {
		t.Errorf("described %+v", d)
	}
	updated, err := db.UpdateTable(ctx, &dynamodb.UpdateTableInput{TableName: aws.String("orders"), ReplicaUpdates: []types.ReplicationGroupUpdate{
		{Create: &types.CreateReplicationGroupMemberAction{RegionName: aws.String("us-east-1")}},
	}})
	if err != nil || updated.TableDescription.TableStatus != types.TableStatusUpdating || len(updated.TableDescription.Replicas) != 2 {
		t.Fatalf("updated %+v, %v", updated, err)
	}
	// With a replica elsewhere, deleting takes the one here.
	if _, err := db.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: aws.String("orders")}); err != nil {
		t.Fatal(err)
	}
	if err := dynamodb.NewTableNotExistsWaiter(db).Wait(ctx, &dynamodb.DescribeTableInput{TableName: aws.String("orders")}, time.Minute); err != nil {
		t.Error(err)
	}
	if left, ok := r.catalog.Table("orders"); !ok || left.In("eu-west-1") || !left.In("us-east-1") {
		t.Errorf("left %+v", left)
	}
}

// Two regions delete a table at once: each removes its replica, and the one that
// comes second the table, also if it does not know of the first one yet.
func TestD2_TheLastReplicaIsDeletedByARegionThatIsBehind(t *testing.T) {
	r := newRegion(t).tables()
	ctx := t.Context()
	both := []table.Replica{{Region: "eu-west-1"}, {Region: "us-east-1"}}
	if _, err := r.catalog.UpdateTable(ctx, "notes", func(t *table.Table) error { t.Replicas = both; return nil }); err != nil {
		t.Fatal(err)
	}
	known := r.catalog.Tables()
	if _, err := r.catalog.UpdateTable(ctx, "notes", func(t *table.Table) error { t.Replicas = both[:1]; return nil }); err != nil {
		t.Fatal(err)
	}
	r.catalog.behind = known
	if _, err := r.sdk(admin).DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: aws.String("notes")}); err != nil {
		t.Error(err)
	}
	r.catalog.behind = nil
	if left, ok := r.catalog.Table("notes"); ok {
		t.Errorf("left %+v", left)
	}
}

func TestTablesAreListedInOrderAndPages(t *testing.T) {
	r := newRegion(t)
	for _, name := range []string{"ccc", "aaa", "bbb"} {
		r.must("CreateTable", `{"TableName":"`+name+`","AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"}],"KeySchema":[{"AttributeName":"pk","KeyType":"HASH"}],"BillingMode":"PAY_PER_REQUEST"}`)
	}
	r.expect("ListTables", `{}`, `{"TableNames":["aaa","bbb","ccc"]}`)
	r.expect("ListTables", `{"Limit":2}`, `{"TableNames":["aaa","bbb"],"LastEvaluatedTableName":"bbb"}`)
	r.expect("ListTables", `{"Limit":2,"ExclusiveStartTableName":"bbb"}`, `{"TableNames":["ccc"]}`)
	r.refuse("ListTables", `{"Limit":101}`, "ValidationException", "Member must have value less than or equal to 100")
	r.expect("DeleteTable", `{"TableName":"bbb"}`, strings.Replace(strings.Replace(r.must("DescribeTable", `{"TableName":"bbb"}`), `{"Table":`, `{"TableDescription":`, 1), "ACTIVE", "DELETING", 1))
	r.expect("ListTables", `{}`, `{"TableNames":["aaa","ccc"]}`)
}

func TestTheRestOfTheTableAPI(t *testing.T) {
	r := newRegion(t).tables()
	r.expect("DescribeTimeToLive", `{"TableName":"notes"}`, `{"TimeToLiveDescription":{"TimeToLiveStatus":"DISABLED"}}`)
	r.expect("UpdateTimeToLive", `{"TableName":"notes","TimeToLiveSpecification":{"AttributeName":"dies","Enabled":true}}`, `{"TimeToLiveSpecification":{"AttributeName":"dies","Enabled":true}}`)
	v := "ValidationException"
	r.refuse("UpdateTimeToLive", `{"TableName":"notes","TimeToLiveSpecification":{"AttributeName":"dies","Enabled":true}}`, v, "TimeToLive is already enabled")
	r.refuse("UpdateTimeToLive", `{"TableName":"notes","TimeToLiveSpecification":{"AttributeName":"x","Enabled":false}}`, v, "TimeToLive is active on a different AttributeName: current AttributeName is dies")
	if got := r.must("DescribeLimits", `{}`); !strings.Contains(got, `"TableMaxReadCapacityUnits":40000`) {
		t.Errorf("limits %s", got)
	}
	if got := r.must("DescribeEndpoints", `{}`); !strings.Contains(got, strings.TrimPrefix(r.url, "http://")) {
		t.Errorf("endpoints %s", got)
	}
	r.expect("UpdateTable", `{"TableName":"notes","BillingMode":"PAY_PER_REQUEST"}`, strings.NewReplacer(`{"Table":`, `{"TableDescription":`, `"TableStatus":"ACTIVE"`, `"TableStatus":"UPDATING"`).Replace(r.must("DescribeTable", `{"TableName":"notes"}`)))
}

func TestExpiredItemsAreNotSeen(t *testing.T) {
	r := newRegion(t).tables()
	r.must("UpdateTimeToLive", `{"TableName":"notes","TimeToLiveSpecification":{"AttributeName":"dies","Enabled":true}}`)
	for pk, dies := range map[string]string{"past": `{"N":"` + unix(-time.Hour) + `"}`, "future": `{"N":"` + unix(time.Hour) + `"}`, "text": `{"S":"1"}`, "ancient": `{"N":"1"}`} {
		r.must("PutItem", `{"TableName":"notes","Item":{"pk":{"S":"`+pk+`"},"dies":`+dies+`}}`)
		got := r.must("GetItem", `{"TableName":"notes","Key":{"pk":{"S":"`+pk+`"}}}`)
		if gone := got == `{}`; gone != (pk == "past") {
			t.Errorf("%s: %s", pk, got)
		}
	}
}

func unix(d time.Duration) string { return strconv.FormatInt(time.Now().Add(d).Unix(), 10) }

func TestBadTablesAreRefusedInAWSsWords(t *testing.T) {
	r := newRegion(t).tables()
	r.catalog.tables = append(r.catalog.tables, table.Table{ID: 77, Name: "spec-table", Key: table.Attribute{Name: "pk", Type: "S"}, Owner: table.OwnerSpec, Replicas: []table.Replica{{Region: "eu-west-1", ID: 1}, {Region: "us-east-1", ID: 2}}})
	r.must("PutItem", `{"TableName":"notes","Item":{"pk":{"S":"a"}}}`)
	v := "ValidationException"
	create := func(definitions, schema, more string) string {
		return `{"TableName":"more","AttributeDefinitions":[` + definitions + `],"KeySchema":[` + schema + `],"BillingMode":"PAY_PER_REQUEST"` + more + `}`
	}
	pk, hash := `{"AttributeName":"pk","AttributeType":"S"}`, `{"AttributeName":"pk","KeyType":"HASH"}`
	x := `{"AttributeName":"x","AttributeType":"S"}`
	for _, c := range []struct{ operation, body, kind, words string }{
		{"CreateTable", `{"TableName":"ab"}`, v, "3 validation errors detected"},
		{"CreateTable", `{"TableName":"notes","AttributeDefinitions":[` + pk + `],"KeySchema":[` + hash + `],"BillingMode":"PAY_PER_REQUEST"}`, "ResourceInUseException", "Table already exists: notes"},
		{"CreateTable", create(pk, `{"AttributeName":"pk","KeyType":"RANGE"}`, ""), v, "Invalid KeySchema: The first KeySchemaElement is not a HASH key type"},
		{"CreateTable", create(pk, hash+","+hash, ""), v, "Invalid KeySchema: The second KeySchemaElement is not a RANGE key type"},
		{"CreateTable", create(pk, `{"AttributeName":"x","KeyType":"HASH"}`, ""), v, "Some index key attributes are not defined in AttributeDefinitions. Keys: [x], AttributeDefinitions: [pk]"},
		{"CreateTable", create(pk+","+x, hash, ""), v, "Number of attributes in KeySchema does not exactly match number of attributes defined in AttributeDefinitions"},
		{"CreateTable", create(`{"AttributeName":"pk","AttributeType":"BOOL"}`, hash, ""), v, "Member must satisfy enum value set: [B, N, S]"},
		{"CreateTable", strings.Replace(create(pk, hash, ""), "PAY_PER_REQUEST", "FREE", 1), v, "Value 'FREE' at 'billingMode' failed to satisfy constraint"},
		{"CreateTable", create(pk+","+x, hash, `,"LocalSecondaryIndexes":[{"IndexName":"idx","KeySchema":[`+hash+`],"Projection":{}}]`), v, "Table KeySchema does not have a range key"},
		{"CreateTable", create(pk, hash, `,"StreamSpecification":{"StreamEnabled":true}`), v, "StreamViewType is required when StreamEnabled is true"},
		{"CreateTable", create(pk, hash, `,"StreamSpecification":{"StreamEnabled":false,"StreamViewType":"KEYS_ONLY"}`), v, "StreamViewType cannot be specified when StreamEnabled is false"},
		{"CreateTable", create(pk, hash, `,"StreamSpecification":{"StreamViewType":"KEYS_ONLY"}`), v, "Value null at 'streamSpecification.streamEnabled' failed to satisfy constraint: Member must not be null"},
		{"CreateTable", create(pk, hash, `,"StreamSpecification":{"StreamEnabled":true,"StreamViewType":"ALL"}`), v, "Value 'ALL' at 'streamSpecification.streamViewType' failed to satisfy constraint: Member must satisfy enum value set: [NEW_AND_OLD_IMAGES, KEYS_ONLY, OLD_IMAGE, NEW_IMAGE]"},
		{"CreateTable", create(pk+","+x, hash, `,"GlobalSecondaryIndexes":[{"IndexName":"idx","KeySchema":[{"AttributeName":"x","KeyType":"HASH"}],"Projection":{}}]`), v, "Unknown ProjectionType: null"},
		{"CreateTable", create(pk+","+x, hash, `,"GlobalSecondaryIndexes":[{"IndexName":"idx","KeySchema":[{"AttributeName":"x","KeyType":"HASH"}],"Projection":{"ProjectionType":"ALL","NonKeyAttributes":["a"]}}]`), v, "ProjectionType is ALL, but NonKeyAttributes is specified"},
		{"DescribeTable", `{"TableName":"none"}`, "ResourceNotFoundException", "Requested resource not found: Table: none not found"},
		{"DeleteTable", `{"TableName":"none"}`, "ResourceNotFoundException", "Requested resource not found: Table: none not found"},
		{"DeleteTable", `{"TableName":"spec-table"}`, v, "spec-table belongs to the spec"},
		{"UpdateTable", `{"TableName":"notes"}`, v, "At least one of"},
		{"UpdateTable", `{"TableName":"events","ReplicaUpdates":[{"Create":{"RegionName":"eu-west-1"}}]}`, v, "Cannot add, delete, or update the local region"},
		{"UpdateTable", `{"TableName":"events","MultiRegionConsistency":"STRONG","ReplicaUpdates":[{"Create":{"RegionName":"us-east-1"}}]}`, v, "MultiRegionConsistency STRONG is not supported"},
		{"UpdateTable", `{"TableName":"events","GlobalTableWitnessUpdates":[{"Create":{"RegionName":"us-east-1"}}]}`, v, "GlobalTableWitnessUpdates is not supported"},
		{"UpdateTable", `{"TableName":"events","ReplicaUpdates":[{"Delete":{"RegionName":"us-east-1"}}]}`, v, "replicas were not part of the global table. Please retry the request without these replicas: [us-east-1]."},
		{"UpdateTable", `{"TableName":"events","ReplicaUpdates":[{"Delete":{"RegionName":"eu-west-1"}}]}`, v, "Cannot add, delete, or update the local region"},
		{"UpdateTable", `{"TableName":"events","ReplicaUpdates":[{}]}`, v, "There are no actions specified in the Replica Update Action"},
		{"UpdateTable", `{"TableName":"spec-table","ReplicaUpdates":[{"Delete":{"RegionName":"us-east-1"}}]}`, v, "belongs to the spec"},
	} {
		r.refuse(c.operation, c.body, c.kind, c.words)
	}
}

// What defines indexes has its form checked first, as every other parameter.
func TestD2_DefinitionsOfIndexesHaveTheirForm(t *testing.T) {
	r := newRegion(t).tables()
	create := func(indexes string) string {
		return `{"TableName":"orders","BillingMode":"PAY_PER_REQUEST","AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"}],"KeySchema":[{"AttributeName":"pk","KeyType":"HASH"}],` + indexes + `}`
	}
	key := `"KeySchema":[{"AttributeName":"pk","KeyType":"HASH"}]`
	many := `"a0"` + strings.Repeat(`,"a"`, 20)
	null := func(at string) string {
		return "Value null at '" + at + "' failed to satisfy constraint: Member must not be null"
	}
	for _, c := range []struct{ operation, body, words string }{
		{"CreateTable", create(`"GlobalSecondaryIndexes":[{}]`), "3 validation errors detected: " + null("globalSecondaryIndexes.1.member.projection") + "; " + null("globalSecondaryIndexes.1.member.indexName") + "; " + null("globalSecondaryIndexes.1.member.keySchema")},
		{"CreateTable", create(`"LocalSecondaryIndexes":[{"IndexName":"abc",` + key + `}]`), "1 validation error detected: " + null("localSecondaryIndexes.1.member.projection")},
		{"CreateTable", create(`"GlobalSecondaryIndexes":[{"IndexName":"abc","KeySchema":[{"AttributeName":"pk"}],"Projection":{"ProjectionType":"ALL"}}]`), null("globalSecondaryIndexes.1.member.keySchema.1.member.keyType")},
		{"CreateTable", create(`"GlobalSecondaryIndexes":[{"IndexName":"abc",` + key + `,"Projection":{"ProjectionType":"SOME"}}]`), "Value 'SOME' at 'globalSecondaryIndexes.1.member.projection.projectionType' failed to satisfy constraint: Member must satisfy enum value set: [ALL, INCLUDE, KEYS_ONLY]"},
		{"CreateTable", create(`"GlobalSecondaryIndexes":[{"IndexName":"abc",` + key + `,"Projection":{"ProjectionType":"INCLUDE","NonKeyAttributes":[` + many + `]}}]`), "at 'globalSecondaryIndexes.1.member.projection.nonKeyAttributes' failed to satisfy constraint: Member must have length less than or equal to 20"},
		{"UpdateTable", `{"TableName":"notes","GlobalSecondaryIndexUpdates":[{"Create":{"IndexName":"abc",` + key + `,"Projection":{"ProjectionType":"INCLUDE","NonKeyAttributes":[]}}}]}`, "Value '[]' at 'globalSecondaryIndexUpdates.1.member.create.projection.nonKeyAttributes' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"UpdateTable", `{"TableName":"notes","GlobalSecondaryIndexUpdates":[{"Delete":{}}]}`, "1 validation error detected: " + null("globalSecondaryIndexUpdates.1.member.delete.indexName")},
		{"UpdateTimeToLive", `{"TableName":"notes","TimeToLiveSpecification":{}}`, "2 validation errors detected: " + null("timeToLiveSpecification.enabled") + "; " + null("timeToLiveSpecification.attributeName")},
	} {
		r.refuse(c.operation, c.body, "ValidationException", c.words)
	}
}
