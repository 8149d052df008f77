package dynamo_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"
)

// creation is a CreateTable of a table with the key pk and, perhaps, more.
func creation(name, more string) string {
	return `{"TableName":"` + name + `","AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"}],"KeySchema":[{"AttributeName":"pk","KeyType":"HASH"}]` + more + `}`
}

const (
	byRequest = `,"BillingMode":"PAY_PER_REQUEST"`
	five      = `{"ReadCapacityUnits":5,"WriteCapacityUnits":5}`
)

// described are the members of a table's description that are named.
func (r *region) described(table string, members ...string) map[string]any {
	r.t.Helper()
	var answer struct{ Table map[string]any }
	if err := json.Unmarshal([]byte(r.must("DescribeTable", `{"TableName":"`+table+`"}`)), &answer); err != nil {
		r.t.Fatal(err)
	}
	got := map[string]any{}
	for _, m := range members {
		got[m] = answer.Table[m]
	}
	return got
}

// D1: how a table is billed is kept, shown and changed, with AWS's words for
// what does not go together.
func TestD1_ThroughputIsKeptShownAndChanged(t *testing.T) {
	r := newRegion(t)
	v := "ValidationException"
	for more, words := range map[string]string{
		``:                             "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED",
		`,"BillingMode":"PROVISIONED"`: "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED",
		byRequest + `,"ProvisionedThroughput":` + five:                                         "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST",
		`,"ProvisionedThroughput":{"ReadCapacityUnits":0}`:                                     "2 validation errors detected: Value null at 'provisionedThroughput.writeCapacityUnits' failed to satisfy constraint: Member must not be null; Value '0' at 'provisionedThroughput.readCapacityUnits' failed to satisfy constraint: Member must have value greater than or equal to 1",
		`,"ProvisionedThroughput":{"ReadCapacityUnits":1000000000001,"WriteCapacityUnits":1}`:  "Given value 1000000000001 for ReadCapacityUnits is out of bounds",
		`,"ProvisionedThroughput":` + five + `,"OnDemandThroughput":{"MaxReadRequestUnits":1}`: "MaxReadRequestUnits for OnDemandThroughput cannot be specified when the table BillingMode is PROVISIONED",
		byRequest + `,"OnDemandThroughput":{"MaxWriteRequestUnits":-1}`:                        "Requested MaxWriteRequestUnits for OnDemandThroughput for table is outside of valid range",
		byRequest + `,"WarmThroughput":{"ReadUnitsPerSecond":11999}`:                           "Requested ReadUnitsPerSecond for WarmThroughput for table is lower than initial throughput for OnDemand",
		`,"ProvisionedThroughput":` + five + `,"WarmThroughput":{"WriteUnitsPerSecond":4}`:     "lower than WriteCapacityUnits of ProvisionedThroughput",
	} {
		r.refuse("CreateTable", creation("orders", more), v, words)
	}
	r.must("CreateTable", creation("orders", `,"ProvisionedThroughput":`+five))
	update := func(change string) string { return `{"TableName":"orders",` + change + `}` }
	show := []string{"BillingModeSummary", "ProvisionedThroughput", "OnDemandThroughput", "WarmThroughput"}
	throughput := func(read, write float64) map[string]any {
		return map[string]any{"NumberOfDecreasesToday": 0.0, "ReadCapacityUnits": read, "WriteCapacityUnits": write}
	}
	warm := func(read, write float64) map[string]any {
		return map[string]any{"ReadUnitsPerSecond": read, "WriteUnitsPerSecond": write, "Status": "ACTIVE"}
	}
	want := map[string]any{
		"BillingModeSummary": map[string]any{"BillingMode": "PROVISIONED"}, "ProvisionedThroughput": throughput(5, 5),
		"OnDemandThroughput": nil, "WarmThroughput": warm(5, 5),
	}
	if diff := cmp.Diff(r.described("orders", show...), want); diff != "" {
		t.Errorf("new table (-got +want):\n%s", diff)
	}
	r.refuse("UpdateTable", update(`"ProvisionedThroughput":`+five), v, "The provisioned throughput for the table will not change. The requested value equals the current value. Current ReadCapacityUnits provisioned for the table: 5. Requested ReadCapacityUnits: 5. Current WriteCapacityUnits provisioned for the table: 5. Requested WriteCapacityUnits: 5. Refer to the Amazon DynamoDB Developer Guide")
	r.refuse("UpdateTable", update(`"BillingMode":"PROVISIONED"`), v, "ProvisionedThroughput must be specified when BillingMode is PROVISIONED")
	r.refuse("UpdateTable", update(`"OnDemandThroughput":{"MaxReadRequestUnits":7}`), v, "when the table BillingMode is PROVISIONED")
	r.must("UpdateTable", update(`"ProvisionedThroughput":{"ReadCapacityUnits":7,"WriteCapacityUnits":3}`))
	p := r.described("orders", show...)["ProvisionedThroughput"].(map[string]any)
	if p["ReadCapacityUnits"] != 7.0 || p["NumberOfDecreasesToday"] != 1.0 || p["LastIncreaseDateTime"] == nil || p["LastDecreaseDateTime"] == nil {
		t.Errorf("changed throughput %v", p)
	}
	r.must("UpdateTable", update(`"BillingMode":"PAY_PER_REQUEST","OnDemandThroughput":{"MaxReadRequestUnits":70}`))
	want["ProvisionedThroughput"], want["WarmThroughput"] = throughput(0, 0), warm(12000, 4000)
	want["OnDemandThroughput"] = map[string]any{"MaxReadRequestUnits": 70.0, "MaxWriteRequestUnits": -1.0}
	got := r.described("orders", show...)
	mode := got["BillingModeSummary"].(map[string]any)
	if mode["BillingMode"] != "PAY_PER_REQUEST" || mode["LastUpdateToPayPerRequestDateTime"] == nil {
		t.Errorf("billed by %v", mode)
	}
	want["BillingModeSummary"] = got["BillingModeSummary"]
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("billed by request (-got +want):\n%s", diff)
	}
	r.refuse("UpdateTable", update(`"ProvisionedThroughput":`+five), v, "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST")
	r.must("UpdateTable", update(`"OnDemandThroughput":{"MaxReadRequestUnits":-1}`))
	r.must("UpdateTable", update(`"WarmThroughput":{"ReadUnitsPerSecond":20000}`))
	r.refuse("UpdateTable", update(`"WarmThroughput":{"ReadUnitsPerSecond":19000}`), v, "decreasing WarmThroughput is not supported")
	got = r.described("orders", show...)
	if diff := cmp.Diff(got["WarmThroughput"], any(warm(20000, 4000))); got["OnDemandThroughput"] != nil || diff != "" {
		t.Errorf("bound %v, warm (-got +want):\n%s", got["OnDemandThroughput"], diff)
	}
}

