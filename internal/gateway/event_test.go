package gateway

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
)

// The types of aws-lambda-go are the oracle: what they decode is what an
// unmodified function sees, and what they encode is what it answers.

func TestEventIsWhatFunctionsExpect(t *testing.T) {
	r := httptest.NewRequest("POST", "http://api.notes.test:8080/a%2Fb/%C3%BC?x=1&x=2&y=a+b&empty=&z=%zz", strings.NewReader("x"))
	r.RemoteAddr = "198.18.3.4:5555"
	r.Header = http.Header{
		"Content-Type": {"application/json; charset=utf-8"}, "User-Agent": {"curl/8"},
		"X-Many": {"one", "two"}, "Cookie": {"a=1; b=2", "c=3"}, "Empty": {""}, headerHop: {"us-east-1"},
	}
	before := time.Now().UnixMilli()
	payload, err := newEvent(r, "api", "an-id", []byte(`{"name":"<ü>"}`))
	if err != nil {
		t.Fatal(err)
	}
	var got events.APIGatewayV2HTTPRequest
	decoder := json.NewDecoder(bytes.NewReader(payload))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&got); err != nil {
		t.Fatal(err)
	}
	at, err := time.Parse(clfTime, got.RequestContext.Time)
	if err != nil || at.Unix() != got.RequestContext.TimeEpoch/1000 || got.RequestContext.TimeEpoch < before {
		t.Errorf("got time %q, epoch %d (%v)", got.RequestContext.Time, got.RequestContext.TimeEpoch, err)
	}
	got.RequestContext.Time, got.RequestContext.TimeEpoch = "", 0
	want := events.APIGatewayV2HTTPRequest{
		Version: "2.0", RouteKey: "$default", RawPath: "/a%2Fb/%C3%BC", RawQueryString: "x=1&x=2&y=a+b&empty=&z=%zz",
		Cookies: []string{"a=1", "b=2", "c=3"},
		Headers: map[string]string{
			"content-type": "application/json; charset=utf-8", "user-agent": "curl/8", "x-many": "one,two", "host": "api.notes.test:8080",
		},
		QueryStringParameters: map[string]string{"x": "1,2", "y": "a b", "empty": ""},
		RequestContext: events.APIGatewayV2HTTPRequestContext{
			RouteKey: "$default", Stage: "$default", AccountID: accountID, APIID: "api", RequestID: "an-id",
			DomainName: "api.notes.test", DomainPrefix: "api",
			HTTP: events.APIGatewayV2HTTPRequestContextHTTPDescription{
				Method: "POST", Path: "/a%2Fb/%C3%BC", Protocol: "HTTP/1.1", SourceIP: "198.18.3.4", UserAgent: "curl/8",
			},
		},
		Body: `{"name":"<ü>"}`,
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Error(diff)
	}
}

func TestBodiesThatAreNotTextAreBase64(t *testing.T) {
	for _, c := range []struct {
		kind, encoding, body string
		text                 bool
	}{
		{"text/plain", "", "ü", true},
		{"application/json", "", "{}", true},
		{"application/problem+json", "", "{}", true},
		{"application/xml", "", "<a/>", true},
		{"", "", "plain", true},
		{"", "", "", true},
		{"text/plain", "gzip", "plain", false},
		{"text/plain", "", "\xff\xfe", false},
		{"application/x-www-form-urlencoded", "", "a=b", false}, // as AWS does
		{"image/png", "", "x", false},
		{"not a type;", "", "x", false},
	} {
		r := httptest.NewRequest("POST", "/", nil)
		r.Header.Set("Content-Type", c.kind)
		if c.kind == "" {
			r.Header.Del("Content-Type")
		}
		if c.encoding != "" {
			r.Header.Set("Content-Encoding", c.encoding)
		}
		payload, err := newEvent(r, "api", "id", []byte(c.body))
		if err != nil {
			t.Fatal(err)
		}
		var got events.APIGatewayV2HTTPRequest
		if err := json.Unmarshal(payload, &got); err != nil {
			t.Fatal(err)
		}
		want := c.body
		if !c.text {
			want = base64.StdEncoding.EncodeToString([]byte(c.body))
		}
		if got.IsBase64Encoded == c.text || got.Body != want {
			t.Errorf("%q of type %q %s: got base64 %v, body %q", c.body, c.kind, c.encoding, got.IsBase64Encoded, got.Body)
		}
	}
}

type plain struct {
	Status int
	Header http.Header
	Body   string
}

