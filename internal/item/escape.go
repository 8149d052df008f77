package item

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// escaped reads the rest of a string whose first escape the reader stands on;
// start is where its content began. Lone surrogates become U+FFFD, as in
// encoding/json.
func (d *Document) escaped(start int) (string, error) {
	var b strings.Builder
	b.WriteString(d.source[start:d.at])
	for d.at < len(d.source) {
		c := d.source[d.at]
		switch {
		case c == '"':
			d.at++
			return b.String(), nil
		case c < ' ':
			return "", d.fail("control character in a string")
		case c == '\\':
			r, ok := d.escape()
			if !ok {
				return "", d.fail("bad escape in a string")
			}
			b.WriteRune(r)
		default:
			b.WriteByte(c)
			d.at++
		}
	}
	return "", d.fail("unexpected end in a string")
}

// escape reads one escape sequence, or two that are a surrogate pair.
func (d *Document) escape() (rune, bool) {
	if d.at+1 >= len(d.source) {
		return 0, false
	}
	c := d.source[d.at+1]
	if i := strings.IndexByte(`"\/bfnrt`, c); i >= 0 {
		d.at += 2
		return rune("\"\\/\b\f\n\r\t"[i]), true
	}
	r, ok := hex4(d.source[d.at:])
	if !ok {
		return 0, false
	}
	d.at += 6
	if !utf16.IsSurrogate(r) {
		return r, true
	}
	if low, ok := hex4(d.source[d.at:]); ok {
		if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
			d.at += 6
			return pair, true
		}
	}
	return utf8.RuneError, true
}

// hex4 reads \uXXXX.
func hex4(s string) (rune, bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	var r rune
	for i := 2; i < 6; i++ {
		digit := strings.IndexByte("0123456789abcdef", s[i]|0x20)
		if digit < 0 || s[i] < '0' {
			return 0, false
		}
		r = r<<4 | rune(digit)
	}
	return r, true
}

// AppendQuoted appends s as a JSON string. Bytes that are not UTF-8, which no
// value holds, become U+FFFD.
func AppendQuoted(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				dst = append(dst, s[start:i]...)
				dst = append(dst, "\ufffd"...)
				start = i + 1
			}
			i += size
			continue
		}
		dst = append(dst, s[start:i]...)
		if short := strings.IndexByte("\"\\\b\f\n\r\t", c); short >= 0 {
			dst = append(dst, '\\', `"\bfnrt`[short])
		} else {
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		i++
		start = i
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}
