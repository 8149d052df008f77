package sigv4_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/meridian-run/meridian/internal/sigv4"
)

const (
	keyID  = "AKIDEXAMPLE"
	secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	body   = `{"TableName":"notes"}`
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func secrets(id string) (string, bool) { return secret, id == keyID }

func verifier(region string, at time.Time) *sigv4.Verifier {
	return sigv4.NewVerifier(sigv4.Config{Service: "dynamodb", Region: region, Now: func() time.Time { return at }})
}

func request(t testing.TB, target string) *http.Request {
	t.Helper()
	r, err := http.NewRequest("POST", target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Amz-Target", "DynamoDB_20120810.DescribeTable")
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	return r
}

func signed(t testing.TB, target string) *http.Request {
	t.Helper()
	r := request(t, target)
	hash := sha256.Sum256([]byte(body))
	err := v4.NewSigner().SignHTTP(context.Background(), aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret}, r, hex.EncodeToString(hash[:]), "dynamodb", "eu-west-1", now)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// received is the request as a server sees it.
func received(t testing.TB, r *http.Request) sigv4.Request {
	t.Helper()
	sent := body
	if r.GetBody != nil {
		reader, _ := r.GetBody()
		all, _ := io.ReadAll(reader)
		sent = string(all)
	}
	return sigv4.Request{
		Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery, Host: r.URL.Host, Header: r.Header,
		Length: int64(len(sent)), Hash: sha256.Sum256([]byte(sent)),
	}
}

func TestRequestsSignedByTheAWSSDKAreAccepted(t *testing.T) {
	v := verifier("", now.Add(time.Minute))
	for _, target := range []string{
		"http://127.0.10.1:8000/", "http://tables.example", "http://host/a/b%20c/?x=1&a=b%2Fc&a=a&e=", "http://host/?q=~*+%7E",
	} {
		r := signed(t, target)
		for range 2 { // the second time with a cached key
			if id, err := v.Verify(received(t, r), secrets); err != nil || id != keyID {
				t.Errorf("%s: %q, %v", target, id, err)
			}
		}
	}
}

func TestHeaderValuesAreTrimmedAsBySigners(t *testing.T) {
	r := request(t, "http://host/")
	r.Header["X-Amz-Meta"] = []string{"  a   b ", "c"}
	hash := sha256.Sum256([]byte(body))
	err := v4.NewSigner().SignHTTP(context.Background(), aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret}, r, hex.EncodeToString(hash[:]), "dynamodb", "eu-west-1", now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verifier("", now).Verify(received(t, r), secrets); err != nil {
		t.Error(err)
	}
}

func want(t testing.TB, err error, reason sigv4.Reason, part string) {
	t.Helper()
	var e *sigv4.Error
	if !errors.As(err, &e) || e.Reason != reason || !strings.Contains(e.Message, part) {
		t.Errorf("got %v, want %s with %q", err, reason, part)
	}
}

func TestRefusalsAreAWSs(t *testing.T) {
	set := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	replace := func(old, new string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), old, new, 1))
		}
	}
	for _, c := range []struct {
		name   string
		change func(*http.Request)
		at     time.Time
		region string
		reason sigv4.Reason
		part   string
	}{
		{"nothing signed", set("Authorization", ""), now, "", sigv4.MissingToken, "missing Authentication Token"},
		{"basic", set("Authorization", "Basic eDp5"), now, "", sigv4.MissingToken, "missing Authentication Token"},
		{"both forms", func(r *http.Request) { r.URL.RawQuery = "X-Amz-Algorithm=AWS4-HMAC-SHA256" }, now, "", sigv4.InvalidSignature, "Found both"},
		{"query added", func(r *http.Request) { r.URL.RawQuery = "a=b" }, now, "", sigv4.InvalidSignature, "does not match"},
		{"semicolon added", func(r *http.Request) { r.URL.RawQuery = "a;b=c" }, now, "", sigv4.Incomplete, "query string is malformed"},
		{"bad escape added", func(r *http.Request) { r.URL.RawQuery = "%zz=1" }, now, "", sigv4.Incomplete, "query string is malformed"},
		{"query incomplete", func(r *http.Request) {
			r.Header.Del("Authorization")
			r.URL.RawQuery = "X-Amz-Algorithm=AWS4-HMAC-SHA256"
		}, now, "", sigv4.Incomplete, "must include 'X-Amz-Credential'"},
		{"no signature", replace("Signature=", "Sig="), now, "", sigv4.Incomplete, "requires 'Signature' parameter"},
		{"no equal sign", replace("Signature=", ""), now, "", sigv4.Incomplete, "missing equal-sign"},
		{"bad date", set("X-Amz-Date", "201"), now, "", sigv4.Incomplete, "Got '201'"},
		{"algorithm", replace("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA25"), now, "", sigv4.Incomplete, "Unsupported AWS 'algorithm': 'AWS4-HMAC-SHA25'"},
		{"host unsigned", replace(";host;", ";"), now, "", sigv4.InvalidSignature, "'Host' must be"},
		{"scope", replace("/aws4_request", ""), now, "", sigv4.Incomplete, "exactly 5 slash-delimited"},
		{"service", replace("/dynamodb/", "/s3/"), now, "", sigv4.InvalidSignature, "correct service: 'dynamodb'"},
		{"terminator", replace("aws4_request", "aws5"), now, "", sigv4.InvalidSignature, "not 'aws5'"},
		{"day", replace("/20260301/", "/20260302/"), now, "", sigv4.InvalidSignature, "'20260302' != '20260301'"},
		{"region", func(*http.Request) {}, now, "us-east-1", sigv4.InvalidSignature, "valid region, not 'eu-west-1'"},
		{"late", func(*http.Request) {}, now.Add(16 * time.Minute), "", sigv4.InvalidSignature, "Signature expired: 20260301T120000Z is now earlier than 20260301T120100Z (20260301T121600Z - 15 min.)"},
		{"early", func(*http.Request) {}, now.Add(-16 * time.Minute), "", sigv4.InvalidSignature, "Signature not yet current"},
		{"unknown key", replace(keyID, "AKIDOTHER"), now, "", sigv4.UnknownKey, "The security token included in the request is invalid."},
		{"other target", set("X-Amz-Target", "DynamoDB_20120810.DeleteTable"), now, "", sigv4.InvalidSignature, "does not match"},
		{"other body", func(r *http.Request) {
			r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("{}")), nil }
		}, now, "", sigv4.InvalidSignature, "does not match"},
		{"short signature", replace("Signature=", "Signature=0, X="), now, "", sigv4.InvalidSignature, "does not match"},
		{"huge", set("Authorization", "AWS4-HMAC-SHA256 "+strings.Repeat("x", 9000)), now, "", sigv4.Incomplete, "longer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := signed(t, "http://host/")
			c.change(r)
			_, err := verifier(c.region, c.at).Verify(received(t, r), secrets)
			want(t, err, c.reason, c.part)
		})
	}
}

