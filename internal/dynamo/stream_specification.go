package dynamo

import (
	"errors"
	"strings"

	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

var streamViews = []string{table.ViewNewOld, table.ViewKeys, table.ViewOld, table.ViewNew}

// streamChange reads StreamSpecification: what it changes of a table, nil if it
// is not there.
func (c *call) streamChange() (func(*table.Table) error, error) {
	n := c.request.Get("StreamSpecification")
	if !n.Exists() {
		return nil, nil
	}
	if !n.Get("StreamEnabled").Exists() {
		return nil, invalid("1 validation error detected: Value null at 'streamSpecification.streamEnabled' failed to satisfy constraint: Member must not be null")
	}
	enabled, err := item.BoolFrom(n.Get("StreamEnabled"))
	if err != nil {
		return nil, err
	}
	view := parameter{name: "streamSpecification.streamViewType", enum: streamViews}
	if wrong := view.check(n.Get("StreamViewType"), nil); len(wrong) > 0 {
		return nil, invalid("1 validation error detected: %s", wrong[0])
	}
	switch name := n.Get("StreamViewType").Text(); {
	case enabled && name == "":
		return nil, invalidValues("StreamViewType is required when StreamEnabled is true")
	case !enabled && name != "":
		return nil, invalidValues("StreamViewType cannot be specified when StreamEnabled is false")
	case enabled:
		return func(t *table.Table) error { return enableStream(t, name) }, nil
	}
	return disableStream, nil
}

// streamed gives a table that is created the stream that the request asks for.
func (c *call) streamed(t *table.Table) error {
	change, err := c.streamChange()
	if err != nil || change == nil || c.request.Get("StreamSpecification").Get("StreamEnabled").Form() != item.True {
		return err
	}
	return change(t)
}

func enableStream(t *table.Table, view string) error {
	if t.Stream != nil {
		return invalid("Table already has an enabled stream: TableName: %s", t.Name)
	}
	t.Stream = &table.Stream{View: view}
	return nil
}

func disableStream(t *table.Table) error {
	if t.Stream == nil {
		return invalid("Table has no stream to disable: TableName: %s", t.Name)
	}
	t.Stream = nil
	return nil
}

// beginsStream reports whether the table's stream has yet to begin here.
func (s *Server) beginsStream(t table.Table) bool {
	if t.Stream == nil {
		return false
	}
	_, err := s.config.Store.Stream(t.ID, t.Stream.Created)
	return errors.Is(err, store.ErrNoStream)
}

// appendStream appends what a TableDescription says of streams: the last one,
// also when it is disabled.
func (c *call) appendStream(dst []byte, t table.Table) []byte {
	if t.Stream != nil {
		dst = append(member(dst, "StreamSpecification"), `{"StreamEnabled":true`...)
		dst = append(item.AppendQuoted(member(dst, "StreamViewType"), t.Stream.View), '}')
	}
	streams := t.Streams()
	if n := len(streams); n > 0 && !streams[n-1].Past(c.server.config.Now()) {
		dst = item.AppendQuoted(member(dst, "LatestStreamLabel"), streams[n-1].Label())
		dst = item.AppendQuoted(member(dst, "LatestStreamArn"), c.server.streamARN(t, streams[n-1]))
	}
	return dst
}

func (s *Server) streamARN(t table.Table, stream table.Stream) string {
	return s.arn(t.Name) + "/stream/" + stream.Label()
}

// stream finds a stream of this region by its ARN.
func (c *call) stream(arn string) (table.Table, table.Stream, error) {
	name, _, _ := strings.Cut(tableFrom(arn), "/stream/")
	t, err := c.tableHere(name)
	if err != nil && err != errNotFound {
		return t, table.Stream{}, err
	}
	if err == nil {
		for _, stream := range t.Streams() {
			if c.server.streamARN(t, stream) == arn && !stream.Past(c.server.config.Now()) {
				return t, stream, nil
			}
		}
	}
	return t, table.Stream{}, missing("Requested resource not found: Stream: %s not found", arn)
}
