package control

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// zapLogger gives etcd a logger that writes its warnings and errors to log, each
// message once in logEvery at most: an unreachable member would fill the log.
// Where etcd would panic or end the process, it ends the goroutine and calls fatal: a
// broken member must not take the other regions of a process along.
func zapLogger(log *slog.Logger, fatal func(reason string)) *zap.Logger {
	if fatal == nil {
		fatal = func(string) {}
	}
	core := slogCore{log: log.With("part", "etcd"), heard: &heard{last: map[string]time.Time{}}}
	return zap.New(core, zap.WithFatalHook(fatalHook(fatal)), zap.WithPanicHook(fatalHook(fatal)))
}

const (
	logEvery = time.Minute
	// heardMax bounds the memory of messages; etcd has fewer.
	heardMax = 1000
)

// usual are messages about what is no news between regions: round trips longer
// than etcd thinks usual, and peers that come and go, which the quorum's lines
// tell once. They go to the debug level. Each is a part of the message.
var usual = []string{
	"waiting for ReadIndex response took too long, retrying",
	"ignored out-of-date read index response",
	"apply request took too long",
	"simple token is not cryptographically signed",
	"remote peer",
	"peer became inactive",
	"prober detected unhealthy status",
	"failed to reach the peer URL",
	"failed to get version",
	"dropped internal Raft message",
	"leader failed to send out heartbeat on time",
	"cluster member list from remote",
	"failed to get cluster response",
	"failed to publish local member to cluster",
	"retrying of unary invoker failed",
}

func isUsual(message string) bool {
	return slices.ContainsFunc(usual, func(part string) bool { return strings.Contains(message, part) })
}

// heard remembers when each message was last written.
type heard struct {
	mu   sync.Mutex
	last map[string]time.Time
}

// again reports whether the message was written a short time before at.
func (h *heard) again(message string, at time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if last, ok := h.last[message]; ok && at.Sub(last) < logEvery {
		return true
	}
	if len(h.last) >= heardMax {
		clear(h.last)
	}
	h.last[message] = at
	return false
}

// slogCore is a zapcore.Core over slog.
type slogCore struct {
	log    *slog.Logger
	fields []zapcore.Field
	heard  *heard
}

var _ zapcore.Core = slogCore{}

func (slogCore) Enabled(l zapcore.Level) bool { return l >= zapcore.WarnLevel }

func (c slogCore) With(fields []zapcore.Field) zapcore.Core {
	c.fields = append(c.fields[:len(c.fields):len(c.fields)], fields...)
	return c
}

func (c slogCore) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return ce.AddCore(e, c)
	}
	return ce
}

func (c slogCore) Write(e zapcore.Entry, fields []zapcore.Field) error {
	level := slog.LevelWarn
	switch {
	case isUsual(e.Message):
		level = slog.LevelDebug
	case e.Level > zapcore.WarnLevel:
		level = slog.LevelError
	}
	if !c.log.Enabled(context.Background(), level) || c.heard.again(e.Message, e.Time) {
		return nil
	}
	m := zapcore.NewMapObjectEncoder()
	for _, f := range append(c.fields[:len(c.fields):len(c.fields)], fields...) {
		f.AddTo(m)
	}
	attrs := make([]slog.Attr, 0, len(m.Fields))
	for k, v := range m.Fields {
		attrs = append(attrs, slog.Any(k, v))
	}
	c.log.LogAttrs(context.Background(), level, e.Message, attrs...)
	return nil
}

func (slogCore) Sync() error { return nil }

// fatalHook runs after a fatal line is written.
type fatalHook func(reason string)

func (h fatalHook) OnWrite(e *zapcore.CheckedEntry, _ []zapcore.Field) {
	h(e.Message)
	// Goexit runs deferred calls, so locks are released.
	zapcore.WriteThenGoexit.OnWrite(e, nil)
}
