package certificate

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/meridian-run/meridian/internal/atomicfile"
)

// BundleFormat is the version of bundle.json; newer ones are refused.
const BundleFormat = 1

// Names of the files in a bundle directory, and of the authority's directory
// beside the bundles.
const (
	authorityFile   = "ca.crt"
	certificateFile = "node.crt"
	keyFile         = "node.key"
	bundleFile      = "bundle.json"
	keysFile        = "keys.json"
	tokenFile       = "admin.token"
	specFile        = "meridian.yaml"

	authorityDir     = "authority"
	authorityKeyFile = "ca.key"
)

// fileSizeMax bounds what is read of a bundle's file.
const fileSizeMax = 4 << 20

// Bundle is what one node needs to be part of a world, as read from its
// directory.
type Bundle struct {
	Dir string
	// World, Node and Witness say who the node is.
	World   string
	Node    string
	Witness bool
	// Dev marks a bundle that `meridian dev` made for itself: serve refuses it.
	Dev bool
	// Joins marks the bundle of a node that was added to a running world: at its
	// first start it waits until that lets it in.
	Joins bool
	// Nodes are all nodes of the world that had a bundle made with this one.
	Nodes []string
	// SpecPath is the spec in the bundle; empty if there is none.
	SpecPath string
	// Token opens the admin API of every node of the world.
	Token string
	// Identity is the node's certificate, reloaded when its files change.
	Identity *Identity
}

type bundleDocument struct {
	Format  int      `json:"format"`
	World   string   `json:"world"`
	Node    string   `json:"node"`
	Witness bool     `json:"witness,omitempty"`
	Dev     bool     `json:"dev,omitempty"`
	Joins   bool     `json:"joins,omitempty"`
	Nodes   []string `json:"nodes"`
}

// OpenAuthority reads the authority that Init wrote under dir.
func OpenAuthority(dir string) (*Authority, error) {
	path := filepath.Join(dir, authorityDir)
	cert, err := os.ReadFile(filepath.Join(path, authorityFile))
	if err != nil {
		return nil, fmt.Errorf("open the authority: %w", err)
	}
	key, err := os.ReadFile(filepath.Join(path, authorityKeyFile))
	if err != nil {
		return nil, fmt.Errorf("open the authority: %w", err)
	}
	return ParseAuthority(Pair{Certificate: cert, Key: key})
}

// Renew puts a new certificate into a bundle directory, which running nodes take
// up at their next handshake. The key file goes first and the certificate
// second; a handshake in between keeps the old pair.
func (a *Authority) Renew(bundle string, now time.Time, lifetime time.Duration) error {
	doc, err := readDocument(bundle)
	if err != nil {
		return err
	}
	if doc.World != a.World {
		return fmt.Errorf("%w: the bundle %s is of %s, the authority of %s", ErrOtherWorld, bundle, doc.World, a.World)
	}
	pair, err := a.Issue(doc.Node, now, lifetime)
	if err != nil {
		return err
	}
	if err := writeFiles(bundle, map[string][]byte{keyFile: pair.Key}); err != nil {
		return err
	}
	return writeFiles(bundle, map[string][]byte{certificateFile: pair.Certificate})
}

// OpenBundle reads a bundle directory.
func OpenBundle(dir string) (*Bundle, error) {
	doc, err := readDocument(dir)
	if err != nil {
		return nil, err
	}
	b := &Bundle{Dir: dir, World: doc.World, Node: doc.Node, Witness: doc.Witness, Dev: doc.Dev, Joins: doc.Joins, Nodes: doc.Nodes}
	if b.Identity, err = Open(FilesIn(dir)); err != nil {
		return nil, fmt.Errorf("bundle %s: %w", dir, err)
	}
	if self := b.Identity.Self(); self != (Peer{World: b.World, Node: b.Node}) {
		return nil, fmt.Errorf("bundle %s is for %s of world %s, its certificate for %s of %s: make the bundle again", dir, b.Node, b.World, self.Node, self.World)
	}
	token, err := readFile(filepath.Join(dir, tokenFile))
	if err != nil {
		return nil, err
	}
	if b.Token = strings.TrimSpace(string(token)); b.Token == "" {
		return nil, fmt.Errorf("%s is empty: put the admin token there", filepath.Join(dir, tokenFile))
	}
	if path := filepath.Join(dir, specFile); exists(path) {
		b.SpecPath = path
	}
	return b, nil
}

// KeysPath is the file of the world's access keys, which package access reads.
func (b *Bundle) KeysPath() string { return filepath.Join(b.Dir, keysFile) }

// TokenPath is the file that holds the admin token.
func (b *Bundle) TokenPath() string { return filepath.Join(b.Dir, tokenFile) }

func readDocument(dir string) (bundleDocument, error) {
	var doc bundleDocument
	path := filepath.Join(dir, bundleFile)
	text, err := readFile(path)
	if err != nil {
		return doc, fmt.Errorf("%s is no bundle (meridian init makes them): %w", dir, err)
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		return doc, fmt.Errorf("%s: %w", path, err)
	}
	if doc.Format < 1 || doc.Format > BundleFormat {
		return doc, fmt.Errorf("%s has format %d, this version reads 1 to %d: run a newer version", path, doc.Format, BundleFormat)
	}
	return doc, nil
}

func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > fileSizeMax {
		return nil, fmt.Errorf("%s has %d bytes, at most %d are expected", path, info.Size(), fileSizeMax)
	}
	return os.ReadFile(path)
}

// writeFiles writes each file in one step, readable by the owner only.
func writeFiles(dir string, files map[string][]byte) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for name, content := range files {
		if err := atomicfile.Write(filepath.Join(dir, name), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
