package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/meridian-run/meridian/internal/hlc"
	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/record"
)

// Image is one state of a record that took effect in this region, and the one
// that it replaced.
type Image struct {
	Cursor ImageCursor
	Cause  Cause
	// Version is that of the record that took effect, a tombstone's too.
	Version record.Version
	// Time is when it took effect here, by this region's wall clock, to the
	// millisecond: approximate, and it may step back with the clock.
	Time time.Time
	Key  record.Key
	// Old and New are the record before and after; nil where there was nothing, or
	// a tombstone. They have no context, log and sequence.
	Old, New *record.Record
}

// An image's key is its table, the commit's sequence and its place in the
// commit. Its value has a header of fixed size, because seals patch it, then
// partition and sort, then the records that there are: version, expiry, value.
const (
	imageFormat = 1

	offsetImageSequence = 1 + 8
	imageKeySize        = offsetImageSequence + 8 + 4

	offsetImageCause   = 1
	offsetImageFlags   = 2
	offsetImageTime    = 3
	offsetImageNumber  = offsetImageTime + 8
	offsetImageBytes   = offsetImageNumber + 8
	offsetImageVersion = offsetImageBytes + 8
	imageHeaderSize    = offsetImageVersion + record.VersionSize
)

const (
	flagImageOld = 1 << iota
	flagImageNew
)

var errBadImage = errors.New("malformed image")

func imageKey(id record.TableID, sequence uint64, index uint32) []byte {
	dst := binary.BigEndian.AppendUint64(tableKey(spaceImages, id), sequence)
	return binary.BigEndian.AppendUint32(dst, index)
}

// imageHead is what of an image its header says; Number and Bytes count all
// images of the table up to and with this one, so that how many and how much is
// kept is a subtraction.
type imageHead struct {
	Sequence      uint64
	Index         uint32
	Cause         Cause
	Flags         byte
	Time          int64 // Unix milliseconds
	Number, Bytes uint64
	Version       record.Version
	size          uint64 // of key and value
}

// image adds a change to the image log of a table that keeps one. Sequence, time
// and totals are the seal's to fill in.
func image(c Change, into *Writes) {
	if !c.Table.KeepsImages() {
		return
	}
	value := make([]byte, imageHeaderSize, imageHeaderSize+64+len(c.Key.Partition)+len(c.Key.Sort)+imageSize(c.Old)+imageSize(c.New))
	value[0], value[offsetImageCause] = imageFormat, byte(c.Cause)
	c.Version.Put(value[offsetImageVersion:])
	value = binary.AppendUvarint(value, uint64(len(c.Key.Partition)))
	value = append(value, c.Key.Partition...)
	value = binary.AppendUvarint(value, uint64(len(c.Key.Sort)))
	value = append(value, c.Key.Sort...)
	if c.Old != nil {
		value[offsetImageFlags] |= flagImageOld
		var version [record.VersionSize]byte
		c.Old.Version.Put(version[:])
		value = appendImaged(append(value, version[:]...), c.Old)
	}
	if c.New != nil {
		value[offsetImageFlags] |= flagImageNew
		value = appendImaged(value, c.New)
	}
	into.images = append(into.images, kv.Op{Key: imageKey(c.Table.ID, 0, uint32(len(into.images))), Value: value})
}

func imageSize(r *record.Record) int {
	if r == nil {
		return 0
	}
	return len(r.Value)
}

func appendImaged(dst []byte, r *record.Record) []byte {
	dst = binary.AppendVarint(dst, r.Expires)
	dst = binary.AppendUvarint(dst, uint64(len(r.Value)))
	return append(dst, r.Value...)
}

// imageTotal counts the images of a table since it keeps them.
type imageTotal struct {
	Number, Bytes uint64
}

// sealImages fills in what only the seal knows: sequence, time, totals, and the
// time of a local write's version, if it is not zero.
func (s *Store) sealImages(sequence uint64, stamp hlc.Time, ops []kv.Op) {
	if len(ops) == 0 {
		return
	}
	now := s.config.Wall().UnixMilli()
	for _, op := range ops {
		binary.BigEndian.PutUint64(op.Key[offsetImageSequence:], sequence)
		id := record.TableID(binary.BigEndian.Uint64(op.Key[1:]))
		total := s.sequencer.images[id]
		total.Number++
		total.Bytes += uint64(len(op.Key) + len(op.Value))
		s.sequencer.images[id] = total
		binary.BigEndian.PutUint64(op.Value[offsetImageTime:], uint64(now))
		binary.BigEndian.PutUint64(op.Value[offsetImageNumber:], total.Number)
		binary.BigEndian.PutUint64(op.Value[offsetImageBytes:], total.Bytes)
		if stamp != 0 && Cause(op.Value[offsetImageCause]) == Local {
			binary.BigEndian.PutUint64(op.Value[offsetImageVersion+4:], uint64(stamp))
		}
	}
}

