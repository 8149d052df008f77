package sim

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
)

// imaged follows a region's image log of one table, and the stream in it, over all
// its lives.
type imaged struct {
	log, stream follower
}

// follower is a reader of images.
type follower struct {
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
		if n.images[id] == nil {
			n.images[id] = &imaged{follower{last: map[string]*record.Record{}}, follower{last: map[string]*record.Record{}}}
		}
		for more := true; more && n.world.failure == nil; {
			more = n.readSome(id, &n.images[id].log, n.readLog)
		}
		for more := true; more && n.world.failure == nil && n.images[id] != nil; {
			more = n.readSome(id, &n.images[id].stream, n.readStream)
		}
	}
}

// readSome goes on with what a reader finds behind its place.
func (n *node) readSome(id record.TableID, x *follower, read func(record.TableID, store.ImageCursor) (store.ImageBatch, error)) (more bool) {
	b, err := read(id, x.cursor)
	switch {
	case errors.Is(err, store.ErrNoImages), errors.Is(err, store.ErrNoStream):
		return false
	case errors.Is(err, store.ErrCursorUnknown) && n.world.rewound:
		*x = follower{last: map[string]*record.Record{}} // its directory is another one now
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
	return b.More
}

func (n *node) readLog(id record.TableID, after store.ImageCursor) (store.ImageBatch, error) {
	b, err := n.store.Images(context.Background(), id, after, store.Limit{Entries: 64})
	b.More = b.More || len(b.Images) > 0
	return b, err
}

// readStream reads the stream as its consumers do: from one shard to its child.
func (n *node) readStream(id record.TableID, after store.ImageCursor) (b store.ImageBatch, err error) {
	l, err := n.store.Stream(id, streamCreated)
	if err != nil {
		return b, err
	}
	if after == (store.ImageCursor{}) {
		if after, err = n.store.ImageAt(id, l.Shards[0], l.Durable, time.UnixMilli(0)); err != nil {
			return b, err
		}
	}
	b, over, err := n.store.StreamImages(context.Background(), id, streamCreated, after, store.Limit{Entries: 64})
	if err != nil || !over {
		return b, err
	}
	if i := slices.IndexFunc(l.Shards, func(s store.Shard) bool { return s.Parent == b.Next.Log }); i >= 0 {
		b.Next, b.More = l.Shards[i].After, true
	}
	return b, nil
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
		log, stream := slices.Sorted(maps.Keys(n.images[id].log.last)), slices.Sorted(maps.Keys(n.images[id].stream.last))
		if !slices.Equal(log, stream) {
			n.world.fail("images", "%s: the image log is of %v, the stream of %v", n.name, log, stream)
		}
		for _, at := range slices.Sorted(maps.Keys(there)) {
			if n.images[id].stream.last[at] == nil {
				n.world.fail("images", "%s: %s is there, and the stream never had it", n.name, at)
			}
		}
		for _, last := range []map[string]*record.Record{n.images[id].log.last, n.images[id].stream.last} {
			for _, at := range slices.Sorted(maps.Keys(last)) {
				if value, ok := there[at]; ok != (last[at] != nil) || ok && !bytes.Equal(value, last[at].Value) {
					n.world.fail("images", "%s: the last image of %s is of %s, and %q is there", n.name, at, show(last[at]), value)
				}
			}
		}
	}
}
