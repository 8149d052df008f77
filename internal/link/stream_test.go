package link

import (
	"bytes"
	"io"
	"testing"
)

func FuzzReceive(f *testing.F) {
	f.Add([]byte{0, 0, 0, 2, 'h', 'i', 0, 0, 0, 0})
	f.Add([]byte{255, 255, 255, 255})
	f.Add([]byte{0, 16, 0, 0, 1})
	f.Fuzz(func(t *testing.T, input []byte) {
		s := &Stream{reader: bytes.NewReader(input), flush: func() error { return nil }, close: func() {}}
		var again bytes.Buffer
		s.writer = &again
		for {
			m, err := s.Receive()
			if err == io.EOF && !bytes.HasPrefix(input, again.Bytes()) {
				t.Fatalf("%x reads and writes as %x", input, again.Bytes())
			}
			if err != nil {
				return
			}
			if err := s.Send(m); err != nil {
				t.Fatal(err)
			}
		}
	})
}
