package wholebody_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/meridian-run/meridian/internal/wholebody"
)

// late is a connection whose Write of a body's end returns when the answer is being
// read: what a processor that others are using does now and then.
type late struct {
	net.Conn
	read   <-chan struct{}
	writes *int
}

func (l late) Write(b []byte) (int, error) {
	*l.writes++
	n, err := l.Conn.Write(b)
	if bytes.HasSuffix(b, []byte("}")) {
		<-l.read
	}
	return n, err
}

// begun says when the first byte of an answer is asked for: the SDK has closed the
// request's body then.
type begun struct {
	io.ReadCloser
	say func()
}

func (b begun) Read(p []byte) (int, error) {
	b.say()
	return b.ReadCloser.Read(p)
}

type tripper func(*http.Request) (*http.Response, error)

func (t tripper) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }

func TestLargeAnswersThatBeginEarly(t *testing.T) {
	answer := `{"Item":{"pk":{"S":"` + strings.Repeat("x", 4<<20) + `"}}}`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(server.Close)
	read, writes := make(chan struct{}), 0
	say := sync.OnceFunc(func() { close(read) })
	below := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		var d net.Dialer
		c, err := d.DialContext(ctx, network, address)
		return late{c, read, &writes}, err
	}}
	t.Cleanup(below.CloseIdleConnections)
	db := dynamodb.New(dynamodb.Options{
		Region: "eu-west-1", BaseEndpoint: &server.URL, Credentials: aws.AnonymousCredentials{}, Retryer: aws.NopRetryer{},
		HTTPClient: wholebody.Client(tripper(func(r *http.Request) (*http.Response, error) {
			res, err := below.RoundTrip(r)
			if err == nil {
				res.Body = begun{res.Body, say}
			}
			return res, err
		})),
	})
	_, err := db.GetItem(t.Context(), &dynamodb.GetItemInput{
		TableName: aws.String("t"), Key: map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: "k"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if writes != 1 {
		t.Errorf("the request left in %d pieces", writes)
	}
}
