package certificate

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"strings"
	"time"
)

// Lifetimes of certificates. Nodes renew long before the end.
const (
	AuthorityLifetime = 10 * 365 * 24 * time.Hour
	NodeLifetime      = 365 * 24 * time.Hour
	// backdate lets nodes whose clocks are behind accept a new certificate.
	backdate = time.Hour
)

// scheme is that of the URI which names a node.
const scheme = "meridian"

// Authority signs the certificates of one world.
type Authority struct {
	World string
	cert  *x509.Certificate
	key   *ecdsa.PrivateKey
	// CertificatePEM is public: every node has it.
	CertificatePEM []byte
}

// Pair is a certificate and its private key, both PEM.
type Pair struct{ Certificate, Key []byte }

// NewAuthority makes the authority of a world.
func NewAuthority(world string, now time.Time) (*Authority, error) {
	if err := checkName("world", world); err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the authority's key: %w", err)
	}
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: world, Organization: []string{"Meridian world"}},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(AuthorityLifetime),
		IsCA:                  true,
		MaxPathLenZero:        true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("make the authority's certificate: %w", err)
	}
	return newAuthority(der, key)
}

func newAuthority(der []byte, key *ecdsa.PrivateKey) (*Authority, error) {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read the authority's certificate: %w", err)
	}
	return &Authority{World: cert.Subject.CommonName, cert: cert, key: key, CertificatePEM: encode("CERTIFICATE", der)}, nil
}

// ParseAuthority reads one that KeyPEM and CertificatePEM gave.
func ParseAuthority(p Pair) (*Authority, error) {
	certBlock, _ := pem.Decode(p.Certificate)
	keyBlock, _ := pem.Decode(p.Key)
	if certBlock == nil || keyBlock == nil {
		return nil, errors.New("the authority's certificate or key is not PEM")
	}
	key, err := x509.ParseECPrivateKey(keyBlock.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read the authority's key: %w", err)
	}
	a, err := newAuthority(certBlock.Bytes, key)
	if err != nil {
		return nil, err
	}
	if public, ok := a.cert.PublicKey.(*ecdsa.PublicKey); !ok || !public.Equal(&key.PublicKey) {
		return nil, errors.New("the authority's key does not belong to its certificate")
	}
	return a, nil
}

// KeyPEM is the authority's private key; only whoever issues certificates needs
// it.
func (a *Authority) KeyPEM() ([]byte, error) {
	der, err := x509.MarshalECPrivateKey(a.key)
	if err != nil {
		return nil, fmt.Errorf("encode the authority's key: %w", err)
	}
	return encode("EC PRIVATE KEY", der), nil
}

// Issue makes the certificate of a node: a region's name or the witness's.
// A lifetime of 0 is NodeLifetime; none outlives the authority.
func (a *Authority) Issue(node string, now time.Time, lifetime time.Duration) (Pair, error) {
	if err := checkName("node", node); err != nil {
		return Pair{}, err
	}
	if lifetime == 0 {
		lifetime = NodeLifetime
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, fmt.Errorf("make the key of %s: %w", node, err)
	}
	serial, err := newSerial()
	if err != nil {
		return Pair{}, err
	}
	end := now.Add(lifetime)
	if end.After(a.cert.NotAfter) {
		end = a.cert.NotAfter
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: node, Organization: []string{a.World}},
		NotBefore:    now.Add(-backdate),
		NotAfter:     end,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		URIs:         []*url.URL{{Scheme: scheme, Host: a.World, Path: "/" + node}},
		DNSNames:     []string{serverName(a.World)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		return Pair{}, fmt.Errorf("sign the certificate of %s: %w", node, err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return Pair{}, fmt.Errorf("encode the key of %s: %w", node, err)
	}
	return Pair{Certificate: encode("CERTIFICATE", der), Key: encode("EC PRIVATE KEY", keyDER)}, nil
}

// serverName is a DNS name that every certificate of a world has, for software
// that knows only names (etcd's connections between members).
func serverName(world string) string { return world + ".world.meridian.internal" }

func newSerial() (*big.Int, error) {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("read randomness: %w", err)
	}
	return n, nil
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// checkName accepts DNS labels: worlds and nodes stand in host names and paths.
func checkName(what, name string) error {
	bad := strings.IndexFunc(name, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' })
	if name == "" || len(name) > 63 || bad >= 0 || name[0] == '-' || name[len(name)-1] == '-' {
		return fmt.Errorf("the %s's name %q must be 1 to 63 lower-case letters, digits and inner hyphens", what, name)
	}
	return nil
}
