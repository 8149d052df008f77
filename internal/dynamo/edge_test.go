package dynamo_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/meridian-run/meridian/internal/dynamo"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

// request is one signed by AWS's signer as it is, unless change changes it
// first.
func (r *region) request(method, operation string, body []byte, change func(*http.Request)) *http.Request {
	r.t.Helper()
	req, err := http.NewRequest(method, r.url+"/", bytes.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("X-Amz-Target", "DynamoDB_20120810."+operation)
	if change != nil {
		change(req)
	}
	hash := sha256.Sum256(body)
	credential := aws.Credentials{AccessKeyID: admin.ID, SecretAccessKey: admin.Secret}
	if err := v4.NewSigner().SignHTTP(context.Background(), credential, req, hex.EncodeToString(hash[:]), "dynamodb", "eu-west-1", r.now()); err != nil {
		r.t.Fatal(err)
	}
	return req
}

func zipped(text string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, text)
	_ = w.Close()
	return b.Bytes()
}

func TestD1_RequestBodiesMayBeCompressed(t *testing.T) {
	r := newRegion(t).tables()
	bomb := zipped(`{"TableName":"` + strings.Repeat("x", 17<<20) + `"}`)
	whole := zipped(`{"TableName":"notes"}`)
	for _, c := range []struct {
		name     string
		encoding []string
		body     []byte
		kind     string
		status   int
	}{
		{"gzip", []string{"gzip"}, whole, "", 200},
		{"upper case", []string{"GZIP"}, whole, "", 200},
		{"identity", []string{"identity"}, []byte(`{"TableName":"notes"}`), "", 200},
		{"not compressed", []string{"gzip"}, []byte(`{"TableName":"notes"}`), "SerializationException", 400},
		{"cut off", []string{"gzip"}, whole[:len(whole)-4], "SerializationException", 400},
		{"another encoding", []string{"br"}, whole, "SerializationException", 400},
		{"twice", []string{"gzip", "gzip"}, whole, "SerializationException", 400},
		{"a bomb", []string{"gzip"}, bomb, "RequestEntityTooLargeException", 413},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := r.do(r.request("POST", "DescribeTable", c.body, func(req *http.Request) { req.Header["Content-Encoding"] = c.encoding }))
			if a.status != c.status || a.kind() != c.kind {
				t.Errorf("%d %.200s", a.status, a.body)
			}
			checkSum(t, a)
		})
	}
	// What is not signed is not unfolded either.
	req := r.request("POST", "DescribeTable", whole, nil)
	req.Header.Set("Content-Encoding", "gzip")
	req.Body = io.NopCloser(bytes.NewReader(bomb))
	req.ContentLength = int64(len(bomb))
	if a := r.do(req); a.kind() != "InvalidSignatureException" {
		t.Errorf("a bomb of nobody: %d %.200s", a.status, a.body)
	}
}

// checkSum holds the answer against its checksum, which is of the bytes on the
// wire, and wants a request id.
func checkSum(t *testing.T, a answer) {
	t.Helper()
	if want := fmt.Sprint(crc32.ChecksumIEEE([]byte(a.body))); a.header.Get("X-Amz-Crc32") != want || a.header.Get("X-Amzn-Requestid") == "" {
		t.Errorf("%d: checksum %q, want %s; request id %q", a.status, a.header.Get("X-Amz-Crc32"), want, a.header.Get("X-Amzn-Requestid"))
	}
}

func TestD1_AnswersAreCompressedForWhomAsks(t *testing.T) {
	r := newRegion(t).tables()
	long := strings.Repeat("long ", 1000)
	r.must("PutItem", `{"TableName":"notes","Item":{"pk":{"S":"a"},"text":{"S":"`+long+`"}}}`)
	for accept, want := range map[string]bool{
		"identity": false, "gzip": true, "deflate, gzip;q=0.5": true, "gzip;q=0": false, "gzip; q=0.000": false, "br": false, "GZip": true,
	} {
		a := r.do(r.request("POST", "GetItem", []byte(`{"TableName":"notes","Key":{"pk":{"S":"a"}}}`), func(req *http.Request) {
			req.Header["Accept-Encoding"] = []string{accept}
		}))
		if got := a.header.Get("Content-Encoding") == "gzip"; got != want || a.status != 200 {
			t.Errorf("Accept-Encoding %q: %d, compressed %t", accept, a.status, got)
		}
		checkSum(t, a)
		if text := strings.NewReader(a.body); want {
			if zip, err := gzip.NewReader(text); err != nil {
				t.Error(err)
			} else if whole, err := io.ReadAll(zip); err != nil || !strings.Contains(string(whole), long) {
				t.Errorf("the answer does not unfold: %v", err)
			}
		}
	}
	if a := r.do(r.request("POST", "ListTables", []byte(`{}`), func(req *http.Request) { req.Header.Set("Accept-Encoding", "gzip") })); a.header.Get("Content-Encoding") != "" {
		t.Error("a short answer is compressed")
	}
}

