package dynamo_test

import (
	"fmt"
	"strings"
	"testing"
)

func TestD1_WritesCostTheirIndexEntriesToo(t *testing.T) {
	r := newRegion(t).tables()
	put := func(attributes string) string {
		return `{"TableName":"events","Item":{"pk":{"S":"p"},"sk":{"N":"1"}` + attributes + `},"ReturnConsumedCapacity":"INDEXES"}`
	}
	units := func(total, indexes string) string {
		if indexes != "" {
			indexes = `"GlobalSecondaryIndexes":{` + indexes + `},`
		}
		return `{"ConsumedCapacity":{"TableName":"events","CapacityUnits":` + total + `,` + indexes + `"Table":{"CapacityUnits":1.0}}}`
	}
	both := `"by-color":{"CapacityUnits":%s},"colors":{"CapacityUnits":%s}`
	for _, c := range []struct{ what, body, want string }{
		{"an item outside of the indexes", put(""), units("1.0", "")},
		{"an item that enters one", put(`,"color":{"S":"red"}`), units("2.0", `"colors":{"CapacityUnits":1.0}`)},
		{"the same again", put(`,"color":{"S":"red"}`), units("1.0", "")},
		{"an item that enters another", put(`,"color":{"S":"red"},"weight":{"N":"1"}`), units("2.0", `"by-color":{"CapacityUnits":1.0}`)},
		{"entries that move", put(`,"color":{"S":"blue"},"weight":{"N":"1"}`), units("5.0", fmt.Sprintf(both, "2.0", "2.0"))},
		{"an attribute that one projects", put(`,"color":{"S":"blue"},"weight":{"N":"1"},"x":{"S":"y"}`), units("2.0", `"by-color":{"CapacityUnits":1.0}`)},
		{"an attribute that both project", put(`,"color":{"S":"blue"},"weight":{"N":"1"},"extra":{"S":"y"}`), units("3.0", fmt.Sprintf(both, "1.0", "1.0"))},
		{"entries that leave", put(""), units("3.0", fmt.Sprintf(both, "1.0", "1.0"))},
	} {
		if got := r.must("PutItem", c.body); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.what, got, c.want)
		}
	}
	large := strings.Repeat("x", 2000)
	r.expect("UpdateItem", `{"TableName":"events","Key":{"pk":{"S":"p"},"sk":{"N":"1"}},"UpdateExpression":"SET color = :c, weight = :w, x = :x","ExpressionAttributeValues":{":c":{"S":"red"},":w":{"N":"1"},":x":{"S":"`+large+`"}},"ReturnConsumedCapacity":"TOTAL"}`,
		`{"ConsumedCapacity":{"TableName":"events","CapacityUnits":5.0}}`)
	r.expect("BatchWriteItem", `{"RequestItems":{"events":[{"DeleteRequest":{"Key":{"pk":{"S":"p"},"sk":{"N":"1"}}}},{"PutRequest":{"Item":{"pk":{"S":"p"},"sk":{"N":"2"},"color":{"S":"red"}}}}]},"ReturnConsumedCapacity":"INDEXES"}`,
		`{"UnprocessedItems":{},"ConsumedCapacity":[{"TableName":"events","CapacityUnits":7.0,"GlobalSecondaryIndexes":{`+fmt.Sprintf(both, "2.0", "2.0")+`},"Table":{"CapacityUnits":3.0}}]}`)
	r.expect("Query", `{"TableName":"events","IndexName":"colors","KeyConditionExpression":"color = :c","ExpressionAttributeValues":{":c":{"S":"red"}},"Select":"COUNT","ReturnConsumedCapacity":"INDEXES"}`,
		`{"Count":1,"ScannedCount":1,"ConsumedCapacity":{"TableName":"events","CapacityUnits":0.5,"GlobalSecondaryIndexes":{"colors":{"CapacityUnits":0.5}},"Table":{"CapacityUnits":0.0}}}`)
	r.expect("DeleteItem", `{"TableName":"events","Key":{"pk":{"S":"none"},"sk":{"N":"1"}},"ReturnConsumedCapacity":"TOTAL"}`, `{"ConsumedCapacity":{"TableName":"events","CapacityUnits":1.0}}`)
}
