package dynamo_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// fillIndexes fills the region's indexes.
func (r *region) fillIndexes() {
	r.t.Helper()
	for more := true; more; {
		done, err := r.store.Index(context.Background())
		if err != nil {
			r.t.Fatal(err)
		}
		more = done.More
	}
}

// D2: an index is added to a table that holds items, and removed again, as on AWS.
func TestD2_AnIndexIsAddedAndRemovedOnline(t *testing.T) {
	r := newRegion(t).tables()
	db := r.sdk(admin)
	for i := range 30 {
		r.event(i, fmt.Sprintf(`,"kind":{"S":"k%d"},"color":{"S":"red"}`, i%3))
	}
	update := func(u types.GlobalSecondaryIndexUpdate) (*types.TableDescription, error) {
		out, err := db.UpdateTable(t.Context(), &dynamodb.UpdateTableInput{
			TableName: aws.String("events"), GlobalSecondaryIndexUpdates: []types.GlobalSecondaryIndexUpdate{u},
			AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("kind"), AttributeType: types.ScalarAttributeTypeS}},
		})
		if err != nil {
			return nil, err
		}
		return out.TableDescription, nil
	}
	find := func(d *types.TableDescription, name string) types.GlobalSecondaryIndexDescription {
		for _, x := range d.GlobalSecondaryIndexes {
			if *x.IndexName == name {
				return x
			}
		}
		return types.GlobalSecondaryIndexDescription{}
	}
	describe := func() *types.TableDescription {
		out, err := db.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: aws.String("events")})
		if err != nil {
			t.Fatal(err)
		}
		return out.Table
	}
	create := func(name string) types.GlobalSecondaryIndexUpdate {
		return types.GlobalSecondaryIndexUpdate{Create: &types.CreateGlobalSecondaryIndexAction{
			IndexName: aws.String(name), KeySchema: []types.KeySchemaElement{{AttributeName: aws.String("kind"), KeyType: types.KeyTypeHash}},
			Projection: &types.Projection{ProjectionType: types.ProjectionTypeKeysOnly},
		}}
	}
	d, err := update(create("by-kind"))
	if err != nil {
		t.Fatal(err)
	}
	if x := find(d, "by-kind"); d.TableStatus != types.TableStatusUpdating || x.IndexStatus != types.IndexStatusCreating {
		t.Errorf("answer %v, %+v", d.TableStatus, x)
	}
	if x := find(describe(), "by-kind"); x.IndexStatus != types.IndexStatusCreating || !aws.ToBool(x.Backfilling) {
		t.Errorf("while it is filled: %+v", x)
	}
	byKind := `{"TableName":"events","IndexName":"by-kind","KeyConditionExpression":"kind = :k","ExpressionAttributeValues":{":k":{"S":"k1"}},"Select":"COUNT"}`
	r.refuse("Query", byKind, "ValidationException", "Cannot read from backfilling global secondary index: by-kind")
	if _, err := update(create("more")); !errors.As(err, new(*types.LimitExceededException)) {
		t.Errorf("a second one: %v", err)
	}
	r.event(40, `,"kind":{"S":"k1"}`)
	r.must("DeleteItem", `{"TableName":"events","Key":{"pk":{"S":"p"},"sk":{"N":"1"}}}`)
	r.fillIndexes()
	if d := describe(); d.TableStatus != types.TableStatusActive || find(d, "by-kind").IndexStatus != types.IndexStatusActive || find(d, "by-kind").Backfilling != nil {
		t.Errorf("filled: %v, %+v", d.TableStatus, find(d, "by-kind"))
	}
	r.expect("Query", byKind, `{"Count":10,"ScannedCount":10}`)
	if _, err := update(create("by-kind")); err == nil || !strings.Contains(err.Error(), "Attempting to create an index which already exists") {
		t.Errorf("again: %v", err)
	}
	remove := types.GlobalSecondaryIndexUpdate{Delete: &types.DeleteGlobalSecondaryIndexAction{IndexName: aws.String("by-kind")}}
	if d, err = update(remove); err != nil || find(d, "by-kind").IndexStatus != types.IndexStatusDeleting {
		t.Errorf("removed: %+v, %v", d, err)
	}
	if x := find(describe(), "by-kind"); x.IndexName != nil {
		t.Errorf("still there: %+v", x)
	}
	if _, err := update(remove); !errors.As(err, new(*types.ResourceNotFoundException)) {
		t.Errorf("removed twice: %v", err)
	}
	r.fillIndexes()
	r.refuse("Query", byKind, "ValidationException", "The table does not have the specified index: by-kind")
}

