package control_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/meridian-run/meridian/internal/control"
	"github.com/meridian-run/meridian/internal/table"
)

// seedOf is a small world's.
func seedOf(regions ...string) *control.Seed {
	return &control.Seed{
		Spec:    []byte("world: notes\n"),
		Source:  "meridian.yaml",
		Regions: regions,
		Tables:  []table.Table{{Name: "notes", Key: table.Attribute{Name: "pk", Type: "S"}}},
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// node is a running Control.
type node struct {
	*control.Control
	stop func()
}

// start runs a Control until the test ends or stop is called.
func start(t *testing.T, cfg control.Config) node {
	t.Helper()
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.NewTextHandler(t.Output(), nil)).With("node", cfg.Region)
	}
	c, err := control.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	stopped := false
	n := node{Control: c, stop: func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("%s ended: %v", cfg.Region, err)
		}
	}}
	t.Cleanup(n.stop)
	return n
}

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// alone is the configuration of a world with one region.
func alone(t *testing.T, dir string) control.Config {
	l := listen(t)
	if err := control.StartOver(dir); err != nil {
		t.Fatal(err)
	}
	return control.Config{
		World: "notes", Region: "here", Dir: dir, Seed: seedOf("here"),
		Embedded: &control.Embedded{Listen: l, Members: map[string]string{"here": "http://" + l.Addr().String()}},
	}
}

func TestOneMemberSeedsAndServes(t *testing.T) {
	t.Parallel()
	began := time.Now()
	c := start(t, alone(t, t.TempDir()))
	ctx := within(t, 20*time.Second)
	if err := c.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	t.Log("ready after", time.Since(began))
	s := c.State()
	if s.Revision != 1 || s.SpecRevision != 1 || len(s.Regions) != 1 || s.Regions[0].ID != 1 {
		t.Fatalf("first state: %+v", s)
	}
	notes, ok := s.Table("notes")
	if !ok || notes.ID == 0 || notes.State != table.Active || notes.Owner != table.OwnerSpec || !notes.In("here") {
		t.Fatalf("seeded table: %+v", notes)
	}
	made, err := c.CreateTable(ctx, table.Table{Name: "other", Key: table.Attribute{Name: "id", Type: "N"}})
	if err != nil {
		t.Fatal(err)
	}
	if made.Owner != table.OwnerAPI || made.Revision != 2 || c.State().Revision != 2 {
		t.Fatalf("created table: %+v at revision %d", made, c.State().Revision)
	}
	if _, err := c.CreateTable(ctx, made); !errors.Is(err, control.ErrTableExists) {
		t.Errorf("creating it again: %v", err)
	}
	if _, err := c.DeleteTable(ctx, "notes"); !errors.Is(err, control.ErrOwner) {
		t.Errorf("deleting the spec's table by the API: %v", err)
	}
}
