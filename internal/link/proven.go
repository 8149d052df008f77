package link

import (
	"net"
	"sync"
)

// proven is a listener of the connections whose handshake is done.
type proven struct {
	addr  net.Addr
	conns chan net.Conn // unbuffered: a handshake's goroutine waits for Accept
	done  chan struct{}
	once  sync.Once
}

func newProven(addr net.Addr) *proven {
	return &proven{addr: addr, conns: make(chan net.Conn), done: make(chan struct{})}
}

func (p *proven) add(c net.Conn) {
	select {
	case p.conns <- c:
	case <-p.done:
		c.Close()
	}
}

// Accept implements net.Listener.
func (p *proven) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (p *proven) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

// Addr implements net.Listener.
func (p *proven) Addr() net.Addr { return p.addr }
