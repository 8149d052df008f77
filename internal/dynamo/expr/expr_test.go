package expr_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/meridian-run/meridian/internal/dynamo/expr"
	"github.com/meridian-run/meridian/internal/item"
)

var parser expr.Parser

func parse(t testing.TB, text string) item.Item {
	t.Helper()
	var doc item.Document
	if err := doc.Parse(text); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	it, err := item.FromJSON(doc.Root())
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return it
}

func scope(t testing.TB) *expr.Scope {
	t.Helper()
	s, err := parser.Scope([]expr.Name{{"#n", "name"}, {"#l", "l"}, {"#m", "m"}}, parse(t, `{
		":s":{"S":"b"}, ":n":{"N":"5"}, ":nine":{"N":"9"}, ":one":{"N":"1.0"}, ":set":{"SS":["b","z"]}, ":list":{"L":[{"S":"x"}]}, ":map":{"M":{}},
		":true":{"BOOL":true}, ":null":{"NULL":true}, ":S":{"S":"S"}, ":b":{"B":"AQI="}, ":ns":{"NS":["1"]}}`))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const sample = `{"pk":{"S":"p"},"name":{"S":"abc"},"n":{"N":"7"},"l":{"L":[{"S":"l0"},{"M":{"k":{"N":"1"}}},{"S":"l2"}]},
	"m":{"M":{"k":{"S":"v"},"deep":{"M":{"x":{"N":"2"}}}}},"ss":{"SS":["a","b"]},"b":{"B":"AQID"},"t":{"BOOL":true},"nothing":{"NULL":true}}`

func TestConditions(t *testing.T) {
	it := parse(t, sample)
	for text, want := range map[string]bool{
		"n = :n": false, "n <> :n": true, "n > :n": true, "n >= :n AND n <= :nine": true, "n < :n OR n < :nine": true, "NOT n > :n": false,
		"n BETWEEN :n AND :nine": true, "n NOT_A": false, "pk IN (:s, :n)": false, "ss IN (:set)": false,
		"absent = :n": false, "absent <> :n": true, "absent < :n": false, "absent = gone": false, "NOT absent = :n": true,
		"attribute_exists(m.k)": true, "attribute_exists(l[1].k)": true, "attribute_exists(l[9])": false, "attribute_not_exists(m.q)": true, "attribute_exists(n.x)": false,
		"attribute_type(n, :S)": false, "attribute_type(#n, :S)": true,
		"begins_with(#n, :s)": false, "begins_with(pk, #n)": false, "begins_with(b, :b)": true,
		"contains(#n, :s)": true, "contains(ss, :s)": true, "contains(#l, :s)": false, "contains(n, :n)": false, "contains(b, :b)": true,
		"size(#n) < :n": true, "size(#l) < :n": true, "size(#m) = :n": false, "size(b) > :one": true, "size(n) > :one": false, "size(ss) > :one": true,
		"(n > :n) and (not (pk = :s))": true, "l[1].k = :one": true, "t = :true": true, "nothing = :null": true, ":n < n": true,
		"n > :n OR n = :n AND n = :nine": true, "#m.k <> m.deep": true, "size(#n) = size(#l)": true, "pk = :s or not pk = :s and n = n.x": false,
	} {
		c, err := scope(t).Condition("ConditionExpression", text)
		if strings.Contains(text, "NOT_A") {
			if err == nil {
				t.Errorf("%s is accepted", text)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := c.Test(it); got != want {
			t.Errorf("%s is %t, want %t", text, got, want)
		}
	}
}

func TestConditionsSayWhichAttributesTheyUse(t *testing.T) {
	c, err := scope(t).Condition("FilterExpression", "#n = :s AND (size(m.k) > :n OR attribute_exists(l[0]))")
	if err != nil {
		t.Fatal(err)
	}
	if !c.Uses("name") || c.Uses("#n") || !c.Uses("m") || c.UsesInside("name") || !c.UsesInside("l") {
		t.Error("wrong uses")
	}
}

func TestConditionMistakesAreReportedInAWSsWords(t *testing.T) {
	for text, want := range map[string]string{
		"":                            `Invalid ConditionExpression: The expression can not be empty;`,
		"a = ":                        `Invalid ConditionExpression: Syntax error; token: "<EOF>", near: "= "`,
		"pk":                          `Invalid ConditionExpression: Syntax error; token: "<EOF>", near: "pk"`,
		"a = = b":                     `Syntax error; token: "=", near: "= = b"`,
		"a ! b":                       `Syntax error; token: "!", near: "a ! b"`,
		"a = 5":                       `Syntax error; token: "5", near: "= 5"`,
		"a[x] = :n":                   `Syntax error; token: "x", near: "[x]"`,
		"n = :n n":                    `Syntax error; token: "n", near: ":n n"`,
		"n = :n AND":                  `Syntax error; token: "<EOF>"`,
		"((n = :n))":                  `The expression has redundant parentheses;`,
		"foo(n)":                      `Invalid function name; function: foo`,
		"size(n)":                     `The function is not allowed to be used this way in an expression; function: size`,
		"attribute_exists(n) = :n":    `The function is not allowed to be used this way in an expression; function: attribute_exists`,
		"size(contains(n, :n)) = :n":  `The function is not allowed to be used this way in an expression; function: contains`,
		"name = :n":                   `Attribute name is a reserved keyword; reserved keyword: name`,
		"Status = :n":                 `Attribute name is a reserved keyword; reserved keyword: Status`,
		"#x = :n":                     `An expression attribute name used in the document path is not defined; attribute name: #x`,
		"n = :x":                      `An expression attribute value used in expression is not defined; attribute value: :x`,
		"size(n, n) = :n":             `Incorrect number of operands for operator or function; operator or function: size, number of operands: 2`,
		"attribute_exists()":          `Syntax error; token: ")", near: "()"`,
		"n = n":                       `The first operand must be distinct from the remaining operands for this operator or function; operator: =, first operand: [n]`,
		"contains(l[1].k, #l[1].k)":   `operator: contains, first operand: [l, [1], k]`,
		"attribute_exists(:n)":        `Operator or function requires a document path; operator or function: attribute_exists`,
		"begins_with(n, :n)":          `Incorrect operand type for operator or function; operator or function: begins_with, operand type: N`,
		"attribute_type(n, n1)":       `operand type: {NS,SS,L,BS,N,M,B,BOOL,NULL,S}`,
		"attribute_type(n, :n)":       `operator or function: attribute_type, operand type: N`,
		"attribute_type(n, :s)":       `Invalid attribute type name found; type: b, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}`,
		"size(:n) = :n":               `operator or function: size, operand type: N`,
		"n < :set":                    `Incorrect operand type for operator or function; operator or function: <, operand type: SS`,
		"n BETWEEN :nine AND :n":      `The BETWEEN operator requires upper bound to be greater than or equal to lower bound; lower bound operand: AttributeValue: {N:9}, upper bound operand: AttributeValue: {N:5}`,
		"n BETWEEN :b AND :n":         `requires same data type for lower and upper bounds; lower bound operand: AttributeValue: {B:AQI=}, upper bound operand: AttributeValue: {N:5}`,
		strings.Repeat("(", 40) + "n": `Syntax error; token: "<EOF>"`,
		strings.Repeat("n", 4097):     `Expression size has exceeded the maximum allowed size; expression size: 4097`,
		"(a) AND n = :n":              `Syntax error`,
		"é = :n":                      `Syntax error; token: "é", near: "é ="`,
	} {
		_, err := scope(t).Condition("ConditionExpression", text)
		var e *expr.Error
		if !errors.As(err, &e) || !strings.Contains(e.Message, want) {
			t.Errorf("%.60s: %v, want %q", text, err, want)
		}
	}
}

func TestUpdates(t *testing.T) {
	for _, c := range []struct{ text, item, want string }{
		{"SET a = :n", `{}`, `{"a":{"N":"5"}}`},
		{"SET a = b, b = a", `{"a":{"N":"1"},"b":{"N":"2"}}`, `{"a":{"N":"2"},"b":{"N":"1"}}`},
		{"SET a = a + :n, b = :n - a", `{"a":{"N":"0.1"}}`, `{"a":{"N":"5.1"},"b":{"N":"4.9"}}`},
		{"set a = if_not_exists(a, :n) + :one", `{}`, `{"a":{"N":"6"}}`},
		{"SET a = if_not_exists(a, :n)", `{"a":{"S":"x"}}`, `{"a":{"S":"x"}}`},
		{"SET #l = list_append(#l, :list)", `{"l":{"L":[{"N":"1"}]}}`, `{"l":{"L":[{"N":"1"},{"S":"x"}]}}`},
		{"SET #l = list_append(if_not_exists(#l, :list), :list)", `{}`, `{"l":{"L":[{"S":"x"},{"S":"x"}]}}`},
		{"SET a.b.c = :n", `{"a":{"M":{"b":{"M":{}}}}}`, `{"a":{"M":{"b":{"M":{"c":{"N":"5"}}}}}}`},
		{"SET a[1] = :n, a[9] = :s, a[7] = :one", `{"a":{"L":[{"S":"0"},{"S":"1"}]}}`, `{"a":{"L":[{"S":"0"},{"N":"5"},{"N":"1"},{"S":"b"}]}}`},
		{"REMOVE a[0], a[2]", `{"a":{"L":[{"S":"0"},{"S":"1"},{"S":"2"}]}}`, `{"a":{"L":[{"S":"1"}]}}`},
		{"REMOVE a[0] SET a[1] = :n, a[5] = :s", `{"a":{"L":[{"S":"0"},{"S":"1"}]}}`, `{"a":{"L":[{"N":"5"},{"S":"b"}]}}`},
		{"REMOVE a[0].b[0], a[5], b, c", `{"a":{"L":[{"M":{"b":{"L":[{"S":"0"}]}}}]},"c":{"N":"1"}}`, `{"a":{"L":[{"M":{"b":{"L":[]}}}]}}`},
		{"ADD a :n, b :set", `{"a":{"N":"2"},"b":{"SS":["a","b"]}}`, `{"a":{"N":"7"},"b":{"SS":["a","b","z"]}}`},
		{"ADD a :n, b :set", `{}`, `{"a":{"N":"5"},"b":{"SS":["b","z"]}}`},
		{"DELETE a :set", `{"a":{"SS":["a","b"]}}`, `{"a":{"SS":["a"]}}`},
		{"DELETE a :set, b :set", `{"a":{"SS":["b","z"]}}`, `{}`},
		{"SET m.x = m.y REMOVE m.y", `{"m":{"M":{"y":{"N":"1"}}}}`, `{"m":{"M":{"x":{"N":"1"}}}}`},
		{"SET a = (a + :n)", `{"a":{"N":"1"}}`, `{"a":{"N":"6"}}`},
	} {
		u, err := scope(t).Update(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		before := parse(t, c.item)
		got, err := u.Apply(before)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if wire := string(got.AppendJSON(nil)); wire != c.want {
			t.Errorf("%s on %s\n got %s\nwant %s", c.text, c.item, wire, c.want)
		}
		if !item.EqualItems(before, parse(t, c.item)) {
			t.Errorf("%s changed its operand to %v", c.text, before)
		}
	}
}

func TestUpdateMistakesAreReportedInAWSsWords(t *testing.T) {
	for text, want := range map[string]string{
		"":                             `Invalid UpdateExpression: The expression can not be empty;`,
		"SET":                          `Syntax error; token: "<EOF>", near: "SET"`,
		"PUT a = :n":                   `Syntax error; token: "PUT", near: "PUT a"`,
		"SET a = :n,":                  `Syntax error; token: "<EOF>"`,
		"SET a = :n + :n + :n":         `Syntax error; token: "+", near: ":n + :n"`,
		"ADD a b":                      `Syntax error; token: "b", near: "a b"`,
		"SET a = :n SET b = :n":        `The "SET" section can only be used once in an update expression;`,
		"SET name = :n":                `Attribute name is a reserved keyword; reserved keyword: name`,
		"SET a = foo(b)":               `Invalid function name; function: foo`,
		"SET a = size(b)":              `Invalid function name; function: size`,
		"SET #x = :n":                  `attribute name: #x`,
		"SET a = :x":                   `attribute value: :x`,
		"SET a = :n, a.b = :n":         `Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [a], path two: [a, b]`,
		"SET a[0] = :n, a.b = :n":      `Two document paths conflict with each other; must remove or rewrite one of these paths; path one: [a, [0]], path two: [a, b]`,
		"REMOVE a, #n, #n":             `path one: [name], path two: [name]`,
		"ADD a :s":                     `Incorrect operand type for operator or function; operator: ADD, operand type: STRING, typeSet: ALLOWED_FOR_ADD_OPERAND`,
		"DELETE a :n":                  `operator: DELETE, operand type: NUMBER, typeSet: ALLOWED_FOR_DELETE_OPERAND`,
		"SET a = a + :s":               `Incorrect operand type for operator or function; operator or function: +, operand type: S`,
		"SET a = list_append(a, :s)":   `operator or function: list_append, operand type: S`,
		"SET a = if_not_exists(:n, b)": `Operator or function requires a document path; operator or function: if_not_exists`,
		"SET a = list_append(a)":       `number of operands: 1`,
	} {
		_, err := scope(t).Update(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	for text, want := range map[string]string{
		"SET a = zz":                "The provided expression refers to an attribute that does not exist in the item",
		"SET a = n + name1":         "does not exist in the item",
		"SET a = pk + :n":           "An operand in the update expression has an incorrect data type",
		"SET a = list_append(n, n)": "incorrect data type",
		"ADD pk :n":                 "incorrect data type",
		"DELETE n :set":             "incorrect data type",
		"SET x.y = :n":              "The document path provided in the update expression is invalid for update",
		"SET n[0] = :n":             "invalid for update",
		"REMOVE n.x":                "invalid for update",
		"SET l[9].x = :n":           "invalid for update",
	} {
		u, err := scope(t).Update(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if _, err := u.Apply(parse(t, sample)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func TestUpdatesSayWhatTheyChange(t *testing.T) {
	u, err := scope(t).Update("SET m.k = :n, #l[0] = :s, m.x = :n REMOVE gone")
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(u.Attributes(), " "); got != "m l gone" {
		t.Errorf("attributes %s", got)
	}
	if got := string(u.Changed(parse(t, sample)).AppendJSON(nil)); got != `{"l":{"L":[{"S":"l0"}]},"m":{"M":{"k":{"S":"v"}}}}` {
		t.Errorf("changed %s", got)
	}
	if !u.Creates() || !u.UsesInside("m") || u.UsesInside("gone") {
		t.Error("wrong answers")
	}
	if u, _ := scope(t).Update("REMOVE a DELETE b :set"); u.Creates() {
		t.Error("removing creates")
	}
}

func TestProjections(t *testing.T) {
	for text, want := range map[string]string{
		"pk":                   `{"pk":{"S":"p"}}`,
		"pk, absent, m.absent": `{"pk":{"S":"p"}}`,
		"#l[2], l[0], #l[7]":   `{"l":{"L":[{"S":"l0"},{"S":"l2"}]}}`,
		"m.deep.x, m.k":        `{"m":{"M":{"deep":{"M":{"x":{"N":"2"}}},"k":{"S":"v"}}}}`,
		"l[1].k":               `{"l":{"L":[{"M":{"k":{"N":"1"}}}]}}`,
		"n.x, l.x, m[0]":       `{}`,
	} {
		p, err := scope(t).Projection(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := string(p.Apply(parse(t, sample)).AppendJSON(nil)); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
	for text, want := range map[string]string{
		"pk, pk":    "Invalid ProjectionExpression: Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [pk], path two: [pk]",
		"a.b, a":    "path one: [a, b], path two: [a]",
		"a.b, a[0]": "conflict",
		"a,":        "Syntax error",
		"name":      "reserved keyword: name",
		":n":        "Syntax error",
	} {
		if _, err := scope(t).Projection(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func TestKeyConditions(t *testing.T) {
	terms, err := scope(t).KeyCondition("pk = :s AND (:n < #n)")
	if err != nil || len(terms) != 2 || terms[0].Attribute != "pk" || terms[1].Attribute != "name" || terms[1].Comparison != expr.Greater || terms[1].Values[0].Text != "5" {
		t.Errorf("got %v, %v", terms, err)
	}
	terms, err = scope(t).KeyCondition("pk = :s AND n BETWEEN :n AND :nine")
	if err != nil || terms[1].Comparison != expr.Between || len(terms[1].Values) != 2 {
		t.Errorf("got %v, %v", terms, err)
	}
	for text, want := range map[string]string{
		"pk = :s OR n = :n":    "Invalid operator used in KeyConditionExpression: OR",
		"NOT pk = :s":          "Invalid operator used in KeyConditionExpression: NOT",
		"pk <> :s":             "Invalid operator used in KeyConditionExpression: <>",
		"pk IN (:s)":           "Invalid operator used in KeyConditionExpression: IN",
		"attribute_exists(pk)": "Invalid operator used in KeyConditionExpression: attribute_exists",
		"size(pk) = :n":        "KeyConditionExpressions cannot contain nested operations",
		"pk = :s AND pk = :s":  "KeyConditionExpressions must only contain one condition per key",
		"pk = n":               "Multiple attribute names used in one condition",
		"pk.x = :s":            "KeyConditionExpressions cannot have conditions on nested attributes",
		":s = :n":              "No key attribute specified",
		":n BETWEEN n AND :n":  "BETWEEN operator must have the key attribute as its first operand",
		"begins_with(:s, pk)":  "begins_with operator must have the key attribute as its first operand",
		"pk = :missing":        "Invalid KeyConditionExpression: An expression attribute value used",
	} {
		if _, err := scope(t).KeyCondition(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func TestPlaceholdersMustBeWellFormedAndUsed(t *testing.T) {
	for _, c := range []struct {
		names  []expr.Name
		values string
		want   string
	}{
		{[]expr.Name{}, "", "ExpressionAttributeNames must not be empty"},
		{nil, `{}`, "ExpressionAttributeValues must not be empty"},
		{[]expr.Name{{"n", "x"}}, "", `ExpressionAttributeNames contains invalid key: Syntax error; key: "n"`},
		{nil, `{":":{"S":"x"}}`, `ExpressionAttributeValues contains invalid key: Syntax error; key: ":"`},
		{[]expr.Name{{"#a", "x"}, {"#b", "y"}, {"#c", "z"}}, "", "Value provided in ExpressionAttributeNames unused in expressions: keys: {#b, #c}"},
		{[]expr.Name{{"#a", "x"}}, `{":a":{"S":"x"},":b":{"S":"x"}}`, "Value provided in ExpressionAttributeValues unused in expressions: keys: {:b}"},
	} {
		var values item.Item
		if c.values != "" {
			values = parse(t, c.values)
		}
		s, err := parser.Scope(c.names, values)
		if err == nil {
			text := "attribute_exists(#a)"
			if values != nil {
				text = "#a = :a"
			}
			if _, err := s.Condition("ConditionExpression", text); err != nil {
				t.Fatal(err)
			}
			err = s.Unused()
			if err == nil || err.Error() != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
			continue
		}
		if err.Error() != c.want {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}

func FuzzExpressions(f *testing.F) {
	for _, s := range []string{
		"n = :n AND NOT (size(#n) <> :nine) OR pk IN (:s, :n)", "SET a = if_not_exists(a, :n) + :n, l[0] = :s REMOVE m.k ADD ss :set DELETE ss :set",
		"pk, #n, l[1].k", "((n = :n))", "n BETWEEN :n AND :nine", "begins_with(b, :b)", "REMOVE l[0], l[1].k",
	} {
		f.Add(s)
	}
	it := parse(f, sample)
	f.Fuzz(func(t *testing.T, text string) {
		if c, err := scope(t).Condition("ConditionExpression", text); err == nil {
			c.Test(it)
			c.Test(nil)
		}
		scope(t).KeyCondition(text)
		if u, err := scope(t).Update(text); err == nil {
			u.Changed(it)
			if out, err := u.Apply(it); err == nil {
				if back, err := item.Decode(item.Encode(nil, out)); err != nil || !item.EqualItems(back, out) {
					t.Fatalf("%q made an item that cannot be stored: %v", text, err)
				}
			}
		}
		if p, err := scope(t).Projection(text); err == nil {
			p.Apply(it)
		}
	})
}
