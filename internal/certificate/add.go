package certificate

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// Add writes the bundle of one more node beside those that Init wrote, with the
// world's access keys and token, and returns its directory. The bundle says that
// its world runs already. p.Nodes has the new node as its last.
func Add(dir string, p Plan) (string, error) {
	if err := p.check(); err != nil {
		return "", err
	}
	node := p.Nodes[len(p.Nodes)-1]
	path := filepath.Join(dir, node)
	if exists(filepath.Join(path, bundleFile)) {
		return "", fmt.Errorf("%s is there already: meridian init --renew renews its certificate, or move it away", path)
	}
	authority, err := OpenAuthority(dir)
	if err != nil {
		return "", err
	}
	if authority.World != p.World {
		return "", fmt.Errorf("%w: the authority in %s is of %s, the spec of %s", ErrOtherWorld, dir, authority.World, p.World)
	}
	beside, err := anyBundle(dir, p.Nodes)
	if err != nil {
		return "", err
	}
	keys, err := readFile(beside.KeysPath())
	if err != nil {
		return "", err
	}
	p.joins = true
	return path, p.write(path, node, authority, keys, beside.Token)
}

// anyBundle opens a bundle of one of the nodes.
func anyBundle(dir string, nodes []string) (*Bundle, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, e := range entries {
		if !exists(filepath.Join(dir, e.Name(), bundleFile)) {
			continue
		}
		b, err := OpenBundle(filepath.Join(dir, e.Name()))
		if err == nil && slices.Contains(nodes, b.Node) {
			return b, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(append(errs, fmt.Errorf("%s has no bundle of another node, from which to take the world's access keys and token", dir))...)
}
