package dynamo_test

import (
	"errors"
	"fmt"
	"math/big"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// note is an item as a program has it.
type note struct {
	PK     string                `dynamodbav:"pk"`
	SK     int                   `dynamodbav:"sk"`
	Text   string                `dynamodbav:"text,omitempty"`
	Tags   []string              `dynamodbav:"tags,stringset,omitempty"`
	Price  attributevalue.Number `dynamodbav:"price,omitempty"`
	Bytes  []byte                `dynamodbav:"bytes,omitempty"`
	Nested map[string][]float64  `dynamodbav:"nested,omitempty"`
	At     time.Time             `dynamodbav:"at"`
	Due    time.Time             `dynamodbav:"due,unixtime"`
}

// put writes a note.
func (c *goSDK) put(t *testing.T, table string, n note) {
	t.Helper()
	must(c.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: must(attributevalue.MarshalMap(n))}))
}

// key is a note's.
func key(pk string, sk int) map[string]types.AttributeValue {
	return must(attributevalue.MarshalMap(struct {
		PK string `dynamodbav:"pk"`
		SK int    `dynamodbav:"sk"`
	}{pk, sk}))
}

// D1: the SDK for Go, with its expression builder and its values, as a team uses
// it on items.
func TestD1_TheGoSDKOnItems(t *testing.T) {
	goCase(t, "items of Go's types come back as they were", goValues)
	goCase(t, "numbers are exact", goNumbers)
	goCase(t, "built expressions update on conditions", goUpdates)
	goCase(t, "built expressions query page by page", goQueries)
	goCase(t, "scans are followed by their paginator", goScans)
	goCase(t, "batches are written and read", goBatches)
	goCase(t, "transactions do all or nothing", goTransactions)
	goCase(t, "statements of PartiQL work", goStatements)
	goCase(t, "statements work in batches and transactions", goStatementBatches)
}

func goValues(t *testing.T, c *goSDK) {
	table := c.made(t, "values")
	want := note{
		PK: "1", SK: 7, Text: "h\u00e9llo\x00", Tags: []string{"b"}, Price: "1.50", Bytes: []byte{0, 255},
		Nested: map[string][]float64{"x": {1, -0.5}}, At: time.Unix(1_700_000_000, 5).UTC(), Due: time.Unix(1_800_000_000, 0),
	}
	c.put(t, table, want)
	out := must(c.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: &table, Key: key("1", 7), ConsistentRead: aws.Bool(true)}))
	var got note
	if err := attributevalue.UnmarshalMap(out.Item, &got); err != nil {
		t.Fatal(err)
	}
	want.Price = "1.5" // as DynamoDB writes it
	if diff := cmp.Diff(got, want); diff != "" {
		t.Error(diff)
	}
}

func goNumbers(t *testing.T, c *goSDK) {
	table := c.made(t, "numbers")
	for _, n := range []attributevalue.Number{"12345678901234567890123456789012345678", "1E-130", "9.9999999999999999999999999999999999999E+125", "-0.1"} {
		c.put(t, table, note{PK: "n", Price: n})
		out := must(c.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: &table, Key: key("n", 0)}))
		got, fine := new(big.Rat).SetString(out.Item["price"].(*types.AttributeValueMemberN).Value)
		if want, _ := new(big.Rat).SetString(n.String()); !fine || got.Cmp(want) != 0 {
			t.Errorf("%s came back as %v", n, out.Item["price"])
		}
	}
}

