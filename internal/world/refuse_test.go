package world

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/meridian-run/meridian/internal/certificate"
	"github.com/meridian-run/meridian/internal/region"
)

// lines keeps a log for a test to look at.
type lines struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// with answers the lines that contain all of some words.
func (l *lines) with(words ...string) (found []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.text.String()) {
		has := true
		for _, word := range words {
			has = has && strings.Contains(line, word)
		}
		if has {
			found = append(found, line)
		}
	}
	return found
}

// refusedStart wants that a world does not start, and says words.
func refusedStart(t *testing.T, c Config, words ...string) {
	t.Helper()
	for range 20 {
		c.Base = netip.AddrFrom4([4]byte{127, byte(time.Now().UnixNano()%250 + 1), 0, 0})
		w, err := New(c)
		if err != nil && strings.Contains(err.Error(), "ports cannot be had") {
			continue
		}
		if err == nil {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			err = w.Run(ctx)
			cancel()
		}
		if err == nil {
			t.Fatal("it started")
		}
		for _, word := range words {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("it says %q, want %q in it", err, word)
			}
		}
		return
	}
	t.Fatal("no loopback network was free")
}

func TestDataOfOthersIsRefused(t *testing.T) {
	t.Parallel()
	w := parse(t, notesSpec)
	t.Run("of another world", func(t *testing.T) {
		dir := t.TempDir()
		other := certificate.Plan{World: "shop", Nodes: all, Dev: true, Now: time.Now()}
		if _, err := certificate.Init(filepath.Join(dir, "bundles"), other); err != nil {
			t.Fatal(err)
		}
		refusedStart(t, Config{Spec: w, Dir: dir}, "world shop", "notes", "--fresh")
	})
	// A crash between applying a new region and starting it leaves this behind.
	t.Run("a region more is no other world", func(t *testing.T) {
		dir := t.TempDir()
		fewer := certificate.Plan{World: "notes", Nodes: []string{us, eu}, Dev: true, Now: time.Now()}
		if _, err := certificate.Init(filepath.Join(dir, "bundles"), fewer); err != nil {
			t.Fatal(err)
		}
		grown := bindSomewhere(t, Config{Spec: w, Dir: dir})
		defer grown.release()
		if grown.nodes[ap].bundle.Token != grown.nodes[us].bundle.Token {
			t.Error("the new region's bundle is of another world")
		}
	})
	t.Run("of another region", func(t *testing.T) {
		dir := t.TempDir()
		if err := region.Claim(filepath.Join(dir, us), region.Owner{World: "notes", Node: eu}); err != nil {
			t.Fatal(err)
		}
		refusedStart(t, Config{Spec: w, Dir: dir}, "belongs to region "+eu, "this is region "+us)
	})
	t.Run("of a newer release", func(t *testing.T) {
		dir := t.TempDir()
		path := filepath.Join(dir, us, "node.json")
		if err := region.Claim(filepath.Dir(path), region.Owner{World: "notes", Node: us}); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, bytes.Replace(text, []byte(`"format":1`), []byte(`"format":9`), 1), 0o600); err != nil {
			t.Fatal(err)
		}
		refusedStart(t, Config{Spec: w, Dir: dir}, "format 9", "reads up to 1")
	})
}

func TestEveryPortConflictIsToldAtOnce(t *testing.T) {
	t.Parallel()
	free := bindSomewhere(t, Config{Spec: parse(t, notesSpec), Dir: t.TempDir()})
	free.release()
	taken := []string{free.nodes[us].at(portGateway), free.nodes[eu].at(portTables), free.nodes[ap].at(portLink)}
	for _, at := range taken {
		l, err := net.Listen("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
	}
	packets, err := net.ListenPacket("udp", free.nodes[us].at(portDNS))
	if err != nil {
		t.Fatal(err)
	}
	defer packets.Close()
	_, err = New(Config{Spec: parse(t, notesSpec), Dir: t.TempDir(), Base: free.cfg.Base})
	if err == nil {
		t.Fatal("it took ports that others have")
	}
	for _, want := range append(taken, free.nodes[us].at(portDNS), "4 ports", "gateway of "+us, "tables of "+eu, "link of "+ap, "DNS (UDP) of "+us, "--port-base") {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not told:\n%v", want, err)
		}
	}
	// Nothing stays bound.
	for _, at := range []string{free.nodes[us].at(portTables), free.nodes[eu].at(portGateway)} {
		l, err := net.Listen("tcp", at)
		if err != nil {
			t.Errorf("%s is still bound: %v", at, err)
			continue
		}
		l.Close()
	}
}

// A region whose certificate another authority made is refused by the others
// and serves alone; the log says so once, not once a second.
func TestWrongCertificateIsRefusedAndToldOnce(t *testing.T) {
	t.Parallel()
	dir, others := t.TempDir(), t.TempDir()
	plan := certificate.Plan{World: "notes", Nodes: all, Dev: true, Now: time.Now()}
	for _, to := range []string{filepath.Join(dir, "bundles"), others} {
		if _, err := certificate.Init(to, plan); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.RemoveAll(filepath.Join(dir, "bundles", ap)); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(others, ap), filepath.Join(dir, "bundles", ap)); err != nil {
		t.Fatal(err)
	}
	var log lines
	w := run(t, Config{Spec: parse(t, notesSpec), Dir: dir, RoundTrip: near, Log: slog.New(slog.NewTextHandler(&log, nil))})

	if err := put(t.Context(), tables(t, w, us), "notes", "pk", "secret"); err != nil {
		t.Fatal(err)
	}
	eventually(t, 40*time.Second, eu+" has it", func() bool { return get(t, tables(t, w, eu), "notes", "secret") != "" })
	began := time.Now()
	eventually(t, 40*time.Second, "some seconds have passed", func() bool { return time.Since(began) > 5*time.Second })
	if got := get(t, tables(t, w, ap), "notes", "secret"); got != "" {
		t.Errorf("%s got %q although its certificate is wrong", ap, got)
	}
	for _, name := range []string{us, eu} {
		told := log.with("msg=event", "region="+name, "kind=refused")
		if len(told) != 1 || !strings.Contains(told[0], "does not accept this node's certificate") {
			t.Errorf("%s told %d times of the refusal, want once, and what it means: %v", name, len(told), told)
		}
		if told := log.with("peer not reached", "region="+name, "peer="+ap); len(told) != 1 || !strings.Contains(told[0], "not signed by this world's authority") {
			t.Errorf("%s told %d times that it does not reach %s, want once, and why: %v", name, len(told), ap, told)
		}
	}
}
