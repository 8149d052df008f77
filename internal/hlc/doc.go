// Package hlc is the hybrid logical clock that versions are stamped with: close
// to the wall clock, but strictly rising in a region whatever the wall clock
// does.
//
// It reads no clock. Callers pass the wall time in and own the lock.
package hlc
