package dynamo_test

import (
	"fmt"
	"strings"
	"testing"
)

func TestD1_NumbersAreExactInTheirWholeRange(t *testing.T) {
	r := newRegion(t).tables()
	digits := strings.Repeat("1234567890", 4)[:38]
	for number, want := range map[string]string{
		"1": "1", "-0": "0", "0e1000": "0", "+5": "5", ".5": "0.5", "007.10": "7.1", "1e3": "1000", "1.5E-3": "0.0015", "-1.20e1": "-12",
		digits: digits, "0." + digits: "0." + digits, digits + "00": digits + "00",
		"1E-130": "0." + strings.Repeat("0", 129) + "1", "9.9E125": "99" + strings.Repeat("0", 124), "-9.9E125": "-99" + strings.Repeat("0", 124),
	} {
		r.expect("UpdateItem", `{"TableName":"notes","Key":{"pk":{"S":"a"}},"UpdateExpression":"SET n = :n","ExpressionAttributeValues":{":n":{"N":"`+number+`"}},"ReturnValues":"UPDATED_NEW"}`,
			`{"Attributes":{"n":{"N":"`+want+`"}}}`)
	}
	over, under := "Number overflow. Attempting to store a number with magnitude larger than supported range", "Number underflow. Attempting to store a number with magnitude smaller than supported range"
	for number, words := range map[string]string{
		"1e126": over, "-10E125": over, "1e999999999999": over, "1e-131": under, "0.9e-130": under,
		digits + "1": "Attempting to store more than 38 significant digits in a Number", "": "The parameter cannot be converted to a numeric value",
		"x": "The parameter cannot be converted to a numeric value: x", " 1": "numeric value:  1", "1 ": "numeric value: 1 ", "NaN": "numeric value: NaN", "Infinity": "numeric value: Infinity", "0x1": "numeric value: 0x1", "1e": "numeric value: 1e", "1.2.3": "numeric value: 1.2.3",
	} {
		r.refuse("PutItem", `{"TableName":"notes","Item":{"pk":{"S":"a"},"n":{"N":"`+number+`"}}}`, "ValidationException", words)
	}
}

func TestD1_ArithmeticIsExactOrRefused(t *testing.T) {
	r := newRegion(t).tables()
	for _, c := range []struct{ a, op, b, want string }{
		{"1", "+", "10000000000000000000000", "10000000000000000000001"},
		{"10000000000000000000000", "-", "1", "9999999999999999999999"},
		{"0.1", "+", "0.2", "0.3"},
		{"1E-130", "-", "1E-130", "0"},
		{"1E-130", "+", "1E-130", "0." + strings.Repeat("0", 129) + "2"},
		{"99999999999999999999999999999999999999", "+", "1", "1" + strings.Repeat("0", 38)},
		{"9E125", "+", "9E125", ""},
		{"9E125", "-", "-9E125", ""},
		{"1E50", "+", "1", ""},
		{"1E50", "-", "1", ""},
	} {
		body := fmt.Sprintf(`{"TableName":"notes","Key":{"pk":{"S":"a"}},"UpdateExpression":"SET n = :a %s :b","ExpressionAttributeValues":{":a":{"N":%q},":b":{"N":%q}},"ReturnValues":"UPDATED_NEW"}`, c.op, c.a, c.b)
		if c.want == "" {
			r.refuse("UpdateItem", body, "ValidationException", "Number overflow. Attempting to store a number with magnitude larger than supported range")
			continue
		}
		r.expect("UpdateItem", body, `{"Attributes":{"n":{"N":"`+c.want+`"}}}`)
	}
	r.must("PutItem", `{"TableName":"notes","Item":{"pk":{"S":"b"},"n":{"N":"0.1"}}}`)
	for range 10 {
		r.must("UpdateItem", `{"TableName":"notes","Key":{"pk":{"S":"b"}},"UpdateExpression":"ADD n :n","ExpressionAttributeValues":{":n":{"N":"0.1"}}}`)
	}
	r.expect("GetItem", `{"TableName":"notes","Key":{"pk":{"S":"b"}},"ProjectionExpression":"n"}`, `{"Item":{"n":{"N":"1.1"}}}`)
}

func TestD1_SetsHaveNoOrderAndNoDoubles(t *testing.T) {
	r := newRegion(t).tables()
	r.expect("UpdateItem", `{"TableName":"notes","Key":{"pk":{"S":"a"}},"UpdateExpression":"SET n = :n, s = :s","ExpressionAttributeValues":{":n":{"NS":["10","9","1.0"]},":s":{"SS":["b","","a"]}},"ReturnValues":"UPDATED_NEW"}`,
		`{"Attributes":{"n":{"NS":["1","9","10"]},"s":{"SS":["","a","b"]}}}`)
	r.expect("DeleteItem", `{"TableName":"notes","Key":{"pk":{"S":"a"}},"ConditionExpression":"n = :n AND contains(n, :one)","ExpressionAttributeValues":{":n":{"NS":["9.0","1","1E1"]},":one":{"N":"1.00"}}}`, `{}`)
	one := "One or more parameter values were invalid: "
	for value, words := range map[string]string{
		`{"SS":[]}`: one + "An string set  may not be empty", `{"NS":[]}`: one + "An number set  may not be empty", `{"BS":[]}`: one + "Binary sets should not be empty",
		`{"SS":["a","b","a"]}`: one + "Input collection [a, b, a] contains duplicates.", `{"NS":["1","1.0"]}`: "Input collection contains duplicates",
		`{"S":"a","N":"x"}`: "The parameter cannot be converted to a numeric value: x", `{"S":"a","N":"1"}`: "has more than one datatypes set",
		`{"M":{"":{"S":"a"}}}`: "Empty attribute name", `{"NULL":false}`: one + "Null attribute value types must have the value of true",
	} {
		r.refuse("PutItem", `{"TableName":"notes","Item":{"pk":{"S":"a"},"x":`+value+`}}`, "ValidationException", words)
	}
}

func TestD1_ItemsEndAtTheirSizeAndDepth(t *testing.T) {
	r := newRegion(t).tables()
	item := func(x string) string { return `{"TableName":"notes","Item":{"pk":{"S":"a"},"x":` + x + `}}` }
	fits := 400<<10 - len("pk"+"a"+"x")
	r.must("PutItem", item(`{"S":"`+strings.Repeat("x", fits)+`"}`))
	r.refuse("PutItem", item(`{"S":"`+strings.Repeat("x", fits+1)+`"}`), "ValidationException", "Item size has exceeded the maximum allowed size")
	r.refuse("UpdateItem", `{"TableName":"notes","Key":{"pk":{"S":"a"}},"UpdateExpression":"SET y = :t","ExpressionAttributeValues":{":t":{"BOOL":true}}}`, "ValidationException", "Item size to update has exceeded the maximum allowed size")
	r.must("PutItem", item(nestedLists(32)))
	r.refuse("PutItem", item(nestedLists(33)), "ValidationException", "Nesting Levels have exceeded supported limits")
	r.refuse("UpdateItem", `{"TableName":"notes","Key":{"pk":{"S":"a"}},"UpdateExpression":"SET y = list_append(:l, :l), z = :l","ExpressionAttributeValues":{":l":`+nestedLists(33)+`}}`, "ValidationException", "Nesting Levels have exceeded supported limits")
}
