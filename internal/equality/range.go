package equality

import "fmt"

// Space is how many partition hashes there are.
const Space = 1 << 16

// Hashes is a range of partition hashes: From included, To excluded.
type Hashes struct {
	From, To uint32
}

// All is every partition.
var All = Hashes{To: Space}

// Valid reports whether h is a range of hashes that is not empty.
func (h Hashes) Valid() bool { return h.From < h.To && h.To <= Space }

// String is for people: "0000-7fff".
func (h Hashes) String() string { return fmt.Sprintf("%04x-%04x", h.From, h.To-1) }

// Split cuts h into parts of about equal size: as many as asked for, or one for
// each hash if there are fewer.
func (h Hashes) Split(parts int) []Hashes {
	size := int(h.To - h.From)
	parts = min(parts, size)
	out := make([]Hashes, parts)
	for i := range out {
		out[i] = Hashes{From: h.From + uint32(i*size/parts), To: h.From + uint32((i+1)*size/parts)}
	}
	return out
}
