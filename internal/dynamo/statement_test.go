package dynamo_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// execute is the body of an ExecuteStatement.
func execute(statement string, parameters ...string) string {
	text, _ := json.Marshal(statement)
	body := `{"Statement":` + string(text)
	if parameters != nil {
		body += `,"Parameters":[` + strings.Join(parameters, ",") + `]`
	}
	return body + `}`
}

// run executes a statement that has to work, and answers its items.
func (r *region) run(statement string, parameters ...string) string {
	r.t.Helper()
	var got struct{ Items json.RawMessage }
	if err := json.Unmarshal([]byte(r.must("ExecuteStatement", execute(statement, parameters...))), &got); err != nil {
		r.t.Fatal(err)
	}
	return string(got.Items)
}

// sorts runs a Select on events, and answers its sort keys.
func (r *region) sorts(statement string, parameters ...string) string {
	r.t.Helper()
	got, _ := r.find("ExecuteStatement", execute(statement, parameters...))
	return got
}

func TestD1_StatementsSelectByKeysAndFilters(t *testing.T) {
	r := newRegion(t).tables()
	r.fill("-10", "0", "1", "2", "3", "10")
	for where, want := range map[string]string{
		`pk = 'p'`:                                         "-10 0 1 2 3 10",
		`'p' = pk AND sk = 2.0`:                            "2",
		`pk = 'p' AND sk > 1 AND sk <= 3`:                  "2 3",
		`pk = 'p' AND sk BETWEEN 0 AND 2 AND NOT i = 2`:    "0 2",
		`pk = 'p' AND sk IN [3, -10]`:                      "3 -10",
		`pk = 'p' AND (sk < 0 OR sk > 3) ORDER BY sk DESC`: "10 -10",
		`pk = 'p' ORDER BY sk DESC`:                        "10 3 2 1 0 -10",
		`pk = 'p' AND sk <> 1`:                             "-10 0 2 3 10",
		`pk IN ['q', 'p'] AND sk = 1 ORDER BY pk`:          "1 1",
		`pk = 'q' OR pk = 'o'`:                             "1 1",
		`pk = 'p' OR pk = 'p' AND NOT sk = 1`:              "-10 0 1 2 3 10",
		`i >= 4 AND begins_with(pk, 'p')`:                  "3 10",
		`pk = 'p' AND i IS MISSING`:                        "",
		`pk = 'p' AND (i = 1 OR i = 5)`:                    "0 10",
		`pk = 'p' AND attribute_exists(i) = false`:         "",
		`pk = 'nobody'`:                                    "",
	} {
		if got := r.sorts(`SELECT * FROM "events" WHERE ` + where); got != want {
			t.Errorf("%s: got %s, want %s", where, got, want)
		}
	}
	if got := r.sorts(`select pk, sk from events where pk = ? and i < ?`, `{"S":"p"}`, `{"N":"2"}`); got != "-10 0" {
		t.Errorf("with parameters: %s", got)
	}
	if got := strings.Fields(r.sorts("SELECT sk FROM events")); len(got) != 10 {
		t.Errorf("without a condition: %s", got)
	}
}

func TestD1_StatementsShowColumns(t *testing.T) {
	r := newRegion(t).tables()
	r.run(`INSERT INTO "notes" VALUE {'pk': 'a', 'm': {'k': ['x', 'y'], 'z.z': 1.50}, 's': <<'b', 'a'>>, 'n': <<2, 10>>, 'l': [true, NULL, {}], 'it''s': ?}`, `{"B":"AQI="}`)
	for columns, want := range map[string]string{
		`*`:                        `{"it's":{"B":"AQI="},"l":{"L":[{"BOOL":true},{"NULL":true},{"M":{}}]},"m":{"M":{"k":{"L":[{"S":"x"},{"S":"y"}]},"z.z":{"N":"1.5"}}},"n":{"NS":["2","10"]},"pk":{"S":"a"},"s":{"SS":["a","b"]}}`,
		`m.k[1], m."z.z", l[0]`:    `{"k[1]":{"S":"y"},"l[0]":{"BOOL":true},"z.z":{"N":"1.5"}}`,
		`m['k'], "it's", nothing`:  `{"it's":{"B":"AQI="},"k":{"L":[{"S":"x"},{"S":"y"}]}}`,
		`nothing, m.nothing.there`: `{}`,
	} {
		if got := r.run(`SELECT ` + columns + ` FROM notes WHERE pk = 'a'`); got != "["+want+"]" {
			t.Errorf("%s: got %s, want %s", columns, got, want)
		}
	}
}

