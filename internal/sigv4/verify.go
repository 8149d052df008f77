package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	terminator = "aws4_request"
	timeForm   = "20060102T150405Z"
	// authorizationMax bounds what is parsed; signers need a few hundred bytes.
	authorizationMax = 8 << 10
	// presignedMax is the longest life of a signed URL.
	presignedMax = 7 * 24 * time.Hour
)

// Config says what is verified.
type Config struct {
	// Service is the service that requests must be signed for.
	Service string
	// Region is the region that requests must be signed for; empty accepts any,
	// so that a client keeps its signing region when it turns to another region.
	Region string
	// SkewMax is how far the request's time may be from ours; default 15 min.
	SkewMax time.Duration
	// Now is the clock; default time.Now.
	Now func() time.Time
}

// Request is what was signed.
type Request struct {
	Method string
	// Path is the path as sent, escaped; empty counts as "/".
	Path string
	// Query is the raw query.
	Query  string
	Host   string
	Header http.Header
	// Length is the request's Content-Length, for signers that sign it.
	Length int64
	// Hash is the SHA-256 of the body.
	Hash [sha256.Size]byte
}

// Verifier verifies requests. It is safe for concurrent use.
type Verifier struct {
	config Config
	keys   keyCache
}

// NewVerifier builds a verifier.
func NewVerifier(config Config) *Verifier {
	if config.SkewMax == 0 {
		config.SkewMax = 15 * time.Minute
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	return &Verifier{config: config}
}

// Verify answers the id of the access key that signed the request, or an *Error.
// secret finds the secret of a key; the checks come in AWS's order.
func (v *Verifier) Verify(r Request, secret func(id string) (string, bool)) (id string, err error) {
	a, err := parse(r)
	if err != nil {
		return "", err
	}
	if err := v.checkTime(a); err != nil {
		return "", err
	}
	if err := v.checkScope(a); err != nil {
		return "", err
	}
	key, ok := secret(a.scope.id)
	if !ok || a.token { // there are no sessions here whose token it could be
		return a.scope.id, errUnknown
	}
	if len(r.Header["X-Amz-Target"]) > 0 && !names(a.signed, "x-amz-target") {
		return a.scope.id, errUnsigned // whoever passes it on could ask for something else
	}
	var room [sha256.Size]byte
	if want := v.signature(room[:0], r, a, key); !hmac.Equal(want, a.signature[:]) {
		return a.scope.id, errMismatch
	}
	return a.scope.id, nil
}

func (v *Verifier) checkTime(a authorization) error {
	now := v.config.Now().UTC()
	stamp := func(t time.Time) string { return t.Format(timeForm) }
	skew, life := v.config.SkewMax, v.config.SkewMax
	if a.expires > 0 {
		life = a.expires
	}
	if now.After(a.time.Add(life)) {
		return invalid("Signature expired: " + a.date + " is now earlier than " + stamp(now.Add(-life)) + " (" + stamp(now) + " - " + trimFloat(life.Minutes()) + " min.)")
	}
	if a.time.After(now.Add(skew)) {
		return invalid("Signature not yet current: " + a.date + " is still later than " + stamp(now.Add(skew)) + " (" + stamp(now) + " + " + trimFloat(skew.Minutes()) + " min.)")
	}
	return nil
}

func (v *Verifier) checkScope(a authorization) error {
	var wrong []string
	if a.scope.region == "" || v.config.Region != "" && a.scope.region != v.config.Region {
		wrong = append(wrong, "Credential should be scoped to a valid region, not '"+a.scope.region+"'. ")
	}
	if a.scope.service != v.config.Service {
		wrong = append(wrong, "Credential should be scoped to correct service: '"+v.config.Service+"'. ")
	}
	if a.scope.terminator != terminator {
		wrong = append(wrong, "Credential should be scoped with a valid terminator: '"+terminator+"', not '"+a.scope.terminator+"'. ")
	}
	if a.scope.day != a.date[:8] {
		wrong = append(wrong, "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '"+a.scope.day+"' != '"+a.date[:8]+"', from '"+a.date+"'. ")
	}
	if len(wrong) > 0 {
		return invalid(strings.Join(wrong, ""))
	}
	return nil
}

// signature appends what the request's signature must be.
func (v *Verifier) signature(dst []byte, r Request, a authorization, secret string) []byte {
	var room [1024]byte
	canonical := sha256.Sum256(appendCanonical(room[:0], r, a))
	var text [256]byte
	s := append(text[:0], algorithm...)
	s = append(s, '\n')
	s = append(s, a.date...)
	s = append(s, '\n')
	s = append(s, a.scope.day...)
	for _, part := range [...]string{a.scope.region, a.scope.service, a.scope.terminator} {
		s = append(s, '/')
		s = append(s, part...)
	}
	s = append(s, '\n')
	s = hex.AppendEncode(s, canonical[:])
	return v.keys.get(a.scope, secret).sum(dst, s)
}

// appendCanonical appends the canonical request.
func appendCanonical(dst []byte, r Request, a authorization) []byte {
	dst = append(dst, r.Method...)
	dst = append(dst, '\n')
	dst = appendPath(dst, r.Path)
	dst = append(dst, '\n')
	dst = appendQuery(dst, r.Query)
	dst = append(dst, '\n')
	for name := range strings.SplitSeq(a.signed, ";") {
		dst = append(dst, name...)
		dst = append(dst, ':')
		dst = appendHeader(dst, r, name)
		dst = append(dst, '\n')
	}
	dst = append(dst, '\n')
	dst = append(dst, a.signed...)
	dst = append(dst, '\n')
	return hex.AppendEncode(dst, r.Hash[:])
}

// appendPath appends the path as signers other than S3's have it: each segment
// escaped once more.
func appendPath(dst []byte, path string) []byte {
	if path == "" || path == "/" {
		return append(dst, '/')
	}
	for i, segment := range strings.Split(path, "/") {
		if i > 0 {
			dst = append(dst, '/')
		}
		dst = appendEscaped(dst, segment)
	}
	return dst
}

func appendEscaped(dst []byte, s string) []byte {
	const hexes = "0123456789ABCDEF"
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-_.~", c) >= 0 {
			dst = append(dst, c)
			continue
		}
		dst = append(dst, '%', hexes[c>>4], hexes[c&15])
	}
	return dst
}