func goUpdates(t *testing.T, c *goSDK) {
	table := c.made(t, "updates")
	c.put(t, table, note{PK: "1", Price: "1"})
	name := expression.Name
	change := must(expression.NewBuilder().
		WithUpdate(expression.Set(name("price"), name("price").Plus(expression.Value(2))).Set(name("size"), name("other").IfNotExists(expression.Value("L"))).Remove(name("at"))).
		WithCondition(name("price").LessThan(expression.Value(2)).And(expression.Not(name("size").AttributeExists()), name("pk").BeginsWith("1"))).Build())
	in := &dynamodb.UpdateItemInput{
		TableName: &table, Key: key("1", 0), UpdateExpression: change.Update(), ConditionExpression: change.Condition(),
		ExpressionAttributeNames: change.Names(), ExpressionAttributeValues: change.Values(),
		ReturnValues: types.ReturnValueUpdatedNew, ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}
	got := must(c.UpdateItem(t.Context(), in)).Attributes
	want := map[string]types.AttributeValue{"price": &types.AttributeValueMemberN{Value: "3"}, "size": &types.AttributeValueMemberS{Value: "L"}}
	if diff := cmp.Diff(got, want, cmpopts.IgnoreUnexported(types.AttributeValueMemberN{}, types.AttributeValueMemberS{})); diff != "" {
		t.Error(diff)
	}
	_, err := c.UpdateItem(t.Context(), in)
	if failed := new(types.ConditionalCheckFailedException); !errors.As(err, &failed) || failed.Item["price"] == nil {
		t.Errorf("the second time: %v", err)
	}
	old := must(c.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: &table, Key: key("1", 0), ReturnValues: types.ReturnValueAllOld}))
	if len(old.Attributes) != 5 {
		t.Errorf("deleted %v", old.Attributes)
	}
}

func goQueries(t *testing.T, c *goSDK) {
	table := c.made(t, "queries")
	for n := range 20 {
		c.put(t, table, note{PK: "a", SK: n, Text: fmt.Sprint("text ", n%2)})
	}
	built := must(expression.NewBuilder().
		WithKeyCondition(expression.Key("pk").Equal(expression.Value("a")).And(expression.Key("sk").Between(expression.Value(3), expression.Value(16)))).
		WithFilter(expression.Name("text").Contains("1")).
		WithProjection(expression.NamesList(expression.Name("sk"), expression.Name("text"))).Build())
	pages := dynamodb.NewQueryPaginator(c, &dynamodb.QueryInput{
		TableName: &table, KeyConditionExpression: built.KeyCondition(), FilterExpression: built.Filter(), ProjectionExpression: built.Projection(),
		ExpressionAttributeNames: built.Names(), ExpressionAttributeValues: built.Values(), ScanIndexForward: aws.Bool(false), Limit: aws.Int32(4),
	})
	var got []int
	for pages.HasMorePages() {
		var notes []note
		if err := attributevalue.UnmarshalListOfMaps(must(pages.NextPage(t.Context())).Items, &notes); err != nil {
			t.Fatal(err)
		}
		for _, n := range notes {
			got = append(got, n.SK)
		}
	}
	if diff := cmp.Diff(got, []int{15, 13, 11, 9, 7, 5, 3}); diff != "" {
		t.Error(diff)
	}
}

func goScans(t *testing.T, c *goSDK) {
	table := c.made(t, "scans")
	for n := range 25 {
		c.put(t, table, note{PK: fmt.Sprint(n)})
	}
	found := 0
	for segment := range int32(2) {
		pages := dynamodb.NewScanPaginator(c, &dynamodb.ScanInput{TableName: &table, Limit: aws.Int32(4), Segment: &segment, TotalSegments: aws.Int32(2)})
		for pages.HasMorePages() {
			found += int(must(pages.NextPage(t.Context())).Count)
		}
	}
	if found != 25 {
		t.Errorf("found %d items", found)
	}
}

