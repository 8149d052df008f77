package access

import (
	"log/slog"
	"slices"
	"sync/atomic"
)

// Kind says whose key it is.
type Kind string

const (
	// Admin keys may do everything.
	Admin Kind = "admin"
	// Function keys may read and write the items of their tables.
	Function Kind = "function"
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
}

// MayUse reports whether the key may read and write the table's items, and
// describe it.
func (k Key) MayUse(table string) bool {
	return k.Kind == Admin || k.Kind == Function && slices.Contains(k.Tables, table)
}

// MayManage reports whether the key may create, change and delete tables.
func (k Key) MayManage() bool { return k.Kind == Admin }

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
		k.Tables = slices.Clone(k.Tables)
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
