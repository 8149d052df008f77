package main

import (
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// changeControl drains, and makes a table in one region with a replica in the
// other, while a node is away. An election may have to come first.
func (w *served) changeControl(in, other, without string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	region := w.spec.RegionNames()[0]
	w.must("drain", region, "--for", "1h", "--why", "the test")
	if out := w.must("undrain", region); !strings.Contains(out, "not drained any more") {
		w.t.Errorf("undrain says %q", out)
	}
	name := "made-without-" + without
	_, err := w.tables(in).CreateTable(ctx, &dynamodb.CreateTableInput{
		TableName:            &name,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("pk"), AttributeType: types.ScalarAttributeTypeS}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("pk"), KeyType: types.KeyTypeHash}},
		BillingMode:          types.BillingModePayPerRequest,
	})
	if err != nil {
		w.t.Fatalf("create a table without %s: %v", without, err)
	}
	_, err = w.tables(in).UpdateTable(ctx, &dynamodb.UpdateTableInput{
		TableName:      &name,
		ReplicaUpdates: []types.ReplicationGroupUpdate{{Create: &types.CreateReplicationGroupMemberAction{RegionName: &other}}},
	})
	if err != nil {
		w.t.Fatalf("add a replica without %s: %v", without, err)
	}
}

// awaitTable waits until a region has a table, and can use it.
func (w *served) awaitTable(region, name string) {
	w.t.Helper()
	var err error
	defer func() {
		if err != nil {
			w.t.Logf("table %s in %s: %v", name, region, err)
		}
	}()
	eventually(w.t, 30*time.Second, region+" has table "+name, func() bool {
		_, err = w.tables(region).GetItem(context.Background(), &dynamodb.GetItemInput{
			TableName: &name, Key: map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: "x"}},
		})
		return err == nil
	})
}
