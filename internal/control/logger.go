package control

import (
	"context"
	"log/slog"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// zapLogger gives etcd a logger that writes its warnings and errors to log.
// Where etcd would end the process, it ends the goroutine and calls fatal: a
// broken member must not take the other regions of a process along.
func zapLogger(log *slog.Logger, fatal func(reason string)) *zap.Logger {
	core := slogCore{log: log.With("part", "etcd")}
	if fatal == nil {
		fatal = func(string) {}
	}
	return zap.New(core, zap.WithFatalHook(fatalHook(fatal)))
}

// slogCore is a zapcore.Core over slog.
type slogCore struct {
	log    *slog.Logger
	fields []zapcore.Field
}

var _ zapcore.Core = slogCore{}

func (slogCore) Enabled(l zapcore.Level) bool { return l >= zapcore.WarnLevel }

func (c slogCore) With(fields []zapcore.Field) zapcore.Core {
	return slogCore{log: c.log, fields: append(c.fields[:len(c.fields):len(c.fields)], fields...)}
}

func (c slogCore) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return ce.AddCore(e, c)
	}
	return ce
}

func (c slogCore) Write(e zapcore.Entry, fields []zapcore.Field) error {
	level := slog.LevelWarn
	if e.Level > zapcore.WarnLevel {
		level = slog.LevelError
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
