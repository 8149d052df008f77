package sigv4_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/meridian-run/meridian/internal/sigv4"
)

// presigned is a request whose URL AWS's signer has signed, as it is sent: the
// signer moves headers such as X-Amz-Target into the query.
func presigned(t testing.TB, method, target string, credentials aws.Credentials) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Amz-Target", "DynamoDB_20120810.DescribeTable")
	hash := sha256.Sum256([]byte(body))
	uri, header, err := v4.NewSigner().PresignHTTP(context.Background(), credentials, r, hex.EncodeToString(hash[:]), "dynamodb", "eu-west-1", now)
	if err != nil {
		t.Fatal(err)
	}
	sent, err := http.NewRequest(method, uri, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	sent.Header = header
	return sent
}

var ours = aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret}

func TestD1_SignedURLsAreAcceptedUntilTheyExpire(t *testing.T) {
	for _, method := range []string{"GET", "POST"} {
		for _, c := range []struct {
			expires string
			after   time.Duration
			refusal string
		}{
			{"", 0, ""},
			{"", 15 * time.Minute, ""},
			{"", 15*time.Minute + time.Second, "Signature expired: 20260301T120000Z is now earlier than 20260301T120001Z (20260301T121501Z - 15 min.)"},
			{"", -15*time.Minute - time.Second, "Signature not yet current: 20260301T120000Z is still later than 20260301T115959Z (20260301T114459Z + 15 min.)"},
			{"1", time.Second, ""},
			{"1", 2 * time.Second, "Signature expired"},
			{"60", 61 * time.Second, "Signature expired: 20260301T120000Z is now earlier than 20260301T120001Z (20260301T120101Z - 1 min.)"},
			{"604800", 7 * 24 * time.Hour, ""},
			{"604800", 7*24*time.Hour + time.Second, "Signature expired"},
		} {
			target := "http://host/"
			if c.expires != "" {
				target += "?X-Amz-Expires=" + c.expires
			}
			id, err := verifier("", now.Add(c.after)).Verify(received(t, presigned(t, method, target, ours)), secrets)
			if c.refusal != "" {
				want(t, err, sigv4.InvalidSignature, c.refusal)
			} else if err != nil || id != keyID {
				t.Errorf("%s, expires %q, after %v: %v", method, c.expires, c.after, err)
			}
		}
	}
}

func TestD1_SignedURLsAreRefusedInAWSsWords(t *testing.T) {
	set := func(name string, values ...string) func(url.Values, *http.Request) {
		return func(q url.Values, _ *http.Request) { q[name] = values }
	}
	for name, c := range map[string]struct {
		change func(url.Values, *http.Request)
		reason sigv4.Reason
		part   string
	}{
		"no credential":     {set("X-Amz-Credential"), sigv4.Incomplete, "AWS query-string parameters must include 'X-Amz-Credential'. Re-examine"},
		"no signature":      {set("X-Amz-Signature"), sigv4.Incomplete, "must include 'X-Amz-Signature'"},
		"no signed headers": {set("X-Amz-SignedHeaders"), sigv4.Incomplete, "must include 'X-Amz-SignedHeaders'"},
		"no date":           {set("X-Amz-Date"), sigv4.Incomplete, "must include 'X-Amz-Date'"},
		"odd date":          {set("X-Amz-Date", "2026-03-01"), sigv4.Incomplete, "ISO-8601"},
		"two signatures":    {set("X-Amz-Signature", strings.Repeat("0", 64), strings.Repeat("1", 64)), sigv4.Incomplete, "more than once"},
		"too long":          {set("X-Amz-Expires", "604801"), sigv4.Incomplete, "less than a week"},
		"for nothing":       {set("X-Amz-Expires", "0"), sigv4.Incomplete, "604800"},
		"longer than asked": {set("X-Amz-Expires", "7200"), sigv4.InvalidSignature, "does not match"},
		"another operation": {set("X-Amz-Target", "DynamoDB_20120810.DeleteTable"), sigv4.InvalidSignature, "does not match"},
		"more parameters":   {set("more", "1"), sigv4.InvalidSignature, "does not match"},
		"algorithm":         {set("X-Amz-Algorithm", "AWS4-ECDSA"), sigv4.Incomplete, "Unsupported AWS 'algorithm'"},
		"a session":         {set("X-Amz-Security-Token", "token"), sigv4.UnknownKey, "security token"},
		"unknown key":       {set("X-Amz-Credential", "AKIDOTHER/20260301/eu-west-1/dynamodb/aws4_request"), sigv4.UnknownKey, "security token"},
		"another service":   {set("X-Amz-Credential", keyID+"/20260301/eu-west-1/s3/aws4_request"), sigv4.InvalidSignature, "correct service: 'dynamodb'"},
		"a header beside it": {func(_ url.Values, r *http.Request) {
			r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=x")
		}, sigv4.InvalidSignature, "Found both"},
		"an unsigned target": {func(_ url.Values, r *http.Request) { r.Header.Set("X-Amz-Target", "DynamoDB_20120810.DeleteTable") }, sigv4.InvalidSignature, "not signed"},
	} {
		t.Run(name, func(t *testing.T) {
			r := presigned(t, "POST", "http://host/?X-Amz-Expires=3600", ours)
			q := r.URL.Query()
			c.change(q, r)
			for k, v := range q {
				if len(v) == 0 {
					delete(q, k)
				}
			}
			r.URL.RawQuery = q.Encode()
			_, err := verifier("", now).Verify(received(t, r), secrets)
			want(t, err, c.reason, c.part)
		})
	}
}

// A session's token that its holder has signed opens nothing here either.
func TestD1_SessionsAreUnknown(t *testing.T) {
	session := aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret, SessionToken: "token"}
	_, err := verifier("", now).Verify(received(t, presigned(t, "POST", "http://host/", session)), secrets)
	want(t, err, sigv4.UnknownKey, "security token")
}

// The bytes of the body are what counts, whatever a header says of them.
func TestD1_UnsignedBodiesAreRefused(t *testing.T) {
	for _, said := range []string{"UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"} {
		r := request(t, "http://host/")
		r.Header.Set("X-Amz-Content-Sha256", said)
		if err := v4.NewSigner().SignHTTP(context.Background(), ours, r, said, "dynamodb", "eu-west-1", now); err != nil {
			t.Fatal(err)
		}
		_, err := verifier("", now).Verify(received(t, r), secrets)
		want(t, err, sigv4.InvalidSignature, "does not match")
	}
}

// What is there twice is read in one way only.
func TestD1_DuplicatedHeadersOpenNothing(t *testing.T) {
	for name, change := range map[string]func(*http.Request){
		"authorization": func(r *http.Request) { r.Header.Add("Authorization", r.Header.Get("Authorization")) },
		"credential": func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "Credential=", "Credential=AKIDOTHER/20260301/eu-west-1/dynamodb/aws4_request, Credential=", 1))
		},
		"target": func(r *http.Request) { r.Header.Add("X-Amz-Target", "DynamoDB_20120810.DeleteTable") },
		"date":   func(r *http.Request) { r.Header.Add("X-Amz-Date", "20260301T130000Z") },
	} {
		r := signed(t, "http://host/")
		change(r)
		if _, err := verifier("", now).Verify(received(t, r), secrets); err == nil {
			t.Errorf("a second %s is accepted", name)
		}
	}
	r := signed(t, "http://host/")
	r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), ";x-amz-target", "", 1))
	_, err := verifier("", now).Verify(received(t, r), secrets)
	want(t, err, sigv4.InvalidSignature, "not signed: x-amz-target")
}
