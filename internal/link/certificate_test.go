package link_test

import (
	"strings"
	"testing"
	"time"

	"github.com/meridian-run/meridian/internal/certificate"
	"github.com/meridian-run/meridian/internal/link"
)

// Bundles as init writes them fit both ends, and those of another world do not.
func TestBundlesProveRegions(t *testing.T) {
	open := func(world string, nodes ...string) map[string]*certificate.Bundle {
		dirs, err := certificate.Init(t.TempDir(), certificate.Plan{World: world, Nodes: nodes, Now: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		all := map[string]*certificate.Bundle{}
		for _, dir := range dirs {
			b, err := certificate.OpenBundle(dir)
			if err != nil {
				t.Fatal(err)
			}
			all[b.Node] = b
		}
		return all
	}
	notes, shop := open("notes", "a", "b"), open("shop", "a")
	address := serve(t, link.ServerConfig{Identity: id("b"), TLS: notes["b"].Identity.Server("h2"), Posts: echoPosts()})
	client := connect(t, link.ClientConfig{Identity: id("a"), TLS: notes["a"].Identity.Client("")}, address)
	if got, err := client.Post(t.Context(), "b", "echo", []byte("hi")); err != nil || string(got) != "a: hi" {
		t.Errorf("post with bundles: %q, %v", got, err)
	}
	if _, err := client.Post(t.Context(), "c", "echo", nil); err == nil || !strings.Contains(err.Error(), `answers as region "b", not "c"`) {
		t.Errorf("the wrong region: %v", err)
	}
	stranger := connect(t, link.ClientConfig{Identity: link.Identity{World: "shop", Region: "a"}, TLS: shop["a"].Identity.Client("")}, address)
	if _, err := stranger.Post(t.Context(), "b", "echo", nil); err == nil {
		t.Error("another world was let in")
	}
}
