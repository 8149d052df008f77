package certificate_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/meridian-run/meridian/internal/certificate"
)

var issued = time.Now()

// bundles makes a world's bundles and opens them.
func bundles(t *testing.T, world string, nodes ...string) map[string]*certificate.Bundle {
	t.Helper()
	dirs, err := certificate.Init(t.TempDir(), certificate.Plan{World: world, Nodes: nodes, Now: issued})
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

// handshake connects a client to a server over loopback and returns what each
// saw.
func handshake(t *testing.T, server, client *tls.Config) (atServer, atClient tls.ConnectionState, serverErr, clientErr error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			serverErr = err
			return
		}
		defer conn.Close()
		s := tls.Server(conn, server)
		if serverErr = s.HandshakeContext(ctx); serverErr == nil {
			atServer = s.ConnectionState()
			_, serverErr = s.Write([]byte("x"))
		}
	}()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c := tls.Client(conn, client)
	if clientErr = c.HandshakeContext(ctx); clientErr == nil {
		atClient = c.ConnectionState()
		// With TLS 1.3 a client learns of its refusal when it reads.
		_, clientErr = io.ReadFull(c, make([]byte, 1))
	} else {
		conn.Close()
	}
	<-done
	return atServer, atClient, serverErr, clientErr
}

func TestPeersOfOneWorldKnowEachOther(t *testing.T) {
	world := bundles(t, "notes", "eu-west-1", "us-east-1")
	eu, us := world["eu-west-1"].Identity, world["us-east-1"].Identity
	atServer, atClient, serverErr, clientErr := handshake(t, eu.Server("h2"), us.Client("eu-west-1", "h2"))
	if serverErr != nil || clientErr != nil {
		t.Fatal(serverErr, clientErr)
	}
	if peer, err := certificate.PeerOf(atServer); err != nil || peer != us.Self() {
		t.Errorf("the server sees %v, %v", peer, err)
	}
	if peer, err := certificate.PeerOf(atClient); err != nil || peer != eu.Self() {
		t.Errorf("the client sees %v, %v", peer, err)
	}
	if atClient.NegotiatedProtocol != "h2" || atClient.Version != tls.VersionTLS13 {
		t.Errorf("protocol %q, TLS version %x", atClient.NegotiatedProtocol, atClient.Version)
	}
}

func TestWrongPeersAreRefused(t *testing.T) {
	world := bundles(t, "notes", "eu-west-1", "us-east-1")
	eu, us := world["eu-west-1"].Identity, world["us-east-1"].Identity
	impostor := bundles(t, "notes", "us-east-1")["us-east-1"].Identity

	t.Run("a client of another authority", func(t *testing.T) {
		client := impostor.Client("")
		client.VerifyConnection = nil // it accepts anybody
		_, _, serverErr, clientErr := handshake(t, eu.Server(), client)
		if !errors.Is(serverErr, certificate.ErrUnknownAuthority) || clientErr == nil {
			t.Error(serverErr, clientErr)
		}
	})
	t.Run("a client without a certificate", func(t *testing.T) {
		_, _, serverErr, clientErr := handshake(t, eu.Server(), &tls.Config{InsecureSkipVerify: true})
		if serverErr == nil || clientErr == nil {
			t.Error(serverErr, clientErr)
		}
	})
	t.Run("a server of another authority", func(t *testing.T) {
		server := impostor.Server()
		server.VerifyConnection = nil
		_, _, _, clientErr := handshake(t, server, eu.Client(""))
		if !errors.Is(clientErr, certificate.ErrUnknownAuthority) {
			t.Error(clientErr)
		}
	})
	t.Run("the wrong node of the right world", func(t *testing.T) {
		_, _, _, clientErr := handshake(t, us.Server(), eu.Client("ap-southeast-2"))
		if !errors.Is(clientErr, certificate.ErrOtherPeer) || !strings.Contains(clientErr.Error(), "us-east-1") {
			t.Error(clientErr)
		}
	})
}

// Two worlds whose certificates one authority signed (bring your own) still
// refuse each other.
func TestOtherWorldsAreRefused(t *testing.T) {
	dir := t.TempDir()
	if _, err := certificate.Init(dir, certificate.Plan{World: "notes", Nodes: []string{"a"}, Now: issued}); err != nil {
		t.Fatal(err)
	}
	authority, err := certificate.OpenAuthority(dir)
	if err != nil {
		t.Fatal(err)
	}
	notes, err := certificate.Open(certificate.FilesIn(filepath.Join(dir, "a")))
	if err != nil {
		t.Fatal(err)
	}
	authority.World = "other"
	pair, err := authority.Issue("a", issued, 0)
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir())
	files := certificate.FilesIn(other)
	for path, content := range map[string][]byte{files.Authority: authority.CertificatePEM, files.Certificate: pair.Certificate, files.Key: pair.Key} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	stranger, err := certificate.Open(files)
	if err != nil {
		t.Fatal(err)
	}
	_, _, serverErr, clientErr := handshake(t, notes.Server(), stranger.Client(""))
	if !errors.Is(serverErr, certificate.ErrOtherWorld) && !errors.Is(clientErr, certificate.ErrOtherWorld) {
		t.Error(serverErr, clientErr)
	}
}

