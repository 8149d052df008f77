package certificate

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Refusals of a peer; test with errors.Is.
var (
	ErrUnknownAuthority = errors.New("the peer's certificate is not signed by this world's authority")
	ErrOtherWorld       = errors.New("the peer belongs to another world")
	ErrOtherPeer        = errors.New("the peer is another node")
	ErrNoIdentity       = errors.New("the peer's certificate names no node")
)

// Files are the PEM files of an identity.
type Files struct{ Authority, Certificate, Key string }

// FilesIn are the files of a bundle directory.
func FilesIn(dir string) Files {
	return Files{
		Authority:   filepath.Join(dir, authorityFile),
		Certificate: filepath.Join(dir, certificateFile),
		Key:         filepath.Join(dir, keyFile),
	}
}

// Peer is a node as its certificate names it.
type Peer struct{ World, Node string }

// Identity is a node's own certificate and the authority that it trusts. The
// files are read again when they have changed, at the next handshake; if they
// cannot be read then, the last good ones stay in use. It is safe for concurrent
// use.
type Identity struct {
	files Files
	self  Peer

	// mu guards what was read last.
	mu    sync.Mutex
	stamp string
	cert  *tls.Certificate
	roots *x509.CertPool
	err   error
}

// Open reads an identity. The certificate must be signed by the authority and
// name a node.
func Open(files Files) (*Identity, error) {
	i := &Identity{files: files}
	stamp, err := files.stamp()
	if err != nil {
		return nil, err
	}
	cert, roots, self, err := files.read()
	if err != nil {
		return nil, err
	}
	i.self, i.stamp, i.cert, i.roots = self, stamp, cert, roots
	return i, nil
}

// stamp changes when a file does: sizes and times of change.
func (f Files) stamp() (string, error) {
	var b strings.Builder
	for _, path := range []string{f.Authority, f.Certificate, f.Key} {
		info, err := os.Stat(path)
		if err != nil {
			return "", fmt.Errorf("certificate files: %w", err)
		}
		fmt.Fprintf(&b, "%d %d;", info.Size(), info.ModTime().UnixNano())
	}
	return b.String(), nil
}

func (f Files) read() (*tls.Certificate, *x509.CertPool, Peer, error) {
	authority, err := os.ReadFile(f.Authority)
	if err != nil {
		return nil, nil, Peer{}, fmt.Errorf("certificate files: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(authority) {
		return nil, nil, Peer{}, fmt.Errorf("%s holds no PEM certificate", f.Authority)
	}
	cert, err := tls.LoadX509KeyPair(f.Certificate, f.Key)
	if err != nil {
		return nil, nil, Peer{}, fmt.Errorf("read %s and %s: %w", f.Certificate, f.Key, err)
	}
	self, err := peerOf(cert.Leaf)
	if err != nil {
		return nil, nil, Peer{}, fmt.Errorf("%s: %w: it must have a URI name %s://world/node", f.Certificate, err, scheme)
	}
	// An expired certificate still opens: the peers refuse it and say why.
	_, err = cert.Leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: cert.Leaf.NotBefore.Add(time.Second), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	if err != nil {
		return nil, nil, Peer{}, fmt.Errorf("%s is not signed by %s: %w", f.Certificate, f.Authority, err)
	}
	return &cert, roots, self, nil
}

// current gives the certificate and roots in force, after a look at the files.
func (i *Identity) current() (*tls.Certificate, *x509.CertPool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	stamp, err := i.files.stamp()
	if err == nil && stamp == i.stamp {
		return i.cert, i.roots
	}
	if err == nil {
		err = i.reload(stamp)
	}
	i.err = err
	return i.cert, i.roots
}

func (i *Identity) reload(stamp string) error {
	cert, roots, self, err := i.files.read()
	if err != nil {
		return err
	}
	if self != i.self {
		return fmt.Errorf("%s is now that of %s in world %s, this node is %s in %s: restart to change who it is", i.files.Certificate, self.Node, self.World, i.self.Node, i.self.World)
	}
	i.cert, i.roots, i.stamp = cert, roots, stamp
	return nil
}

// Self is who this node is.
func (i *Identity) Self() Peer { return i.self }

// Files are where the identity is read from.
func (i *Identity) Files() Files { return i.files }

// ServerName is a DNS name that all nodes' certificates of this world have.
func (i *Identity) ServerName() string { return serverName(i.self.World) }

// Expires is the end of the certificate in force, and the error of the last
// attempt to read a newer one, if it failed.
func (i *Identity) Expires() (time.Time, error) {
	cert, _ := i.current()
	i.mu.Lock()
	defer i.mu.Unlock()
	return cert.Leaf.NotAfter, i.err
}

// Days is how many days the certificate in force is still valid, for metrics;
// negative once it has expired.
func (i *Identity) Days(now time.Time) float64 {
	end, _ := i.Expires()
	return end.Sub(now).Hours() / 24
}

// Server is the configuration of a server that wants a peer of this world. The
// protocols are offered in order; none is HTTP/1.1 and the like.
func (i *Identity) Server(protocols ...string) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		NextProtos: protocols,
		ClientAuth: tls.RequireAnyClientCert,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			cert, _ := i.current()
			return cert, nil
		},
		VerifyConnection: func(s tls.ConnectionState) error { return i.verify(s, "", x509.ExtKeyUsageClientAuth) },
	}
}

