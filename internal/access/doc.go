// Package access has the keys that clients sign with and what each of them may
// do: an administrator's keys may do everything, a function's key is limited to
// its tables.
//
// A Keyring is looked up on every request without a lock and replaced as a whole
// when keys are rotated:
//
//	ring := access.NewKeyring(keys...)
//	key, ok := ring.Find(id)
//	if !key.MayUse("notes") { … }
package access
