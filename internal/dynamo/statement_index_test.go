package dynamo_test

import (
	"fmt"
	"strings"
	"testing"
)

// D1: statements read indexes as Query and Scan do.
func TestD1_StatementsReadIndexes(t *testing.T) {
	r := newRegion(t).tables()
	for i, color := range []string{"red", "blue", "red", "", "red"} {
		more := fmt.Sprintf(`,"weight":{"N":"%d"},"extra":{"S":"e%d"},"other":{"S":"o"}`, 10-i, i)
		if color != "" {
			more += `,"color":{"S":"` + color + `"}`
		}
		r.event(i, more)
	}
	for statement, want := range map[string]string{
		`SELECT * FROM "events"."by-color" WHERE color = 'red'`:                            "4 2 0",
		`SELECT * FROM "events"."by-color" WHERE color = 'red' ORDER BY weight DESC`:       "0 2 4",
		`SELECT * FROM "events"."by-color" WHERE color = 'red' AND weight < 9`:             "4 2",
		`SELECT * FROM "events"."by-color" WHERE color = 'red' AND other = 'o' AND sk > 1`: "4 2",
		`SELECT * FROM events."by-color" WHERE color IN ['blue', 'green', 'red']`:          "1 4 2 0",
		`SELECT sk FROM events.colors WHERE color = 'blue' AND extra = 'e1'`:               "1",
		`SELECT sk FROM events.colors WHERE extra = 'e1' OR extra = 'e3'`:                  "1",
		`SELECT sk FROM events.colors WHERE other = 'o'`:                                   "",
	} {
		if got := r.sorts(statement); got != want {
			t.Errorf("%s: got %s, want %s", statement, got, want)
		}
	}
	if got := r.run(`SELECT * FROM events.colors WHERE color = 'blue'`); got != `[{"color":{"S":"blue"},"extra":{"S":"e1"},"pk":{"S":"p"},"sk":{"N":"1"}}]` {
		t.Errorf("all of an index that has not all: %s", got)
	}
	for statement, want := range map[string]string{
		`SELECT * FROM events.nothing`:                                           "The table does not have the specified index",
		`SELECT other, extra, m FROM events.colors`:                              "One or more parameter values were invalid: Global secondary index colors does not project [other, m]",
		`SELECT sk FROM events.colors WHERE color = 'red' AND other = 'o'`:       "One or more parameter values were invalid: Secondary index colors does not project one or more filter attributes: [other]",
		`SELECT sk FROM events.colors WHERE color IN ['a'] AND other IS MISSING`: "One or more parameter values were invalid: Secondary index colors does not project one or more filter attributes: [other]",
	} {
		r.refuse("ExecuteStatement", execute(statement), "ValidationException", want)
	}
	consistent := strings.TrimSuffix(execute(`SELECT * FROM events.colors WHERE color = 'red'`), "}") + `,"ConsistentRead":true}`
	r.refuse("ExecuteStatement", consistent, "ValidationException", "Strongly consistent read is not supported on Global Secondary Indexes")
	costs := strings.TrimSuffix(execute(`SELECT * FROM events.colors WHERE color = 'red' OR color = 'blue'`), "}") + `,"ReturnConsumedCapacity":"INDEXES"}`
	if got := r.must("ExecuteStatement", costs); !strings.Contains(got, `"GlobalSecondaryIndexes":{"colors":{"CapacityUnits":1.0}}`) {
		t.Errorf("two queries of an index cost %s", got)
	}
	one := strings.TrimSuffix(execute(`SELECT sk FROM events."by-color" WHERE color = 'red'`), "}") + `,"Limit":1`
	_, f := r.find("ExecuteStatement", one+`}`)
	if got, _ := r.find("ExecuteStatement", one+`,"NextToken":"`+f.NextToken+`"}`); got != "2" {
		t.Errorf("the second page: %s", got)
	}
	elsewhere := strings.TrimSuffix(execute(`SELECT sk FROM events.colors WHERE color = 'red'`), "}") + `,"NextToken":"` + f.NextToken + `"}`
	r.refuse("ExecuteStatement", elsewhere, "ValidationException", "The provided starting key is invalid")
}
