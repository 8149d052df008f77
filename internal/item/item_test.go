package item

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func parse(t testing.TB, text string) Item {
	t.Helper()
	var doc Document
	if err := doc.Parse(text); err != nil {
		t.Fatalf("parse %s: %v", text, err)
	}
	it, err := FromJSON(doc.Root())
	if err != nil {
		t.Fatalf("item %s: %v", text, err)
	}
	return it
}

func number(t testing.TB, text string) Value {
	t.Helper()
	v, err := Number(text)
	if err != nil {
		t.Fatalf("Number(%q): %v", text, err)
	}
	return v
}

const everyKind = `{"b":{"B":"AQI="},"bool":{"BOOL":false},"bs":{"BS":["AQ==","Ag=="]},"l":{"L":[{"S":"x"},{"M":{"k":{"NULL":true}}}]},` +
	`"m":{"M":{}},"n":{"N":"-12.5"},"ns":{"NS":["-1","2","10"]},"s":{"S":"a\"\\\n\u0001é"},"ss":{"SS":["a","b"]}}`

func TestItemGoesThroughStorageUnchanged(t *testing.T) {
	it := parse(t, everyKind)
	if got := string(it.AppendJSON(nil)); got != everyKind {
		t.Errorf("AppendJSON\n got %s\nwant %s", got, everyKind)
	}
	stored := Encode(nil, it)
	back, err := Decode(stored)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(it, back); diff != "" {
		t.Error(diff)
	}
	direct, err := AppendStoredJSON(nil, stored)
	if err != nil || string(direct) != everyKind {
		t.Errorf("AppendStoredJSON gives %s, %v", direct, err)
	}
	if n, err := StoredSize(stored); err != nil || n != it.Size() {
		t.Errorf("StoredSize = %d, %v, want %d", n, err, it.Size())
	}
	for cut := range stored {
		if _, err := Decode(stored[:cut]); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("Decode of %d of %d bytes: %v", cut, len(stored), err)
		}
	}
}

func TestNumbersAreExactAndPlain(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"0", "0"},
		{"-0", "0"},
		{"0e1000", "0"},
		{"+3", "3"},
		{"-7.1234", "-7.1234"},
		{".123", "0.123"},
		{"0001.230", "1.23"},
		{"1e+5", "100000"},
		{"-17e5", "-1700000"},
		{"1E-3", "0.001"},
		{"5.", "5"},
		{"314159265358979323846.26433832795028841", "314159265358979323846.26433832795028841"},
		{"31415926535897932384626433832795028841e30", "31415926535897932384626433832795028841" + strings.Repeat("0", 30)},
		{"9.99e125", "999" + strings.Repeat("0", 123)},
		{"1e-130", "0." + strings.Repeat("0", 129) + "1"},
	} {
		if got := number(t, c.text).Text; got != c.want {
			t.Errorf("Number(%q) = %s, want %s", c.text, got, c.want)
		}
	}
	for text, want := range map[string]string{
		"": "numeric", "NaN": "numeric", "Infinity": "numeric", " 1": "numeric", "1 ": "numeric", "1e": "numeric", "1.2.3": "numeric", ".": "numeric", "--1": "numeric",
		"1e126": "overflow", "11e125": "overflow", "1e99999999999999": "overflow", "1e-131": "underflow", "0.9e-130": "underflow",
		"3.14159265358979323846264338327950288419": "38 significant digits",
	} {
		_, err := Number(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Number(%q) error %v, want one about %q", text, err, want)
		}
	}
}

func TestArithmeticIsExactOrRefused(t *testing.T) {
	for _, c := range []struct{ a, b, sum, difference string }{
		{"1", "10000000000000000000000", "10000000000000000000001", "-9999999999999999999999"},
		{"0.1", "0.2", "0.3", "-0.1"},
		{"5", "5", "10", "0"},
		{"0", "1e100", "1" + strings.Repeat("0", 100), "-1" + strings.Repeat("0", 100)},
		{"-1.5", "0", "-1.5", "-1.5"},
		{"99", "1", "100", "98"},
	} {
		a, b := number(t, c.a), number(t, c.b)
		if got, err := Add(a, b); err != nil || got.Text != c.sum {
			t.Errorf("%s + %s = %s, %v, want %s", c.a, c.b, got.Text, err, c.sum)
		}
		if got, err := Sub(a, b); err != nil || got.Text != c.difference {
			t.Errorf("%s - %s = %s, %v, want %s", c.a, c.b, got.Text, err, c.difference)
		}
	}
	for _, c := range [][2]string{{"9e125", "9e125"}, {"1e50", "1"}} {
		if got, err := Add(number(t, c[0]), number(t, c[1])); err == nil {
			t.Errorf("%s + %s = %s, want an overflow", c[0], c[1], got.Text)
		}
	}
}

