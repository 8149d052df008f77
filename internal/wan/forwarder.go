package wan

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"time"
)

// headMax and headTimeout bound what a Forwarder reads to learn the source.
const (
	headMax     = 16 << 10
	headTimeout = 10 * time.Second
)

// Forwarder takes connections of software that dials by itself and carries them
// over the network to Target.
type Forwarder struct {
	Network *Network
	// Listen is closed by Run.
	Listen net.Listener
	// To is the site of Target; Target is its host:port.
	To, Target string
	// Source finds the dialing site in the first bytes of a connection. It is
	// called with ever more of them, up to the end of an HTTP request's head or
	// 16 KB, until it answers a name. A request that does not say where it comes
	// from (etcd asks /version so) is the only one on its connection, so that a
	// later one with a name cannot ride along, and passes only while nothing is
	// cut from To.
	Source func(head []byte) string
}

// HTTPHeader answers a Source that reads the site from a header of the first
// plain HTTP/1 request; site translates its value. etcd's members name
// themselves in X-Server-From.
func HTTPHeader(name string, site func(value string) string) func(head []byte) string {
	want := []byte(name)
	return func(head []byte) string {
		lines := bytes.Split(head, []byte("\r\n"))
		for _, line := range lines[:len(lines)-1] { // the last one may be cut
			key, value, ok := bytes.Cut(line, []byte(":"))
			if ok && bytes.EqualFold(key, want) {
				return site(string(bytes.TrimSpace(value)))
			}
		}
		return ""
	}
}

// Run forwards until ctx ends, then closes the listener and all connections and
// waits for them. It answers the listener's error if that comes first.
func (f *Forwarder) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	stop := context.AfterFunc(ctx, func() { f.Listen.Close() })
	defer stop()
	for {
		accepted, err := f.Listen.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		running.Go(func() {
			stop := context.AfterFunc(ctx, func() { accepted.Close() })
			defer stop()
			defer accepted.Close()
			f.forward(ctx, accepted)
		})
	}
}

func (f *Forwarder) forward(ctx context.Context, accepted net.Conn) {
	head, source, err := f.readHead(accepted)
	if err != nil {
		return
	}
	if source == "" {
		if f.Network.anyCut(f.To) {
			return
		}
		source, head = Outside, onlyRequest(head)
	}
	target, err := f.Network.dial(ctx, pair{source, f.To}, "tcp", f.Target)
	if err != nil {
		return
	}
	stop := context.AfterFunc(ctx, func() { target.Close() })
	defer stop()
	defer target.Close()
	if _, err := target.Write(head); err != nil {
		return
	}
	back := make(chan struct{})
	go func() {
		defer close(back)
		io.Copy(accepted, target)
		closeWrite(accepted)
	}()
	if _, err := io.Copy(target, accepted); err != nil {
		target.Close()
	}
	closeWrite(target)
	<-back
}

func closeWrite(c net.Conn) {
	if h, ok := c.(interface{ CloseWrite() error }); ok {
		h.CloseWrite()
	}
}

// onlyRequest asks the target to close the connection after its answer.
func onlyRequest(head []byte) []byte {
	line, rest, _ := bytes.Cut(head, []byte("\r\n"))
	return slices.Concat(line, []byte("\r\nConnection: close\r\n"), rest)
}

var errNoHead = errors.New("a connection must begin with the head of an HTTP request")

// readHead answers the bytes read so far and the source, or no source if the
// head is complete without one.
func (f *Forwarder) readHead(c net.Conn) (head []byte, source string, err error) {
	c.SetReadDeadline(time.Now().Add(headTimeout))
	defer c.SetReadDeadline(time.Time{})
	buffer := make([]byte, headMax)
	size := 0
	for {
		count, err := c.Read(buffer[size:])
		size += count
		if source := f.Source(buffer[:size]); source != "" {
			return buffer[:size], source, nil
		}
		if err != nil {
			return nil, "", err
		}
		if bytes.Contains(buffer[:size], []byte("\r\n\r\n")) {
			return buffer[:size], "", nil
		}
		if size == headMax {
			return nil, "", errNoHead
		}
	}
}