// D1: an index is billed as its table is.
func TestD1_IndexesHaveThroughputOfTheirOwn(t *testing.T) {
	r := newRegion(t)
	index := func(more string) string {
		return `,"GlobalSecondaryIndexes":[{"IndexName":"same","KeySchema":[{"AttributeName":"pk","KeyType":"HASH"}],"Projection":{"ProjectionType":"ALL"}` + more + `}]`
	}
	v := "ValidationException"
	r.refuse("CreateTable", creation("orders", byRequest+index(`,"ProvisionedThroughput":`+five)), v, "ProvisionedThroughput should not be specified for index: same when BillingMode is PAY_PER_REQUEST")
	r.refuse("CreateTable", creation("orders", `,"ProvisionedThroughput":`+five+index("")), v, "ProvisionedThroughput is not specified for index: same")
	r.refuse("CreateTable", creation("orders", `,"ProvisionedThroughput":`+five+index(`,"ProvisionedThroughput":{}`)), v, "Value null at 'globalSecondaryIndexes.1.member.provisionedThroughput.writeCapacityUnits' failed to satisfy constraint: Member must not be null")
	r.must("CreateTable", creation("orders", byRequest+index("")))
	update := func(units string) string {
		return `"GlobalSecondaryIndexUpdates":[{"Update":{"IndexName":"same","ProvisionedThroughput":` + units + `}}]`
	}
	r.refuse("UpdateTable", `{"TableName":"orders","BillingMode":"PROVISIONED","ProvisionedThroughput":`+five+`}`, v, "ProvisionedThroughput must be specified for index: same")
	r.refuse("UpdateTable", `{"TableName":"orders",`+update(five)+`}`, v, "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified for index: same when BillingMode is PAY_PER_REQUEST")
	r.must("UpdateTable", `{"TableName":"orders","BillingMode":"PROVISIONED","ProvisionedThroughput":`+five+`,`+update(five)+`}`)
	r.refuse("UpdateTable", `{"TableName":"orders",`+update(five)+`}`, v, "The provisioned throughput for the index same will not change.")
	r.must("UpdateTable", `{"TableName":"orders",`+update(`{"ReadCapacityUnits":6,"WriteCapacityUnits":5}`)+`}`)
	indexes := fmt.Sprint(r.described("orders", "GlobalSecondaryIndexes"))
	if !strings.Contains(indexes, "ReadCapacityUnits:6") || !strings.Contains(indexes, "LastIncreaseDateTime") {
		t.Errorf("indexes %s", indexes)
	}
	r.must("UpdateTable", `{"TableName":"orders","BillingMode":"PAY_PER_REQUEST"}`)
	if indexes := fmt.Sprint(r.described("orders", "GlobalSecondaryIndexes")); !strings.Contains(indexes, "ReadCapacityUnits:0") {
		t.Errorf("indexes %s", indexes)
	}
}

