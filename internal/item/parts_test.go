package item

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSplitAndJoinAreEncode(t *testing.T) {
	n, _ := Number("-12.5")
	it := Make(
		Attribute{"a", Text("x")}, Attribute{"n", n}, Attribute{"t", Value{Kind: Bool, Bool: true}}, Attribute{"z", Value{Kind: Null}},
		Attribute{"m", Value{Kind: M, Map: Make(Attribute{"k", Value{Kind: L, List: []Value{Text("é"), n}}})}},
		Attribute{"s", Value{Kind: NS, List: []Value{Int(-2), Int(7)}}},
	)
	stored := Encode(nil, it)
	parts, err := Split(stored)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range parts {
		v, err := DecodeValue(p.Value)
		if err != nil || p.Name != it[i].Name || !Equal(v, it[i].Value) {
			t.Errorf("part %d is %s %v, %v", i, p.Name, v, err)
		}
		if !bytes.Equal(EncodeValue(nil, v), p.Value) {
			t.Errorf("%s: other bytes", p.Name)
		}
	}
	joined, err := Join(nil, parts)
	if err != nil || !bytes.Equal(joined, stored) {
		t.Errorf("got %x, %v, want %x", joined, err, stored)
	}
	for i := range stored {
		if _, err := Split(stored[:i]); err == nil {
			t.Errorf("%d bytes of %d are an item", i, len(stored))
		}
	}
	if _, err := Join(nil, []Part{{"a", []byte{99}}}); err == nil {
		t.Error("an unknown kind is joined")
	}
	if i, ok := FindPart(parts, "m"); !ok || parts[i].Name != "m" {
		t.Errorf("found %d, %t", i, ok)
	}
}

// D8: increments add up exactly, beyond the digits of one number.
func TestD8_SumsAreExact(t *testing.T) {
	for _, c := range []struct {
		add         []string
		text, value string
		exact       bool
	}{
		{nil, "0", "0", true},
		{[]string{"1", "2.5", "-4"}, "-0.5", "-0.5", true},
		{[]string{"1E40", "0.001", "-1E40"}, "0.001", "0.001", true},
		{[]string{"1E37", "0.1"}, "10000000000000000000000000000000000000.1", "10000000000000000000000000000000000000", false},
		{[]string{"99999999999999999999999999999999999999", "0.5"}, "99999999999999999999999999999999999999.5", "100000000000000000000000000000000000000", false},
		{[]string{"1E-130", "-1E-130"}, "0", "0", true},
	} {
		var s Sum
		for _, text := range c.add {
			v, err := Number(text)
			if err != nil {
				t.Fatal(err)
			}
			s.Add(v)
		}
		value, exact := s.Value()
		if s.Text() != c.text || value.Text != c.value || exact != c.exact {
			t.Errorf("%v: %s, as a number %s, exact %t", c.add, s.Text(), value.Text, exact)
		}
		again, err := ParseSum(s.Text())
		if err != nil || again.Cmp(&s) != 0 {
			t.Errorf("%s comes back as %v, %v", s.Text(), again, err)
		}
		again.Minus(&s)
		if again.Text() != "0" {
			t.Errorf("minus itself it is %s", again.Text())
		}
	}
	big, _ := ParseSum("9" + string(bytes.Repeat([]byte("0"), 200)))
	v, exact := big.Value()
	if want := (decimal{exponent: exponentMax, digits: bytes.Repeat([]byte("9"), digitsMax)}).String(); v.Text != want || exact {
		t.Error(cmp.Diff(v.Text, want))
	}
	if _, err := ParseSum("1e9999999"); err == nil {
		t.Error("a huge exponent is a sum")
	}
}

func TestOrderedKeysAreReadBack(t *testing.T) {
	for _, text := range []string{"0", "1", "-1", "12.5", "-0.001", "120", "1E125", "-9.9E-129", "99999999999999999999999999999999999999"} {
		v, err := Number(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ParseOrdered(N, AppendOrdered(nil, v)); err != nil || got.Text != v.Text {
			t.Errorf("%s comes back as %s, %v", v.Text, got.Text, err)
		}
	}
	if got, err := ParseOrdered(S, []byte("é")); err != nil || got.Text != "é" {
		t.Errorf("got %v, %v", got, err)
	}
	for _, bad := range []string{"", "\x03", "\x03\x80", "\x03\x80\xff", "\x09aa"} {
		if v, err := ParseOrdered(N, []byte(bad)); err == nil {
			t.Errorf("%q is %v", bad, v)
		}
	}
}