func TestOrderedBytesSortAsNumbersDo(t *testing.T) {
	texts := []string{
		"-9.99e125", "-1e125", "-1001", "-1000.5", "-1000", "-999", "-12", "-1.21", "-1.2", "-1", "-0.5", "-0.05", "-1e-130", "0", "1e-130",
		"0.05", "0.5", "1", "1.2", "1.21", "12", "999", "1000", "1000.5", "1001", "1e125", "9.99e125",
	}
	for i, a := range texts {
		for j, b := range texts {
			x, y := number(t, a), number(t, b)
			want := max(-1, min(1, i-j))
			if got := bytes.Compare(AppendOrdered(nil, x), AppendOrdered(nil, y)); got != want {
				t.Errorf("bytes of %s and %s compare %d, want %d", a, b, got, want)
			}
			if got, _ := Compare(x, y); max(-1, min(1, got)) != want {
				t.Errorf("Compare(%s, %s) = %d, want %d", a, b, got, want)
			}
		}
	}
}

func TestSizesAreCountedAsByAWS(t *testing.T) {
	for text, want := range map[string]int{
		`{"pk":{"S":"é"}}`:                            4,
		`{"n":{"N":"0"}}`:                             2,
		`{"n":{"N":"1"}}`:                             3,
		`{"n":{"N":"12"}}`:                            3,
		`{"n":{"N":"123"}}`:                           4,
		`{"n":{"N":"-1"}}`:                            4,
		`{"x":{"BOOL":true}}`:                         2,
		`{"x":{"NULL":true}}`:                         2,
		`{"x":{"L":[]}}`:                              4,
		`{"x":{"L":[{"S":"ab"}]}}`:                    7,
		`{"x":{"M":{"k":{"S":"ab"}}}}`:                8,
		`{"x":{"B":"AQID"}}`:                          4,
		`{"x":{"SS":["ab","c"]}}`:                     4,
		`{"x":{"NS":["1","12"]},"y":{"BS":["AQID"]}}`: 9,
	} {
		if got := parse(t, text).Size(); got != want {
			t.Errorf("size of %s is %d, want %d", text, got, want)
		}
	}
}

func TestWrongValuesAreRefusedInAWSsWords(t *testing.T) {
	deep := strings.Repeat(`{"L":[`, 33) + strings.Repeat(`]}`, 33)
	for text, want := range map[string]string{
		`{"a":{}}`:                     emptyValue,
		`{"a":{"X":"y"}}`:              emptyValue,
		`{"a":{"S":"x","N":"1"}}`:      manyValues,
		`{"a":{"NULL":false}}`:         falseNull,
		`{"a":{"SS":[]}}`:              "An string set  may not be empty",
		`{"a":{"NS":[]}}`:              "An number set  may not be empty",
		`{"a":{"BS":[]}}`:              "Binary sets should not be empty",
		`{"a":{"SS":["b","a","b"]}}`:   "Input collection [b, a, b] contains duplicates.",
		`{"a":{"NS":["1","1.0"]}}`:     "Input collection contains duplicates",
		`{"a":{"BS":["AQ==","AQ=="]}}`: "Input collection [AQ==, AQ==]of type BS contains duplicates.",
		`{"a":{"N":123}}`:              "NUMBER_VALUE cannot be converted to String",
		`{"a":{"S":1.5}}`:              "DECIMAL_VALUE cannot be converted to String",
		`{"a":{"S":true}}`:             "TRUE_VALUE cannot be converted to String",
		`{"a":{"S":{}}}`:               "Start of structure or map found where not expected",
		`{"a":{"B":"AQI"}}`:            "multiple of 4 bytes but found: 3",
		`{"a":{"B":"A==="}}`:           "Invalid last non-pad Base64",
		`{"a":{"B":12}}`:               "only base-64-encoded strings",
		`{"a":{"L":"x"}}`:              "Unexpected field type",
		`{"a":{"M":[]}}`:               "Unrecognized collection type",
		`{"a":"x"}`:                    "Unexpected value type in payload",
		`[]`:                           "Unrecognized collection type java.util.Map",
		`{"a":` + deep + `}`:           tooDeep,
		`{"a":{"N":"` + strings.Repeat("1", 39) + `"}}`: "38 significant digits",
	} {
		var doc Document
		if err := doc.Parse(text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		_, err := FromJSON(doc.Root())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", text, err, want)
		}
	}
	parse(t, `{"a":`+strings.Repeat(`{"L":[`, 31)+strings.Repeat(`]}`, 31)+`}`)
}

