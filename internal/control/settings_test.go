package control

import (
	"testing"

	"github.com/meridian-run/meridian/internal/table"
)

// D1: the spec's settings of a table change with the spec, and make a new
// version of it.
func TestD1_AppliedSettingsReplaceThoseBefore(t *testing.T) {
	throttled := keyed("notes")
	throttled.Settings = table.Settings{Throttle: true, Provisioned: &table.Provisioned{Throughput: table.Throughput{Read: 5, Write: 6}}}
	s := founded(t, throttled)
	if have, _ := s.Table("notes"); have.Settings.Enforced("us").Write != 6 {
		t.Fatalf("founded with %+v", have.Settings)
	}
	faster := throttled.Clone()
	faster.Settings.Provisioned.Write = 7
	for version, want := range []table.Table{throttled, faster, keyed("notes")} {
		s = applied(t, s, ApplySpec{Seed: Seed{Spec: []byte("v2"), Regions: []string{"us", "eu"}, Tables: []table.Table{want}}})
		have, _ := s.Table("notes")
		if have.Settings.Enforced("us") != want.Settings.Enforced("us") || have.SchemaVersion != uint64(version+1) {
			t.Errorf("applied %+v, version %d", have.Settings, have.SchemaVersion)
		}
	}
	wrong := keyed("notes")
	wrong.Settings.Throttle = true
	refused(t, s, ApplySpec{Seed: Seed{Spec: []byte("v3"), Regions: []string{"us", "eu"}, Tables: []table.Table{wrong}}}, ErrTableInvalid, "needs a throughput")
}
