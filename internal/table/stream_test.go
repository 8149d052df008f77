package table_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-run/meridian/internal/table"
)

// D1: streams begin and end with times of their own; one that ended is readable
// for a day.
func TestD1_StreamsBeginAndEnd(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_123)
	change := func(have table.Table, view string) table.Table {
		u := have.Clone()
		u.Stream = nil
		if view != "" {
			u.Stream = &table.Stream{View: view}
		}
		u.Restream(have, now)
		if err := u.Check(); err != nil {
			t.Fatal(err)
		}
		return u
	}
	first := change(notes(), table.ViewNew)
	if got := first.Stream.Label(); got != "2023-11-14T22:13:20.123" {
		t.Errorf("the label is %s", got)
	}
	if same := change(first, table.ViewNew); !same.SameSchema(first) {
		t.Errorf("a stream that stays became %+v", same.Streams())
	}
	off := change(first, "")
	again := change(off, table.ViewKeys) // within the same millisecond
	at := now.UnixMilli()
	want := []table.Stream{{View: table.ViewNew, Created: at, Ended: at}, {View: table.ViewKeys, Created: at + 1}}
	if d := cmp.Diff(again.Streams(), want); d != "" {
		t.Errorf("got (-), want (+):\n%s", d)
	}
	if off.SameSchema(first) || again.SameSchema(off) || again.Clone().Stream == again.Stream {
		t.Error("streams are no part of the schema, or of a copy")
	}
	now = now.Add(table.StreamKeep + time.Second)
	if later := change(again, ""); len(later.Streams()) != 1 || later.Streams()[0].View != table.ViewKeys {
		t.Errorf("after a day there are %+v", later.Streams())
	}
	bad := notes()
	bad.Stream, bad.Recovery = &table.Stream{View: "ALL"}, &table.Recovery{Days: 36}
	if bad.Check() == nil {
		t.Error("a bad stream passed")
	}
}

// An image is kept as long as one reason wants it.
func TestKeepingIsAUnion(t *testing.T) {
	u := notes()
	if u.KeepsImages() || len(u.Keeping()) != 0 {
		t.Error("images are kept for nothing")
	}
	u.Images = &table.Images{KeepSeconds: 3600, Bytes: 1 << 20}
	u.Stream = &table.Stream{View: table.ViewKeys}
	u.Recovery = &table.Recovery{Days: 2}
	if !u.KeepsImages() {
		t.Error("no images are kept")
	}
	for _, c := range []struct {
		age   time.Duration
		bytes uint64
		lets  bool
	}{{time.Hour, 0, false}, {time.Hour, 2 << 20, false}, {30 * time.Hour, 2 << 20, false}, {49 * time.Hour, 0, true}} {
		if got := u.Keeping().Lets(c.age, c.bytes); got != c.lets {
			t.Errorf("after %v with %d bytes: %v", c.age, c.bytes, got)
		}
	}
	u.Stream, u.Recovery = nil, nil
	if !u.Keeping().Lets(time.Minute, 2<<20) || u.Keeping().Lets(time.Minute, 1<<20) {
		t.Error("the log's own size does not count")
	}
}