func TestSetsAreEqualInAnyOrderAndDoublesAreTheLast(t *testing.T) {
	a, b := parse(t, `{"x":{"NS":["10","2"]}}`), parse(t, `{"x":{"NS":["2.0","10"]}}`)
	if !EqualItems(a, b) {
		t.Errorf("%v and %v should be equal", a, b)
	}
	if got := parse(t, `{"b":{"S":"1"},"a":{"S":"2"},"b":{"S":"3"}}`); got.Get("b").Text != "3" || len(got) != 2 {
		t.Errorf("got %v", got)
	}
	both := Union(a.Get("x"), Value{Kind: NS, List: []Value{Int(3), Int(2)}})
	if got := string(both.AppendJSON(nil)); got != `{"NS":["2","3","10"]}` {
		t.Errorf("union is %s", got)
	}
	if got := string(Difference(both, a.Get("x")).AppendJSON(nil)); got != `{"NS":["3"]}` {
		t.Errorf("difference is %s", got)
	}
}

func TestItemsAreCopiedWhenChanged(t *testing.T) {
	it := Make(Attribute{"b", Text("1")}, Attribute{"a", Text("2")})
	same := slices.Clone(it)
	changed := it.Set("a", Text("3")).Set("c", Text("4")).Remove("b")
	if diff := cmp.Diff(same, it); diff != "" {
		t.Error(diff)
	}
	if want := Make(Attribute{"a", Text("3")}, Attribute{"c", Text("4")}); !EqualItems(changed, want) {
		t.Errorf("got %v, want %v", changed, want)
	}
	if got := it.Pick("a", "x"); len(got) != 1 || got.Get("a").Text != "2" {
		t.Errorf("Pick gives %v", got)
	}
}

func FuzzDocumentAgainstEncodingJSON(f *testing.F) {
	for _, s := range []string{everyKind, `[]`, `{"a":[1,-0.5e+3,true,null,"\ud83d\ude00\ud800\/"]}`, ` "x" `, `01`, `{"a":1,}`, `"\u00zz"`, "\"\x01\""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var doc Document
		err := doc.Parse(text)
		var want any
		decoder := json.NewDecoder(strings.NewReader(text))
		decoder.UseNumber()
		theirs := decoder.Decode(&want)
		valid := theirs == nil && json.Valid([]byte(text))
		if err != nil {
			var se *SyntaxError
			if !errors.As(err, &se) {
				t.Fatalf("error of another type: %T", err)
			}
			if valid && se.Message != "invalid UTF-8" && se.Message != "nested too deeply" && se.Message != "too many values" {
				t.Fatalf("%q is refused: %v", text, err)
			}
			return
		}
		if !valid {
			t.Fatalf("%q is accepted, encoding/json says %v", text, theirs)
		}
		if diff := cmp.Diff(want, plainValue(doc.Root())); diff != "" {
			t.Fatalf("%q: %s", text, diff)
		}
		if n := doc.Root(); n.Form() == String {
			var again string
			if err := json.Unmarshal(AppendQuoted(nil, n.Text()), &again); err != nil || again != n.Text() {
				t.Fatalf("AppendQuoted(%q) reads back as %q, %v", n.Text(), again, err)
			}
		}
	})
}

