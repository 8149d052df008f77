// Package access has the keys that clients sign with and what each of them may
// do: an administrator's keys may do everything, a function's key is limited to
// its tables, and a program's key does what its grants say. Nothing is allowed that
// no rule allows.
//
// A Keyring is looked up on every request without a lock and replaced as a whole
// when keys are rotated:
//
//	ring := access.NewKeyring(keys...)
//	key, ok := ring.Find(id)
//	if !key.MayAll(access.Read, "notes") { … }
package access