func goBatches(t *testing.T, c *goSDK) {
	table := c.made(t, "batches")
	var writes []types.WriteRequest
	var keys []map[string]types.AttributeValue
	for n := range 25 {
		writes = append(writes, types.WriteRequest{PutRequest: &types.PutRequest{Item: must(attributevalue.MarshalMap(note{PK: "a", SK: n}))}})
		keys = append(keys, key("a", 2*n))
	}
	must(c.BatchWriteItem(t.Context(), &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{table: writes}}))
	out := must(c.BatchGetItem(t.Context(), &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{table: {Keys: keys}}}))
	if got := len(out.Responses[table]); got != 13 || len(out.UnprocessedKeys) != 0 {
		t.Errorf("read %d items, left %v", got, out.UnprocessedKeys)
	}
}

func goTransactions(t *testing.T, c *goSDK) {
	table := c.made(t, "transactions")
	put := func(pk string) types.TransactWriteItem {
		return types.TransactWriteItem{Put: &types.Put{TableName: &table, Item: key(pk, 0), ConditionExpression: aws.String("attribute_not_exists(pk)")}}
	}
	must(c.TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{put("1"), put("2")}}))
	_, err := c.TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{put("3"), put("1")}})
	canceled := new(types.TransactionCanceledException)
	if !errors.As(err, &canceled) || len(canceled.CancellationReasons) != 2 || aws.ToString(canceled.CancellationReasons[1].Code) != "ConditionalCheckFailed" {
		t.Fatalf("the second: %v", err)
	}
	var gets []types.TransactGetItem
	for _, pk := range []string{"1", "2", "3"} {
		gets = append(gets, types.TransactGetItem{Get: &types.Get{TableName: &table, Key: key(pk, 0)}})
	}
	out := must(c.TransactGetItems(t.Context(), &dynamodb.TransactGetItemsInput{TransactItems: gets}))
	if r := out.Responses; len(r) != 3 || r[0].Item == nil || r[1].Item == nil || r[2].Item != nil {
		t.Errorf("read %v", r)
	}
}

func goStatements(t *testing.T, c *goSDK) {
	table := c.made(t, "statements")
	run := func(statement string, values ...any) []map[string]types.AttributeValue {
		in := &dynamodb.ExecuteStatementInput{Statement: aws.String(fmt.Sprintf(statement, table))}
		for _, v := range values {
			in.Parameters = append(in.Parameters, must(attributevalue.Marshal(v)))
		}
		return must(c.ExecuteStatement(t.Context(), in)).Items
	}
	for n := range 3 {
		run(`INSERT INTO "%s" VALUE {'pk': ?, 'sk': ?}`, "a", n)
	}
	run(`UPDATE "%s" SET "text" = ? WHERE pk = ? AND sk = ?`, "new", "a", 1)
	run(`DELETE FROM "%s" WHERE pk = ? AND sk = ?`, "a", 0)
	var notes []note
	if err := attributevalue.UnmarshalListOfMaps(run(`SELECT sk, "text" FROM "%s" WHERE pk = ?`, "a"), &notes); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(notes, []note{{SK: 1, Text: "new"}, {SK: 2}}); diff != "" {
		t.Error(diff)
	}
}

func goStatementBatches(t *testing.T, c *goSDK) {
	table := c.made(t, "statement-batches")
	insert := func(pk string) *string {
		return aws.String(fmt.Sprintf(`INSERT INTO "%s" VALUE {'pk': '%s', 'sk': 1}`, table, pk))
	}
	out := must(c.BatchExecuteStatement(t.Context(), &dynamodb.BatchExecuteStatementInput{Statements: []types.BatchStatementRequest{{Statement: insert("1")}, {Statement: insert("2")}}}))
	if len(out.Responses) != 2 || out.Responses[0].Error != nil || out.Responses[1].Error != nil {
		t.Errorf("the batch: %+v", out.Responses)
	}
	_, err := c.ExecuteTransaction(t.Context(), &dynamodb.ExecuteTransactionInput{TransactStatements: []types.ParameterizedStatement{{Statement: insert("3")}, {Statement: insert("2")}}})
	if canceled := new(types.TransactionCanceledException); !errors.As(err, &canceled) {
		t.Errorf("the transaction: %v", err)
	}
}
