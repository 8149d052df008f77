package nameserver

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

const (
	// tcpQueriesMax is how many queries one connection may ask.
	tcpQueriesMax = 1000
	// tcpAcceptPause is the wait after a failed accept, such as for a file
	// descriptor.
	tcpAcceptPause = 50 * time.Millisecond
	tcpAcceptsMax  = 100 // failures in a row that make the listener broken
)

// serveTCP answers on one listener until it is closed, and ends its
// connections.
func (s *Server) serveTCP(ctx context.Context, listener net.Listener) error {
	ctx, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	places := make(chan struct{}, s.config.TCPConnections)
	for failed := 0; ; {
		conn, err := listener.Accept()
		if ctx.Err() != nil {
			if err == nil {
				conn.Close()
			}
			return nil
		}
		if err != nil {
			if failed++; failed >= tcpAcceptsMax || errors.Is(err, net.ErrClosed) {
				return err
			}
			pause(ctx, tcpAcceptPause)
			continue
		}
		failed = 0
		select {
		case places <- struct{}{}:
			running.Go(func() {
				defer func() { <-places }()
				s.converse(ctx, conn)
			})
		default:
			conn.Close() // full: the resolver asks another nameserver
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// converse answers the queries of one connection, one after the other, until
// the client is silent, slow or done.
func (s *Server) converse(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	from := addrPort(conn.RemoteAddr())
	buffer := make([]byte, queryBytesMax)
	for range tcpQueriesMax {
		conn.SetDeadline(time.Now().Add(s.config.TCPIdle))
		packet, err := readMessage(conn, buffer)
		if err != nil {
			return
		}
		reply := s.respond(packet, from, "tcp")
		if reply == nil || writeMessage(conn, reply) != nil {
			return
		}
	}
}

// readMessage reads one length-prefixed message into the buffer. One that does
// not fit is no query that anybody needs answered.
func readMessage(conn io.Reader, buffer []byte) ([]byte, error) {
	if _, err := io.ReadFull(conn, buffer[:2]); err != nil {
		return nil, err
	}
	size := int(binary.BigEndian.Uint16(buffer))
	if size > len(buffer) {
		return nil, io.ErrShortBuffer
	}
	_, err := io.ReadFull(conn, buffer[:size])
	return buffer[:size], err
}

func writeMessage(conn io.Writer, reply []byte) error {
	framed := binary.BigEndian.AppendUint16(make([]byte, 0, len(reply)+2), uint16(len(reply)))
	_, err := conn.Write(append(framed, reply...))
	return err
}
