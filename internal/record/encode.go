package record

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/meridian-run/meridian/internal/hlc"
)

// Format is the version of the encoding below: the first byte of every record.
const Format = 1

// The fixed part of an encoded record. Version and sequence have fixed offsets
// so that they can be patched after the record was encoded (DATA 1).
const (
	offsetFormat   = 0
	offsetFlags    = 1
	offsetVersion  = 2
	offsetSequence = offsetVersion + VersionSize
	offsetLog      = offsetSequence + 8
	// HeaderSize is the length of the fixed part; sections follow it.
	HeaderSize = offsetLog + 8
)

const (
	flagTombstone = 1 << iota
	flagExpired
	flagByAttribute
	flagsKnown = flagTombstone | flagExpired | flagByAttribute
)

// Sections follow the header in rising order of their tags: tag, length
// (uvarint), bytes. Unknown tags are refused, so a section that is added later
// is never dropped by a region that does not know it.
const (
	tagContext = 1
	tagExpires = 2
	tagCells   = 3
	tagValue   = 64
)

// seenSize is the length of an encoded context entry: region, log, version, mark.
const seenSize = 2 + 8 + VersionSize + 1

// Limits of what Parse accepts. Items are at most 400 KB by DynamoDB's rule;
// the rest is room for other wire APIs.
const (
	// ValueMax is the largest value, in bytes.
	ValueMax = 4 << 20
	// ContextMax is the largest number of context entries.
	ContextMax = 4096
	// KeyPartMax is the longest encoded partition or sort key, in bytes:
	// DynamoDB's 2048 and 1024 with room for escapes.
	KeyPartMax = 8 << 10
)

// ErrMalformed wraps what is wrong with bytes that are no record of this format.
var ErrMalformed = errors.New("malformed record")

// Append encodes r. With shipping set the sequence, which is of this region
// only, is written as zero (DATA 3).
func Append(dst []byte, r Record, shipping bool) []byte {
	var flags byte
	if r.Tombstone {
		flags |= flagTombstone
	}
	if r.Expired {
		flags |= flagExpired
	}
	if r.ByAttribute {
		flags |= flagByAttribute
	}
	sequence := r.Sequence
	if shipping {
		sequence = 0
	}
	dst = append(dst, Format, flags)
	var version [VersionSize]byte
	r.Version.Put(version[:])
	dst = append(dst, version[:]...)
	dst = binary.BigEndian.AppendUint64(dst, sequence)
	dst = binary.BigEndian.AppendUint64(dst, uint64(r.Log))
	if len(r.Context) > 0 {
		dst = append(dst, tagContext)
		dst = binary.AppendUvarint(dst, uint64(len(r.Context)*seenSize))
		for _, s := range r.Context {
			dst = appendSeen(dst, s)
		}
	}
	if r.Expires != 0 {
		dst = append(dst, tagExpires, 8)
		dst = binary.BigEndian.AppendUint64(dst, uint64(r.Expires))
	}
	if r.Cells != nil {
		dst = append(dst, tagCells)
		dst = binary.AppendUvarint(dst, uint64(len(r.Cells)))
		dst = append(dst, r.Cells...)
	}
	if !r.Tombstone {
		dst = append(dst, tagValue)
		dst = binary.AppendUvarint(dst, uint64(len(r.Value)))
		dst = append(dst, r.Value...)
	}
	return dst
}

// Size is at least the length of what Append writes for r.
func Size(r Record) int {
	return HeaderSize + 4*(1+binary.MaxVarintLen32) + len(r.Context)*seenSize + 8 + len(r.Cells) + len(r.Value)
}

func appendSeen(dst []byte, s Seen) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(s.Region))
	dst = binary.BigEndian.AppendUint64(dst, uint64(s.Log))
	var version [VersionSize]byte
	s.Version.Put(version[:])
	dst = append(dst, version[:]...)
	if s.Discarded {
		return append(dst, 1)
	}
	return append(dst, 0)
}

// PatchTime overwrites the time in an encoded record's version.
func PatchTime(encoded []byte, t hlc.Time) {
	binary.BigEndian.PutUint64(encoded[offsetVersion+4:], uint64(t))
}

// PatchSequence overwrites the local sequence in an encoded record.
func PatchSequence(encoded []byte, sequence uint64) {
	binary.BigEndian.PutUint64(encoded[offsetSequence:], sequence)
}

// SequenceOf reads the local sequence of an encoded record.
func SequenceOf(encoded []byte) (uint64, error) {
	if len(encoded) < HeaderSize {
		return 0, fmt.Errorf("%w: %d bytes, a header has %d", ErrMalformed, len(encoded), HeaderSize)
	}
	return binary.BigEndian.Uint64(encoded[offsetSequence:]), nil
}

