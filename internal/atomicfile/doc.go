// Package atomicfile replaces small files in one step: state, keys and marks
// that a crash must leave whole.
package atomicfile
