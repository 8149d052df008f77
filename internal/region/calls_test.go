package region

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-run/meridian/client"
	"github.com/meridian-run/meridian/internal/control"
	"github.com/meridian-run/meridian/spec"
)

func TestClientNetwork(t *testing.T) {
	for from, want := range map[string]string{
		"":                "invalid Prefix",
		"New York":        "198.18.1.0/24",
		"192.0.2.7":       "192.0.2.7/32",
		"192.0.2.7/24":    "192.0.2.0/24",
		"2001:db8::1":     "2001:db8::1/128",
		"2001:db8:5::/48": "2001:db8:5::/48",
	} {
		got, err := ClientNetwork(from)
		if err != nil || got.String() != want {
			t.Errorf("ClientNetwork(%q) = %v, %v; want %s", from, got, err, want)
		}
	}
	_, err := ClientNetwork("Sidney")
	var refused *client.Error
	if !errors.As(err, &refused) || refused.Code != client.CodeNotFound || !strings.Contains(err.Error(), "Sydney") {
		t.Errorf("ClientNetwork(Sidney) = %v; want a refusal that suggests Sydney", err)
	}
}

func TestChangesBetweenNamesWhatChanged(t *testing.T) {
	const base = `
world: w
domain: w.test
regions: {us-east-1: {}, eu-west-1: {}, ap-south-1: {}}
tables: {notes: {key: pk}, users: {key: id}}
services:
  api: {backend: "http://127.0.0.1:1", tables: [notes]}
  web: {function: {bundle: ./web}}
`
	changed := strings.NewReplacer("users: {key: id}", "drafts: {key: id}", "tables: [notes]", "tables: [notes], routing: {ttl: 9s}").Replace(base)
	got := changesBetween(parsed(t, base), parsed(t, changed))
	want := []string{"table drafts added", "table users removed", "service api changed"}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Error(diff)
	}
	if got := changesBetween(parsed(t, base), parsed(t, base)); len(got) != 0 {
		t.Errorf("the same spec: %v", got)
	}
}

func parsed(t *testing.T, text string) *spec.World {
	t.Helper()
	w, err := spec.Parse("test.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestCallErrorSaysWhoseFaultItIs(t *testing.T) {
	for err, want := range map[error]client.Code{
		control.ErrNoQuorum: client.CodeUnavailable,
		fmt.Errorf("%w: %w", control.ErrUncertain, control.ErrNoQuorum): client.CodeUncertain,
		control.ErrApart:         client.CodeConflict,
		control.ErrRevision:      client.CodeConflict,
		control.ErrTableDropped:  client.CodeConflict,
		control.ErrRegionUnknown: client.CodeNotFound,
		control.ErrTableInvalid:  client.CodeInvalid,
	} {
		var got *client.Error
		if !errors.As(callError(fmt.Errorf("apply: %w", err)), &got) || got.Code != want {
			t.Errorf("callError(%v) = %v, want code %s", err, got, want)
		}
	}
}