// loadImages finds the totals that a start goes on from: those of the newest
// image of each table.
func (s *Store) loadImages() error {
	s.sequencer.images = map[record.TableID]imageTotal{}
	for from := []byte{spaceImages}; from != nil; {
		id, found, err := firstTable(s.engine, from)
		if err != nil || !found {
			return err
		}
		head, found, err := edgeImage(s.engine, id, true)
		if err != nil {
			return err
		}
		if found {
			s.sequencer.images[id] = imageTotal{Number: head.Number, Bytes: head.Bytes}
		}
		from = successor(tableKey(spaceImages, id))
	}
	return nil
}

// firstTable answers the first table that has keys in the image space from a
// key on.
func firstTable(r kv.Reader, from []byte) (id record.TableID, found bool, err error) {
	it := r.Scan(kv.Range{From: from, To: []byte{spaceImages + 1}})
	defer func() { err = errors.Join(err, it.Close()) }()
	if !it.Next() {
		return 0, false, it.Err()
	}
	p := parser{src: it.Key()[1:]}
	id = record.TableID(p.uint64())
	if p.failed {
		return 0, false, fmt.Errorf("%w: key %x", errBadImage, it.Key())
	}
	return id, true, nil
}

// edgeImage answers the oldest or the newest image of a table.
func edgeImage(r kv.Reader, id record.TableID, newest bool) (h imageHead, found bool, err error) {
	it := r.Scan(kv.Range{From: imageKey(id, 1, 0), To: successor(tableKey(spaceImages, id)), Reverse: newest})
	defer func() { err = errors.Join(err, it.Close()) }()
	if !it.Next() {
		return h, false, it.Err()
	}
	h, err = parseImageHead(it.Key(), it.Value())
	return h, err == nil, err
}

func parseImageHead(key, value []byte) (imageHead, error) {
	if len(key) != imageKeySize || len(value) < imageHeaderSize || value[0] != imageFormat {
		return imageHead{}, fmt.Errorf("%w: key %x, %d bytes", errBadImage, key, len(value))
	}
	return imageHead{
		Sequence: binary.BigEndian.Uint64(key[offsetImageSequence:]),
		Index:    binary.BigEndian.Uint32(key[offsetImageSequence+8:]),
		Cause:    Cause(value[offsetImageCause]),
		Flags:    value[offsetImageFlags],
		Time:     int64(binary.BigEndian.Uint64(value[offsetImageTime:])),
		Number:   binary.BigEndian.Uint64(value[offsetImageNumber:]),
		Bytes:    binary.BigEndian.Uint64(value[offsetImageBytes:]),
		Version:  record.ParseVersion(value[offsetImageVersion:]),
		size:     uint64(len(key) + len(value)),
	}, nil
}

// parseImage decodes an image, without its log id; it owns its memory.
func parseImage(id record.TableID, key, value []byte) (Image, error) {
	h, err := parseImageHead(key, value)
	if err != nil {
		return Image{}, err
	}
	p := parser{src: append([]byte(nil), value[imageHeaderSize:]...)}
	out := Image{
		Cursor: ImageCursor{Sequence: h.Sequence, Index: h.Index},
		Cause:  h.Cause, Version: h.Version, Time: time.UnixMilli(h.Time),
		Key: record.Key{Table: id, Partition: p.bytes(), Sort: p.bytes()},
	}
	if h.Flags&flagImageOld != 0 {
		out.Old = p.imaged(p.version())
	}
	if h.Flags&flagImageNew != 0 {
		out.New = p.imaged(h.Version)
	}
	if p.failed || len(p.src) != 0 {
		return Image{}, fmt.Errorf("%w: wrong length at %x", errBadImage, key)
	}
	return out, nil
}

func (p *parser) imaged(v record.Version) *record.Record {
	return &record.Record{Version: v, Expires: p.varint(), Value: p.bytes()}
}

func (p *parser) varint() int64 {
	v, n := binary.Varint(p.src)
	if p.failed || n <= 0 {
		p.failed = true
		return 0
	}
	p.src = p.src[n:]
	return v
}
