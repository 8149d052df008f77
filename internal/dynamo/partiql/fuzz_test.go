package partiql

import (
	"errors"
	"testing"

	"github.com/meridian-run/meridian/internal/dynamo/expr"
	"github.com/meridian-run/meridian/internal/item"
)

// FuzzStatements reads any text: it ends, its errors are the ones promised, and
// what is read has a meaning or such an error.
func FuzzStatements(f *testing.F) {
	for _, s := range []string{
		`SELECT * FROM "events"."by-color" WHERE pk = ? AND sk BETWEEN 1 AND 2e3 AND NOT n IN [1, 'a', NULL] ORDER BY pk DESC, sk`,
		`SELECT m.k[0], "a b"['c'] FROM t WHERE pk = 'a' AND (sk < 1 OR sk >= 2) OR pk IN ('b', ?) AND begins_with(s, 'x') = true -- note`,
		`INSERT INTO t VALUE {'pk': 'it''s', 'l': [1, -.5, TRUE], 's': <<'a', 'b'>>, 'm': {'x': ?}};`,
		`UPDATE t SET a = list_append(a, [1]), n = n - 1 SET s = set_add(s, <<1>>) REMOVE b[2] WHERE pk = 'a' AND sk = 1 AND size(a) > 3 RETURNING MODIFIED NEW *`,
		`DELETE FROM t WHERE pk = 'a' AND sk = 1 AND x IS NOT MISSING RETURNING ALL OLD *`,
		`EXISTS(SELECT * FROM t /* note */ WHERE pk = 'a' AND sk = 1 AND x IS BOOLEAN)`,
		`FROM t WHERE pk = 'a' SET x = if_not_exists(x, 0) + 1`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, source string) {
		s, err := Parse(source)
		if err != nil {
			check(t, source, err)
			return
		}
		parameters := make([]item.Value, s.parameters)
		for i := range parameters {
			parameters[i] = item.Text("x")
		}
		b, err := s.Bind(parameters)
		if err != nil {
			t.Fatalf("%q: %v", source, err)
		}
		it := item.Make(item.Attribute{Name: "pk", Value: item.Text("a")}, item.Attribute{Name: "sk", Value: item.Int(1)})
		switch s.Kind {
		case Select, Exists:
			r, err := b.Read(keys)
			check(t, source, err)
			if err == nil && r.Filter != nil {
				r.Filter.Test(it)
			}
		case Insert:
			_, err := b.Item()
			check(t, source, err)
			return
		case Update:
			u, err := b.Changes()
			check(t, source, err)
			if err == nil {
				_, err = u.Apply(it)
				check(t, source, err)
			}
		}
		key, whole, err := b.Key(keys)
		check(t, source, err)
		if err == nil && whole {
			c, err := b.Condition(key)
			check(t, source, err)
			if c != nil {
				c.Test(it)
			}
		}
	})
}

// check fails on an error that is not one of a statement.
func check(t *testing.T, source string, err error) {
	t.Helper()
	var wrong *Error
	var expression *expr.Error
	var value *item.InvalidError
	if err != nil && !errors.As(err, &wrong) && !errors.As(err, &expression) && !errors.As(err, &value) {
		t.Fatalf("%q: %v", source, err)
	}
}
