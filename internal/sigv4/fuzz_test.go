package sigv4_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"testing"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/meridian-run/meridian/internal/sigv4"
)

// What AWS's signer signs is accepted, in the header and in the query, and with
// one bit of it changed refused.
func FuzzSigned(f *testing.F) {
	f.Add("/", "", "value", "{}", byte(0))
	f.Add("/a/b%20c/", "x=1&a=b%2Fc&a=a&e=", "  two   words ", "", byte(9))
	f.Add("/%7e~", "q=~*+%7E&q=%2b", "", "\x00\xff", byte(63))
	f.Fuzz(func(t *testing.T, path, query, value, body string, at byte) {
		target, err := url.Parse("http://host" + path)
		if err != nil || !strings.HasPrefix(path, "/") || len(query) > 1024 || strings.Contains(query, "X-Amz-") {
			t.Skip()
		}
		q, err := url.ParseQuery(query)
		if err != nil || !printable(value) {
			t.Skip()
		}
		target.RawQuery = q.Encode()
		hash := sha256.Sum256([]byte(body))
		r := &http.Request{Method: "POST", URL: target, Host: "host", Header: http.Header{"X-Amz-Meta": {value}}, ContentLength: int64(len(body))}
		seen := func(r *http.Request) sigv4.Request {
			return sigv4.Request{
				Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery, Host: r.Host, Header: r.Header,
				Length: int64(len(body)), Hash: hash,
			}
		}
		v := verifier("", now)
		uri, header, err := v4.NewSigner().PresignHTTP(context.Background(), ours, r.Clone(context.Background()), hex.EncodeToString(hash[:]), "dynamodb", "eu-west-1", now)
		if err != nil {
			t.Skip()
		}
		sent, err := url.Parse(uri)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := v.Verify(seen(&http.Request{Method: "POST", URL: sent, Host: "host", Header: header}), secrets); err != nil {
			t.Errorf("a signed URL is refused: %s: %v", uri, err)
		}
		if err := v4.NewSigner().SignHTTP(context.Background(), ours, r, hex.EncodeToString(hash[:]), "dynamodb", "eu-west-1", now); err != nil {
			t.Fatal(err)
		}
		if _, err := v.Verify(seen(r), secrets); err != nil {
			t.Errorf("a signed header is refused: %s, %q: %v", r.URL, value, err)
		}
		signed := []byte(r.Header.Get("Authorization"))
		digit := &signed[len(signed)-1-int(at)%64]
		*digit = "123456789abcdef0"[strings.IndexByte("0123456789abcdef", *digit)]
		r.Header.Set("Authorization", string(signed))
		if _, err := v.Verify(seen(r), secrets); err == nil {
			t.Error("a changed signature is accepted")
		}
	})
}

// printable reports whether the text can be a header's value.
func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}