// The SDK verifies checksums of compressed answers, and signs URLs with its own
// presigner.
func TestD1_TheSDKReadsCompressedAnswers(t *testing.T) {
	r := newRegion(t).tables()
	db := dynamodb.New(dynamodb.Options{
		Region: "eu-west-1", BaseEndpoint: aws.String(r.url), HTTPClient: r.client, Retryer: aws.NopRetryer{},
		Credentials:              credentials.NewStaticCredentialsProvider(admin.ID, admin.Secret, ""),
		EnableAcceptEncodingGzip: true,
	})
	text := strings.Repeat("text ", 10_000)
	item := map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: "a"}, "text": &types.AttributeValueMemberS{Value: text}}
	if _, err := db.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String("notes"), Item: item}); err != nil {
		t.Fatal(err)
	}
	out, err := db.Scan(t.Context(), &dynamodb.ScanInput{TableName: aws.String("notes")})
	if err != nil || len(out.Items) != 1 || out.Items[0]["text"].(*types.AttributeValueMemberS).Value != text {
		t.Errorf("the item did not come back: %v", err)
	}
}

func TestD1_URLsMayBeSignedInsteadOfHeaders(t *testing.T) {
	r := newRegion(t).tables()
	for _, method := range []string{"GET", "POST"} {
		const body = `{"TableName":"notes"}`
		req, err := http.NewRequest(method, r.url+"/?X-Amz-Expires=60", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Amz-Target", "DynamoDB_20120810.DescribeTable")
		hash := sha256.Sum256([]byte(body))
		credential := aws.Credentials{AccessKeyID: admin.ID, SecretAccessKey: admin.Secret}
		uri, header, err := v4.NewSigner().PresignHTTP(t.Context(), credential, req, hex.EncodeToString(hash[:]), "dynamodb", "eu-west-1", r.now())
		if err != nil {
			t.Fatal(err)
		}
		send := func(uri string) answer {
			sent, err := http.NewRequest(method, uri, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			sent.Header = header.Clone()
			return r.do(sent)
		}
		if a := send(uri); a.status != 200 || !strings.Contains(a.body, `"TableName":"notes"`) {
			t.Errorf("%s: %d %s", method, a.status, a.body)
		}
		if a := send(strings.Replace(uri, "DescribeTable", "DeleteTable", 1)); a.kind() != "InvalidSignatureException" {
			t.Errorf("%s of another operation: %d %s", method, a.status, a.body)
		}
	}
	// Without an operation a GET asks how the endpoint is.
	if res, err := r.client.Get(r.url); err != nil || res.StatusCode != 200 {
		t.Errorf("health: %v, %v", res, err)
	}
}

// Every answer has an id of its own, and a checksum, also if it is an error.
func TestD1_EveryAnswerHasItsOwnIDAndAChecksum(t *testing.T) {
	r := newRegion(t).tables()
	seen := map[string]bool{}
	unsigned, err := http.NewRequest("POST", r.url, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	unsigned.Header.Set("X-Amz-Target", "DynamoDB_20120810.ListTables")
	put, err := http.NewRequest("PUT", r.url, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []answer{
		r.send(admin, "ListTables", `{}`), r.send(admin, "ListTables", `{}`), r.send(admin, "ListTables", `{`), r.send(admin, "Nothing", `{}`),
		r.send(admin, "GetItem", `{"TableName":"missing","Key":{"pk":{"S":"a"}}}`), r.send(function, "Scan", `{"TableName":"events"}`),
		r.do(unsigned), r.do(put),
	} {
		checkSum(t, a)
		id := a.header.Get("X-Amzn-Requestid")
		if seen[id] || len(id) < 20 {
			t.Errorf("the request id %q is not its own", id)
		}
		seen[id] = true
	}
}

// A defect ends one request with an internal error that says nothing, and a line
// in the log that says all.
func TestD1_APanicIsAnInternalError(t *testing.T) {
	r := newRegion(t).tables()
	var log bytes.Buffer
	panicked := 0
	handler := dynamo.New(dynamo.Config{
		Store: r.store, Catalog: broken{r.catalog}, Keys: r.keys, Region: "eu-west-1", Log: slog.New(slog.NewJSONHandler(&log, nil)),
		Events: dynamo.Events{Panicked: func() { panicked++ }},
	})
	server := httptest.NewServer(handler)
	defer server.Close()
	r.url = server.URL
	a := r.send(admin, "DeleteTable", `{"TableName":"notes"}`)
	if a.status != 500 || a.kind() != "InternalServerError" || strings.Contains(a.body, "loose") {
		t.Errorf("%d %s", a.status, a.body)
	}
	checkSum(t, a)
	if line := log.String(); panicked != 1 || !strings.Contains(line, "a wire came loose") || !strings.Contains(line, a.header.Get("X-Amzn-Requestid")) || !strings.Contains(line, "DeleteTable") {
		t.Errorf("panicked %d, log: %s", panicked, line)
	}
	if a := r.send(admin, "ListTables", `{}`); a.status != 200 {
		t.Errorf("afterwards: %d %s", a.status, a.body)
	}
	act := handler.Act(t.Context(), dynamo.Forwarded{Operation: "DeleteTable", Body: []byte(`{"TableName":"notes"}`), Key: admin, ID: store.RequestID{1}})
	if act.Status != 500 || panicked != 2 {
		t.Errorf("for another region: %d %s", act.Status, act.Body)
	}
}

// broken is a catalog with a defect.
type broken struct{ *catalog }

func (broken) DeleteTable(context.Context, string) (table.Table, error) { panic("a wire came loose") }

func TestD1_AnonymousRequestsNeedTheSpecsLeave(t *testing.T) {
	r := newRegion(t).tables()
	allowed := false
	handler := dynamo.New(dynamo.Config{Store: r.store, Catalog: r.catalog, Keys: r.keys, Region: "eu-west-1", Anonymous: func() bool { return allowed }})
	server := httptest.NewServer(handler)
	defer server.Close()
	r.url = server.URL
	db := dynamodb.New(dynamodb.Options{Region: "eu-west-1", BaseEndpoint: aws.String(r.url), Credentials: aws.AnonymousCredentials{}, Retryer: aws.NopRetryer{}})
	put := func() error {
		_, err := db.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String("notes"), Item: map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: "a"}}})
		return err
	}
	if err := put(); err == nil || !strings.Contains(err.Error(), "MissingAuthenticationTokenException") {
		t.Errorf("without leave: %v", err)
	}
	allowed = true
	if err := put(); err != nil {
		t.Errorf("with leave: %v", err)
	}
	// A wrong signature is wrong all the same.
	wrong := admin
	wrong.Secret = "guessed"
	if a := r.send(wrong, "ListTables", `{}`); a.kind() != "InvalidSignatureException" {
		t.Errorf("a wrong signature: %d %s", a.status, a.body)
	}
}

