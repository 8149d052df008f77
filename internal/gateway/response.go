package gateway

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// answer is a function's response, payload format 2.0.
type answer struct {
	StatusCode        *statusCode                `json:"statusCode"`
	Headers           map[string]json.RawMessage `json:"headers"`
	MultiValueHeaders map[string][]string        `json:"multiValueHeaders"`
	Cookies           []string                   `json:"cookies"`
	Body              string                     `json:"body"`
	IsBase64Encoded   bool                       `json:"isBase64Encoded"`
}

// statusCode is a number, or the same as a string.
type statusCode int

// UnmarshalJSON implements json.Unmarshaler.
func (s *statusCode) UnmarshalJSON(b []byte) error {
	n, err := strconv.Atoi(strings.Trim(string(b), `"`))
	if err != nil || n < 200 || n > 599 {
		return fmt.Errorf("statusCode is %.20s, it must be 200 to 599", b)
	}
	*s = statusCode(n)
	return nil
}

// preludeEnd separates the JSON prelude from the body of a streamed response. A
// NUL cannot be in JSON, so nothing else contains it.
var preludeEnd = make([]byte, 8)

// newResponse turns a function's response to r into one for HTTP. JSON without
// statusCode is the body itself, with status 200.
func newResponse(r *http.Request, payload []byte) (*http.Response, error) {
	prelude, streamed, isStream := bytes.Cut(payload, preludeEnd)
	if !isStream && !hasStatus(payload) {
		if !json.Valid(payload) {
			return nil, fmt.Errorf("%w: it is not JSON", errResponse)
		}
		return assemble(r, http.StatusOK, http.Header{"Content-Type": {"application/json"}}, payload), nil
	}
	var a answer
	if err := json.Unmarshal(prelude, &a); err != nil {
		return nil, fmt.Errorf("%w: %w", errResponse, err)
	}
	header, err := a.header()
	if err != nil {
		return nil, err
	}
	body := streamed
	if !isStream {
		if body, err = a.body(); err != nil {
			return nil, err
		}
	}
	status := http.StatusOK
	if a.StatusCode != nil {
		status = int(*a.StatusCode)
	}
	if len(body) > 0 && header.Get("Content-Type") == "" {
		header.Set("Content-Type", "text/plain; charset=utf-8")
	}
	return assemble(r, status, header, body), nil
}

// hasStatus reports whether the payload is an object with a statusCode.
func hasStatus(payload []byte) bool {
	var probe struct {
		StatusCode json.RawMessage `json:"statusCode"`
	}
	return json.Unmarshal(payload, &probe) == nil && probe.StatusCode != nil && string(probe.StatusCode) != "null"
}

// connectionHeaders are the connection's business, not the function's.
var connectionHeaders = map[string]bool{
	"Connection": true, "Content-Length": true, "Keep-Alive": true, "Proxy-Connection": true,
	"Te": true, "Trailer": true, "Transfer-Encoding": true, "Upgrade": true,
}

func (a *answer) header() (http.Header, error) {
	h := http.Header{}
	for name, raw := range a.Headers {
		value := strings.TrimSpace(string(raw))
		if strings.HasPrefix(value, `"`) {
			if err := json.Unmarshal(raw, &value); err != nil {
				return nil, fmt.Errorf("%w: header %q: %w", errResponse, name, err)
			}
		} else if strings.HasPrefix(value, "{") || strings.HasPrefix(value, "[") {
			return nil, fmt.Errorf("%w: header %q must be a string", errResponse, name)
		}
		if value != "null" {
			h.Set(name, value)
		}
	}
	for name, values := range a.MultiValueHeaders {
		h.Del(name)
		for _, value := range values {
			h.Add(name, value)
		}
	}
	for _, cookie := range a.Cookies {
		h.Add("Set-Cookie", cookie)
	}
	for name, values := range h {
		if !httpguts.ValidHeaderFieldName(name) {
			return nil, fmt.Errorf("%w: header name %q", errResponse, name)
		}
		for _, value := range values {
			if !httpguts.ValidHeaderFieldValue(value) {
				return nil, fmt.Errorf("%w: value of header %s: %q", errResponse, name, value)
			}
		}
		if connectionHeaders[name] {
			delete(h, name)
		}
	}
	return h, nil
}

func (a *answer) body() ([]byte, error) {
	if !a.IsBase64Encoded {
		return []byte(a.Body), nil
	}
	body, err := base64.StdEncoding.DecodeString(a.Body)
	if err != nil {
		return nil, fmt.Errorf("%w: body: %w", errResponse, err)
	}
	return body, nil
}

func assemble(r *http.Request, status int, header http.Header, body []byte) *http.Response {
	resp := &http.Response{
		StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Request: r, Body: http.NoBody,
	}
	if status == http.StatusNoContent || status == http.StatusNotModified {
		return resp // may have none
	}
	resp.ContentLength = int64(len(body))
	header["Content-Length"] = []string{strconv.Itoa(len(body))}
	if r.Method != http.MethodHead && len(body) > 0 {
		resp.Body = io.NopCloser(bytes.NewReader(body))
	}
	return resp
}
