package wan

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// readSize is the most that one read of the real socket takes: enough that a
// fast link is not held up by its number of chunks.
const readSize = 128 << 10

// conn is the dialing side of a connection between two sites. What the
// application writes waits in out and then goes to the real socket; what comes
// from the real socket waits in in.
type conn struct {
	net  *Network
	real net.Conn
	out  *queue
	in   *queue

	readMu, writeMu sync.Mutex // one reader, one writer at a time

	readDeadline, writeDeadline deadline

	closeOnce sync.Once
}

func (n *Network) newConn(real net.Conn, from, to string, datagram bool) (*conn, error) {
	c := &conn{
		net:           n,
		real:          real,
		out:           newQueue(n, pair{from, to}, datagram),
		in:            newQueue(n, pair{to, from}, datagram),
		readDeadline:  deadline{expired: make(chan struct{})},
		writeDeadline: deadline{expired: make(chan struct{})},
	}
	c.in.sticky = true
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return nil, net.ErrClosed
	}
	n.conns[c] = struct{}{}
	n.running.Add(2)
	go c.send()
	go c.receive()
	return c, nil
}

// send carries out's chunks to the real socket until its end, then closes it.
func (c *conn) send() {
	defer c.net.running.Done()
	for {
		data, err := c.out.pop(queueBytesMax, nil)
		if h, ok := c.real.(interface{ CloseWrite() error }); ok && err == io.EOF && h.CloseWrite() == nil {
			continue // half closed: the other direction goes on
		}
		if err != nil {
			c.abort()
			c.net.forget(c)
			return
		}
		if _, err := c.real.Write(data); err != nil && !c.out.datagram {
			c.out.fail(err) // the receiving side reports it when it has read all
			<-c.in.failed
			c.net.forget(c)
			return
		}
	}
}

// receive carries what the real socket reads into in until its end.
func (c *conn) receive() {
	defer c.net.running.Done()
	buffer := make([]byte, readSize)
	for {
		count, err := c.real.Read(buffer)
		if count > 0 {
			data := append([]byte(nil), buffer[:count]...)
			if c.in.push(chunk{data: data}, nil) != nil {
				return
			}
		}
		if err != nil && !(c.in.datagram && isTransient(err)) {
			c.in.push(chunk{end: err}, nil)
			return
		}
	}
}

// isTransient reports whether a datagram socket goes on after err: a port that
// refused one datagram may take the next.
func isTransient(err error) bool {
	op, ok := err.(*net.OpError)
	return ok && op.Op == "read" && !op.Timeout() && !isClosed(op.Err)
}

func isClosed(err error) bool { return err == net.ErrClosed || err == os.ErrClosed }

// abort ends the connection at once.
func (c *conn) abort() {
	c.out.fail(net.ErrClosed)
	c.in.fail(net.ErrClosed)
	c.real.Close()
}

func (n *Network) forget(c *conn) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.conns, c)
}

// Read implements net.Conn.
func (c *conn) Read(p []byte) (int, error) {
	c.readMu.Lock()
	defer c.readMu.Unlock()
	if len(p) == 0 {
		return 0, nil
	}
	data, err := c.in.pop(len(p), c.readDeadline.wait())
	if err != nil {
		return 0, c.wrap("read", err)
	}
	return copy(p, data), nil
}

// Write implements net.Conn. It returns when the bytes are under way.
func (c *conn) Write(p []byte) (int, error) {
	c.writeMu.Lock()
	defer c.writeMu.Unlock()
	written := 0
	for {
		expired := c.writeDeadline.wait()
		select {
		case <-expired:
			return written, c.wrap("write", os.ErrDeadlineExceeded)
		default:
		}
		size := len(p) - written
		if !c.out.datagram {
			size = min(size, queueBytesMax/4)
		}
		data := append([]byte(nil), p[written:written+size]...)
		if err := c.out.push(chunk{data: data}, expired); err != nil {
			return written, c.wrap("write", err)
		}
		if written += size; written == len(p) {
			return written, nil
		}
	}
}

// CloseWrite ends this side's stream after what was written; reading goes on.
func (c *conn) CloseWrite() error {
	return c.out.push(chunk{end: io.EOF}, nil)
}

// Close implements net.Conn: reads and writes end, what was written is still
// delivered, as a socket does.
func (c *conn) Close() error {
	c.closeOnce.Do(func() {
		c.in.fail(net.ErrClosed)
		if c.out.datagram || c.out.push(chunk{end: net.ErrClosed}, closedChannel) != nil {
			c.abort()
		}
	})
	return nil
}

func (c *conn) wrap(op string, err error) error {
	if err == io.EOF {
		return err
	}
	return &net.OpError{Op: op, Net: c.real.RemoteAddr().Network(), Source: c.real.LocalAddr(), Addr: c.real.RemoteAddr(), Err: err}
}

// LocalAddr implements net.Conn.
func (c *conn) LocalAddr() net.Addr { return c.real.LocalAddr() }

// RemoteAddr implements net.Conn.
func (c *conn) RemoteAddr() net.Addr { return c.real.RemoteAddr() }

// SetDeadline implements net.Conn.
func (c *conn) SetDeadline(t time.Time) error {
	c.readDeadline.set(t)
	c.writeDeadline.set(t)
	return nil
}

// SetReadDeadline implements net.Conn.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.readDeadline.set(t)
	return nil
}

// SetWriteDeadline implements net.Conn.
func (c *conn) SetWriteDeadline(t time.Time) error {
	c.writeDeadline.set(t)
	return nil
}