func TestD1_StatementsWrite(t *testing.T) {
	r := newRegion(t).tables()
	r.run(`INSERT INTO notes VALUE {'pk': 'a', 'n': 1, 'l': [1], 's': <<'x'>>}`)
	r.refuse("ExecuteStatement", execute(`INSERT INTO notes VALUE {'pk': 'a'}`), "DuplicateItemException", "Duplicate primary key exists in table")
	for _, c := range []struct{ statement, want string }{
		{`UPDATE notes SET n = n + 2 WHERE pk = 'a' RETURNING ALL NEW *`, `[{"l":{"L":[{"N":"1"}]},"n":{"N":"3"},"pk":{"S":"a"},"s":{"SS":["x"]}}]`},
		{`UPDATE notes SET l = list_append(l, [2]), n = n - 1 WHERE pk = 'a' AND n = 3 RETURNING MODIFIED NEW *`, `[{"l":{"L":[{"N":"1"},{"N":"2"}]},"n":{"N":"2"}}]`},
		{`UPDATE notes SET s = set_add(s, <<'y'>>) SET m = {'a': 1} REMOVE l[0] WHERE pk = 'a' RETURNING MODIFIED OLD *`, `[{"l":{"L":[{"N":"1"}]},"s":{"SS":["x"]}}]`},
		{`FROM notes WHERE pk = 'a' SET m.a = 2 RETURNING MODIFIED OLD *`, `[{"m":{"M":{"a":{"N":"1"}}}}]`},
		{`UPDATE notes SET s = SET_DELETE(s, <<'x', 'y'>>) REMOVE m WHERE pk = 'a'`, `[]`},
		{`UPDATE notes REMOVE n WHERE pk = 'a' RETURNING MODIFIED NEW *`, `[]`},
		{`SELECT * FROM notes WHERE pk = 'a'`, `[{"l":{"L":[{"N":"2"}]},"pk":{"S":"a"}}]`},
		{`DELETE FROM notes WHERE pk = 'a' AND attribute_exists(l) RETURNING ALL OLD *`, `[{"l":{"L":[{"N":"2"}]},"pk":{"S":"a"}}]`},
		{`DELETE FROM notes WHERE pk = 'a' RETURNING ALL OLD *`, `[]`},
		{`DELETE FROM notes WHERE pk = 'a' AND l = 'x'`, `[]`},
	} {
		if got := r.run(c.statement); got != c.want {
			t.Errorf("%s: got %s, want %s", c.statement, got, c.want)
		}
	}
}

func TestD1_StatementsFailOnTheirConditions(t *testing.T) {
	r := newRegion(t).tables()
	r.run(`INSERT INTO notes VALUE {'pk': 'a', 'n': 1}`)
	failed := "ConditionalCheckFailedException"
	r.refuse("ExecuteStatement", execute(`UPDATE notes SET n = 2 WHERE pk = 'nothing'`), failed, "The conditional request failed")
	r.refuse("ExecuteStatement", execute(`UPDATE notes SET n = 2 WHERE pk = 'nothing' AND attribute_not_exists(pk)`), failed, "")
	r.refuse("ExecuteStatement", execute(`UPDATE notes SET n = 2 WHERE pk = 'a' AND n > 1`), failed, "")
	r.refuse("ExecuteStatement", execute(`DELETE FROM notes WHERE pk = 'a' AND NOT n = 1`), failed, "")
	body := strings.TrimSuffix(execute(`DELETE FROM notes WHERE pk = 'a' AND n = 2`), "}") + `,"ReturnValuesOnConditionCheckFailure":"ALL_OLD"}`
	if got := r.send(admin, "ExecuteStatement", body); !strings.Contains(got.body, `"Item":{"n":{"N":"1"},"pk":{"S":"a"}}`) {
		t.Errorf("the old item is not in %s", got.body)
	}
	if got := r.run(`SELECT n FROM notes`); got != `[{"n":{"N":"1"}}]` {
		t.Errorf("a failed condition has changed the item: %s", got)
	}
}