// VersionOf reads the version of an encoded record; false if there is none.
func VersionOf(encoded []byte) (Version, bool) {
	if len(encoded) < HeaderSize {
		return Version{}, false
	}
	return ParseVersion(encoded[offsetVersion:]), true
}

// Parse decodes one record, which must fill src. The record's Value and Cells
// share src's memory; what is in them is checked where it is merged.
func Parse(src []byte) (Record, error) {
	if len(src) < HeaderSize {
		return Record{}, fmt.Errorf("%w: %d bytes, a header has %d", ErrMalformed, len(src), HeaderSize)
	}
	if f := src[offsetFormat]; f != Format {
		return Record{}, fmt.Errorf("%w: format %d, this release reads format %d", ErrMalformed, f, Format)
	}
	flags := src[offsetFlags]
	if flags&^flagsKnown != 0 {
		return Record{}, fmt.Errorf("%w: unknown flags %#x", ErrMalformed, flags)
	}
	r := Record{
		Version:   ParseVersion(src[offsetVersion:]),
		Sequence:  binary.BigEndian.Uint64(src[offsetSequence:]),
		Log:       LogID(binary.BigEndian.Uint64(src[offsetLog:])),
		Tombstone: flags&flagTombstone != 0,
		Expired:   flags&flagExpired != 0,

		ByAttribute: flags&flagByAttribute != 0,
	}
	if err := parseSections(src[HeaderSize:], &r); err != nil {
		return Record{}, err
	}
	return r, nil
}

func parseSections(src []byte, r *Record) error {
	last, hasValue := byte(0), false
	for len(src) > 0 {
		tag := src[0]
		length, n := binary.Uvarint(src[1:])
		if n <= 0 || length > uint64(len(src)-1-n) {
			return fmt.Errorf("%w: section %d is cut off", ErrMalformed, tag)
		}
		if tag <= last {
			return fmt.Errorf("%w: section %d after section %d", ErrMalformed, tag, last)
		}
		if n > 1 && src[n] == 0 {
			return fmt.Errorf("%w: section %d has a padded length", ErrMalformed, tag)
		}
		body := src[1+n : 1+n+int(length) : 1+n+int(length)]
		src, last = src[1+n+int(length):], tag
		var err error
		switch tag {
		case tagContext:
			r.Context, err = parseContext(body, *r)
		case tagExpires:
			r.Expires, err = parseExpires(body)
		case tagCells:
			r.Cells = body
			if len(body) == 0 || !r.ByAttribute {
				err = fmt.Errorf("%w: %d bytes of cells", ErrMalformed, len(body))
			}
		case tagValue:
			r.Value, hasValue = body, true
			if len(body) > ValueMax {
				err = fmt.Errorf("%w: value of %d bytes, at most %d", ErrMalformed, len(body), ValueMax)
			}
		default:
			err = fmt.Errorf("%w: unknown section %d", ErrMalformed, tag)
		}
		if err != nil {
			return err
		}
	}
	if hasValue == r.Tombstone {
		return fmt.Errorf("%w: tombstone %t, value %t", ErrMalformed, r.Tombstone, hasValue)
	}
	return nil
}

func parseExpires(body []byte) (int64, error) {
	if len(body) != 8 {
		return 0, fmt.Errorf("%w: expiry of %d bytes", ErrMalformed, len(body))
	}
	at := int64(binary.BigEndian.Uint64(body))
	if at == 0 {
		return 0, fmt.Errorf("%w: expiry of zero", ErrMalformed)
	}
	return at, nil
}

// parseContext refuses what no writer produces: entries out of order, twice,
// above the record itself, or for the record's own log.
func parseContext(body []byte, r Record) ([]Seen, error) {
	count := len(body) / seenSize
	if len(body) == 0 || len(body)%seenSize != 0 || count > ContextMax {
		return nil, fmt.Errorf("%w: context of %d bytes", ErrMalformed, len(body))
	}
	context := make([]Seen, count)
	for i := range context {
		b := body[i*seenSize:]
		mark := b[seenSize-1]
		s := Seen{
			Region:    RegionID(binary.BigEndian.Uint16(b)),
			Log:       LogID(binary.BigEndian.Uint64(b[2:])),
			Version:   ParseVersion(b[10:]),
			Discarded: mark == 1,
		}
		switch {
		case mark > 1:
			return nil, fmt.Errorf("%w: context mark %d", ErrMalformed, mark)
		case i > 0 && compareOrigin(context[i-1], s) >= 0:
			return nil, fmt.Errorf("%w: context out of order at entry %d", ErrMalformed, i)
		case s.Version.Compare(r.Version) >= 0:
			return nil, fmt.Errorf("%w: context entry %v is not below the record's version %v", ErrMalformed, s.Version, r.Version)
		case s.Region == r.Version.Region && s.Log == r.Log:
			return nil, fmt.Errorf("%w: context entry for the record's own log", ErrMalformed)
		}
		context[i] = s
	}
	return context, nil
}
