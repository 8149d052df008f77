package dynamo_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/kv/memkv"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

func (r *region) event(sk int, attributes string) {
	r.t.Helper()
	r.must("PutItem", fmt.Sprintf(`{"TableName":"events","Item":{"pk":{"S":"p"},"sk":{"N":"%d"}%s}}`, sk, attributes))
}

func byColor(color, more string) string {
	return `{"TableName":"events","IndexName":"by-color","KeyConditionExpression":"color = :c` + more + `","ExpressionAttributeValues":{":c":{"S":"` + color + `"}`
}

func TestIndexesFollowTheirItems(t *testing.T) {
	r := newRegion(t).tables()
	r.event(1, `,"color":{"S":"red"},"weight":{"N":"10"}`)
	r.event(2, `,"color":{"S":"red"},"weight":{"N":"9"}`)
	r.event(3, `,"color":{"S":"red"},"weight":{"N":"-1"}`)
	r.event(4, `,"color":{"S":"red"}`) // not in by-color
	r.event(5, `,"color":{"S":"re"},"weight":{"N":"1"}`)
	r.event(6, `,"color":{"S":"red\u0000"},"weight":{"N":"1"}`)
	r.event(7, `,"color":{"S":"red"},"weight":{"N":"10"},"extra":{"S":"x"},"more":{"S":"y"}`)
	query := func(color, more, want string) {
		t.Helper()
		condition, rest, _ := strings.Cut(more, "|")
		if got, _ := r.find("Query", byColor(color, condition)+rest+`}`); got != want {
			t.Errorf("%s%s: got %s, want %s", color, more, got, want)
		}
	}
	query("red", "|}", "3 2 1 7")
	query("red", `|},"ScanIndexForward":false`, "7 1 2 3")
	query("red", ` AND weight > :s|,":s":{"N":"9"}}`, "1 7")
	query("red", ` AND weight >= :s|,":s":{"N":"9"}}`, "2 1 7")
	query("red", ` AND weight < :s|,":s":{"N":"10"}}`, "3 2")
	query("red", ` AND weight <= :s|,":s":{"N":"10"}}`, "3 2 1 7")
	query("red", ` AND weight = :s|,":s":{"N":"10"}}`, "1 7")
	query("red", ` AND weight BETWEEN :s AND :b|,":s":{"N":"-5"},":b":{"N":"9"}}`, "3 2")
	r.must("UpdateItem", `{"TableName":"events","Key":{"pk":{"S":"p"},"sk":{"N":"2"}},"UpdateExpression":"SET color = :c","ExpressionAttributeValues":{":c":{"S":"re"}}}`)
	r.must("DeleteItem", `{"TableName":"events","Key":{"pk":{"S":"p"},"sk":{"N":"1"}}}`)
	query("red", "|}", "3 7")
	query("re", "|}", "5 2")
	query("red\\u0000", "|}", "6")
	r.expect("Query", `{"TableName":"events","IndexName":"colors","KeyConditionExpression":"color = :c","FilterExpression":"attribute_exists(extra)","ExpressionAttributeValues":{":c":{"S":"red"}},"ReturnConsumedCapacity":"INDEXES"}`,
		`{"Items":[{"color":{"S":"red"},"extra":{"S":"x"},"pk":{"S":"p"},"sk":{"N":"7"}}],"Count":1,"ScannedCount":3,"ConsumedCapacity":{"TableName":"events","CapacityUnits":0.5,"GlobalSecondaryIndexes":{"colors":{"CapacityUnits":0.5}},"Table":{"CapacityUnits":0.0}}}`)
}