const shops = `{"TableName":"shops","BillingMode":"PAY_PER_REQUEST","AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"},{"AttributeName":"sk","AttributeType":"N"},{"AttributeName":"at","AttributeType":"S"},{"AttributeName":"land","AttributeType":"S"},{"AttributeName":"town","AttributeType":"S"},{"AttributeName":"rank","AttributeType":"N"}],
"KeySchema":[{"AttributeName":"pk","KeyType":"HASH"},{"AttributeName":"sk","KeyType":"RANGE"}],
"LocalSecondaryIndexes":[{"IndexName":"by-at","KeySchema":[{"AttributeName":"pk","KeyType":"HASH"},{"AttributeName":"at","KeyType":"RANGE"}],"Projection":{"ProjectionType":"INCLUDE","NonKeyAttributes":["name"]}}],
"GlobalSecondaryIndexes":[{"IndexName":"by-place","KeySchema":[{"AttributeName":"land","KeyType":"HASH"},{"AttributeName":"town","KeyType":"HASH"},{"AttributeName":"rank","KeyType":"RANGE"},{"AttributeName":"at","KeyType":"RANGE"}],"Projection":{"ProjectionType":"ALL"}}]}`

// D2: a local index is read consistently and has all attributes.
func TestD2_LocalIndexesAreConsistentAndFetch(t *testing.T) {
	r := newRegion(t)
	described := r.must("CreateTable", shops)
	if !strings.Contains(described, `"LocalSecondaryIndexes":[{"IndexName":"by-at"`) {
		t.Errorf("described %s", described)
	}
	for i, at := range []string{"c", "a", "b"} {
		r.must("PutItem", fmt.Sprintf(`{"TableName":"shops","Item":{"pk":{"S":"p"},"sk":{"N":"%d"},"at":{"S":"%s"},"name":{"S":"n%d"},"text":{"S":"t%d"}}}`, i, at, i, i))
	}
	query := `{"TableName":"shops","IndexName":"by-at","KeyConditionExpression":"pk = :p AND #a < :c","ExpressionAttributeNames":{"#a":"at"},"ExpressionAttributeValues":{":p":{"S":"p"},":c":{"S":"c"}},"ConsistentRead":true`
	r.expect("Query", query+`}`, `{"Items":[{"at":{"S":"a"},"name":{"S":"n1"},"pk":{"S":"p"},"sk":{"N":"1"}},{"at":{"S":"b"},"name":{"S":"n2"},"pk":{"S":"p"},"sk":{"N":"2"}}],"Count":2,"ScannedCount":2}`)
	r.expect("Query", strings.Replace(query, `"#a":"at"`, `"#a":"at","#t":"text"`, 1)+`,"ProjectionExpression":"#t","ReturnConsumedCapacity":"INDEXES"}`,
		`{"Items":[{"text":{"S":"t1"}},{"text":{"S":"t2"}}],"Count":2,"ScannedCount":2,"ConsumedCapacity":{"TableName":"shops","CapacityUnits":3.0,"LocalSecondaryIndexes":{"by-at":{"CapacityUnits":1.0}},"Table":{"CapacityUnits":2.0}}}`)
	r.expect("Query", query+`,"Select":"ALL_ATTRIBUTES","Limit":1}`,
		`{"Items":[{"at":{"S":"a"},"name":{"S":"n1"},"pk":{"S":"p"},"sk":{"N":"1"},"text":{"S":"t1"}}],"Count":1,"ScannedCount":1,"LastEvaluatedKey":{"at":{"S":"a"},"pk":{"S":"p"},"sk":{"N":"1"}}}`)
	r.expect("Scan", `{"TableName":"shops","IndexName":"by-at","FilterExpression":"#t = :t","ExpressionAttributeNames":{"#t":"text"},"ExpressionAttributeValues":{":t":{"S":"t2"}},"Select":"COUNT"}`, `{"Count":1,"ScannedCount":3}`)
	for body, words := range map[string]string{
		strings.Replace(shops, `"AttributeName":"pk","KeyType":"HASH"},{"AttributeName":"at"`, `"AttributeName":"land","KeyType":"HASH"},{"AttributeName":"at"`, 1):    "Index KeySchema does not have the same leading hash key as table KeySchema for index: by-at. index hash key: land, table hash key: pk",
		strings.Replace(shops, `,{"AttributeName":"at","KeyType":"RANGE"}],"Projection":{"ProjectionType":"INCLUDE"`, `],"Projection":{"ProjectionType":"INCLUDE"`, 1): "Index KeySchema does not have a range key for index: by-at",
	} {
		r.refuse("CreateTable", strings.Replace(body, `"shops"`, `"shops2"`, 1), "ValidationException", words)
	}
}

