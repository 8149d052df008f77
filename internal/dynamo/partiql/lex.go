package partiql

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

type tokenKind uint8

const (
	endToken tokenKind = iota
	name               // an identifier, quoted or not
	keyword            // in lower case
	text               // a string's content
	number
	symbol
)

type token struct {
	kind   tokenKind
	text   string
	quoted bool
	at     Place
}

// is reports whether the token is the symbol or the keyword.
func (t token) is(s string) bool { return (t.kind == symbol || t.kind == keyword) && t.text == s }

var symbols = [...]string{"<<", ">>", "<>", "<=", ">=", "!=", "<", ">", "=", "(", ")", "[", "]", "{", "}", ",", ".", ";", ":", "?", "*", "+", "-"}

// lexer cuts a statement into tokens.
type lexer struct {
	source       string
	at           int
	line, column int // of at
}

// tokens are the statement's, the last of which is the end.
func tokens(source string) []token {
	l := &lexer{source: source, line: 1, column: 1}
	list := make([]token, 0, 32)
	for {
		l.skip()
		if l.at == len(source) {
			return append(list, token{kind: endToken, at: l.place(0)})
		}
		list = append(list, l.next())
	}
}

func (l *lexer) place(length int) Place { return Place{l.line, l.column, length} }

// move goes on by n bytes and counts characters.
func (l *lexer) move(n int) {
	for _, c := range l.source[l.at : l.at+n] {
		l.column++
		if c == '\n' {
			l.line, l.column = l.line+1, 1
		}
	}
	l.at += n
}

// skip moves over blanks and comments.
func (l *lexer) skip() {
	for l.at < len(l.source) {
		rest := l.source[l.at:]
		switch {
		case strings.IndexByte(" \t\r\n\f\v", rest[0]) >= 0:
			l.move(1)
		case strings.HasPrefix(rest, "--"):
			end := strings.IndexByte(rest, '\n')
			if end < 0 {
				end = len(rest)
			}
			l.move(end)
		case strings.HasPrefix(rest, "/*"):
			end := strings.Index(rest[2:], "*/")
			if end < 0 {
				malformed(l.place(len(rest)), "")
			}
			l.move(end + 4)
		default:
			return
		}
	}
}

func (l *lexer) next() token {
	rest := l.source[l.at:]
	c := rest[0]
	switch {
	case c == '\'' || c == '"':
		return l.quoted(c)
	case isDigit(c) || c == '.' && len(rest) > 1 && isDigit(rest[1]):
		return l.number()
	case isLetter(c):
		end := 1
		for end < len(rest) && (isLetter(rest[end]) || isDigit(rest[end])) {
			end++
		}
		t := token{kind: name, text: rest[:end], at: l.place(end)}
		if lower := strings.ToLower(t.text); keywords[lower] {
			t.kind, t.text = keyword, lower
		}
		l.move(end)
		return t
	}
	for _, s := range symbols {
		if strings.HasPrefix(rest, s) {
			t := token{kind: symbol, text: s, at: l.place(len(s))}
			if s == "!=" {
				t.text = "<>"
			}
			l.move(len(s))
			return t
		}
	}
	malformed(l.place(1), "")
	return token{}
}

// quoted reads a string or a quoted name; two quotes within stand for one.
func (l *lexer) quoted(quote byte) token {
	start := l.place(0)
	rest := l.source[l.at:]
	for end := 1; end < len(rest); end++ {
		if rest[end] != quote {
			continue
		}
		if end+1 < len(rest) && rest[end+1] == quote {
			end++
			continue
		}
		q := string(quote)
		start.Length = utf8.RuneCountInString(rest[:end+1])
		t := token{kind: text, text: strings.ReplaceAll(rest[1:end], q+q, q), quoted: true, at: start}
		if quote == '"' {
			t.kind = name
		}
		l.move(end + 1)
		return t
	}
	malformed(l.place(len(rest)), "")
	return token{}
}

// number reads digits with a point and an exponent. AWS's numbers have 32-bit
// exponents and scales.
func (l *lexer) number() token {
	rest := l.source[l.at:]
	whole := digits(rest)
	end, fraction := whole, 0
	if end < len(rest) && rest[end] == '.' {
		fraction = digits(rest[end+1:])
		end += 1 + fraction
	}
	if exponent := exponentLength(rest[end:]); exponent > 0 {
		value, err := strconv.ParseInt(strings.TrimPrefix(rest[end+1:end+exponent], "+"), 10, 32)
		if scale := int64(fraction) - value; err != nil || scale > math.MaxInt32 || scale < math.MinInt32 {
			malformed(l.place(end+exponent), "")
		}
		end += exponent
	}
	if end < len(rest) && isLetter(rest[end]) {
		malformed(l.place(end+1), "")
	}
	t := token{kind: number, text: rest[:end], at: l.place(end)}
	l.move(end)
	return t
}

// exponentLength is the length of what is an exponent in front of s; 0 if none
// is.
func exponentLength(s string) int {
	if s == "" || s[0] != 'e' && s[0] != 'E' {
		return 0
	}
	sign := 0
	if len(s) > 1 && (s[1] == '+' || s[1] == '-') {
		sign = 1
	}
	n := digits(s[1+sign:])
	if n == 0 {
		return 0
	}
	return 1 + sign + n
}

func digits(s string) int {
	n := 0
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	return n
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isLetter(c byte) bool {
	return c == '_' || c == '$' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