// D1: a table may be named by its ARN, that of this region.
func TestD1_ARNsOfOtherRegionsAreRefused(t *testing.T) {
	r := newRegion(t).tables()
	here, elsewhere := "arn:aws:dynamodb:eu-west-1:000000000000:table/notes", "arn:aws:dynamodb:us-east-1:000000000000:table/notes"
	for operation, body := range map[string]string{
		"GetItem":          `{"TableName":"%s","Key":{"pk":{"S":"a"}}}`,
		"PutItem":          `{"TableName":"%s","Item":{"pk":{"S":"a"}}}`,
		"Scan":             `{"TableName":"%s"}`,
		"BatchGetItem":     `{"RequestItems":{"%s":{"Keys":[{"pk":{"S":"a"}}]}}}`,
		"TransactGetItems": `{"TransactItems":[{"Get":{"TableName":"%s","Key":{"pk":{"S":"a"}}}}]}`,
		"DescribeTable":    `{"TableName":"%s"}`,
	} {
		if got := r.send(admin, operation, fmt.Sprintf(body, here)); got.status != 200 {
			t.Errorf("%s with the ARN of this region: %s", operation, got.body)
		}
		if got := r.send(admin, operation, fmt.Sprintf(body, elsewhere)); got.kind() != "ValidationException" || !strings.Contains(got.message(), "Invalid TableArn") {
			t.Errorf("%s with the ARN of another region: %d %s", operation, got.status, got.body)
		}
	}
}