// D1: the other settings of a table, and that each is changed by itself.
func TestD1_SettingsOfATable(t *testing.T) {
	r := newRegion(t)
	v := "ValidationException"
	for more, words := range map[string]string{
		`,"TableClass":"COLD"`: "Invalid table-class parameter provided. Please try again with a valid table-class value: [STANDARD, STANDARD_INFREQUENT_ACCESS].",
		`,"SSESpecification":{"Enabled":false,"SSEType":"KMS"}`:    "SSEType can not be specified if Enabled is false",
		`,"SSESpecification":{"KMSMasterKeyId":"k"}`:               "KMSMasterKeyId can not be specified if Enabled is false",
		`,"SSESpecification":{"Enabled":true,"SSEType":"AES256"}`:  "SSEType AES256 is not supported",
		`,"SSESpecification":{"Enabled":true,"SSEType":"X"}`:       "Value 'X' at 'sSESpecification.sSEType' failed to satisfy constraint: Member must satisfy enum value set: [AES256, KMS]",
		`,"ResourcePolicy":"{}"`:                                   "ResourcePolicy is not supported",
		`,"VectorIndexes":[{}]`:                                    "VectorIndexes is not supported",
		`,"GlobalTableSourceArn":"arn"`:                            "GlobalTableSourceArn is not supported",
		`,"GlobalTableSettingsReplicationMode":"DISABLED"`:         "the same in all of its regions",
		`,"Tags":[{"Key":"a","Value":"1"},{"Key":"a","Value":""}]`: "Duplicate Tag Keys provided as input: Duplicate Tag Key found a",
	} {
		r.refuse("CreateTable", creation("orders", byRequest+more), v, words)
	}
	r.must("CreateTable", creation("orders", byRequest+`,"TableClass":"STANDARD_INFREQUENT_ACCESS","DeletionProtectionEnabled":true,"SSESpecification":{"Enabled":true,"KMSMasterKeyId":"alias/mine"},"Tags":[{"Key":"a","Value":"1"}]`))
	show := []string{"TableClassSummary", "DeletionProtectionEnabled", "SSEDescription"}
	want := map[string]any{
		"TableClassSummary": map[string]any{"TableClass": "STANDARD_INFREQUENT_ACCESS"}, "DeletionProtectionEnabled": true,
		"SSEDescription": map[string]any{"Status": "DISABLED", "SSEType": "KMS", "KMSMasterKeyArn": "alias/mine"},
	}
	if diff := cmp.Diff(r.described("orders", show...), want); diff != "" {
		t.Errorf("new table (-got +want):\n%s", diff)
	}
	for change, words := range map[string]string{
		`"DeletionProtectionEnabled":false,"BillingMode":"PAY_PER_REQUEST"`:                "DeletionProtection modification must be the only operation in the request",
		`"TableClass":"STANDARD","DeletionProtectionEnabled":false`:                        "TableClass modification must be the only operation in the request",
		`"SSESpecification":{},"DeletionProtectionEnabled":false`:                          "Server-Side Encryption modification must be the only operation in the request",
		`"ReplicaUpdates":[{"Create":{"RegionName":"us-east-1"}}],"TableClass":"STANDARD"`: "Replica modification must be the only operation in the request",
		`"WarmThroughput":{"ReadUnitsPerSecond":20000},"BillingMode":"PAY_PER_REQUEST"`:    "WarmThroughput must be the only operation in the request",
		`"SSESpecification":{"Enabled":true,"KMSMasterKeyId":"alias/mine"}`:                "Table is already encrypted with given KMSMasterKeyId",
		`"MultiRegionConsistency":"EVENTUAL"`:                                              "At least one of ProvisionedThroughput, BillingMode",
		`"DisassociationProtectionEnabled":true`:                                           "DisassociationProtectionEnabled is not supported",
		`"AttributeDefinitions":[]`:                                                        "WarmThroughput or TableClass is required",
	} {
		r.refuse("UpdateTable", `{"TableName":"orders",`+change+`}`, v, words)
	}
	r.refuse("DeleteTable", `{"TableName":"orders"}`, v, "Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first.")
	for _, change := range []string{`"TableClass":"STANDARD"`, `"SSESpecification":{"Enabled":false}`, `"DeletionProtectionEnabled":false`} {
		r.must("UpdateTable", `{"TableName":"orders",`+change+`}`)
	}
	r.refuse("UpdateTable", `{"TableName":"orders","SSESpecification":{"Enabled":false}}`, v, "Table is already encrypted by default")
	got := r.described("orders", show...)
	class := got["TableClassSummary"].(map[string]any)
	if class["TableClass"] != "STANDARD" || class["LastUpdateDateTime"] == nil || got["SSEDescription"] != nil || got["DeletionProtectionEnabled"] != false {
		t.Errorf("changed %v", got)
	}
	r.must("DeleteTable", `{"TableName":"orders"}`)
}

