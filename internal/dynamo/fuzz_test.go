package dynamo_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/meridian-run/meridian/internal/dynamo"
	"github.com/meridian-run/meridian/internal/kv/memkv"
)

// FuzzRequests sends signed requests with any body: the answer is JSON, and
// never an internal error.
func FuzzRequests(f *testing.F) {
	names := []string{"GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "Scan", "BatchGetItem", "BatchWriteItem", "CreateTable", "DescribeTable", "ListTables", "UpdateTable", "UpdateTimeToLive", "ExecuteStatement", "BatchExecuteStatement", "ExecuteTransaction"}
	for _, s := range []struct{ operation, body string }{
		{"GetItem", `{"TableName":"notes","Key":{"pk":{"S":"a"}},"ProjectionExpression":"a.b[0], #n","ExpressionAttributeNames":{"#n":"name"}}`},
		{"PutItem", `{"TableName":"notes","Item":{"pk":{"S":"a"},"n":{"N":"1e5"}},"ConditionExpression":"attribute_not_exists(pk)","ReturnValues":"ALL_OLD","ReturnConsumedCapacity":"INDEXES"}`},
		{"UpdateItem", `{"TableName":"events","Key":{"pk":{"S":"a"},"sk":{"N":"1"}},"UpdateExpression":"SET color = :c, l[1] = :c ADD n :n","ExpressionAttributeValues":{":c":{"S":"red"},":n":{"N":"1"}},"ReturnValues":"ALL_NEW"}`},
		{"Query", `{"TableName":"events","IndexName":"by-color","KeyConditionExpression":"color = :c AND weight BETWEEN :a AND :b","ExpressionAttributeValues":{":c":{"S":"red"},":a":{"N":"1"},":b":{"N":"2"}},"Limit":1,"ScanIndexForward":false}`},
		{"Query", `{"TableName":"events","KeyConditionExpression":"pk = :p","ExpressionAttributeValues":{":p":{"S":"a"}},"ExclusiveStartKey":{"pk":{"S":"a"},"sk":{"N":"1"}}}`},
		{"Scan", `{"TableName":"events","IndexName":"colors","Segment":1,"TotalSegments":2,"ExclusiveStartKey":{"pk":{"S":"a"},"sk":{"N":"1"},"color":{"S":"red"}}}`},
		{"BatchWriteItem", `{"RequestItems":{"notes":[{"PutRequest":{"Item":{"pk":{"S":"a"}}}},{"DeleteRequest":{"Key":{"pk":{"S":"b"}}}}]}}`},
		{"BatchGetItem", `{"RequestItems":{"notes":{"Keys":[{"pk":{"S":"a"}}],"ConsistentRead":true}}}`},
		{"CreateTable", `{"TableName":"more","AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"}],"KeySchema":[{"AttributeName":"pk","KeyType":"HASH"}],"BillingMode":"PAY_PER_REQUEST"}`},
		{"UpdateTable", `{"TableName":"notes","ReplicaUpdates":[{"Create":{"RegionName":"us-east-1"}}]}`},
		{"ExecuteStatement", `{"Statement":"SELECT a.b[0] FROM events WHERE pk IN ['a', ?] AND sk > 1","Parameters":[{"S":"b"}],"Limit":1,"NextToken":"AQ=="}`},
		{"BatchExecuteStatement", `{"Statements":[{"Statement":"UPDATE notes SET n = n + 1 WHERE pk = 'a' RETURNING ALL OLD *"},{"Statement":"INSERT INTO notes VALUE {'pk': 'b'}"}]}`},
		{"ExecuteTransaction", `{"TransactStatements":[{"Statement":"EXISTS(SELECT * FROM notes WHERE pk = 'a' AND n IS MISSING)"},{"Statement":"DELETE FROM events WHERE pk = 'a' AND sk = 1"}],"ClientRequestToken":"t"}`},
		{"UpdateTimeToLive", `{"TableName":"notes","TimeToLiveSpecification":{"AttributeName":"x","Enabled":true}}`},
	} {
		f.Add(slices.Index(names, s.operation), s.body)
	}
	r := start(f, memkv.New(memkv.Config{})).tables()
	handler := dynamo.New(dynamo.Config{Store: r.store, Catalog: r.catalog, Keys: r.keys, Region: "eu-west-1"})
	f.Fuzz(func(t *testing.T, operation int, body string) {
		if operation < 0 || operation >= len(names) {
			return
		}
		req := httptest.NewRequest("POST", "/", strings.NewReader(body))
		req.Header.Set("X-Amz-Target", "DynamoDB_20120810."+names[operation])
		hash := sha256.Sum256([]byte(body))
		if err := v4.NewSigner().SignHTTP(context.Background(), aws.Credentials{AccessKeyID: admin.ID, SecretAccessKey: admin.Secret}, req, hex.EncodeToString(hash[:]), "dynamodb", "eu-west-1", r.now()); err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, req)
		if w.Code != http.StatusOK && w.Code != http.StatusBadRequest {
			t.Fatalf("%s %q: %d %s", names[operation], body, w.Code, w.Body)
		}
		if !json.Valid(w.Body.Bytes()) {
			t.Fatalf("%s %q: %s", names[operation], body, w.Body)
		}
	})
}
