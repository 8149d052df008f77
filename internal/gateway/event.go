package gateway

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"
)

// event is an HTTP API event, payload format 2.0. aws-lambda-go's
// events.APIGatewayV2HTTPRequest is what the tests compare it with.
type event struct {
	Version         string            `json:"version"`
	RouteKey        string            `json:"routeKey"`
	RawPath         string            `json:"rawPath"`
	RawQueryString  string            `json:"rawQueryString"`
	Cookies         []string          `json:"cookies,omitempty"`
	Headers         map[string]string `json:"headers"`
	Query           map[string]string `json:"queryStringParameters,omitempty"`
	Context         eventContext      `json:"requestContext"`
	Body            string            `json:"body,omitempty"`
	IsBase64Encoded bool              `json:"isBase64Encoded"`
}

type eventContext struct {
	AccountID    string    `json:"accountId"`
	APIID        string    `json:"apiId"`
	DomainName   string    `json:"domainName"`
	DomainPrefix string    `json:"domainPrefix"`
	HTTP         eventHTTP `json:"http"`
	RequestID    string    `json:"requestId"`
	RouteKey     string    `json:"routeKey"`
	Stage        string    `json:"stage"`
	Time         string    `json:"time"`
	TimeEpoch    int64     `json:"timeEpoch"` // milliseconds
}

type eventHTTP struct {
	Method    string `json:"method"`
	Path      string `json:"path"`
	Protocol  string `json:"protocol"`
	SourceIP  string `json:"sourceIp"`
	UserAgent string `json:"userAgent"`
}

const (
	routeDefault = "$default"
	accountID    = "000000000000"
	clfTime      = "02/Jan/2006:15:04:05 -0700"
)

// newEvent encodes a request. rawPath is the path as it was sent, escapes kept.
func newEvent(r *http.Request, service, id string, body []byte) ([]byte, error) {
	domain := normalHost(r.Host)
	prefix, _, _ := strings.Cut(domain, ".")
	now := time.Now().UTC()
	path := r.URL.EscapedPath()
	e := event{
		Version: "2.0", RouteKey: routeDefault,
		RawPath: path, RawQueryString: r.URL.RawQuery,
		Cookies: cookies(r.Header), Headers: eventHeaders(r), Query: queryParameters(r.URL.RawQuery),
		Context: eventContext{
			AccountID: accountID, APIID: service, DomainName: domain, DomainPrefix: prefix,
			HTTP: eventHTTP{
				Method: r.Method, Path: path, Protocol: r.Proto,
				SourceIP: sourceIP(r), UserAgent: r.UserAgent(),
			},
			RequestID: id, RouteKey: routeDefault, Stage: routeDefault,
			Time: now.Format(clfTime), TimeEpoch: now.UnixMilli(),
		},
	}
	if isText(r.Header, body) {
		e.Body = string(body)
	} else {
		e.Body, e.IsBase64Encoded = base64.StdEncoding.EncodeToString(body), true
	}
	var out bytes.Buffer
	out.Grow(len(e.Body) + 2048)
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(e)
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), err
}

// eventHeaders are the request's headers in lower case, duplicates joined by
// commas; cookies have a field of their own.
func eventHeaders(r *http.Request) map[string]string {
	headers := make(map[string]string, len(r.Header)+1)
	for name, values := range r.Header {
		if name == "Cookie" || name == headerHop || len(values) == 0 || len(values) == 1 && values[0] == "" {
			continue
		}
		headers[strings.ToLower(name)] = strings.Join(values, ",")
	}
	headers["host"] = r.Host
	return headers
}

func cookies(h http.Header) (all []string) {
	for _, line := range h["Cookie"] {
		for cookie := range strings.SplitSeq(line, ";") {
			if cookie = strings.TrimSpace(cookie); cookie != "" {
				all = append(all, cookie)
			}
		}
	}
	return all
}

// queryParameters are decoded, repeated ones joined by commas. What cannot be
// decoded is only in rawQueryString.
func queryParameters(raw string) map[string]string {
	if raw == "" {
		return nil
	}
	values, _ := url.ParseQuery(raw) // what was understood is returned beside the error
	parameters := make(map[string]string, len(values))
	for name, all := range values {
		parameters[name] = strings.Join(all, ",")
	}
	return parameters
}

// sourceIP is the address that the request came from: of the client, or of a
// proxy before us.
func sourceIP(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// isText reports whether a body goes into the event as it is: a type that
// HTTP APIs take for text, and valid UTF-8. Everything else is base64.
func isText(h http.Header, body []byte) bool {
	if len(body) == 0 {
		return true
	}
	if h.Get("Content-Encoding") != "" || !utf8.Valid(body) {
		return false
	}
	kind := h.Get("Content-Type")
	if kind == "" {
		return true
	}
	media, _, err := mime.ParseMediaType(kind)
	if err != nil {
		return false
	}
	switch media {
	case "application/json", "application/javascript", "application/xml":
		return true
	}
	return strings.HasPrefix(media, "text/") || strings.HasSuffix(media, "+json") || strings.HasSuffix(media, "+xml")
}
