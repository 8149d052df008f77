package control

import (
	"errors"
	"strings"
	"testing"

	"github.com/meridian-run/meridian/internal/table"
)

func primaryTable(name, primary string) table.Table {
	t := keyed(name)
	t.Primary = primary
	return t
}

// TestD4_PromotionRules: who can be promoted, and what a promotion raises.
func TestD4_PromotionRules(t *testing.T) {
	s := founded(t, primaryTable("ledger", "us"), keyed("notes"))
	promote := func(p Promotion) (*State, error) {
		return next(s, func(s *State) error { return testScribe(2).promote(s, p) })
	}
	for _, c := range []struct {
		what string
		p    Promotion
		err  error
		says string
	}{
		{"another table", Promotion{Table: "nope", From: "us", To: "eu"}, ErrTableUnknown, "nope"},
		{"a table without one", Promotion{Table: "notes", To: "eu"}, ErrTableInvalid, "each of its regions takes writes"},
		{"another primary", Promotion{Table: "ledger", From: "eu", To: "us"}, ErrPromoted, "is us in epoch 0"},
		{"another epoch", Promotion{Table: "ledger", From: "us", Epoch: 3, To: "eu"}, ErrPromoted, "epoch 0"},
		{"a stranger", Promotion{Table: "ledger", From: "us", To: "ap"}, ErrRegionUnknown, "eu, us"},
	} {
		if _, err := promote(c.p); !errors.Is(err, c.err) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.what, err)
		}
	}
	moved, err := promote(Promotion{Table: "ledger", From: "us", To: "eu", Handed: true})
	if err != nil {
		t.Fatal(err)
	}
	if ledger, _ := moved.Table("ledger"); ledger.Primary != "eu" || ledger.Epoch != 1 || !ledger.Handed || ledger.Home != "us" || ledger.Revision != moved.Revision {
		t.Errorf("promoted: %+v", ledger)
	}
	s.Tables[0].Replicas[0].Since = 1 // eu was given the table and copies it
	if _, err := promote(Promotion{Table: "ledger", From: "us", To: "eu"}); !errors.Is(err, ErrTableInvalid) {
		t.Errorf("promoting a region that copies: %v", err)
	}
}

// TestD4_ApplyMovesNoPrimary: a spec says where the primary began; applying it
// again undoes no promotion, and one that names a third region is refused.
func TestD4_ApplyMovesNoPrimary(t *testing.T) {
	s := founded(t, primaryTable("ledger", "us"))
	moved, err := next(s, func(s *State) error {
		return testScribe(2).promote(s, Promotion{Table: "ledger", From: "us", To: "eu"})
	})
	if err != nil {
		t.Fatal(err)
	}
	apply := func(primary string, change func(*table.Table)) (*State, error) {
		want := primaryTable("ledger", primary)
		if change != nil {
			change(&want)
		}
		return next(moved, func(s *State) error {
			return testScribe(3).apply(s, ApplySpec{Seed: Seed{Spec: []byte("v2"), Regions: []string{"us", "eu"}, Tables: []table.Table{want}}})
		})
	}
	for _, primary := range []string{"us", "eu"} {
		again, err := apply(primary, nil)
		if err != nil {
			t.Fatal(err)
		}
		if ledger, _ := again.Table("ledger"); ledger.Primary != "eu" || ledger.Epoch != 1 || ledger.Home != primary {
			t.Errorf("applying primary: %s: %+v", primary, ledger)
		}
	}
	if _, err := apply("", nil); !errors.Is(err, ErrTableInvalid) {
		t.Errorf("dropping the consistency: %v", err)
	}
	_, err = apply("us", func(t *table.Table) { t.Replicas = []table.Replica{{Region: "us"}} })
	if !errors.Is(err, ErrTableInvalid) || !strings.Contains(err.Error(), "meridian promote ledger") {
		t.Errorf("dropping the primary's replica: %v", err)
	}
	copies, err := apply("us", func(t *table.Table) { t.Copies, t.Degrade = 2, true })
	if err != nil {
		t.Fatal(err)
	}
	if ledger, _ := copies.Table("ledger"); ledger.Copies != 2 || !ledger.Degrade {
		t.Errorf("copies: %+v", ledger)
	}
	home := s.clone()
	if err := testScribe(4).apply(home, ApplySpec{Seed: Seed{Spec: []byte("v3"), Regions: []string{"us", "eu"}, Tables: []table.Table{primaryTable("ledger", "eu")}}}); err == nil ||
		!strings.Contains(err.Error(), "meridian promote ledger --to eu") {
		t.Errorf("moving the primary by applying: %v", err)
	}
}
