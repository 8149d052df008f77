package dynamo_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// D2: DescribeTable tells how many items there are, of indexes too, as of the last
// count.
func TestD2_TablesAndIndexesAreCounted(t *testing.T) {
	r := newRegion(t).tables()
	for i := range 5000 { // more than one step
		if i%25 == 0 {
			var puts []string
			for j := i; j < i+25; j++ {
				color := ""
				if j%2 == 0 {
					color = `,"color":{"S":"red"}`
				}
				puts = append(puts, fmt.Sprintf(`{"PutRequest":{"Item":{"pk":{"S":"p%d"},"sk":{"N":"1"}%s}}}`, j%100, strings.Replace(color, "red", fmt.Sprint(j), 1)))
				puts[len(puts)-1] = strings.Replace(puts[len(puts)-1], `{"N":"1"}`, fmt.Sprintf(`{"N":"%d"}`, j), 1)
			}
			r.must("BatchWriteItem", `{"RequestItems":{"events":[`+strings.Join(puts, ",")+`]}}`)
		}
	}
	for more := true; more; {
		var err error
		if more, err = r.handler.Count(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	var d struct {
		Table struct {
			ItemCount, TableSizeBytes int
			GlobalSecondaryIndexes    []struct {
				IndexName                 string
				ItemCount, IndexSizeBytes int
			}
		}
	}
	if err := json.Unmarshal([]byte(r.must("DescribeTable", `{"TableName":"events"}`)), &d); err != nil {
		t.Fatal(err)
	}
	if d.Table.ItemCount != 5000 || d.Table.TableSizeBytes < 5000*8 {
		t.Errorf("table: %+v", d.Table)
	}
	for _, x := range d.Table.GlobalSecondaryIndexes {
		if want := map[string]int{"colors": 2500, "by-color": 0}[x.IndexName]; x.ItemCount != want || (x.IndexSizeBytes > 0) != (want > 0) {
			t.Errorf("%+v, want %d", x, want)
		}
	}
}

// D1: writes of tables with local indexes tell about their item collections.
func TestD1_WritesTellOfTheirItemCollections(t *testing.T) {
	r := newRegion(t).tables()
	r.must("CreateTable", shops)
	metrics := func(pk string) string {
		return `{"ItemCollectionKey":{"pk":{"S":"` + pk + `"}},"SizeEstimateRangeGB":[0.0,1.0]}`
	}
	const size = `,"ReturnItemCollectionMetrics":"SIZE"}`
	r.expect("PutItem", `{"TableName":"shops","Item":{"pk":{"S":"p"},"sk":{"N":"1"}}`+size, `{"ItemCollectionMetrics":`+metrics("p")+`}`)
	r.expect("UpdateItem", `{"TableName":"shops","Key":{"pk":{"S":"p"},"sk":{"N":"1"}}`+size, `{"ItemCollectionMetrics":`+metrics("p")+`}`)
	r.expect("DeleteItem", `{"TableName":"shops","Key":{"pk":{"S":"p"},"sk":{"N":"1"}}`+size, `{"ItemCollectionMetrics":`+metrics("p")+`}`)
	r.expect("PutItem", `{"TableName":"events","Item":{"pk":{"S":"p"},"sk":{"N":"1"}}`+size, `{}`)
	put := func(pk string, sk int) string {
		return fmt.Sprintf(`{"PutRequest":{"Item":{"pk":{"S":%q},"sk":{"N":"%d"}}}}`, pk, sk)
	}
	r.expect("BatchWriteItem", `{"RequestItems":{"shops":[`+put("p", 1)+","+put("q", 1)+","+put("p", 2)+`],"events":[`+put("p", 1)+`]}`+size,
		`{"UnprocessedItems":{},"ItemCollectionMetrics":{"shops":[`+metrics("p")+","+metrics("q")+`]}}`)
	r.expect("TransactWriteItems", `{"TransactItems":[{"Put":{"TableName":"shops","Item":{"pk":{"S":"p"},"sk":{"N":"3"}}}}]`+size, `{"ItemCollectionMetrics":{"shops":[`+metrics("p")+`]}}`)
}
