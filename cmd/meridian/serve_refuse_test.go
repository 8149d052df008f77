package main

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// idle is a world without services: what is refused is refused before any.
const idle = "tables:\n  notes: {key: pk}\n"

// refuses starts a node that must end with an exit code and every one of the
// texts, without having started anything.
func (w *served) refuses(t *testing.T, code int, args []string, texts ...string) {
	t.Helper()
	p := startProcess(t, w.dir, "refused", append([]string{"serve"}, args...)...)
	if got := p.await(30 * time.Second); got != code {
		t.Errorf("exit code %d, want %d", got, code)
	}
	out := p.log()
	for _, text := range texts {
		if !strings.Contains(out, text) {
			t.Errorf("it says nothing of %q:\n%s", text, out)
		}
	}
	if strings.Contains(out, `"started"`) {
		t.Errorf("it had started:\n%s", out)
	}
}

// edit changes a JSON file.
func edit(t *testing.T, path, key string, value any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	doc := map[string]any{}
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	doc[key] = value
	if text, err = json.Marshal(doc); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func TestServeRefusesWhatIsNotItsOwn(t *testing.T) {
	t.Parallel()
	w := serve(t, worldPlan{Regions: 1, Rest: idle})
	w.kill()
	other := prepare(t, worldPlan{Name: "other", Regions: 3, Rest: idle})
	us, data := w.path("bundles", "us-east-1"), w.path("data")

	t.Run("a bundle that dev made", func(t *testing.T) {
		bundle := filepath.Join(t.TempDir(), "dev")
		if err := os.CopyFS(bundle, os.DirFS(us)); err != nil {
			t.Fatal(err)
		}
		edit(t, filepath.Join(bundle, "bundle.json"), "dev", true)
		w.refuses(t, exitFailed, []string{"--bundle", bundle, "--data", t.TempDir()}, "made by `meridian dev`", "`meridian init`")
	})
	t.Run("a bundle of another world", func(t *testing.T) {
		w.refuses(t, exitFailed, []string{"--bundle", us, "--spec", other.path("meridian.yaml"), "--data", t.TempDir()}, "describes world other", "a bundle of world notes")
	})
	t.Run("a bundle of another region", func(t *testing.T) {
		w.refuses(t, exitUsage, []string{"--bundle", us, "--region", "eu-west-1", "--data", t.TempDir()}, "is the bundle of us-east-1")
	})
	t.Run("no bundle", func(t *testing.T) {
		w.refuses(t, exitNotFound, []string{"--bundle", w.path("bundles"), "--data", t.TempDir()}, "is no bundle (meridian init makes them)")
	})
	t.Run("the data of another world", func(t *testing.T) {
		w.refuses(t, exitFailed, []string{"--bundle", other.path("bundles", "us-east-1"), "--data", data},
			"belongs to region us-east-1 of world notes", "this is region us-east-1 of world other", "--data")
	})
	t.Run("the data of another region", func(t *testing.T) {
		moved := t.TempDir()
		rename(t, filepath.Join(data, "us-east-1"), filepath.Join(moved, "eu-west-1"))
		defer rename(t, filepath.Join(moved, "eu-west-1"), filepath.Join(data, "us-east-1"))
		w.refuses(t, exitFailed, []string{"--bundle", other.path("bundles", "eu-west-1"), "--data", moved},
			"belongs to region us-east-1 of world notes", "this is region eu-west-1 of world other")
	})
	t.Run("the data of a newer release", func(t *testing.T) {
		owner := filepath.Join(data, "us-east-1", "node.json")
		edit(t, owner, "format", 2)
		defer edit(t, owner, "format", 1)
		w.refuses(t, exitFailed, []string{"--bundle", us, "--data", data}, "format 2, this release reads up to 1")
	})
	t.Run("a spec without addresses", func(t *testing.T) {
		bare := filepath.Join(t.TempDir(), "bare.yaml")
		text := "world: notes\ndomain: notes.test\nregions:\n  us-east-1: {place: Ashburn}\n" + idle
		if err := os.WriteFile(bare, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		w.refuses(t, exitFailed, []string{"--bundle", us, "--spec", bare, "--data", t.TempDir()}, "gives us-east-1 no address", "address:")
	})
	t.Run("a spec with errors", func(t *testing.T) {
		broken := filepath.Join(t.TempDir(), "broken.yaml")
		if err := os.WriteFile(broken, []byte("world: notes\ndomian: x\nregions: {}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		w.refuses(t, exitFailed, []string{"--bundle", us, "--spec", broken, "--data", t.TempDir()}, "broken.yaml:2:", "broken.yaml:3:")
	})
	// After all that the data is as it was.
	w.start("us-east-1")
	w.awaitAnswered("us-east-1")
}

// Every port that another program has is told at once, and nothing is left
// open or started.
func TestServeListsEveryPortThatIsTaken(t *testing.T) {
	t.Parallel()
	w := prepare(t, worldPlan{Regions: 1, Rest: idle})
	at := w.spec.Regions[0].Addresses
	var want []string
	for what, address := range map[string]string{"gateway": at.Gateway, "tables": at.Tables, "link": at.Link, "etcd": at.Etcd, "DNS (TCP)": at.DNS} {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Skipf("another program was faster: %v", err)
		}
		defer l.Close()
		want = append(want, address, what+": another program listens there")
	}
	packets, err := net.ListenPacket("udp", at.DNS)
	if err != nil {
		t.Skipf("another program was faster: %v", err)
	}
	defer packets.Close()
	want = append(want, "DNS (UDP): another program listens there", "--listen")
	w.refuses(t, exitFailed, []string{"--bundle", w.path("bundles", "us-east-1"), "--data", w.path("data")}, want...)
	w.refuses(t, exitUsage, []string{"--bundle", w.path("bundles", "us-east-1"), "--data", w.path("data"), "--listen", "here"}, `--listen is "here"`)
	w.refuses(t, exitFailed, []string{"--bundle", w.path("bundles", "us-east-1"), "--data", w.path("data"), "--listen", "192.0.2.1"}, "this machine has no such address")
}