// As on AWS an operand of a wrong type is a mistake in the statement, which is told
// before it is looked for the table.
func TestD1_MistakesInConditionsComeBeforeTheTable(t *testing.T) {
	r := newRegion(t).tables()
	for _, statement := range []string{`SELECT pk FROM nowhere WHERE pk = 'x' AND v < true`, `DELETE FROM nowhere WHERE pk = 'x' AND v < true`} {
		r.refuse("ExecuteStatement", execute(statement), "ValidationException", "Incorrect operand type for operator or function; operator or function: <, operand type: BOOL")
		r.refuse("ExecuteStatement", execute(strings.Replace(statement, "true", "1", 1)), "ResourceNotFoundException", "Requested resource not found")
	}
	r.refuse("ExecuteStatement", execute(`SELECT * FROM nowhere`), "ResourceNotFoundException", "Requested resource not found")
}

func TestD1_StatementsReadPageByPage(t *testing.T) {
	r := newRegion(t).tables()
	r.fill("1", "2", "3", "4", "5")
	for _, statement := range []string{
		`SELECT * FROM events WHERE pk = 'p'`,
		`SELECT * FROM events WHERE pk = 'p' AND NOT sk = 9`,
		`SELECT * FROM events WHERE pk IN ['p', 'nobody', 'q'] ORDER BY pk`,
		`SELECT * FROM events WHERE pk = 'p' AND sk IN [1, 2, 3, 4, 5]`,
		`SELECT * FROM events`,
		`SELECT * FROM events."by-color"`,
	} {
		whole := r.sorts(statement)
		for limit := 1; limit <= 4; limit++ {
			var pages []string
			token := ""
			for range 20 {
				body := strings.TrimSuffix(execute(statement), "}") + fmt.Sprintf(`,"Limit":%d%s}`, limit, token)
				page, f := r.find("ExecuteStatement", body)
				if n := len(strings.Fields(page)); n > limit {
					t.Errorf("%s: %d items on a page of %d", statement, n, limit)
				}
				if page != "" {
					pages = append(pages, page)
				}
				if f.NextToken == "" {
					token = ""
					break
				}
				token = `,"NextToken":"` + f.NextToken + `"`
			}
			if got := strings.Join(pages, " "); got != whole || token != "" {
				t.Errorf("%s by %d: got %s, want %s", statement, limit, got, whole)
			}
		}
	}
}

func TestD1_TokensBelongToTheirStatement(t *testing.T) {
	r := newRegion(t).tables()
	r.fill("1", "2", "3")
	const first = `SELECT * FROM events WHERE pk = ?`
	_, f := r.find("ExecuteStatement", strings.TrimSuffix(execute(first, `{"S":"p"}`), "}")+`,"Limit":1}`)
	if f.NextToken == "" || string(f.LastEvaluatedKey) != `{"pk":{"S":"p"},"sk":{"N":"1"}}` {
		t.Fatalf("the first page: %+v", f)
	}
	for _, c := range map[string]struct{ body, token, want string }{
		"another statement":  {execute(`SELECT * FROM events WHERE pk = 'q'`), f.NextToken, "The provided starting key is invalid"},
		"another parameter":  {execute(first, `{"S":"q"}`), f.NextToken, "The provided starting key is invalid"},
		"no token":           {execute(first, `{"S":"p"}`), "garbage", "Invalid NextToken"},
		"a token cut short":  {execute(first, `{"S":"p"}`), f.NextToken[:32], "Invalid NextToken"},
		"a token's end gone": {execute(first, `{"S":"p"}`), f.NextToken[:len(f.NextToken)-8], "Invalid NextToken"},
	} {
		r.refuse("ExecuteStatement", strings.TrimSuffix(c.body, "}")+`,"NextToken":"`+c.token+`"}`, "ValidationException", c.want)
	}
}
