package control

import (
	"errors"
	"testing"

	"github.com/meridian-run/meridian/internal/table"
)

// The primary of a table is not removed, and that is said before anything else is.
func TestD4_TheRemovalOfAPrimaryIsRefusedBeforehand(t *testing.T) {
	known := &State{
		Regions: []Region{{Name: "a", ID: 1}, {Name: "b", ID: 2}},
		Tables:  []table.Table{{ID: 1, Name: "ledger", Primary: "a", Replicas: []table.Replica{{Region: "a", ID: 1}, {Region: "b", ID: 2}}}},
	}
	cfg, err := Config{World: "w", Region: "b", Dir: t.TempDir(), External: &External{}}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	c := &Control{cfg: cfg, state: known}
	if err := c.MayRemove("a", false); !errors.Is(err, ErrRegionInUse) {
		t.Errorf("the removal of a primary: %v", err)
	}
	known.Tables[0].Primary = "b"
	if err := c.MayRemove("a", false); err != nil {
		t.Error(err)
	}
	if !known.Regions[0].Active() || len(known.Tables[0].Replicas) != 2 {
		t.Error("asking has removed it")
	}
}
