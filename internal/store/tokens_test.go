package store_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meridian-run/meridian/internal/kv/memkv"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

// tokened opens a store with a clock, over an engine.
func tokened(t *testing.T, e *memkv.Engine, now *time.Time) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Config{Engine: e, World: "test", RegionName: "region-1", Region: 1, Wall: func() time.Time { return *now }})
	if err != nil {
		t.Fatal(err)
	}
	s.SetTables([]table.Table{tableIn(notes, 1)})
	return s
}

// use writes a record under a token, or answers what was remembered of it.
func use(t *testing.T, s *store.Store, id byte, answer string, refused bool) string {
	t.Helper()
	write, said, err := s.Tokens().Begin(t.Context(), store.RequestID{id})
	if err != nil {
		t.Fatal(err)
	}
	if write == nil {
		return string(said)
	}
	defer write.End()
	_, err = s.Update(t.Context(), append(write.Keys(), key("k")), func(tx *store.Tx) error {
		if refused {
			return errors.Join(write.Put(tx, []byte(answer)), errUnmet)
		}
		return errors.Join(tx.Put(key("k"), []byte(answer), store.PutOptions{}), write.Put(tx, []byte(answer)))
	})
	if err != nil && !errors.Is(err, errUnmet) {
		t.Fatal(err)
	}
	return ""
}

// D1: a token is remembered with its effect and no other way, over restarts, for
// ten minutes; then it goes.
func TestD1_TokensAreRememberedForTenMinutes(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	e := memkv.New(memkv.Config{})
	s := tokened(t, e, &now)
	for _, c := range []struct {
		after          time.Duration
		restart        bool
		id             byte
		answer, before string
	}{
		{0, false, 1, "one", ""},
		{0, false, 1, "another", "one"},
		{9 * time.Minute, false, 1, "another", "one"},
		{0, false, 2, "two", ""},
		{0, true, 2, "another", "two"},
		{59 * time.Second, false, 1, "another", "one"},
		{time.Second, false, 1, "new", ""},
		{0, true, 1, "another", "new"},
		{8*time.Minute + 59*time.Second, false, 2, "another", "two"},
		{9 * time.Minute, false, 3, "three", ""},
		{0, false, 2, "again", ""},
	} {
		now = now.Add(c.after)
		if c.restart {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			e = e.Reopen(memkv.Config{})
			s = tokened(t, e, &now)
		}
		if got := use(t, s, c.id, c.answer, false); got != c.before {
			t.Errorf("token %d, for %q: %q, want %q", c.id, c.answer, got, c.before)
		}
	}
	use(t, s, 4, "failed", true)
	if got := use(t, s, 4, "four", false); got != "" {
		t.Errorf("what failed is remembered: %q", got)
	}
	r := &region{Store: s, t: t, engine: e}
	for range 6 {
		now = now.Add(store.TokenAge)
		use(t, s, 5, "five", false)
	}
	if got := countKeys(t, r, 'k'); got > 2 {
		t.Errorf("%d tokens are kept, of which one is young enough", got)
	}
}

// A token that stands beside no record is remembered, too, and ships nothing.
func TestD1_TokensOfWhatWritesNothing(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	e := memkv.New(memkv.Config{})
	s := tokened(t, e, &now)
	before := s.Position().Cursor
	write, _, err := s.Tokens().Begin(t.Context(), store.RequestID{1})
	if err != nil {
		t.Fatal(err)
	}
	commit, err := s.Update(t.Context(), []record.Key{key("k")}, func(tx *store.Tx) error { return write.Put(tx, []byte("seen")) })
	write.End()
	if err != nil || commit != (store.Commit{}) || s.Position().Cursor != before {
		t.Errorf("%+v, %v, position %v, want %v", commit, err, s.Position().Cursor, before)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := use(t, tokened(t, e.Reopen(memkv.Config{}), &now), 1, "another", false); got != "seen" {
		t.Errorf("it is remembered as %q", got)
	}
}

// DATA 3: that a token had its effect is told only once a crash cannot undo it.
func TestD1_DATA3_TokensAreToldWhenDurable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Unix(1_800_000_000, 0)
		e := memkv.New(memkv.Config{})
		s := tokened(t, e, &now)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		held := e.Reopen(memkv.Config{Hold: true})
		opened := make(chan *store.Store)
		go func() { opened <- tokened(t, held, &now) }()
		synctest.Wait()
		held.Sync()
		s = <-opened
		answers := make(chan string, 2)
		ask := func() { answers <- use(t, s, 1, "one", false) }
		go ask()
		synctest.Wait() // visible, and not durable
		go ask()
		synctest.Wait()
		if len(answers) != 0 {
			t.Errorf("%d answers before the sync", len(answers))
		}
		held.Sync()
		if one, two := <-answers, <-answers; one+two != "one" {
			t.Errorf("answers %q and %q", one, two)
		}
	})
}
