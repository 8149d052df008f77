package expr

import "strings"

type tokenKind uint8

const (
	endToken   tokenKind = iota
	word                 // a name or keyword
	nameToken            // #n
	valueToken           // :v
	number               // list index
	symbol               // ( ) [ ] , . + - = <> < <= > >=
	badToken
)

type token struct {
	kind       tokenKind
	text       string
	start, end int
}

// is reports whether the token is the symbol, or the keyword in any case.
func (t token) is(text string) bool {
	return t.kind == symbol && t.text == text || t.kind == word && strings.EqualFold(t.text, text)
}

// lex cuts the text into tokens, the last of which is the end.
func lex(text string) []token {
	tokens := make([]token, 0, 16)
	for at := 0; ; {
		for at < len(text) && strings.IndexByte(" \t\r\n", text[at]) >= 0 {
			at++
		}
		if at == len(text) {
			return append(tokens, token{endToken, "<EOF>", at, at})
		}
		t := lexOne(text, at)
		tokens = append(tokens, t)
		at = t.end
	}
}

func lexOne(text string, at int) token {
	c := text[at]
	switch {
	case c == '#' || c == ':':
		end := span(text, at+1, isWordByte)
		kind := nameToken
		if c == ':' {
			kind = valueToken
		}
		if end == at+1 {
			kind = badToken
		}
		return token{kind, text[at:end], at, end}
	case isDigit(c):
		end := span(text, at, isWordByte)
		kind := number
		if span(text, at, isDigit) != end {
			kind = badToken
		}
		return token{kind, text[at:end], at, end}
	case isWordByte(c):
		end := span(text, at, isWordByte)
		return token{word, text[at:end], at, end}
	}
	for _, s := range [...]string{"<>", "<=", ">=", "<", ">", "=", "(", ")", "[", "]", ",", ".", "+", "-"} {
		if strings.HasPrefix(text[at:], s) {
			return token{symbol, s, at, at + len(s)}
		}
	}
	end := at + 1
	for end < len(text) && text[end]&0xc0 == 0x80 { // the rest of a character
		end++
	}
	return token{badToken, text[at:end], at, end}
}

func span(text string, at int, in func(byte) bool) int {
	for at < len(text) && in(text[at]) {
		at++
	}
	return at
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isWordByte(c byte) bool {
	return c == '_' || isDigit(c) || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
