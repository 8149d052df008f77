// Package wholebody is an HTTP transport for AWS's SDK for Go that sends each
// request in one piece.
//
// The SDK wraps the body of a request in a reader that it closes as soon as the
// answer begins. net/http does not know that reader, so it sends the head at once,
// then the body, and then reads once more to see that nothing is left. A server
// nearby can have answered before that; the closed reader's WriteTo then says
// io.EOF, which io.Copy takes for a failure (up to smithy-go 1.28.7, in
// transport/http/internal/io/safe.go, at least). net/http ends the connection over
// it, and who is reading a large answer with status 200 gets "use of closed network
// connection". With bytes in memory net/http sends head and body together, after it
// has read all of the body.
//
//	db := dynamodb.New(dynamodb.Options{HTTPClient: wholebody.Client(nil)})
package wholebody

import (
	"bytes"
	"io"
	"net/http"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// Client is a client for the SDK over a transport; nil is one as the SDK would make.
func Client(over http.RoundTripper) *http.Client {
	if over == nil {
		over = awshttp.NewBuildableClient().GetTransport()
	}
	return &http.Client{Transport: transport{over}}
}

type transport struct{ over http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return t.over.RoundTrip(r)
	}
	body, err := io.ReadAll(r.Body)
	if closing := r.Body.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return nil, err
	}
	whole := *r // a transport must not change the request that it is given
	whole.Body = io.NopCloser(bytes.NewReader(body))
	return t.over.RoundTrip(&whole)
}

// CloseIdleConnections is http.Client's, for the transport below.
func (t transport) CloseIdleConnections() {
	if c, ok := t.over.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}
