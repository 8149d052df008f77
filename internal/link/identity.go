package link

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
)

// Identity is who speaks on one end of a link.
type Identity struct{ World, Region string }

// String is for errors and logs.
func (i Identity) String() string { return i.Region + " of world " + i.World }

// CertificateIdentity reads the identity from the certificate's first URI of the
// form meridian://WORLD/REGION.
func CertificateIdentity(c *x509.Certificate) (Identity, error) {
	for _, u := range c.URIs {
		if u.Scheme == "meridian" && u.Host != "" && len(u.Path) > 1 {
			return Identity{World: u.Host, Region: strings.TrimPrefix(u.Path, "/")}, nil
		}
	}
	return Identity{}, fmt.Errorf("the certificate of %q names no region (no meridian://WORLD/REGION among its URIs); make it with meridian init", c.Subject.CommonName)
}

var errNoCertificate = errors.New("no certificate was presented")

// verify checks a peer and answers who it is: by roots, the world's authority,
// or if there are none by chain, a configuration's own VerifyConnection. The name
// checks of the web do not apply: a region is who its certificate says, whatever
// its address.
func verify(state tls.ConnectionState, roots *x509.CertPool, chain func(tls.ConnectionState) error, use x509.ExtKeyUsage, world string) (Identity, error) {
	if len(state.PeerCertificates) == 0 {
		return Identity{}, errNoCertificate
	}
	leaf := state.PeerCertificates[0]
	who, nameErr := CertificateIdentity(leaf)
	var err error
	if roots != nil {
		err = verifyChain(state.PeerCertificates, roots, use)
	}
	if err == nil && chain != nil {
		err = chain(state)
	}
	switch {
	case roots == nil && chain == nil:
		return who, errors.New("link has no authority to check certificates by: set RootCAs and ClientCAs, or VerifyConnection")
	case err != nil:
		return who, fmt.Errorf("its certificate (%s) is not this world's: %w", leaf.Subject.CommonName, err)
	case nameErr != nil:
		return who, nameErr
	case who.World != world:
		return who, fmt.Errorf("it belongs to world %q, not to %q", who.World, world)
	}
	return who, nil
}

func verifyChain(certificates []*x509.Certificate, roots *x509.CertPool, use x509.ExtKeyUsage) error {
	intermediates := x509.NewCertPool()
	for _, c := range certificates[1:] {
		intermediates.AddCert(c)
	}
	_, err := certificates[0].Verify(x509.VerifyOptions{
		Roots:         roots,
		Intermediates: intermediates,
		KeyUsages:     []x509.ExtKeyUsage{use},
	})
	return err
}

// serverTLS is config with mutual authentication for a server of a world; every
// refused peer is given to refused.
func serverTLS(config *tls.Config, world string, refused func(Identity, error)) *tls.Config {
	c := config.Clone()
	roots := config.ClientCAs
	c.ClientAuth = tls.RequireAnyClientCert // verify does the rest, with better errors
	c.MinVersion = max(c.MinVersion, tls.VersionTLS13)
	c.NextProtos = []string{"h2"}
	c.VerifyConnection = func(state tls.ConnectionState) error {
		who, err := verify(state, roots, config.VerifyConnection, x509.ExtKeyUsageClientAuth, world)
		if err != nil {
			refused(who, err)
		}
		return err
	}
	if choose := config.GetConfigForClient; choose != nil {
		c.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			chosen, err := choose(hello)
			if err != nil || chosen == nil {
				return nil, err
			}
			chosen = chosen.Clone()
			chosen.GetConfigForClient = nil
			return serverTLS(chosen, world, refused), nil
		}
	}
	return c
}

// clientTLS is config for dialing one region of a world.
func clientTLS(config *tls.Config, want Identity) *tls.Config {
	c := config.Clone()
	c.ServerName = want.Region
	c.InsecureSkipVerify = true // VerifyConnection checks chain, world and region instead of host names
	c.MinVersion = max(c.MinVersion, tls.VersionTLS13)
	c.NextProtos = []string{"h2"}
	c.VerifyConnection = func(state tls.ConnectionState) error {
		who, err := verify(state, config.RootCAs, config.VerifyConnection, x509.ExtKeyUsageServerAuth, want.World)
		if err != nil {
			return strangerError{err}
		}
		if who.Region != want.Region {
			return strangerError{fmt.Errorf("the address answers as region %q, not %q", who.Region, want.Region)}
		}
		return nil
	}
	return c
}

// strangerError says why the other end of a connection is not who was dialed.
type strangerError struct{ error }

func (e strangerError) Unwrap() error { return e.error }
