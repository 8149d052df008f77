package access

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
)

// Kind says whose key it is.
type Kind string

const (
	// Admin keys may do everything.
	Admin Kind = "admin"
	// Function keys may read and write the items of their tables.
	Function Kind = "function"
	// Program keys may do what their grants say.
	Program Kind = "program"
)

// Key is an access key. Its JSON form is that of a bundle's keys file.
type Key struct {
	ID     string `json:"id"`
	Secret string `json:"secret"`
	Kind   Kind   `json:"kind"`
	// Name is for people: the function's or the person's.
	Name string `json:"name,omitempty"`
	// Tables are the names of the tables that a function's key may use.
	Tables []string `json:"tables,omitempty"`
	// Grants are what a program's key may do; what none allows is refused.
	Grants []Grant `json:"grants,omitempty"`
}

// MayAll reports whether the key may do this to the table, whatever the item.
func (k Key) MayAll(a Action, table string) bool {
	return k.some(a, table, func(g Grant) bool { return g.Prefix == "" || a == Describe })
}

// MaySome reports whether the key may do this to the table, or at least to some
// of its items: which ones, May says.
func (k Key) MaySome(a Action, table string) bool {
	return k.some(a, table, func(Grant) bool { return true })
}

// May reports whether the key may do this to the table's items of a partition.
func (k Key) May(a Action, table, partition string) bool {
	return k.some(a, table, func(g Grant) bool { return strings.HasPrefix(partition, g.Prefix) })
}

// some reports whether one of the key's grants for this fulfils more.
func (k Key) some(a Action, table string, more func(Grant) bool) bool {
	switch k.Kind {
	case Admin:
		return true
	case Function:
		return (a == Read || a == Write || a == Describe) && slices.Contains(k.Tables, table)
	case Program:
		return slices.ContainsFunc(k.Grants, func(g Grant) bool { return g.on(a, table) && more(g) })
	}
	return false
}

// Check answers what is wrong with the key, which the file cannot hold.
func (k Key) Check() error {
	if k.ID == "" || k.Secret == "" {
		return errors.New("a key needs an id and a secret")
	}
	if k.Kind != Admin && k.Kind != Function && k.Kind != Program {
		return fmt.Errorf("key %s: there is no kind %q: want admin, function or program", k.ID, k.Kind)
	}
	for _, g := range k.Grants {
		if err := g.Check(); err != nil {
			return fmt.Errorf("key %s: %w", k.ID, err)
		}
	}
	return nil
}

// LogValue keeps the secret out of logs.
func (k Key) LogValue() slog.Value {
	return slog.GroupValue(slog.String("id", k.ID), slog.String("kind", string(k.Kind)), slog.String("name", k.Name))
}

// String keeps the secret out of messages.
func (k Key) String() string { return string(k.Kind) + " key " + k.ID }

// Keyring is a set of keys. It is safe for concurrent use; the zero value is
// empty.
type Keyring struct {
	keys atomic.Pointer[map[string]Key]
}

// NewKeyring builds a keyring of the keys.
func NewKeyring(keys ...Key) *Keyring {
	r := new(Keyring)
	r.Replace(keys)
	return r
}

// Replace puts the keys in the place of all that were there, at once. Keys
// without an id or secret are left out: nobody could sign with them.
func (r *Keyring) Replace(keys []Key) {
	m := make(map[string]Key, len(keys))
	for _, k := range keys {
		if k.ID == "" || k.Secret == "" {
			continue
		}
		k.Tables, k.Grants = slices.Clone(k.Tables), slices.Clone(k.Grants)
		m[k.ID] = k
	}
	r.keys.Store(&m)
}

// Find answers the key with the id.
func (r *Keyring) Find(id string) (Key, bool) {
	m := r.keys.Load()
	if m == nil {
		return Key{}, false
	}
	k, ok := (*m)[id]
	return k, ok
}