// D2: a global index can have several attributes in each part of its key.
func TestD2_IndexKeysOfSeveralAttributes(t *testing.T) {
	r := newRegion(t)
	r.must("CreateTable", shops)
	for i, s := range []string{"us|nyc|1|a", "us|nyc|2|a", "us|nyc|2|b", "us|la|2|c", "usn|yc|1|a", "us|nyc|10|a"} {
		p := strings.Split(s, "|")
		r.must("PutItem", fmt.Sprintf(`{"TableName":"shops","Item":{"pk":{"S":"p"},"sk":{"N":"%d"},"land":{"S":%q},"town":{"S":%q},"rank":{"N":%q},"at":{"S":%q}}}`, i, p[0], p[1], p[2], p[3]))
	}
	r.must("PutItem", `{"TableName":"shops","Item":{"pk":{"S":"p"},"sk":{"N":"9"},"land":{"S":"us"},"town":{"S":"nyc"}}}`) // not in it
	body := func(more, values string) string {
		return `{"TableName":"shops","IndexName":"by-place","KeyConditionExpression":"land = :l AND town = :t` + more + `","ExpressionAttributeNames":{"#a":"at","#r":"rank"},"ExpressionAttributeValues":{":l":{"S":"us"},":t":{"S":"nyc"}` + values + `}}`
	}
	query := func(more, values, want string) {
		t.Helper()
		b := body(more, values)
		if !strings.Contains(more, "#a") {
			b = strings.Replace(b, `"#a":"at",`, "", 1)
		}
		if !strings.Contains(more, "#r") {
			b = strings.Replace(b, `"ExpressionAttributeNames":{"#r":"rank"},`, "", 1)
		}
		if got, _ := r.find("Query", b); got != want {
			t.Errorf("%s: got %s, want %s", more, got, want)
		}
	}
	query("", "", "0 1 2 5")
	query(" AND #r = :r", `,":r":{"N":"2"}`, "1 2")
	query(" AND #r > :r", `,":r":{"N":"1"}`, "1 2 5")
	query(" AND #r = :r AND #a > :a", `,":r":{"N":"2"},":a":{"S":"a"}`, "2")
	r.refuse("Query", body(" AND #r > :r AND #a = :a", `,":r":{"N":"2"},":a":{"S":"a"}`), "ValidationException", "Query key condition not supported")
	r.refuse("Query", strings.Replace(body(" AND #a = :a", `,":a":{"S":"a"}`), `,"#r":"rank"`, "", 1), "ValidationException", "Query key condition not supported")
	r.refuse("Query", `{"TableName":"shops","IndexName":"by-place","KeyConditionExpression":"land = :l","ExpressionAttributeValues":{":l":{"S":"us"}}}`, "ValidationException", "Query condition missed key schema element: town")
	if d := r.must("DescribeTable", `{"TableName":"shops"}`); !strings.Contains(d, `"KeySchema":[{"AttributeName":"land","KeyType":"HASH"},{"AttributeName":"town","KeyType":"HASH"},{"AttributeName":"rank","KeyType":"RANGE"},{"AttributeName":"at","KeyType":"RANGE"}]`) {
		t.Errorf("described %s", d)
	}
	first, f := r.find("Query", strings.TrimSuffix(strings.Replace(body("", ""), `"ExpressionAttributeNames":{"#a":"at","#r":"rank"},`, "", 1), "}")+`,"Limit":3}`)
	rest, _ := r.find("Query", strings.TrimSuffix(strings.Replace(body("", ""), `"ExpressionAttributeNames":{"#a":"at","#r":"rank"},`, "", 1), "}")+`,"ExclusiveStartKey":`+string(f.LastEvaluatedKey)+`}`)
	if first != "0 1 2" || rest != "5" {
		t.Errorf("pages %q and %q", first, rest)
	}
}
