package store

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/meridian-run/meridian/internal/hlc"
	"github.com/meridian-run/meridian/internal/record"
)

// A log entry holds mentions to what one batch changed, no values (DATA 11):
// format, version, ordinal, number of mentions, then each of them. Version and
// ordinal have fixed offsets: the seal patches them.
const (
	entryFormat        = 2
	offsetEntryVersion = 1
	offsetEntryTime    = offsetEntryVersion + 4
	offsetEntryOrdinal = offsetEntryVersion + record.VersionSize
	entryHeaderSize    = offsetEntryOrdinal + 8
)

// entryKeysMax bounds the keys of one batch: DynamoDB's transactions have 100.
const entryKeysMax = 10_000

// entryMentionsMax bounds the mentions of one entry: those of an Apply may be
// a receipt and a record for each that came.
const entryMentionsMax = 2*ApplyMax + entryKeysMax

var errBadEntry = errors.New("malformed log entry")

// entry is a decoded log entry.
type entry struct {
	Version record.Version
	// Ordinal counts the entries of all lives of this log, so that a backlog is
	// a subtraction.
	Ordinal  uint64
	Mentions []mention
}

// mention names something that is shipped as it is when it is read: a key's
// record, a receipt, or a table's floor.
type mention struct {
	Kind record.Kind
	Key  record.Key
	// Loser is the version of a receipt.
	Loser record.Version
}

// at is the engine's key of what is named.
func (r mention) at() []byte {
	switch r.Kind {
	case record.KindReceipt:
		return receiptKey(dataKey(r.Key), r.Loser)
	case record.KindFloor:
		return floorKey(r.Key.Table)
	}
	return dataKey(r.Key)
}

func appendEntry(dst []byte, e entry) []byte {
	dst = append(dst, entryFormat)
	var v [record.VersionSize]byte
	e.Version.Put(v[:])
	dst = append(dst, v[:]...)
	dst = binary.BigEndian.AppendUint64(dst, e.Ordinal)
	dst = binary.AppendUvarint(dst, uint64(len(e.Mentions)))
	for _, r := range e.Mentions {
		dst = appendMention(dst, r)
	}
	return dst
}

// appendMention encodes a kind, the key's parts, and a receipt's version.
func appendMention(dst []byte, r mention) []byte {
	dst = append(dst, byte(r.Kind))
	dst = binary.BigEndian.AppendUint64(dst, uint64(r.Key.Table))
	dst = binary.AppendUvarint(dst, uint64(len(r.Key.Partition)))
	dst = append(dst, r.Key.Partition...)
	dst = binary.AppendUvarint(dst, uint64(len(r.Key.Sort)))
	dst = append(dst, r.Key.Sort...)
	if r.Kind == record.KindReceipt {
		var v [record.VersionSize]byte
		r.Loser.Put(v[:])
		dst = append(dst, v[:]...)
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
	if count > entryMentionsMax || count > uint64(len(p.src)) {
		return entry{}, fmt.Errorf("%w: %d mentions", errBadEntry, count)
	}
	e.Mentions = make([]mention, 0, count)
	for range count {
		e.Mentions = append(e.Mentions, p.mention())
	}
	if p.failed || len(p.src) != 0 {
		return entry{}, fmt.Errorf("%w: wrong length", errBadEntry)
	}
	return e, nil
}

// mention undoes appendMention; the key shares the source's memory.
func (p *parser) mention() mention {
	var r mention
	if b := p.take(1); b != nil {
		r.Kind = record.Kind(b[0])
	}
	p.failed = p.failed || r.Kind >= record.KindEnd
	r.Key.Table = record.TableID(p.uint64())
	r.Key.Partition, r.Key.Sort = p.bytes(), p.bytes()
	if r.Kind == record.KindReceipt {
		r.Loser = p.version()
	}
	return r
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
