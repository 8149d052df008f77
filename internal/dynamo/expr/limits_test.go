package expr_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/meridian-run/meridian/internal/dynamo/expr"
	"github.com/meridian-run/meridian/internal/item"
)

func TestD1_ExpressionsHaveAWSsLimits(t *testing.T) {
	many := func(n int, text string) string { return strings.Repeat(text, n) }
	index := fmt.Sprintf("a[%d] = :n", 1<<40)
	for _, c := range []struct{ text, want string }{
		{"n < :n" + many(149, " OR (n < :n") + many(149, ")"), ""}, // 299 operators
		{"n < :n" + many(150, " OR (n < :n") + many(150, ")"), "The expression contains too many operators; operator count: 301"},
		{many(299, "NOT ") + "n < :n", ""},
		{many(300, "NOT ") + "n < :n", "The expression contains too many operators; operator count: 301"},
		{"n IN (:n" + many(99, ", :n") + ")", ""},
		{"n IN (:n" + many(100, ", :n") + ")", "The IN operator is provided with too many operands; number of operands: 101"},
		{"a" + many(31, ".b") + " = :n", ""},
		{"a" + many(32, ".b") + " = :n", "The document path has too many nesting levels; nesting levels: 33"},
		{index, "List index is not within the allowable range; index: [1099511627776]"},
		{many(4000, "("), `Syntax error; token: "<EOF>"`},
		{"n < :n" + many(4090, " "), ""},
		{"n < :n" + many(4091, " "), "Expression size has exceeded the maximum allowed size; expression size: 4097"},
	} {
		_, err := scope(t).Condition("FilterExpression", c.text)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), "Invalid FilterExpression: "+c.want)) {
			t.Errorf("%.40s… of %d bytes: %v, want %q", c.text, len(c.text), err, c.want)
		}
	}
	for text, want := range map[string]string{
		"SET a = if_not_exists(a, :n) + :n" + many(99, ", a%d = if_not_exists(a, :n) - n"): "",
		"SET a = if_not_exists(a, :n) + :n" + many(299, ",a%d=:n+:n"):                      "The expression contains too many operators; operator count: 301",
	} {
		for i := 0; strings.Contains(text, "%d"); i++ {
			text = strings.Replace(text, "%d", fmt.Sprint(i), 1)
		}
		if _, err := scope(t).Update(text); want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%.60s: %v, want %q", text, err, want)
		}
	}
}

func TestD1_TheFirstComparisonWithAMistakeIsReported(t *testing.T) {
	for text, want := range map[string]string{
		"a = a AND b = :x":                    "The first operand must be distinct from the remaining operands for this operator or function; operator: =, first operand: [a]",
		"n IN (:n, n)":                        "The first operand must be distinct from the remaining operands for this operator or function; operator: IN, first operand: [n]",
		"n BETWEEN :n AND n":                  "The first operand must be distinct from the remaining operands for this operator or function; operator: BETWEEN, first operand: [n]",
		"b = :x AND a = a":                    "An expression attribute value used in expression is not defined; attribute value: :x",
		":x = #x":                             "An expression attribute value used in expression is not defined; attribute value: :x",
		"#x = :x":                             "An expression attribute name used in the document path is not defined; attribute name: #x",
		"NOT (n < :set OR n < :x)":            "Incorrect operand type for operator or function; operator or function: <, operand type: SS",
		"size(size(n)) > :n":                  "Incorrect operand type for operator or function; operator or function: size, operand type: N",
		"begins_with(size(n), :s)":            "Incorrect operand type for operator or function; operator or function: begins_with, operand type: N",
		"attribute_type(n, size(n))":          "Incorrect operand type for operator or function; operator or function: attribute_type, operand type: N",
		"a = :x AND name = :n":                "Attribute name is a reserved keyword; reserved keyword: name",
		"a = :x AND attribute_exists(a, a)":   "Incorrect number of operands for operator or function; operator or function: attribute_exists, number of operands: 2",
		"name = :x AND attribute_existed(a)":  "Invalid function name; function: attribute_existed",
		"((a = :x)) AND attribute_existed(a)": "The expression has redundant parentheses;",
		"a = :x AND attribute_exists(a) = :s": "The function is not allowed to be used this way in an expression; function: attribute_exists",
	} {
		if _, err := scope(t).Condition("ConditionExpression", text); err == nil || err.Error() != "Invalid ConditionExpression: "+want {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func TestD1_PlaceholdersHaveAWSsLimits(t *testing.T) {
	long := strings.Repeat("a", 255)
	for _, c := range []struct {
		names []expr.Name
		value string
		want  string
	}{
		{[]expr.Name{{"#a", ""}}, "", "ExpressionAttributeNames contains invalid value: Empty attribute name for key #a"},
		{[]expr.Name{{"#a", strings.Repeat("x", 65536)}}, "", "ExpressionAttributeNames contains invalid value: Attribute name is too large, must be less than 65536 bytes for key #a"},
		{[]expr.Name{{"#" + long, "a"}}, "", "ExpressionAttributeNames contains invalid key: The expression attribute map contains a key that is too long; key: "},
		{nil, ":" + long, "ExpressionAttributeValues contains invalid key: The expression attribute map contains a key that is too long; key: "},
	} {
		var values item.Item
		if c.value != "" {
			values = item.Make(item.Attribute{Name: c.value, Value: item.Int(1)})
		}
		if _, err := parser.Scope(c.names, values); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("got %.120v, want %s", err, c.want)
		}
	}
}
