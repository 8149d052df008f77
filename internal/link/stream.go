package link

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
)

// MessageMax bounds one message: a frame of replication is at most about 1 MB,
// and one record at most a few hundred kilobytes.
const MessageMax = 16 << 20

// windowBytes is the receive window of a stream. It must exceed the 8 MB that
// replication keeps under way, so that HTTP/2 never stalls it. (net/http's
// documentation says less than 4 MB; it accepts more, which a test proves.)
const windowBytes = 16 << 20

// Stream carries messages both ways, in order. Send and Receive may be called by
// two goroutines, but not each of them by two.
type Stream struct {
	reader io.Reader
	writer io.Writer
	flush  func() error
	close  func()
	seen   func(message []byte) // nil at the end that accepts

	out       []byte // the length and the message of a Send
	closeOnce sync.Once
}

// Send puts a message on its way. It blocks while the peer's window is full.
func (s *Stream) Send(message []byte) error {
	if len(message) > MessageMax {
		return fmt.Errorf("message of %d bytes is over the limit of %d", len(message), MessageMax)
	}
	s.see(message)
	s.out = binary.BigEndian.AppendUint32(s.out[:0], uint32(len(message)))
	s.out = append(s.out, message...)
	if _, err := s.writer.Write(s.out); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	if err := s.flush(); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	return nil
}

func (s *Stream) see(message []byte) {
	if s.seen != nil {
		s.seen(message)
	}
}

// Receive waits for the next message; the slice belongs to the caller. io.EOF
// says that the peer has ended the stream in good order.
func (s *Stream) Receive() ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(s.reader, head[:]); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, io.EOF
		}
		return nil, fmt.Errorf("receive: %w", err)
	}
	size := binary.BigEndian.Uint32(head[:])
	if size > MessageMax {
		return nil, fmt.Errorf("receive: message of %d bytes is over the limit of %d", size, MessageMax)
	}
	message, err := readBody(s.reader, int(size))
	if err != nil {
		return nil, fmt.Errorf("receive: %w", err)
	}
	s.see(message)
	return message, nil
}

// readBody reads size bytes; memory grows only as they arrive, so that a peer
// cannot claim much by announcing much.
func readBody(r io.Reader, size int) ([]byte, error) {
	const step = 1 << 20
	body := make([]byte, 0, min(size, step))
	for len(body) < size {
		from := len(body)
		next := min(size-from, step)
		if cap(body)-from < next {
			body = append(body, make([]byte, next)...)
		} else {
			body = body[:from+next]
		}
		if _, err := io.ReadFull(r, body[from:]); err != nil {
			return nil, noEOF(err)
		}
	}
	return body, nil
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Close ends the stream for both sides; a waiting Receive returns. It may be
// called by anyone and more than once.
func (s *Stream) Close() error {
	s.closeOnce.Do(s.close)
	return nil
}