func TestIndexPagesGoOnWhereTheyEnded(t *testing.T) {
	r := newRegion(t).tables()
	var want []string
	for i := range 20 {
		r.event(i, fmt.Sprintf(`,"color":{"S":"red"},"weight":{"N":"%d"}`, i/4))
		want = append(want, fmt.Sprint(i))
	}
	for _, c := range []struct{ operation, first string }{
		{"Query", byColor("red", "") + `},"Limit":3`},
		{"Query", byColor("red", "") + `},"Limit":3,"ScanIndexForward":false`},
		{"Scan", `{"TableName":"events","IndexName":"by-color","Limit":3`},
	} {
		var got []string
		body := c.first
		for {
			sorts, f := r.find(c.operation, body+`}`)
			got = append(got, strings.Fields(sorts)...)
			if f.LastEvaluatedKey == nil {
				break
			}
			var key map[string]any
			if err := json.Unmarshal(f.LastEvaluatedKey, &key); err != nil || len(key) != 4 {
				t.Fatalf("last key %s", f.LastEvaluatedKey)
			}
			body = c.first + `,"ExclusiveStartKey":` + string(f.LastEvaluatedKey)
		}
		if strings.Contains(c.first, "false") {
			slices.Reverse(got)
		}
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%s: got %v", c.first, got)
		}
	}
	total := 0
	for segment := range 3 {
		_, f := r.find("Scan", fmt.Sprintf(`{"TableName":"events","IndexName":"by-color","Segment":%d,"TotalSegments":3}`, segment))
		total += f.Count
	}
	if total != 20 {
		t.Errorf("segments of the index hold %d of 20", total)
	}
}

// peers starts n regions that hold one table with an index.
func peers(t *testing.T, n int) []*region {
	t.Helper()
	events := table.Table{
		ID: 9, Name: "events", Key: table.Attribute{Name: "pk", Type: "S"}, Sort: &table.Attribute{Name: "sk", Type: "N"}, State: table.Active, Owner: table.OwnerAPI,
		Indexes: []table.Index{{Name: "by-color", Key: table.Attribute{Name: "color", Type: "S"}, Sort: &table.Attribute{Name: "weight", Type: "N"}, Projection: "ALL"}},
	}
	var all []*region
	for i := range n {
		r := startNumbered(t, memkv.New(memkv.Config{}), record.RegionID(i+1))
		mine := events
		for id := range n { // every endpoint says that it is eu-west-1
			mine.Replicas = append(mine.Replicas, table.Replica{Region: "eu-west-1", ID: record.RegionID(id + 1)})
		}
		r.catalog.tables = []table.Table{mine}
		r.store.SetTables(r.catalog.tables)
		all = append(all, r)
	}
	return all
}

// pull takes up to entries of what is new in from's log; 0 is all.
func (r *region) pull(from *region, entries int) {
	r.t.Helper()
	ctx := context.Background()
	for more := true; more; {
		after, _ := r.store.Cursor(from.store.Region())
		b, err := from.store.ReadLog(ctx, after, store.Limit{Entries: entries}, nil)
		if err != nil {
			r.t.Fatal(err)
		}
		if _, err := r.store.Apply(ctx, store.Apply{Origin: from.store.Region(), Cursor: b.To, Records: b.Records, Frontiers: b.Frontiers}); err != nil {
			r.t.Fatal(err)
		}
		more = entries == 0 && b.From != b.To
	}
}

