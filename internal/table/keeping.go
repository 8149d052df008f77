package table

import "time"

// Keeping are the reasons for which a region keeps images of a table's changes:
// an image goes once none of them wants it. Empty is none.
type Keeping []Images

// KeepsImages reports whether there is any reason to keep images.
func (t Table) KeepsImages() bool {
	return t.Images != nil || t.Stream != nil || t.Recovery != nil || len(t.EndedStreams) > 0
}

// Keeping answers the union of what must be kept as images: for the table's own
// image log, its streams, and its recovery to a point in time. Streams that were
// disabled count as long as the table names them, so that a log which readers
// still have a place in has no gap.
func (t Table) Keeping() (k Keeping) {
	if t.Images != nil {
		k = append(k, *t.Images)
	}
	if t.Stream != nil || len(t.EndedStreams) > 0 {
		k = append(k, keptFor(StreamKeep))
	}
	if t.Recovery != nil {
		k = append(k, keptFor(t.Recovery.Keep()))
	}
	return k
}

// keptFor keeps images by age alone.
func keptFor(d time.Duration) Images {
	return Images{KeepSeconds: int64(d.Seconds()), Bytes: imagesBytesMax}
}

// Lets reports whether all reasons let an image go: each of them by its age, or
// because it and those behind it have more than so many bytes.
func (k Keeping) Lets(age time.Duration, bytes uint64) bool {
	for _, i := range k {
		if age < i.Keep() && bytes <= uint64(i.Bytes) {
			return false
		}
	}
	return true
}
