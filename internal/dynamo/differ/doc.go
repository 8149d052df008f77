// Package differ asks the server and package model, and for what it covers
// dynalite, the same random requests and compares their answers field by field.
//
//	h := differ.Generate(seed, 200)
//	d, counts, err := arena.Play(ctx, h)
//	if d != nil { h, d, err = arena.Shrink(ctx, h, d) }
//
// A history is a list of requests against tables of its own, from nothing. The
// same seed and length give the same history. What was found is kept as a file
// of JSON lines in testdata, and played by the tests.
package differ