// appendQuery appends the query's pairs, sorted and escaped, without the
// signature itself.
func appendQuery(dst []byte, raw string) []byte {
	if raw == "" {
		return dst
	}
	values, _ := url.ParseQuery(raw)
	values.Del("X-Amz-Signature")
	for _, all := range values {
		slices.Sort(all)
	}
	return append(dst, strings.ReplaceAll(values.Encode(), "+", "%20")...)
}

// appendHeader appends a header's values: trimmed, inner spaces as one, joined
// by commas.
func appendHeader(dst []byte, r Request, name string) []byte {
	switch name {
	case "host":
		return append(dst, r.Host...)
	case "content-length":
		if len(r.Header["Content-Length"]) == 0 && r.Length >= 0 {
			return appendInt(dst, r.Length)
		}
	}
	for i, value := range r.Header[headerKey(name)] {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendTrimmed(dst, value)
	}
	return dst
}

// headerKey is the header's key in http.Header; those that every signer signs
// are found without an allocation.
func headerKey(name string) string {
	switch name {
	case "x-amz-target":
		return "X-Amz-Target"
	case "x-amz-date":
		return "X-Amz-Date"
	}
	return http.CanonicalHeaderKey(name)
}

func appendTrimmed(dst []byte, value string) []byte {
	value = strings.TrimSpace(value)
	if !strings.Contains(value, "  ") {
		return append(dst, value...)
	}
	return append(dst, strings.Join(strings.FieldsFunc(value, func(r rune) bool { return r == ' ' }), " ")...)
}
