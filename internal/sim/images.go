package sim

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
)

// imaged follows a region's image log of one table, over all its lives.
type imaged struct {
	cursor store.ImageCursor
	// last is the state after the last image of each key.
	last map[string]*record.Record
}

// readImages follows the image logs: each state that took effect is there once, in
// the order in which they did, and none that a crash could undo (DATA 3, 11).
func (n *node) readImages() {
	for _, id := range slices.Sorted(maps.Keys(n.world.tables)) {
		t, held := n.store.Table(id)
		if !held || t.Images == nil {
			continue
		}
		for more := true; more && n.world.failure == nil; {
			more = n.readSomeImages(id)
		}
	}
}

func (n *node) readSomeImages(id record.TableID) (more bool) {
	x := n.images[id]
	if x == nil {
		x = &imaged{last: map[string]*record.Record{}}
		n.images[id] = x
	}
	b, err := n.store.Images(context.Background(), id, x.cursor, store.Limit{Entries: 64})
	switch {
	case errors.Is(err, store.ErrNoImages):
		return false
	case errors.Is(err, store.ErrCursorUnknown) && n.world.rewound:
		delete(n.images, id) // its directory is another one now
		return false
	case err != nil:
		if n.disk.engine.Stopped() == nil {
			n.world.fail("images", "%s: table %d behind %v: %v", n.name, id, x.cursor, err)
		}
		return false
	}
	for _, image := range b.Images {
		at := name(image.Key)
		if before, known := x.last[at]; known && !sameValue(before, image.Old) {
			n.world.fail("images", "%s: image %v of %s goes from %s, the one before went to %s", n.name, image.Cursor, at, show(image.Old), show(before))
		}
		x.last[at] = image.New
		n.world.count("images")
	}
	x.cursor = b.Next
	return len(b.Images) > 0
}

// checkImages compares, at rest, the last images with what is there.
func (n *node) checkImages() {
	n.readImages()
	for _, id := range slices.Sorted(maps.Keys(n.images)) {
		there := map[string][]byte{}
		for _, h := range records(n.disk.engine, id) {
			if !h.record.Tombstone && !h.record.Expired {
				there[name(h.key)] = h.record.Value
			}
		}
		last := n.images[id].last
		for _, at := range slices.Sorted(maps.Keys(last)) {
			if value, ok := there[at]; ok != (last[at] != nil) || ok && !bytes.Equal(value, last[at].Value) {
				n.world.fail("images", "%s: the last image of %s is of %s, and %q is there", n.name, at, show(last[at]), value)
			}
		}
	}
}
