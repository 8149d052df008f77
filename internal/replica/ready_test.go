package replica_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/replica"
	"github.com/meridian-run/meridian/internal/table"
)

// through lets all that a region receives pass a function, which sees the stream
// and how many messages came before.
func through(receive func(s replica.Stream, before int) ([]byte, error)) func(*replica.Config) {
	return func(c *replica.Config) {
		open := c.Open
		c.Open = func(ctx context.Context, peer string) (replica.Stream, error) {
			s, err := open(ctx, peer)
			if err != nil {
				return nil, err
			}
			return &filtered{Stream: s, receive: receive}, nil
		}
	}
}

type filtered struct {
	replica.Stream
	receive func(replica.Stream, int) ([]byte, error)
	before  int
}

func (f *filtered) Receive() ([]byte, error) {
	f.before++
	return f.receive(f.Stream, f.before-1)
}

// DATA 24: a region that starts while a table is being copied is not ready before
// the copy is, although it is not behind in what it held.
func TestDATA24_NotReadyWhileATableIsCopied(t *testing.T) {
	const books = record.TableID(0xb00c5)
	w := newWorld(t, 0, "a", "b")
	w.control.Tables = append(w.control.Tables, w.table(books, "books", 1, "a"))
	w.start()
	a, b := w.nodes["a"], w.nodes["b"]
	for i := range 20 {
		a.put(books, fmt.Sprint(i), strings.Repeat("v", 350_000)) // three to a chunk
	}
	a.put(notes, "n", "v")
	w.equal(notes, 1)
	b.stop()
	w.control.Revision = 2
	w.control.Tables = []table.Table{w.control.Tables[0], w.given(w.table(books, "books", 2, "a", "b"), "b", 2)}
	a.set(w.control)

	release := make(chan struct{})
	b.config = through(func(s replica.Stream, before int) ([]byte, error) {
		if before >= 4 { // the welcome and some chunks
			<-release
		}
		return s.Receive()
	})
	b.restart(b.engine)
	w.eventually("b waits for the copy", func() bool {
		return len(b.dump(books)) > 0 && strings.Contains(b.replica.Waiting(), "the copy of table books")
	})
	if got := len(b.dump(books)); got == 20 {
		t.Errorf("all %d books are there while the copy is held up", got)
	}
	close(release)
	<-b.replica.Ready()
	if got := len(b.dump(books)); got != 20 {
		t.Errorf("ready with %d of 20 books", got)
	}
}

// DATA 24: the grace of a peer that takes us in but never sends a frame is over
// like that of one that is not there, and its attempts are not told one by one.
func TestDATA24_PeerThatSendsNothingHasNotAnswered(t *testing.T) {
	for name, receive := range map[string]func(context.Context, replica.Stream) ([]byte, error){
		"it ends each stream": func(context.Context, replica.Stream) ([]byte, error) { return nil, io.ErrUnexpectedEOF },
		"it falls silent":     func(ctx context.Context, _ replica.Stream) ([]byte, error) { <-ctx.Done(); return nil, ctx.Err() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(context.Background())
			w := newWorld(t, 0, "a", "b")
			t.Cleanup(cancel) // before the regions stop
			a := w.nodes["a"]
			attempts := make(chan struct{}, 1000)
			filter := through(func(s replica.Stream, before int) ([]byte, error) {
				if before == 0 { // the welcome
					return s.Receive()
				}
				attempts <- struct{}{}
				stream, done := context.WithCancel(ctx)
				defer done()
				go func() { // until the replica gives it up
					_, _ = s.Receive()
					for stream.Err() == nil {
						if _, err := s.Receive(); err != nil {
							done()
						}
					}
				}()
				return receive(stream, s)
			})
			a.config = func(c *replica.Config) {
				c.Silence = 50 * time.Millisecond
				filter(c)
			}
			w.start("b", "a")
			<-a.replica.Ready()
			for range 6 {
				<-attempts
			}
			var told []string
			for _, line := range a.said() {
				if strings.HasPrefix(line, "connected b") || strings.HasPrefix(line, "disconnected b") {
					told = append(told, line)
				}
			}
			if len(told) > 4 {
				t.Errorf("each attempt is told: %q", told)
			}
		})
	}
}