func respond(t *testing.T, method string, payload []byte) (plain, error) {
	t.Helper()
	resp, err := newResponse(httptest.NewRequest(method, "/", nil), payload)
	if err != nil {
		return plain{}, err
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return plain{resp.StatusCode, resp.Header, string(body)}, nil
}

func TestResponsesOfAwsLambdaGo(t *testing.T) {
	for _, c := range []struct {
		name string
		from events.APIGatewayV2HTTPResponse
		want plain
	}{
		{
			"everything",
			events.APIGatewayV2HTTPResponse{
				StatusCode: 201, Body: "AAH/", IsBase64Encoded: true, Cookies: []string{"a=1; Path=/", "b=2"},
				Headers:           map[string]string{"content-type": "image/png", "x-both": "one", "connection": "close"},
				MultiValueHeaders: map[string][]string{"x-many": {"one", "two"}, "X-Both": {"other"}},
			},
			plain{201, http.Header{
				"Content-Type": {"image/png"}, "X-Many": {"one", "two"}, "X-Both": {"other"}, "Set-Cookie": {"a=1; Path=/", "b=2"}, "Content-Length": {"3"},
			}, "\x00\x01\xff"},
		},
		{
			"no type",
			events.APIGatewayV2HTTPResponse{StatusCode: 404, Body: "<b>"},
			plain{404, http.Header{"Content-Type": {"text/plain; charset=utf-8"}, "Content-Length": {"3"}}, "<b>"},
		},
		{"no body allowed", events.APIGatewayV2HTTPResponse{StatusCode: 204, Body: "null"}, plain{204, http.Header{"Content-Type": {"text/plain; charset=utf-8"}}, ""}},
	} {
		t.Run(c.name, func(t *testing.T) {
			payload, err := json.Marshal(c.from)
			if err != nil {
				t.Fatal(err)
			}
			got, err := respond(t, "GET", payload)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(got, c.want); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestOtherResponses(t *testing.T) {
	text := func(status int, kind, body string) plain {
		return plain{status, http.Header{"Content-Type": {kind}, "Content-Length": {jsonNumber(len(body))}}, body}
	}
	for payload, want := range map[string]plain{
		`{"hello":"world"}`:              text(200, "application/json", `{"hello":"world"}`),
		`"text"`:                         text(200, "application/json", `"text"`),
		`[1]`:                            text(200, "application/json", `[1]`),
		`null`:                           text(200, "application/json", `null`),
		`{"statusCode":null,"body":"x"}`: text(200, "application/json", `{"statusCode":null,"body":"x"}`),
		`{"statusCode":"202","headers":{"n":1,"gone":null},"body":"x"}`: {202, http.Header{
			"Content-Type": {"text/plain; charset=utf-8"}, "Content-Length": {"1"}, "N": {"1"},
		}, "x"},
		`{"statusCode":200,"headers":{"content-type":"a/b"}}` + strings.Repeat("\x00", 8) + "streamed \x00": text(200, "a/b", "streamed \x00"),
	} {
		got, err := respond(t, "GET", []byte(payload))
		if err != nil {
			t.Errorf("%q: %v", payload, err)
			continue
		}
		if diff := cmp.Diff(got, want); diff != "" {
			t.Errorf("%q: %s", payload, diff)
		}
	}
	head, err := respond(t, "HEAD", []byte(`{"statusCode":200,"body":"four"}`))
	if err != nil || head.Body != "" || head.Header.Get("Content-Length") != "4" {
		t.Errorf("HEAD: got %+v (%v)", head, err)
	}
}

func jsonNumber(n int) string {
	text, _ := json.Marshal(n)
	return string(text)
}

func TestResponsesThatAreNone(t *testing.T) {
	for _, payload := range []string{
		"", "no JSON", `{"statusCode":100}`, `{"statusCode":999}`, `{"statusCode":"x"}`, `{"statusCode":200,"body":{}}`,
		`{"statusCode":200,"body":"!","isBase64Encoded":true}`, `{"statusCode":200,"headers":{"a b":"x"}}`,
		`{"statusCode":200,"headers":{"a":"x\ny"}}`, `{"statusCode":200,"headers":{"a":["x"]}}`, `{"statusCode":200,"cookies":["a\u0000"]}`,
	} {
		if got, err := respond(t, "GET", []byte(payload)); err == nil {
			t.Errorf("%q gave %+v, want an error", payload, got)
		}
	}
}

func FuzzResponse(f *testing.F) {
	f.Add([]byte(healthyBody))
	f.Add([]byte(`{"statusCode":"200","headers":{"a":1},"multiValueHeaders":{"b":["c"]},"cookies":["d"],"body":"AA==","isBase64Encoded":true}`))
	f.Add([]byte("{\"statusCode\":200}\x00\x00\x00\x00\x00\x00\x00\x00body"))
	f.Fuzz(func(t *testing.T, payload []byte) {
		resp, err := newResponse(httptest.NewRequest("GET", "/", nil), payload)
		if err != nil {
			return
		}
		if resp.StatusCode < 200 || resp.StatusCode > 599 {
			t.Errorf("status %d", resp.StatusCode)
		}
		if err := resp.Write(io.Discard); err != nil {
			t.Errorf("cannot be written: %v", err)
		}
	})
}

func FuzzEvent(f *testing.F) {
	f.Add("/a?b=c", "a=1; b=2", "application/json", []byte("{}"))
	f.Add("/%zz?;=&&%", ";;=", "x/y; z", []byte{0xff})
	f.Fuzz(func(t *testing.T, target, cookie, kind string, body []byte) {
		r := httptest.NewRequest("POST", "/", nil)
		path, query, _ := strings.Cut(target, "?")
		r.URL.Path, r.URL.RawQuery = path, query
		r.Header.Set("Cookie", cookie)
		r.Header.Set("Content-Type", kind)
		payload, err := newEvent(r, "api", "id", body)
		if err != nil {
			t.Fatal(err)
		}
		var got events.APIGatewayV2HTTPRequest
		if err := json.Unmarshal(payload, &got); err != nil {
			t.Fatal(err)
		}
		text := []byte(got.Body)
		if got.IsBase64Encoded {
			if text, err = base64.StdEncoding.DecodeString(got.Body); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(text, body) {
			t.Errorf("the function sees body %q, sent was %q", text, body)
		}
	})
}
