package partiql

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-run/meridian/internal/dynamo/expr"
	"github.com/meridian-run/meridian/internal/item"
)

// D1: what AWS's parser and DynamoDB say to statements that they do not take,
// and where the mistake is.
func TestD1_MistakesInStatements(t *testing.T) {
	const malformed = "Statement wasn't well formed, can't be processed: "
	for _, c := range []struct{ statement, want, at string }{
		{"", malformed + expectedStatement, "1:1:0"},
		{"SLECT * FROM t", malformed + expectedStatement, "1:1:5"},
		{"UPDATE Payment-t SET a = 1 WHERE pk = 1", malformed + expectedStatement, "1:15:1"},
		{"SELECT * FROM t WHERE", malformed + unexpectedTerm, ""},
		{"SELECT * FROM t WHERE;", malformed + unexpectedTerm, ""},
		{"UPDATE t SET a = 1 WHERE", malformed + unexpectedTerm, ""},
		{"SELECT * FROM t WHERE NOT", malformed + unexpectedTerm, ""},
		{"SELECT * FROM t WHERE (", malformed + unexpectedTerm, ""},
		{"SELECT * FROM", malformed + unexpectedTerm, ""},
		{"SELECT * FROM t WHERE pk = 'p' AND", malformed + missingOperand, ""},
		{"SELECT * FROM t WHERE pk = 'p' OR", malformed + missingOperand, ""},
		{"SELECT * FROM t WHERE ORDER BY pk", malformed + unexpectedKeyword, "1:23:5"},
		{"SELECT * FROM t WHERE pad = 'x'", malformed + unexpectedKeyword, ""},
		{"INSERT INTO urls (key, target) VALUES (?, ?)", malformed + unexpectedKeyword, ""},
		{"SELECT * FROM t WHERE IS NULL", malformed + unexpectedSign, ""},
		{"SELECT * FROM t WHERE pk = LIKE", malformed + unexpectedSign, ""},
		{"SELECT * FROM t WHERE pk = 'a' AND x IS FOO", malformed + expectedType, ""},
		{"DELETE FROM", malformed + expectedPath, ""},
		{"DELETE FROM WHERE pk = 'a'", malformed + expectedPath, ""},
		{"SELECT * FROM t WHERE attribute_exists(m.inner)", malformed + wrongComponent, ""},
		{"SELECT * FROM t WHERE pk = 1 foo", malformed + leftOver, "1:30:3"},
		{"SELECT * FROM t WHERE pk = 1 e5", malformed + leftOver, ""},
		{"SELECT * FROM t WHERE pk = 1)", malformed + leftOver, ""},
		{"SELECT * FROM t ORDER BY pk WHERE pk = 1", malformed + leftOver, ""},
		{"DELETE FROM t WHERE pk = 1 ORDER BY pk", malformed + leftOver, ""},
		{"INSERT INTO t VALUE {'pk': 1} foo", malformed + leftOver, ""},
		{"INSERT INTO t x VALUE {'pk': 'x'}", malformed + leftOver, ""},
		{"FROM t SET c = 1 WHERE pk = 'x'", malformed + leftOver, ""},
		{"SELECT * FROM t; SELECT * FROM t", malformed + leftOver, ""},
		{"SELECT * FROM t WHERE pk = 1e2147483648", malformed, ""},
		{"SELECT * FROM t WHERE pk = 1.5e-2147483647", malformed, ""},
		{"SELECT * FROM t WHERE pk = 1 # note", malformed, "1:30:1"},
		{"SELECT * FROM t\nWHERE pk = 1 /* note", malformed, "2:14:7"},
		{"SELECT * FROM \"t", malformed, ""},
		{"SELECT * FROM t WHERE pk = 'it''s", malformed, ""},
		{"SELECT * FROM t WHERE (pk = 1", malformed + "Expected RIGHT_PAREN", ""},
		{"SELECT * FROM t x WHERE pk = 1", aliasing, ""},
		{"SELECT a AS b FROM t", aliasing, ""},
		{"UPDATE t AS x SET a = 3 WHERE pk = 'x'", aliasing, ""},
		{"DELETE FROM t x WHERE pk = 'x'", aliasing, ""},
		{"SELECT * FROM a.b.c", "A path may contain at most 2 components in the FROM clause", ""},
		{`SELECT * FROM t.""`, "Path component cannot be an empty string", ""},
		{"SELECT * FROM ?", "Unexpected from source", ""},
		{"SELECT * FROM a, b", "Unexpected from source", ""},
		{"INSERT INTO t.i VALUE {}", "FROM clause may only contain a single table name", ""},
		{"UPDATE t.i SET a = 1 WHERE pk = 1", "This operation is not supported on an index", ""},
		{"DELETE FROM t.i WHERE pk = 1", "This operation is not supported on an index", ""},
		{"SELECT id FROM dbimp_page LIMIT 5", "Unsupported clause: LIMIT at 1:33:1", "1:33:1"},
		{"SELECT attribute_exists(ss) FROM t", "Unexpected path component at 1:8:16", "1:8:16"},
		{"SELECT s, m.s FROM t", "Duplicate identifiers in select clause: s", ""},
		{"SELECT *, a FROM t", "Other attributes should not be present in the projection when '*' is used.", ""},
		{"DELETE FROM t WHERE pk = 'x' RETURNING MODIFIED OLD *", "Invalid returning clause: RETURNING MODIFIED OLD *. Only RETURNING ALL OLD * is allowed in DELETE statements.", ""},
	} {
		_, err := Parse(c.statement)
		var wrong *Error
		if !errors.As(err, &wrong) || wrong.Message != c.want || c.at != "" && wrong.At.String() != c.at {
			t.Errorf("%s: got %v at %v, want %s at %s", c.statement, err, wrong, c.want, c.at)
		}
	}
	if _, err := Parse("SELECT * FROM t WHERE pk = '" + strings.Repeat("é", TextMax-29) + "'"); err != nil {
		t.Errorf("%d characters: %v", TextMax, err)
	}
	for _, long := range []string{strings.Repeat("x", TextMax+1), "SELECT * FROM t WHERE " + strings.Repeat("(", 4000), "SELECT * FROM t WHERE " + strings.Repeat("NOT ", 2000), "INSERT INTO t VALUE {'a':" + strings.Repeat("[", 4000)} {
		if _, err := Parse(long); err == nil {
			t.Errorf("%.30s… of %d bytes is parsed", long, len(long))
		}
	}
}

