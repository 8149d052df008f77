package region

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// pipes listens for connections that a test makes.
type pipes struct {
	net.Listener // for what nobody calls
	made         chan net.Conn
	closed       chan struct{}
}

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-l.made:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipes) Close() error { close(l.closed); return nil }

func (l *pipes) dial() net.Conn {
	here, there := net.Pipe()
	l.made <- there
	return here
}

// Nobody holds a connection, and the memory of a request, by sending or taking
// it as slowly as he likes.
func TestD1_SlowCallersOfTheTablesAreCutOff(t *testing.T) {
	for name, talk := range map[string]func(net.Conn) error{
		"never ends its body": func(c net.Conn) error {
			_, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 16000000\r\n\r\n{")
			return err
		},
		"never takes the answer": func(c net.Conn) error {
			_, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			return err
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			l := &pipes{made: make(chan net.Conn), closed: make(chan struct{})}
			ended := make(chan error, 1)
			r := &Region{log: slog.New(slog.DiscardHandler)}
			done := make(chan error, 1)
			go func() {
				done <- r.serveTables(ctx, l, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
					_, err := io.Copy(io.Discard, req.Body)
					if err == nil {
						_, err = w.Write(make([]byte, 1<<20))
					}
					ended <- err
				}))
			}()
			c := l.dial()
			defer c.Close()
			if err := talk(c); err != nil {
				t.Fatal(err)
			}
			if err := <-ended; err == nil { // time stands still only for what waits for it
				t.Errorf("who %s is served in the end", name)
			}
			cancel()
			if err := <-done; err != nil {
				t.Errorf("the server ends with %v", err)
			}
			time.Sleep(timeoutHead) // of the bubble: the connection's goroutine takes a moment to end
		})
	}
}
