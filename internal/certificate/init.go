package certificate

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Plan says which bundles Init writes.
type Plan struct {
	World string
	// Nodes are the regions, and the witness if there is one.
	Nodes []string
	// Witness is the name of the node among them that is the witness, or empty.
	Witness string
	// Spec is copied into each bundle unless empty.
	Spec []byte
	// Dev marks the bundles as made for a local world.
	Dev bool
	// Now is the time of issue. Lifetime is how long node certificates are
	// valid: 0 is NodeLifetime.
	Now      time.Time
	Lifetime time.Duration
	// joins marks the bundle of a node that comes to a running world.
	joins bool
}

// Init writes the authority and one bundle a node under dir, all with the same
// access key and admin token, and returns the bundle directories in the order of
// p.Nodes. It never overwrites an authority: Renew issues new certificates.
func Init(dir string, p Plan) ([]string, error) {
	authorityPath := filepath.Join(dir, authorityDir)
	if _, err := os.Stat(filepath.Join(authorityPath, authorityKeyFile)); err == nil {
		return nil, fmt.Errorf("%s holds an authority already: renew its certificates with meridian init --renew, or choose another directory", authorityPath)
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	authority, err := NewAuthority(p.World, p.Now)
	if err != nil {
		return nil, err
	}
	keys, err := adminKeys()
	if err != nil {
		return nil, err
	}
	token := hex.EncodeToString(random(32))
	var dirs []string
	for _, node := range p.Nodes {
		path := filepath.Join(dir, node)
		if err := p.write(path, node, authority, keys, token); err != nil {
			return nil, err
		}
		dirs = append(dirs, path)
	}
	// The key comes last: an Init that was interrupted can be repeated.
	return dirs, authority.write(authorityPath)
}

func (p Plan) check() error {
	if len(p.Nodes) == 0 {
		return errors.New("the world has no nodes")
	}
	for i, node := range p.Nodes {
		if err := checkName("node", node); err != nil {
			return err
		}
		if node == authorityDir {
			return fmt.Errorf("a node cannot be called %s: its directory has that name", node)
		}
		if slices.Contains(p.Nodes[:i], node) {
			return fmt.Errorf("the node %s is there twice", node)
		}
	}
	if p.Witness != "" && !slices.Contains(p.Nodes, p.Witness) {
		return fmt.Errorf("the witness %s is not among the nodes", p.Witness)
	}
	return nil
}

func (p Plan) write(dir, node string, authority *Authority, keys []byte, token string) error {
	pair, err := authority.Issue(node, p.Now, p.Lifetime)
	if err != nil {
		return err
	}
	doc, err := json.MarshalIndent(bundleDocument{
		Format: BundleFormat, World: p.World, Node: node, Witness: node == p.Witness, Dev: p.Dev, Nodes: p.Nodes, Joins: p.joins,
	}, "", "  ")
	if err != nil {
		return err
	}
	files := map[string][]byte{
		authorityFile:   authority.CertificatePEM,
		certificateFile: pair.Certificate,
		keyFile:         pair.Key,
		bundleFile:      append(doc, '\n'),
		keysFile:        keys,
		tokenFile:       []byte(token + "\n"),
	}
	if len(p.Spec) > 0 {
		files[specFile] = p.Spec
	}
	return writeFiles(dir, files)
}

func (a *Authority) write(dir string) error {
	key, err := a.KeyPEM()
	if err != nil {
		return err
	}
	return writeFiles(dir, map[string][]byte{authorityFile: a.CertificatePEM, authorityKeyFile: key})
}

// adminKeys is a new world's keys file: one key of its administrator, in the form
// that package access reads.
func adminKeys() ([]byte, error) {
	id, secret := NewAccessKey()
	text, err := json.MarshalIndent([]map[string]string{{"id": id, "secret": secret, "kind": "admin", "name": "admin"}}, "", "  ")
	return append(text, '\n'), err
}

// NewAccessKey makes an access key in AWS's shapes: SDKs check them.
func NewAccessKey() (id, secret string) {
	return "MRDN" + base32.StdEncoding.EncodeToString(random(10)), base64.StdEncoding.EncodeToString(random(30))
}

// random reads the system's source, which never fails (crypto/rand).
func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}