// D1: an SDK's waiters see a table come, change and go.
func TestD1_ATablesLifeThroughTheAWSSDK(t *testing.T) {
	r := newRegion(t)
	db, ctx, name := r.sdk(admin), t.Context(), aws.String("orders")
	_, err := db.CreateTable(ctx, &dynamodb.CreateTableInput{
		TableName: name, ProvisionedThroughput: &types.ProvisionedThroughput{ReadCapacityUnits: aws.Int64(5), WriteCapacityUnits: aws.Int64(6)},
		AttributeDefinitions:      []types.AttributeDefinition{{AttributeName: aws.String("pk"), AttributeType: types.ScalarAttributeTypeS}},
		KeySchema:                 []types.KeySchemaElement{{AttributeName: aws.String("pk"), KeyType: types.KeyTypeHash}},
		DeletionProtectionEnabled: aws.Bool(true), Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("a")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	describe := &dynamodb.DescribeTableInput{TableName: name}
	exists := func() *types.TableDescription {
		t.Helper()
		out, err := dynamodb.NewTableExistsWaiter(db).WaitForOutput(ctx, describe, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		return out.Table
	}
	d := exists()
	if *d.ProvisionedThroughput.WriteCapacityUnits != 6 || !*d.DeletionProtectionEnabled || *d.WarmThroughput.ReadUnitsPerSecond != 5 {
		t.Errorf("described %+v", d)
	}
	for _, change := range []*dynamodb.UpdateTableInput{
		{TableName: name, BillingMode: types.BillingModePayPerRequest},
		{TableName: name, DeletionProtectionEnabled: aws.Bool(false)},
		{TableName: name, ReplicaUpdates: []types.ReplicationGroupUpdate{{Create: &types.CreateReplicationGroupMemberAction{RegionName: aws.String("us-east-1"), TableClassOverride: types.TableClassStandardInfrequentAccess}}}},
	} {
		updated, err := db.UpdateTable(ctx, change)
		if err != nil || updated.TableDescription.TableStatus != types.TableStatusUpdating {
			t.Fatalf("updated %+v, %v", updated, err)
		}
		d = exists()
	}
	if len(d.Replicas) != 2 || d.MultiRegionConsistency != types.MultiRegionConsistencyEventual || *d.GlobalTableVersion != "2019.11.21" ||
		d.Replicas[1].ReplicaTableClassSummary.TableClass != types.TableClassStandardInfrequentAccess || *d.Replicas[1].ReplicaArn != "arn:aws:dynamodb:us-east-1:000000000000:table/orders" {
		t.Errorf("global table %+v", d.Replicas)
	}
	tagged, err := db.ListTagsOfResource(ctx, &dynamodb.ListTagsOfResourceInput{ResourceArn: d.TableArn})
	if err != nil || len(tagged.Tags) != 1 || *tagged.Tags[0].Key != "team" {
		t.Errorf("tags %+v, %v", tagged, err)
	}
	if _, err := db.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: name}); err != nil {
		t.Fatal(err)
	}
	if err := dynamodb.NewTableNotExistsWaiter(db).Wait(ctx, describe, time.Minute); err != nil {
		t.Error(err)
	}
}
