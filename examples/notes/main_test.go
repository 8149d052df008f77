package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"sync"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/google/go-cmp/cmp"
)

// fakeTable speaks as much of DynamoDB as the application uses.
type fakeTable struct {
	mu    sync.Mutex
	items map[string]json.RawMessage
	down  bool
}

func (f *fakeTable) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var in struct {
		TableName string
		Item      json.RawMessage
		Key       map[string]struct{ S string }
	}
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	if err := json.Unmarshal(body, &in); err != nil || in.TableName != "notes" || f.down {
		w.WriteHeader(http.StatusBadRequest)
		io.WriteString(w, `{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException","message":"no such table"}`)
		return
	}
	switch r.Header.Get("X-Amz-Target") {
	case "DynamoDB_20120810.PutItem":
		var key struct{ Pk struct{ S string } }
		json.Unmarshal(in.Item, &key)
		f.items[key.Pk.S] = in.Item
		io.WriteString(w, `{}`)
	case "DynamoDB_20120810.GetItem":
		if item, ok := f.items[in.Key["pk"].S]; ok {
			io.WriteString(w, `{"Item":`+string(item)+`}`)
			return
		}
		io.WriteString(w, `{}`)
	}
}

func newApp(t *testing.T) (app, *fakeTable) {
	table := &fakeTable{items: map[string]json.RawMessage{}}
	server := httptest.NewServer(table)
	t.Cleanup(server.Close)
	db := dynamodb.New(dynamodb.Options{
		BaseEndpoint: &server.URL, Region: "eu-west-1", RetryMaxAttempts: 1,
		Credentials: aws.NewCredentialsCache(credentials.NewStaticCredentialsProvider("id", "secret", "")),
	})
	return app{db: db, table: "notes", region: "eu-west-1"}, table
}

const callID = "8f5cbd5c-4c5e-4b0b-9d0e-0123456789ab"

// call sends a request as the gateway would.
func call(t *testing.T, a app, method, path, body string) events.APIGatewayV2HTTPResponse {
	t.Helper()
	r := events.APIGatewayV2HTTPRequest{RawPath: path, Body: body}
	r.RequestContext.HTTP.Method = method
	ctx := lambdacontext.NewContext(context.Background(), &lambdacontext.LambdaContext{AwsRequestID: callID})
	resp, err := a.handle(ctx, r)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Access-Control-Allow-Origin", "Access-Control-Allow-Methods", "Access-Control-Allow-Headers"} {
		if got := resp.Headers[name]; got != "*" {
			t.Errorf("%s %s: %s = %q, want *", method, path, name, got)
		}
	}
	return resp
}

type shown struct {
	Status int
	Body   string
}

func show(r events.APIGatewayV2HTTPResponse) shown { return shown{r.StatusCode, r.Body} }

func TestWhatItAnswers(t *testing.T) {
	a, _ := newApp(t)
	for _, c := range []struct {
		name, method, path, body string
		want                     shown
	}{
		{"stores", "POST", "/data", `{"name":"x"}`, shown{200, `{"requestId":"` + callID + `"}`}},
		{"stores with a trailing slash", "POST", "/data/", `{"name":"x"}`, shown{200, `{"requestId":"` + callID + `"}`}},
		{"reads", "GET", "/data/" + callID, "", shown{200, `{"Item":{"name":{"S":"x"},"pk":{"S":"` + callID + `"},"region":{"S":"eu-west-1"}}}`}},
		{"reads what is not there", "GET", "/data/nobody", "", shown{200, `{}`}},
		{"refuses no JSON", "POST", "/data", `name=x`, shown{400, `{"error":"Bad input!"}`}},
		{"refuses another type", "POST", "/data", `{"name":1}`, shown{400, `{"error":"Bad input!"}`}},
		{"refuses no name", "POST", "/data", `{}`, shown{400, `{"error":"Bad input!"}`}},
		{"refuses no body", "POST", "/data", ``, shown{400, `{"error":"Bad input!"}`}},
		{"allows other origins", "OPTIONS", "/anywhere", ``, shown{204, ``}},
		{"knows no other path", "GET", "/", ``, shown{404, `{"error":"Not found!"}`}},
		{"knows no other method", "DELETE", "/data", ``, shown{404, `{"error":"Not found!"}`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(show(call(t, a, c.method, c.path, c.body)), c.want); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNamesAreKeptWhateverIsInThem(t *testing.T) {
	a, _ := newApp(t)
	for _, name := range []string{`a "quoted" name`, `back\slash`, "new\nline", "ключ 鍵", `</script>`} {
		body, _ := json.Marshal(map[string]string{"name": name})
		call(t, a, "POST", "/data", string(body))
		var got struct{ Item map[string]struct{ S string } }
		if err := json.Unmarshal([]byte(call(t, a, "GET", "/data/"+callID, "").Body), &got); err != nil {
			t.Fatalf("name %q: the answer is no JSON: %v", name, err)
		}
		if got := got.Item["name"].S; got != name {
			t.Errorf("got name %q, want %q", got, name)
		}
	}
}

func TestBase64BodyIsDecoded(t *testing.T) {
	a, _ := newApp(t)
	r := events.APIGatewayV2HTTPRequest{RawPath: "/data", IsBase64Encoded: true, Body: base64.StdEncoding.EncodeToString([]byte(`{"name":"x"}`))}
	r.RequestContext.HTTP.Method = "POST"
	ctx := lambdacontext.NewContext(context.Background(), &lambdacontext.LambdaContext{AwsRequestID: callID})
	if resp, err := a.handle(ctx, r); err != nil || resp.StatusCode != 200 {
		t.Errorf("got %d %s (%v), want 200", resp.StatusCode, resp.Body, err)
	}
}

func TestBackendFailureIs500(t *testing.T) {
	a, table := newApp(t)
	table.down = true
	want := shown{500, `{"error":"Internal Service Error!"}`}
	for _, got := range []shown{show(call(t, a, "GET", "/data/x", "")), show(call(t, a, "POST", "/data", `{"name":"x"}`))} {
		if diff := cmp.Diff(got, want); diff != "" {
			t.Error(diff)
		}
	}
}

func TestH2_H3_H4_HealthLooksAtTheTable(t *testing.T) {
	a, table := newApp(t)
	latency := regexp.MustCompile(`"latency_ms":\d+`)
	for _, c := range []struct {
		down bool
		want shown
	}{
		{false, shown{200, `{"checks":{"database":{"latency_ms":0,"status":"healthy"}},"status":"healthy"}`}},
		{true, shown{503, `{"checks":{"database":{"latency_ms":0,"status":"unhealthy"}},"status":"unhealthy"}`}},
	} {
		table.down = c.down
		got := show(call(t, a, "GET", "/health", ""))
		got.Body = latency.ReplaceAllString(got.Body, `"latency_ms":0`)
		if diff := cmp.Diff(got, c.want); diff != "" {
			t.Error(diff)
		}
	}
}
