package store_test

import (
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/kv/memkv"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
)

// DATA 23: a data directory of another world or region is refused, and both are
// named.
func TestForeignDirectoryIsRefused(t *testing.T) {
	r := newRegion(t, 1, nil, nil)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	engine := r.engine.(*memkv.Engine)
	for name, change := range map[string]func(*store.Config){
		"world":     func(c *store.Config) { c.World = "another" },
		"region":    func(c *store.Config) { c.RegionName = "another" },
		"region id": func(c *store.Config) { c.Region = 42 },
	} {
		c := r.config
		change(&c)
		c.Engine = engine.Reopen(memkv.Config{})
		_, err := store.Open(t.Context(), c)
		if !errors.Is(err, store.ErrForeign) {
			t.Errorf("another %s: %v, want %v", name, err, store.ErrForeign)
			continue
		}
		for _, named := range []string{`"region1"`, `"w"`, "--data"} {
			if !strings.Contains(err.Error(), named) {
				t.Errorf("another %s: %q does not name %s", name, err, named)
			}
		}
	}
	r.open(engine.Reopen(memkv.Config{}))
}

// DATA 23: a newer format is refused, naming both, even if the rest of the
// identity has changed beyond recognition.
func TestNewerFormatIsRefused(t *testing.T) {
	engine := memkv.New(memkv.Config{})
	newer := binary.BigEndian.AppendUint16(nil, store.Format+6)
	_, err := kv.Update(t.Context(), engine, nil, func(kv.Reader) (*kv.Batch, error) {
		return &kv.Batch{Ops: []kv.Op{{Key: []byte("mi"), Value: append(newer, "whatever"...)}}}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = store.Open(context.Background(), store.Config{Engine: engine, Region: 1})
	if !errors.Is(err, store.ErrNewerFormat) || !strings.Contains(err.Error(), "format 7") || !strings.Contains(err.Error(), "up to 1") {
		t.Errorf("got %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	if _, err := store.Open(t.Context(), store.Config{Region: 1}); err == nil {
		t.Error("opened without an engine")
	}
	if _, err := store.Open(t.Context(), store.Config{Engine: memkv.New(memkv.Config{})}); err == nil {
		t.Error("opened without a region id")
	}
	fixed := func(c *store.Config) { c.NewLogID = func() record.LogID { return 5 } }
	r := newRegion(t, 1, nil, fixed)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	c := r.config
	c.Engine = r.engine.(*memkv.Engine).Reopen(memkv.Config{})
	if _, err := store.Open(t.Context(), c); err == nil {
		t.Error("opened with a log id that was used before")
	}
}

func TestDamageIsAnError(t *testing.T) {
	for _, k := range []string{"mi", "ms", "mc", "mt", "c\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00", "ft\x00\x00\x00\x00\x00\x00\x00\x07", "fr\x00\x02"} {
		r := newRegion(t, 1, nil, nil)
		_, err := kv.Update(t.Context(), r.engine, nil, func(kv.Reader) (*kv.Batch, error) {
			return &kv.Batch{Ops: []kv.Op{{Key: []byte(k), Value: []byte("\x00\x01x")}}}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		c := r.config
		c.Engine = r.engine.(*memkv.Engine).Reopen(memkv.Config{})
		if _, err := store.Open(t.Context(), c); err == nil || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("%q: %v", k, err)
		}
	}
}
