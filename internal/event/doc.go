// Package event is what happened in a world, as data: the types that regions
// keep, show and pass on, and a bounded log of the latest ones.
package event