var keys = Schema{Hash: []Attribute{{"pk", item.S}}, Sort: []Attribute{{"sk", item.N}}}

// bind parses a statement that has to be right.
func bind(t *testing.T, statement string, parameters ...item.Value) *Bound {
	t.Helper()
	s, err := Parse(statement)
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	b, err := s.Bind(parameters)
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	return b
}

// D1: what is wrong with a statement once its values and its table are known.
func TestD1_MistakesInWhatStatementsMean(t *testing.T) {
	const pk, overlap = "SELECT * FROM t WHERE pk = 'a' AND ", "Overlapping conditions with range keys are not supported in where clause"
	var many []string
	for i := range 51 {
		many = append(many, fmt.Sprintf("'%d'", i))
	}
	for statement, want := range map[string]string{
		pk + "attribute_exists('s')":                         "Operator or function requires a document path; operator or function: attribute_exists",
		pk + "attribute_exists()":                            "Incorrect number of operands for operator or function; operator or function: attribute_exists, number of operands: 0",
		pk + "attribute_exists(a, b)":                        "Incorrect number of operands for operator or function; operator or function: attribute_exists, number of operands: 2",
		pk + "EXISTS(s)":                                     "Unrecognized function: exists at 1:36:6",
		pk + "set_add(s, <<'x'>>) = s":                       "Unrecognized function: set_add at 1:36:7",
		pk + "v < true":                                      "Incorrect operand type for operator or function; operator or function: <, operand type: BOOL",
		pk + "n = 1e126":                                     "Number overflow. Attempting to store a number with magnitude larger than supported range under root",
		pk + "n = [1, {'x': 1e-131}]":                        "Number underflow. Attempting to store a number with magnitude smaller than supported range under root[1].x",
		pk + "n = <<>>":                                      "Empty bags are not supported",
		pk + "n = <<1, 'a'>>":                                "Unsupported data type in Bag. DynamoDB only supports either numbers or strings in bags",
		pk + "n = <<'x', 'x'>>":                              "One or more parameter values were invalid: Input collection [x, x] contains duplicates.",
		pk + "sk = 'text'":                                   "Key attribute's data type should match its data type in table's schema: Key sk",
		pk + "(sk > 0 OR sk < 5)":                            overlap,
		pk + "(sk = 1 OR n = 2)":                             overlap,
		pk + "n = 1 OR pk = 'a'":                             overlap,
		"SELECT * FROM t WHERE pk = 1":                       "Key attribute's data type should match its data type in table's schema: Key pk",
		"SELECT * FROM t ORDER BY sk":                        "Must have WHERE clause in the statement when using ORDER BY clause.",
		pk + "n = 1 ORDER BY n":                              "Attribute n in ORDER BY clause must be part of the primary key",
		"SELECT * FROM t WHERE pk > 'a' ORDER BY sk":         "Must have at least one non-optional hash key condition in WHERE clause when using ORDER BY clause.",
		"SELECT * FROM t WHERE pk IN ['a', 'b'] ORDER BY sk": "Must have hash key in ORDER BY clause when more than one hash key condition specified in WHERE clause.",
		"SELECT * FROM t WHERE pk IN ['a', 'a']":             overlap,
		"SELECT * FROM t WHERE pk IN [" + strings.Join(many, ", ") + "]":                       "Too many decomposed read operations for a given query.",
		"SELECT * FROM t WHERE pk IN [" + strings.Join(many[:26], ", ") + "] AND sk IN [1, 2]": "Too many decomposed read operations for a given query.",
		"SELECT * FROM t WHERE n IN [" + strings.Repeat("1,", 100) + "1]":                      "The IN operator is provided with too many operands; number of operands: 101",
	} {
		if _, err := bind(t, statement).Read(keys); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", statement, err, want)
		}
	}
	for statement, want := range map[string]string{
		"UPDATE t SET b = set_add(ss, <<'x'>>) WHERE pk = 'a'": "The first argument to SET_ADD must equal the assignment value at 1:18:7",
		"UPDATE t SET ss = set_add(ss, 'x') WHERE pk = 'a'":    "The second argument to SET_ADD must be a value with type SET at 1:27:2",
		"UPDATE t SET ss = set_delete(ss) WHERE pk = 'a'":      "SET_DELETE must have exactly two arguments at 1:19:10",
		"UPDATE t SET a = 'a' + 1 WHERE pk = 'a'":              "Incorrect operand type for operator or function; operator or function: +, operand type: S",
		"UPDATE t SET a = 1, a = 2 WHERE pk = 'a'":             "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [a], path two: [a]",
		"UPDATE t SET a = foo(b) WHERE pk = 'a'":               "Unrecognized function: foo at 1:18:3",
	} {
		if _, err := bind(t, statement).Changes(); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", statement, err, want)
		}
	}
	if _, err := bind(t, "INSERT INTO t VALUE {'pk': 'x', 'ss': set_add(<<'a'>>, <<'b'>>)}").Item(); err == nil || err.Error() != "Unsupported data type: set_add under key root at 1:39:7" {
		t.Errorf("a function as a value: %v", err)
	}
	for statement, want := range map[string]string{
		"INSERT INTO t VALUE {'pk': 1e126}":                   "under root",
		"INSERT INTO t VALUE {'pk': 1, 'm': {'x': 1e126}}":    "under root.x",
		"INSERT INTO t VALUE {'pk': 1, 'l': [1, [1e126]]}":    "under root[1][0]",
		"INSERT INTO t VALUE {'pk': {'l': [1, {'x':1e126}]}}": "under root.l[1].x",
	} {
		if _, err := bind(t, statement).Item(); err == nil || !strings.HasSuffix(err.Error(), " "+want) {
			t.Errorf("%s: got %v, want it %s", statement, err, want)
		}
	}
	if _, _, err := bind(t, "DELETE FROM t WHERE pk = 'a' AND sk = 1 AND pk = 'b'").Key(keys); err == nil || err.Error() != "Multiple conditions on same key pk. Only single item Update/Insert/Delete are supported" {
		t.Errorf("two items: %v", err)
	}
	s, _ := Parse("SELECT * FROM t WHERE pk = ? AND s = '?'")
	for _, n := range []int{0, 2} {
		if _, err := s.Bind(make([]item.Value, n)); err == nil || err.Error() != "Number of parameters in request and statement don't match." {
			t.Errorf("%d parameters for one: %v", n, err)
		}
	}
}

