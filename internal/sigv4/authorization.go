package sigv4

import (
	"encoding/hex"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// scope is a credential: who signed, and for when and what.
type scope struct{ id, day, region, service, terminator string }

// authorization is a signature with all that it names.
type authorization struct {
	scope     scope
	signed    string // names of the signed headers, lower case, separated by ";"
	signature [32]byte
	date      string // as timeForm
	time      time.Time
	expires   time.Duration // of a signed URL; 0 for a header
	token     bool          // of a session
}

// fields are the parameters of either form, before they are understood.
type fields struct{ credential, signed, signature, date, token string }

func parse(r Request) (authorization, error) {
	header := r.Header.Get("Authorization")
	if len(r.Header["Authorization"]) > 1 {
		return authorization{}, errTwice
	}
	if len(header) > authorizationMax || len(r.Query) > authorizationMax {
		return authorization{}, errTooLong
	}
	var q url.Values
	if r.Query != "" {
		var err error
		if q, err = url.ParseQuery(r.Query); err != nil { // what it leaves out is not signed
			return authorization{}, incomplete("The query string is malformed.")
		}
	}
	inQuery := q.Has("X-Amz-Algorithm")
	switch {
	case header != "" && inQuery:
		return authorization{}, errBoth
	case inQuery:
		return parseQuery(q)
	case !strings.HasPrefix(strings.TrimSpace(header), "AWS4-"):
		return authorization{}, errMissing
	}
	return parseHeader(r, strings.TrimSpace(header))
}

// parseHeader reads "AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…".
func parseHeader(r Request, header string) (authorization, error) {
	name, rest, _ := strings.Cut(header, " ")
	var f fields
	for part := range strings.FieldsFuncSeq(rest, func(c rune) bool { return c == ',' || c == ' ' }) {
		key, value, ok := strings.Cut(part, "=")
		if !ok {
			return authorization{}, incomplete("'" + part + "' not a valid key=value pair (missing equal-sign) in Authorization header: '" + header + "'.")
		}
		if !f.set(key, value) {
			return authorization{}, errTwice
		}
	}
	f.date, f.token = headerDate(r.Header), r.Header.Get("X-Amz-Security-Token")
	missing := ""
	for _, m := range [...]struct{ name, value string }{{"Credential", f.credential}, {"Signature", f.signature}, {"SignedHeaders", f.signed}} {
		if m.value == "" {
			missing += "Authorization header requires '" + m.name + "' parameter. "
		}
	}
	if f.date == "" {
		missing += "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. "
	}
	if missing != "" {
		return authorization{}, incomplete(missing + "Authorization=" + name)
	}
	return f.understand(name, 0)
}

// set takes one parameter of a header, and reports whether it is the first of its
// name: what reads two in different ways could be talked into the other one.
func (f *fields) set(key, value string) (first bool) {
	var field *string
	switch key {
	case "Credential":
		field = &f.credential
	case "SignedHeaders":
		field = &f.signed
	case "Signature":
		field = &f.signature
	default:
		return true
	}
	first = *field == ""
	*field = value
	return first
}

// headerDate is X-Amz-Date, or Date in either form.
func headerDate(h http.Header) string {
	if d := h.Get("X-Amz-Date"); d != "" {
		return d
	}
	d := h.Get("Date")
	if t, err := http.ParseTime(d); err == nil {
		return t.UTC().Format(timeForm)
	}
	return d
}

func parseQuery(q url.Values) (authorization, error) {
	for _, name := range [...]string{"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date", "X-Amz-Expires", "X-Amz-Security-Token"} {
		if len(q[name]) > 1 {
			return authorization{}, errTwice
		}
	}
	missing := ""
	for _, name := range [...]string{"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date"} {
		if q.Get(name) == "" {
			missing += "AWS query-string parameters must include '" + name + "'. "
		}
	}
	if missing != "" {
		return authorization{}, incomplete(missing + "Re-examine the query-string parameters.")
	}
	expires := time.Duration(0)
	if text := q.Get("X-Amz-Expires"); text != "" {
		seconds, err := strconv.Atoi(text)
		if err != nil || seconds < 1 || seconds > int(presignedMax/time.Second) {
			return authorization{}, incomplete("X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be a number between 1 and 604800")
		}
		expires = time.Duration(seconds) * time.Second
	}
	f := fields{q.Get("X-Amz-Credential"), q.Get("X-Amz-SignedHeaders"), q.Get("X-Amz-Signature"), q.Get("X-Amz-Date"), q.Get("X-Amz-Security-Token")}
	return f.understand(q.Get("X-Amz-Algorithm"), expires)
}

// understand checks the form of each field.
func (f fields) understand(name string, expires time.Duration) (authorization, error) {
	a := authorization{date: f.date, signed: strings.ToLower(f.signed), expires: expires, token: f.token != ""}
	var err error
	if a.time, err = time.Parse(timeForm, f.date); err != nil {
		return a, incomplete("Date must be in ISO-8601 'basic format'. Got '" + f.date + "'. See http://en.wikipedia.org/wiki/ISO_8601")
	}
	if !names(a.signed, "host") {
		return a, invalid("'Host' must be a 'SignedHeader' in the AWS Authorization.")
	}
	if name != algorithm {
		return a, incomplete("Unsupported AWS 'algorithm': '" + name + "' (only AWS4-HMAC-SHA256 for now). ")
	}
	if a.scope, err = parseScope(f.credential); err != nil {
		return a, err
	}
	if len(f.signature) != hex.EncodedLen(len(a.signature)) {
		return a, errMismatch
	}
	if _, err := hex.Decode(a.signature[:], []byte(f.signature)); err != nil {
		return a, errMismatch
	}
	return a, nil
}

// names reports whether the header is among the signed ones.
func names(signed, header string) bool {
	for name := range strings.SplitSeq(signed, ";") {
		if name == header {
			return true
		}
	}
	return false
}

func parseScope(credential string) (scope, error) {
	trimmed := strings.TrimRight(credential, "/")
	if strings.Count(trimmed, "/") != 4 {
		return scope{}, incomplete("Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '" + credential + "'")
	}
	p := strings.Split(trimmed, "/")
	return scope{p[0], p[1], p[2], p[3], p[4]}, nil
}