// plainValue is the node as encoding/json would have it.
func plainValue(n Node) any {
	switch n.Form() {
	case Literal:
		return json.Number(n.Text())
	case True:
		return true
	case False:
		return false
	case String:
		return n.Text()
	case Array:
		list := []any{}
		for c, ok := n.First(); ok; c, ok = c.Next() {
			list = append(list, plainValue(c))
		}
		return list
	case Object:
		m := map[string]any{}
		for c, ok := n.First(); ok; c, ok = c.Next() {
			m[c.Key()] = plainValue(c)
		}
		return m
	}
	return nil
}

func FuzzItemFromJSON(f *testing.F) {
	f.Add(everyKind)
	f.Add(`{"a":{"N":"1e-130"}}`)
	f.Fuzz(func(t *testing.T, text string) {
		var doc Document
		if doc.Parse(text) != nil {
			return
		}
		it, err := FromJSON(doc.Root())
		if err != nil {
			return
		}
		stored := Encode(nil, it)
		back, err := Decode(stored)
		if err != nil || !EqualItems(it, back) {
			t.Fatalf("%q: stored and read back: %v, %v", text, back, err)
		}
		wire := it.AppendJSON(nil)
		direct, err := AppendStoredJSON(nil, stored)
		if err != nil || !bytes.Equal(wire, direct) {
			t.Fatalf("%q: %s is not %s, %v", text, direct, wire, err)
		}
		if again := parse(t, string(wire)); !EqualItems(it, again) {
			t.Fatalf("%q: written and read back: %v", text, again)
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add(Encode(nil, parse(f, everyKind)))
	f.Fuzz(func(t *testing.T, stored []byte) {
		_, err := Decode(stored)
		wire, werr := AppendStoredJSON(nil, stored)
		if err == nil && (werr != nil || !json.Valid(wire)) {
			t.Fatalf("decodes, but JSON is %s, %v", wire, werr)
		}
	})
}

func FuzzNumber(f *testing.F) {
	for _, s := range []string{"0", "-1.50e3", "1e-130", "99999999999999999999999999999999999999", ".5", "5."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := Number(text)
		if err != nil {
			return
		}
		got, ok1 := new(big.Rat).SetString(v.Text)
		want, ok2 := new(big.Rat).SetString(text)
		if !ok2 { // Rat reads no exponents beyond its own; with them only nothing is a number
			mantissa, _, _ := strings.Cut(strings.ToLower(text), "e")
			want, ok2 = new(big.Rat).SetString(mantissa)
			ok2 = ok2 && want.Sign() == 0
		}
		if !ok1 || !ok2 || got.Cmp(want) != 0 {
			t.Fatalf("Number(%q) = %s", text, v.Text)
		}
		if again := number(t, v.Text); again.Text != v.Text {
			t.Fatalf("%s is not canonical, but %s", v.Text, again.Text)
		}
	})
}

func BenchmarkItem1KB(b *testing.B) {
	text := `{"pk":{"S":"user-1234567890"},"name":{"S":"a name"},"count":{"N":"12345"},"body":{"S":"` + strings.Repeat("x", 900) + `"}}`
	stored := Encode(nil, parse(b, text))
	b.Run("read", func(b *testing.B) {
		var doc Document
		b.ReportAllocs()
		for b.Loop() {
			doc.Parse(text)
			FromJSON(doc.Root())
		}
	})
	b.Run("stored to wire", func(b *testing.B) {
		var dst []byte
		b.ReportAllocs()
		for b.Loop() {
			dst, _ = AppendStoredJSON(dst[:0], stored)
		}
	})
}

func TestMostCountsValuesAndNotText(t *testing.T) {
	many := strings.Repeat(`{"a":[1,"x"]},`, 1<<15)
	for text, want := range map[string]int{
		`1`: 1, `[]`: 2, `{"a":[1,2]}`: 4,
		`[` + many + `"` + strings.Repeat(`,\",[{`, 1<<16) + `"]`: 2 + 4<<15,
	} {
		var doc Document
		if err := doc.Parse(text); err != nil || Most(text) < len(doc.nodes) || Most(text) != want {
			t.Errorf("Most(%.30s…) = %d, want %d; there are %d, %v", text, Most(text), want, len(doc.nodes), err)
		}
	}
}
