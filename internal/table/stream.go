package table

import (
	"fmt"
	"slices"
	"time"
)

// Views of a stream: what its records show of an item that changed.
const (
	ViewKeys   = "KEYS_ONLY"
	ViewNew    = "NEW_IMAGE"
	ViewOld    = "OLD_IMAGE"
	ViewNewOld = "NEW_AND_OLD_IMAGES"
)

// StreamKeep is for how long a stream's records are kept, and a stream that was
// disabled can be read, as on AWS.
const StreamKeep = 24 * time.Hour

// streamsEndedMax bounds the disabled streams that are kept of one table; beyond
// it the oldest goes early.
const streamsEndedMax = 8

// Stream is a stream of a table's changes that each region of the table serves.
type Stream struct {
	// View is what its records show.
	View string `json:"view"`
	// Created is when it was enabled, in Unix milliseconds: no other stream of the
	// table has it. Of a stream that someone asks for it is 0: Restream gives it.
	Created int64 `json:"created,omitempty"`
	// Ended is when it was disabled, in Unix milliseconds; 0 while it is enabled.
	Ended int64 `json:"ended,omitempty"`
}

// Label is the stream's name in AWS's form, the time at which it was enabled.
func (s Stream) Label() string {
	return time.UnixMilli(s.Created).UTC().Format("2006-01-02T15:04:05.000")
}

// Past reports whether a stream was disabled so long ago that nobody can read it
// any more.
func (s Stream) Past(now time.Time) bool {
	return s.Ended != 0 && now.Sub(time.UnixMilli(s.Ended)) > StreamKeep
}

// Streams are all streams of the table that may be read, the enabled one last.
func (t Table) Streams() []Stream {
	if t.Stream == nil {
		return t.EndedStreams
	}
	return append(slices.Clip(t.EndedStreams), *t.Stream)
}

// Restream completes a change of have to t: a stream that is new gets its time,
// one that is not there any more ends.
func (t *Table) Restream(have Table, now time.Time) {
	t.EndedStreams = slices.Clone(have.EndedStreams)
	if (t.Stream == nil) == (have.Stream == nil) && (t.Stream == nil || t.Stream.View == have.Stream.View) {
		t.Stream = have.Stream
		return
	}
	last := int64(0)
	if have.Stream != nil {
		ended := *have.Stream
		ended.Ended = max(now.UnixMilli(), ended.Created)
		t.EndedStreams = append(t.EndedStreams, ended)
	}
	for _, s := range t.EndedStreams {
		last = max(last, s.Created)
	}
	t.EndedStreams = slices.DeleteFunc(t.EndedStreams, func(s Stream) bool { return s.Past(now) })
	t.EndedStreams = t.EndedStreams[max(0, len(t.EndedStreams)-streamsEndedMax):]
	if t.Stream != nil {
		t.Stream = &Stream{View: t.Stream.View, Created: max(now.UnixMilli(), last+1)}
	}
}

func (s *Stream) check() error {
	if s == nil || slices.Contains([]string{ViewKeys, ViewNew, ViewOld, ViewNewOld}, s.View) {
		return nil
	}
	return fmt.Errorf("stream: %q is none of %s, %s, %s, %s", s.View, ViewKeys, ViewNew, ViewOld, ViewNewOld)
}

func (t Table) sameStreams(u Table) bool {
	return slices.Equal(t.Streams(), u.Streams())
}