// entries counts what the index keyspace holds.
func (r *region) entries() (n int) {
	r.t.Helper()
	err := r.store.View(context.Background(), func(reader kv.Reader) error {
		it := reader.Scan(kv.Range{From: store.IndexKey(9, nil), To: store.IndexKey(10, nil)})
		defer it.Close()
		for it.Next() {
			n++
		}
		return it.Err()
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return n
}

// DATA 11: the index entries of a region are those of its records, whatever was
// written where and in whatever order it arrived.
func TestIndexesStayRightUnderReplicationInAnyOrder(t *testing.T) {
	for seed := range uint64(8) {
		random := rand.New(rand.NewPCG(seed, 1))
		all := peers(t, 3)
		colors := []string{"red", "green", "blue"}
		for range 150 {
			r := all[random.IntN(len(all))]
			sk := random.IntN(4)
			switch random.IntN(6) {
			case 0:
				r.must("DeleteItem", fmt.Sprintf(`{"TableName":"events","Key":{"pk":{"S":"p"},"sk":{"N":"%d"}}}`, sk))
			case 1:
				r.event(sk, `,"color":{"S":"red"}`)
			case 2, 3:
				r.event(sk, fmt.Sprintf(`,"color":{"S":%q},"weight":{"N":"%d"}`, colors[random.IntN(3)], random.IntN(3)))
			default:
				if from := all[random.IntN(len(all))]; from != r {
					r.pull(from, 1+random.IntN(5))
				}
			}
			checkIndex(t, seed, r)
		}
		for _, to := range all {
			for _, from := range all {
				if to != from {
					to.pull(from, 0)
				}
			}
		}
		for _, r := range all {
			checkIndex(t, seed, r)
			if got, want := r.must("Scan", `{"TableName":"events","IndexName":"by-color"}`), all[0].must("Scan", `{"TableName":"events","IndexName":"by-color"}`); got != want {
				t.Fatalf("seed %d: region %d has %s, region 1 %s", seed, r.store.Region(), got, want)
			}
		}
	}
}

// checkIndex compares the index with the records.
func checkIndex(t *testing.T, seed uint64, r *region) {
	t.Helper()
	type event struct {
		SK     struct{ N string }
		Color  struct{ S string }
		Weight struct{ N string }
	}
	read := func(body string) map[event]bool {
		var out struct{ Items []event }
		if err := json.Unmarshal([]byte(r.must("Scan", body)), &out); err != nil {
			t.Fatal(err)
		}
		set := map[event]bool{}
		for _, e := range out.Items {
			if e.Color.S != "" && e.Weight.N != "" {
				set[e] = true
			}
		}
		return set
	}
	records := read(`{"TableName":"events"}`)
	index := read(`{"TableName":"events","IndexName":"by-color"}`)
	if fmt.Sprint(records) != fmt.Sprint(index) || r.entries() != len(records) {
		t.Fatalf("seed %d, region %d: the records are %v, the index has %v in %d entries", seed, r.store.Region(), records, index, r.entries())
	}
}

// What a crash undoes is undone in the index too, and nothing that is not
// durable is shown.
func TestIndexesSurviveACrashWithTheirRecords(t *testing.T) {
	engine := memkv.New(memkv.Config{})
	r := start(t, engine)
	r.tables()
	r.event(1, `,"color":{"S":"red"},"weight":{"N":"1"}`)
	tables := r.catalog.Tables()
	if err := engine.Crash(); err != nil {
		t.Fatal(err)
	}
	again := start(t, engine.Reopen(memkv.Config{}))
	again.catalog.tables = tables
	again.store.SetTables(tables)
	if got, _ := again.find("Query", byColor("red", "")+`}}`); got != "1" {
		t.Errorf("after the crash: %q", got)
	}
}

// An attribute that is in the keys of several indexes is refused in the name of
// the first of them by alphabet, as AWS was seen to do.
func TestD1_MistakesNameTheFirstIndexByAlphabet(t *testing.T) {
	r := newRegion(t)
	r.must("CreateTable", strings.ReplaceAll(shops, "by-at", "local-at"))
	for value, words := range map[string]string{
		`{"N":"1"}`: "Type mismatch for Index Key at Expected: S Actual: N IndexName: by-place",
		`{"S":""}`:  "cannot contain an empty string value. IndexName: by-place, IndexKey: at",
		`{"S":"` + strings.Repeat("x", 1025) + `"}`: "Size of index key at has exceeded the maximum size limit. IndexName: by-place",
	} {
		r.refuse("PutItem", `{"TableName":"shops","Item":{"pk":{"S":"p"},"sk":{"N":"1"},"at":`+value+`}}`, "ValidationException", words)
	}
}