func TestRenewalNeedsNoRestart(t *testing.T) {
	dir := t.TempDir()
	dirs, err := certificate.Init(dir, certificate.Plan{World: "notes", Nodes: []string{"a", "b"}, Now: issued, Lifetime: 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	a, err := certificate.OpenBundle(dirs[0])
	if err != nil {
		t.Fatal(err)
	}
	b, err := certificate.OpenBundle(dirs[1])
	if err != nil {
		t.Fatal(err)
	}
	server, client := a.Identity.Server(), b.Identity.Client("a")
	if days := a.Identity.Days(issued); days < 0.99 || days > 1.01 {
		t.Errorf("a certificate for one day has %v days", days)
	}
	authority, err := certificate.OpenAuthority(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := authority.Renew(dirs[0], issued, 10*24*time.Hour); err != nil {
		t.Fatal(err)
	}
	_, atClient, serverErr, clientErr := handshake(t, server, client)
	if serverErr != nil || clientErr != nil {
		t.Fatal(serverErr, clientErr)
	}
	if got := atClient.PeerCertificates[0].NotAfter; got.Before(issued.Add(9 * 24 * time.Hour)) {
		t.Errorf("the server still shows the certificate that ends %v", got)
	}
	// A file that cannot be read keeps the last good certificate in use.
	if err := os.WriteFile(a.Identity.Files().Certificate, []byte("torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, serverErr, clientErr = handshake(t, server, client); serverErr != nil || clientErr != nil {
		t.Error(serverErr, clientErr)
	}
	if end, err := a.Identity.Expires(); err == nil || end.Before(issued.Add(9*24*time.Hour)) {
		t.Errorf("expires %v, error %v: want the good one's end and why the new one is not used", end, err)
	}
}

func TestExpiredPeersAreRefused(t *testing.T) {
	dirs, err := certificate.Init(t.TempDir(), certificate.Plan{World: "notes", Nodes: []string{"a", "b"}, Now: issued.Add(-48 * time.Hour), Lifetime: 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	a, err := certificate.OpenBundle(dirs[0])
	if err != nil {
		t.Fatal(err)
	}
	_, _, _, clientErr := handshake(t, a.Identity.Server(), a.Identity.Client(""))
	if clientErr == nil || !strings.Contains(clientErr.Error(), "expired") {
		t.Error(clientErr)
	}
}

func TestBundlesOfAWorld(t *testing.T) {
	dir := t.TempDir()
	plan := certificate.Plan{World: "notes", Nodes: []string{"a", "b", "w"}, Witness: "w", Spec: []byte("world: notes\n"), Now: issued}
	dirs, err := certificate.Init(dir, plan)
	if err != nil {
		t.Fatal(err)
	}
	var first *certificate.Bundle
	keys := func(b *certificate.Bundle) string {
		text, err := os.ReadFile(b.KeysPath())
		if err != nil {
			t.Error(err)
		}
		return string(text)
	}
	for i, d := range dirs {
		b, err := certificate.OpenBundle(d)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = b
		}
		if b.Node != plan.Nodes[i] || b.Witness != (b.Node == "w") || b.SpecPath == "" || b.Dev {
			t.Errorf("bundle %+v", b)
		}
		if b.Token != first.Token || len(b.Token) < 32 || keys(b) == "" || keys(b) != keys(first) {
			t.Errorf("bundle %s has another token or key than %s", b.Node, first.Node)
		}
		err = filepath.WalkDir(d, func(path string, entry os.DirEntry, err error) error {
			if info, _ := entry.Info(); err == nil && info.Mode().Perm()&0o077 != 0 {
				t.Errorf("%s is open to others: %v", path, info.Mode())
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	if _, err := certificate.Init(dir, plan); err == nil {
		t.Error("a second Init replaced the authority")
	}
	if _, err := certificate.OpenBundle(dir); err == nil || !strings.Contains(err.Error(), "meridian init") {
		t.Errorf("opening what is no bundle: %v", err)
	}
}

func TestInitRefusesBadPlans(t *testing.T) {
	for name, plan := range map[string]certificate.Plan{
		"no nodes":         {World: "notes"},
		"bad world":        {World: "No Tes", Nodes: []string{"a"}},
		"bad node":         {World: "notes", Nodes: []string{"../a"}},
		"node twice":       {World: "notes", Nodes: []string{"a", "a"}},
		"reserved":         {World: "notes", Nodes: []string{"authority"}},
		"witness not node": {World: "notes", Nodes: []string{"a"}, Witness: "w"},
	} {
		plan.Now = issued
		dir := t.TempDir()
		if _, err := certificate.Init(dir, plan); err == nil {
			t.Errorf("%s: accepted", name)
		}
		if entries, _ := os.ReadDir(dir); len(entries) != 0 {
			t.Errorf("%s: wrote %v", name, entries)
		}
	}
}
