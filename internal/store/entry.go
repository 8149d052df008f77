package store

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/meridian-run/meridian/internal/hlc"
	"github.com/meridian-run/meridian/internal/record"
)

// A log entry holds the keys that one local batch changed, no values (DATA 11):
// format, version, ordinal, number of keys, then table, partition and sort of
// each. Version and ordinal have fixed offsets: the seal patches them.
const (
	entryFormat        = 1
	offsetEntryVersion = 1
	offsetEntryTime    = offsetEntryVersion + 4
	offsetEntryOrdinal = offsetEntryVersion + record.VersionSize
	entryHeaderSize    = offsetEntryOrdinal + 8
)

// entryKeysMax bounds the keys of one batch: DynamoDB's transactions have 100.
const entryKeysMax = 10_000

var errBadEntry = errors.New("malformed log entry")

// entry is a decoded log entry.
type entry struct {
	Version record.Version
	// Ordinal counts the entries of all lives of this log, so that a backlog is
	// a subtraction.
	Ordinal uint64
	Keys    []record.Key
}

func appendEntry(dst []byte, e entry) []byte {
	dst = append(dst, entryFormat)
	var v [record.VersionSize]byte
	e.Version.Put(v[:])
	dst = append(dst, v[:]...)
	dst = binary.BigEndian.AppendUint64(dst, e.Ordinal)
	dst = binary.AppendUvarint(dst, uint64(len(e.Keys)))
	for _, k := range e.Keys {
		dst = binary.BigEndian.AppendUint64(dst, uint64(k.Table))
		dst = binary.AppendUvarint(dst, uint64(len(k.Partition)))
		dst = append(dst, k.Partition...)
		dst = binary.AppendUvarint(dst, uint64(len(k.Sort)))
		dst = append(dst, k.Sort...)
	}
	return dst
}

// patchEntry overwrites what only the seal knows.
func patchEntry(value []byte, t hlc.Time, ordinal uint64) {
	binary.BigEndian.PutUint64(value[offsetEntryTime:], uint64(t))
	binary.BigEndian.PutUint64(value[offsetEntryOrdinal:], ordinal)
}

// parseEntryHead decodes version and ordinal only.
func parseEntryHead(src []byte) (entry, error) {
	if len(src) < entryHeaderSize || src[0] != entryFormat {
		return entry{}, fmt.Errorf("%w: %d bytes", errBadEntry, len(src))
	}
	return entry{
		Version: record.ParseVersion(src[offsetEntryVersion:]),
		Ordinal: binary.BigEndian.Uint64(src[offsetEntryOrdinal:]),
	}, nil
}

// parseEntry decodes an entry; its keys share src's memory.
func parseEntry(src []byte) (entry, error) {
	e, err := parseEntryHead(src)
	if err != nil {
		return entry{}, err
	}
	p := parser{src: src[entryHeaderSize:]}
	count := p.uvarint()
	if count > entryKeysMax || count > uint64(len(p.src)) {
		return entry{}, fmt.Errorf("%w: %d keys", errBadEntry, count)
	}
	e.Keys = make([]record.Key, 0, count)
	for range count {
		id := record.TableID(p.uint64())
		e.Keys = append(e.Keys, record.Key{Table: id, Partition: p.bytes(), Sort: p.bytes()})
	}
	if p.failed || len(p.src) != 0 {
		return entry{}, fmt.Errorf("%w: wrong length", errBadEntry)
	}
	return e, nil
}

// parser reads small fields; after a failure it answers zeros.
type parser struct {
	src    []byte
	failed bool
}

func (p *parser) take(n uint64) []byte {
	if p.failed || n > uint64(len(p.src)) {
		p.failed = true
		return nil
	}
	out := p.src[:n:n]
	p.src = p.src[n:]
	return out
}

func (p *parser) uint64() uint64 {
	if b := p.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (p *parser) uint16() uint16 {
	if b := p.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (p *parser) version() record.Version {
	if b := p.take(record.VersionSize); b != nil {
		return record.ParseVersion(b)
	}
	return record.Version{}
}

func (p *parser) uvarint() uint64 {
	v, n := binary.Uvarint(p.src)
	if p.failed || n <= 0 {
		p.failed = true
		return 0
	}
	p.src = p.src[n:]
	return v
}

// bytes reads a length and that many bytes; nil for none.
func (p *parser) bytes() []byte {
	if n := p.uvarint(); n > 0 {
		return p.take(n)
	}
	return nil
}
