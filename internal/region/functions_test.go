package region

import (
	"testing"

	"github.com/meridian-run/meridian/internal/access"
)

// A function whose service is gone finishes its calls, and these need its key.
func TestKeyOfARetiredFunctionIsGoodUntilItEnds(t *testing.T) {
	r := &Region{keyring: access.NewKeyring()}
	api := &runningFunction{key: access.Key{ID: "api", Secret: "x", Kind: access.Function}, started: true}
	web := &runningFunction{key: access.Key{ID: "web", Secret: "x", Kind: access.Function}, started: true}
	idle := &runningFunction{key: access.Key{ID: "idle", Secret: "x", Kind: access.Function}}
	f := &functions{running: map[string]*runningFunction{"api": api, "web": web, "idle": idle}}
	check := func(when string, want ...string) {
		t.Helper()
		wanted := map[string]bool{}
		for _, id := range want {
			wanted[id] = true
		}
		for _, id := range []string{"api", "web", "idle"} {
			if _, good := r.keyring.Find(id); good != wanted[id] {
				t.Errorf("%s: the key of %s is good: %v, want %v", when, id, good, wanted[id])
			}
		}
	}
	f.rekey(r)
	check("at first", "api", "web", "idle")
	f.retire("api")
	f.retire("idle")
	f.rekey(r)
	check("after two services are gone", "api", "web")
	f.ended(r, api)
	check("after the retired one has ended", "web")
	f.ended(r, web)
	check("after another ended by itself, its service is there", "web")
}