// terms shows key conditions: pk=a sk>1.
func terms(queries [][]expr.KeyTerm) string {
	signs := []string{"=", "<", "<=", ">", ">=", "..", "^"}
	var parts []string
	for _, q := range queries {
		text := ""
		for _, term := range q {
			var values []string
			for _, v := range term.Values {
				values = append(values, v.Text)
			}
			text += " " + term.Attribute + signs[term.Comparison] + strings.Join(values, "-")
		}
		parts = append(parts, strings.TrimSpace(text))
	}
	return strings.Join(parts, "; ")
}

// D1: a WHERE that holds the partition key to values becomes Queries of which no
// two find the same item, with a filter for what they leave.
func TestD1_ConditionsBecomeQueries(t *testing.T) {
	for where, want := range map[string]string{
		"pk = 'a'":                                          "pk=a",
		"pk = 'a' AND sk > 1":                               "pk=a sk>1",
		"1 < sk AND 'a' = pk":                               "pk=a sk>1",
		"pk = 'a' AND sk BETWEEN 1 AND 2":                   "pk=a sk..1-2",
		"pk = 'a' AND sk > 1 AND sk < 3":                    "pk=a sk>1 | filter",
		"pk = 'a' AND sk > 1 AND sk = 3":                    "pk=a sk=3 | filter",
		"pk = 'a' AND n = 1":                                "pk=a | filter",
		"pk IN ('b', 'a')":                                  "pk=b; pk=a",
		"pk IN ['b', 'a', 'c'] ORDER BY pk":                 "pk=a; pk=b; pk=c",
		"pk IN ['b', 'a'] AND sk = 1 ORDER BY pk DESC":      "pk=b sk=1; pk=a sk=1 | reverse",
		"pk IN ['b', 'a'] ORDER BY pk DESC, sk ASC":         "pk=b; pk=a",
		"pk = 'a' AND sk IN [3, 1] ORDER BY sk":             "pk=a sk=1; pk=a sk=3",
		"pk = 'a' AND (sk < 1 OR sk >= 1) ORDER BY sk DESC": "pk=a sk>=1; pk=a sk<1 | reverse",
		"pk = 'a' AND sk = 1 OR pk = 'b'":                   "pk=a sk=1; pk=b",
		"pk = 'a' AND sk = 1 OR pk = 'b' AND n = 1":         "pk=a sk=1; pk=b | filter",
		"pk = 'a' AND (n = 1 OR n = 2)":                     "pk=a | filter",
		"pk = 'a' AND NOT sk = 1 OR pk = 'a' AND sk = 2":    "pk=a | filter",
		"pk = 'a' AND sk <> 1":                              "pk=a | filter",
		"pk = 'a' OR n = 1":                                 "scan | filter",
		"NOT pk = 'a'":                                      "scan | filter",
		"pk > 'a'":                                          "scan | filter",
		"begins_with(pk, 'a')":                              "scan | filter",
		"pk = n":                                            "scan | filter",
		"pk.x = 'a'":                                        "scan | filter",
		"pk = 'a' AND pk = 'b'":                             "pk=a | filter",
	} {
		r, err := bind(t, "SELECT * FROM t WHERE "+where).Read(keys)
		if err != nil {
			t.Errorf("%s: %v", where, err)
			continue
		}
		got := terms(r.Queries)
		if r.Queries == nil {
			got = "scan"
		}
		if r.Filter != nil {
			got += " | filter"
		}
		if r.Reverse {
			got += " | reverse"
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", where, got, want)
		}
	}
	wide := Schema{Hash: []Attribute{{"a", item.S}, {"b", item.S}}, Sort: []Attribute{{"c", item.S}, {"d", item.S}}}
	r, err := bind(t, "SELECT * FROM t.i WHERE a = '1' AND b IN ['2', '3'] AND c = '4' AND begins_with(d, '5')").Read(wide)
	if want := "a=1 b=2 c=4 d^5; a=1 b=3 c=4 d^5"; err != nil || terms(r.Queries) != want || r.Filter != nil {
		t.Errorf("keys of several attributes: %s %v, want %s", terms(r.Queries), err, want)
	}
	r, err = bind(t, "SELECT * FROM t.i WHERE a = '1' AND b = '2' AND d = '5'").Read(wide)
	if want := "a=1 b=2"; err != nil || terms(r.Queries) != want || r.Filter == nil {
		t.Errorf("a gap in the sort key: %s %v, want %s", terms(r.Queries), err, want)
	}
}

func TestD1_LiteralsAreValues(t *testing.T) {
	b := bind(t, `INSERT INTO "t" VALUE {'pk': 'it''s', 'n': -.73e1, 'big': 12345678901234567890123456789012345678, 'l': [TRUE, null, ?], 'm': {}, 's': <<'b', 'a'>>, 'ns': <<1.0, 2>>} -- done`, item.Value{Kind: item.B, Text: "\x00"})
	it, err := b.Item()
	if err != nil {
		t.Fatal(err)
	}
	want := `{"big":{"N":"12345678901234567890123456789012345678"},"l":{"L":[{"BOOL":true},{"NULL":true},{"B":"AA=="}]},"m":{"M":{}},"n":{"N":"-7.3"},"ns":{"NS":["1","2"]},"pk":{"S":"it's"},"s":{"SS":["a","b"]}}`
	if diff := cmp.Diff(want, string(it.AppendJSON(nil))); diff != "" {
		t.Error(diff)
	}
}