func TestARotatedSecretIsNotVerifiedByTheOldKey(t *testing.T) {
	v := verifier("", now)
	r := received(t, signed(t, "http://host/"))
	if _, err := v.Verify(r, secrets); err != nil {
		t.Fatal(err)
	}
	_, err := v.Verify(r, func(string) (string, bool) { return "another", true })
	want(t, err, sigv4.InvalidSignature, "does not match")
}

func FuzzAuthorization(f *testing.F) {
	r := signed(f, "http://host/?a=b")
	f.Add(r.Header.Get("Authorization"), r.Header.Get("X-Amz-Date"), "a=b")
	f.Add("", "", "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a/b/c/d/e&X-Amz-Date=20260301T120000Z&X-Amz-Expires=9&X-Amz-SignedHeaders=host&X-Amz-Signature=00")
	f.Add("AWS4-HMAC-SHA256 Credential=/////,SignedHeaders=;;host,Signature=", "Mon, 02 Jan 2006 15:04:05 GMT", "%zz;")
	v := verifier("", now)
	f.Fuzz(func(t *testing.T, authorization, date, query string) {
		header := http.Header{"Authorization": {authorization}, "X-Amz-Date": {date}, "X-Amz-Target": {"DynamoDB_20120810.DescribeTable"}}
		id, err := v.Verify(sigv4.Request{Method: "POST", Query: query, Host: "host", Header: header}, func(id string) (string, bool) {
			return "never guessed by the fuzzer", true
		})
		if err == nil {
			t.Fatalf("verified %q as %q", authorization, id)
		}
		var e *sigv4.Error
		if !errors.As(err, &e) {
			t.Fatalf("an error without a reason: %v", err)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	v := verifier("", now)
	r := received(b, signed(b, "http://127.0.10.1:8000/"))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(r, secrets); err != nil {
			b.Fatal(err)
		}
	}
}
