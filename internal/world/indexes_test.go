package world

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// byName is how many items of a table a region's index by name has of one; -1
// while it does not answer.
func byName(t *testing.T, db *dynamodb.Client, table, name string) int {
	t.Helper()
	out, err := db.Query(t.Context(), &dynamodb.QueryInput{
		TableName: &table, IndexName: aws.String("by_name"), Select: types.SelectCount,
		KeyConditionExpression: aws.String("#n = :n"), ExpressionAttributeNames: map[string]string{"#n": "name"},
		ExpressionAttributeValues: attributes{":n": text(name)},
	})
	if err != nil {
		t.Log(err)
		return -1
	}
	return int(out.Count)
}

// addsIndex adds an index to a table with items; every region fills its own.
func (s stage) addsIndex(t *testing.T) {
	s.fill(t, eu, "indexed")
	s.addReplicas(t, "indexed", eu, us, ap)
	s.same(t, "indexed", all...)
	eventually(t, 40*time.Second, "the index is added", func() bool { // not during an election
		_, err := s.db[us].UpdateTable(t.Context(), &dynamodb.UpdateTableInput{
			TableName:            aws.String("indexed"),
			AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("name"), AttributeType: types.ScalarAttributeTypeS}},
			GlobalSecondaryIndexUpdates: []types.GlobalSecondaryIndexUpdate{{Create: &types.CreateGlobalSecondaryIndexAction{
				IndexName: aws.String("by_name"), Projection: &types.Projection{ProjectionType: types.ProjectionTypeKeysOnly},
				KeySchema: []types.KeySchemaElement{{AttributeName: aws.String("name"), KeyType: types.KeyTypeHash}},
			}}},
		})
		if err != nil {
			t.Log(err)
		}
		return err == nil
	})
	if err := put(t.Context(), s.db[ap], "indexed", "pk", "0", "name", "new"); err != nil {
		t.Fatal(err)
	}
	for _, name := range all {
		eventually(t, 40*time.Second, name+" has filled the index", func() bool {
			return byName(t, s.db[name], "indexed", "old") == 299 && byName(t, s.db[name], "indexed", "new") == 1
		})
	}
}
