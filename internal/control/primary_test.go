package control_test

import (
	"errors"
	"testing"
	"time"

	"github.com/meridian-run/meridian/internal/control"
	"github.com/meridian-run/meridian/internal/table"
)

// TestD4_DATA19_RenewalOnTopOfTheState: etcd takes a renewal only on top of the
// state that it was decided on, so that whoever promotes another has the last
// word; and what was held is known after a restart.
func TestD4_DATA19_RenewalOnTopOfTheState(t *testing.T) {
	t.Parallel()
	cfg := alone(t, t.TempDir())
	cfg.Seed.Regions = []string{"here", "there"}
	cfg.Seed.Tables = []table.Table{{Name: "ledger", Key: table.Attribute{Name: "pk", Type: "S"}, Primary: "here"}}
	c := start(t, cfg)
	ctx := within(t, 20*time.Second)
	if err := c.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	first := c.State()
	ledger, _ := first.Table("ledger")
	if !ledger.Handed || ledger.Epoch != 0 || ledger.Home != "here" {
		t.Fatalf("a new table: %+v", ledger)
	}
	if h, err := c.Held(ctx, "here"); err != nil || h.Has(ledger.ID, 0) {
		t.Fatalf("held before any renewal: %+v, %v", h, err)
	}
	hold := control.Hold{Epochs: map[string]uint32{control.HoldKey(ledger.ID): 0}}
	for range 2 {
		if err := c.Renew(ctx, first, hold); err != nil {
			t.Fatal(err)
		}
	}
	if h, err := c.Held(ctx, "here"); err != nil || !h.Has(ledger.ID, 0) || h.Has(ledger.ID, 1) {
		t.Fatalf("held: %+v, %v", h, err)
	}
	move := control.Promotion{Table: "ledger", From: "here", Epoch: 0, To: "there"}
	moved, err := c.Promote(ctx, move)
	if err != nil {
		t.Fatal(err)
	}
	if now, _ := moved.Table("ledger"); now.Primary != "there" || now.Epoch != 1 || now.Handed {
		t.Fatalf("promoted: %+v", now)
	}
	if err := c.Renew(ctx, first, hold); !errors.Is(err, control.ErrPromoted) {
		t.Fatalf("renewing on top of the state before: %v", err)
	}
	if _, err := c.Promote(ctx, move); !errors.Is(err, control.ErrPromoted) {
		t.Fatalf("promoting twice: %v", err)
	}
}