// Client is the configuration of a client that wants a peer of this world, and
// the node of that name unless node is empty.
func (i *Identity) Client(node string, protocols ...string) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		NextProtos: protocols,
		ServerName: i.ServerName(),
		// Names, not addresses, are checked: VerifyConnection does all of it.
		InsecureSkipVerify: true,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			cert, _ := i.current()
			return cert, nil
		},
		VerifyConnection: func(s tls.ConnectionState) error { return i.verify(s, node, x509.ExtKeyUsageServerAuth) },
	}
}

// Listen puts mutual TLS on a listener, for peers of this world.
func (i *Identity) Listen(l net.Listener) net.Listener { return tls.NewListener(l, i.Server()) }

// verify accepts a peer whose certificate the authority signed, for this world,
// for this use, and for this node if one is asked for.
func (i *Identity) verify(s tls.ConnectionState, node string, use x509.ExtKeyUsage) error {
	if len(s.PeerCertificates) == 0 {
		return fmt.Errorf("%w: it shows none", ErrUnknownAuthority)
	}
	_, roots := i.current()
	between := x509.NewCertPool()
	for _, c := range s.PeerCertificates[1:] {
		between.AddCert(c)
	}
	leaf := s.PeerCertificates[0]
	_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{use}})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnknownAuthority, err)
	}
	peer, err := peerOf(leaf)
	switch {
	case err != nil:
		return err
	case peer.World != i.self.World:
		return fmt.Errorf("%w: it is of %s, this node of %s", ErrOtherWorld, peer.World, i.self.World)
	case node != "" && peer.Node != node:
		return fmt.Errorf("%w: it is %s, wanted was %s", ErrOtherPeer, peer.Node, node)
	}
	return nil
}

// PeerOf says who is at the other end of a connection that Server or Client
// has accepted.
func PeerOf(s tls.ConnectionState) (Peer, error) {
	if len(s.PeerCertificates) == 0 {
		return Peer{}, ErrNoIdentity
	}
	return peerOf(s.PeerCertificates[0])
}

func peerOf(cert *x509.Certificate) (Peer, error) {
	for _, u := range cert.URIs {
		node := strings.TrimPrefix(u.Path, "/")
		if u.Scheme == scheme && u.Host != "" && node != "" && !strings.Contains(node, "/") {
			return Peer{World: u.Host, Node: node}, nil
		}
	}
	return Peer{}, ErrNoIdentity
}
