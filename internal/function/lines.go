package function

import (
	"bytes"
	"log/slog"
	"sync"
)

// lineMax bounds one logged line, in bytes; a longer one is logged in pieces.
const lineMax = 16 << 10

// lines logs what is written to it, line by line.
type lines struct {
	log    *slog.Logger
	stream string
	// request is the id of the call that the process works on, or worked on last;
	// "" before its first.
	request func() string

	mu      sync.Mutex // guards what follows
	partial []byte
	latest  string
	// held says that lines are kept in back instead of logged.
	held bool
	back []string
}

// backMax is how many lines are held back, the latest ones.
const backMax = 100

// hold keeps lines back until release: of a process that will likely fail as the
// one before, and has nothing new to say.
func (l *lines) hold() { l.held = true }

// release logs what was held back, and what comes.
func (l *lines) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	back := l.back
	l.held, l.back = false, nil
	for _, line := range back {
		l.tell(line)
	}
}

// Write implements io.Writer and never fails.
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.partial = append(l.partial, p...)
	for {
		end := bytes.IndexByte(l.partial, '\n')
		if end < 0 && len(l.partial) < lineMax {
			return len(p), nil
		}
		next := end + 1
		if end < 0 || end > lineMax {
			end, next = lineMax, lineMax
		}
		l.print(l.partial[:end])
		l.partial = l.partial[:copy(l.partial, l.partial[next:])]
	}
}

func (l *lines) print(line []byte) {
	if line = bytes.TrimRight(line, "\r"); len(line) == 0 {
		return
	}
	l.latest = string(line)
	if !l.held {
		l.tell(l.latest)
		return
	}
	if len(l.back) == backMax {
		l.back = l.back[1:]
	}
	l.back = append(l.back, l.latest)
}

func (l *lines) tell(line string) {
	attributes := []any{"stream", l.stream, "line", line}
	if id := l.request(); id != "" {
		attributes = append(attributes, "request", id)
	}
	l.log.Info("function output", attributes...)
}

// end logs what is left without a newline and returns the last line.
func (l *lines) end() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.print(l.partial)
	l.partial = nil
	return l.latest
}
