package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cespare/xxhash/v2"

	"github.com/meridian-run/meridian/internal/hlc"
	"github.com/meridian-run/meridian/internal/record"
)

// Keyspaces: the first byte of every key in the engine.
const (
	spaceMeta       = 'm' // identity, sequencer state, log chain, trim mark, marks of tables
	spaceData       = 'd' // records
	spaceIndex      = 'x' // what observers write
	spaceLog        = 'l' // the change log: keys only
	spaceCursor     = 'c' // cursors and applied vectors
	spaceFrontier   = 'f' // frontiers by table, reports by region
	spaceTombstones = 't' // tombstones by time, for collection
	spaceReceipts   = 'r' // receipts by key and version
	spacePlaces     = 'o' // receipts by time, for age and number
	spaceRelay      = 'a' // what came from each origin, for relays
	spaceExpiry     = 'e' // records by time of death
	spaceImages     = 'i' // the image log
	spaceStreams    = 's' // where streams are in it
	spaceTokens     = 'k' // tokens of clients' requests
)

// Offsets of what a seal patches inside keys.
const (
	offsetLogSequence   = 1 + 8 // in a log key, after the log id
	offsetTombstoneTime = 1 + 8 // in a tombstone key, after the table
)

var errBadKey = errors.New("malformed key in the store")

// tableKey is the prefix of one table in a keyspace.
func tableKey(space byte, id record.TableID) []byte {
	return binary.BigEndian.AppendUint64(append(make([]byte, 0, 64), space), uint64(id))
}

// dataKey is where a record lives: table, a hash of the partition key (even
// spread, parallel scans), the escaped partition key, the sort key.
func dataKey(k record.Key) []byte {
	dst := make([]byte, 0, 1+8+2+len(k.Partition)+2+len(k.Sort)+4)
	dst = binary.BigEndian.AppendUint64(append(dst, spaceData), uint64(k.Table))
	return append(appendPartition(dst, k.Partition), k.Sort...)
}

// partitionKey is the prefix of one partition's records.
func partitionKey(id record.TableID, partition []byte) []byte {
	return appendPartition(tableKey(spaceData, id), partition)
}

func appendPartition(dst, partition []byte) []byte {
	dst = binary.BigEndian.AppendUint16(dst, partitionHash(partition))
	return appendEscaped(dst, partition)
}

func partitionHash(partition []byte) uint16 { return uint16(xxhash.Sum64(partition) >> 48) }

// appendEscaped writes b so that no encoding is the prefix of another and order
// is kept: 0x00 becomes 0x00 0xff, the end is 0x00 0x01.
func appendEscaped(dst, b []byte) []byte {
	for {
		i := bytes.IndexByte(b, 0)
		if i < 0 {
			return append(append(dst, b...), 0, 1)
		}
		dst = append(append(dst, b[:i]...), 0, 0xff)
		b = b[i+1:]
	}
}

// parseEscaped undoes appendEscaped and answers what follows.
func parseEscaped(b []byte) (value, rest []byte, err error) {
	value = []byte{}
	for {
		i := bytes.IndexByte(b, 0)
		if i < 0 || i+1 == len(b) {
			return nil, nil, fmt.Errorf("%w: partition has no end", errBadKey)
		}
		value = append(value, b[:i]...)
		switch b[i+1] {
		case 1:
			return value, b[i+2:], nil
		case 0xff:
			value, b = append(value, 0), b[i+2:]
		default:
			return nil, nil, fmt.Errorf("%w: escape %#x", errBadKey, b[i+1])
		}
	}
}

// parseDataKey undoes dataKey; the result owns its memory.
func parseDataKey(key []byte) (record.Key, error) {
	if len(key) < 1+8+2+2 || key[0] != spaceData {
		return record.Key{}, fmt.Errorf("%w: %x", errBadKey, key)
	}
	partition, rest, err := parseEscaped(key[11:])
	if err != nil {
		return record.Key{}, err
	}
	k := record.Key{Table: record.TableID(binary.BigEndian.Uint64(key[1:])), Partition: partition}
	if len(rest) > 0 {
		k.Sort = bytes.Clone(rest)
	}
	return k, nil
}

// tombstoneKey indexes a tombstone by time; data is the record's data key.
func tombstoneKey(data []byte, t hlc.Time) []byte {
	dst := append(make([]byte, 0, len(data)+8), spaceTombstones)
	dst = append(dst, data[1:9]...)
	dst = binary.BigEndian.AppendUint64(dst, uint64(t))
	return append(dst, data[9:]...)
}

// parseTombstoneKey answers the data key and time of a tombstone's index entry.
func parseTombstoneKey(key []byte) (data []byte, t hlc.Time, err error) {
	if len(key) < 1+8+8+2+2 || key[0] != spaceTombstones {
		return nil, 0, fmt.Errorf("%w: %x", errBadKey, key)
	}
	data = append(append([]byte{spaceData}, key[1:9]...), key[17:]...)
	return data, hlc.Time(binary.BigEndian.Uint64(key[9:])), nil
}

// receiptKey is where the receipt of a loser lives (DATA 8).
func receiptKey(data []byte, loser record.Version) []byte {
	dst := append(make([]byte, 0, len(data)+record.VersionSize), spaceReceipts)
	dst = append(dst, data[1:]...)
	var v [record.VersionSize]byte
	loser.Put(v[:])
	return append(dst, v[:]...)
}

// parseReceiptKey answers the key that a receipt is of, and its loser's version.
func parseReceiptKey(key []byte) (record.Key, record.Version, error) {
	n := len(key) - record.VersionSize
	if n < 1 || key[0] != spaceReceipts {
		return record.Key{}, record.Version{}, fmt.Errorf("%w: %x", errBadKey, key)
	}
	k, err := parseDataKey(append([]byte{spaceData}, key[1:n]...))
	return k, record.ParseVersion(key[n:]), err
}

// receiptPlace indexes a receipt by its loser's time.
func receiptPlace(receipt []byte, t hlc.Time) []byte {
	dst := append(make([]byte, 0, len(receipt)+8), spacePlaces)
	dst = append(dst, receipt[1:9]...)
	dst = binary.BigEndian.AppendUint64(dst, uint64(t))
	return append(dst, receipt[9:]...)
}

// parseReceiptPlace answers a receipt's key and time.
func parseReceiptPlace(key []byte) (receipt []byte, t hlc.Time, err error) {
	if len(key) < 1+8+8+2+2+record.VersionSize || key[0] != spacePlaces {
		return nil, 0, fmt.Errorf("%w: %x", errBadKey, key)
	}
	receipt = append(append([]byte{spaceReceipts}, key[1:9]...), key[17:]...)
	return receipt, hlc.Time(binary.BigEndian.Uint64(key[9:])), nil
}

func logKey(id record.LogID, sequence uint64) []byte {
	dst := binary.BigEndian.AppendUint64(append(make([]byte, 0, 17), spaceLog), uint64(id))
	return binary.BigEndian.AppendUint64(dst, sequence)
}

// cursorKey is where an origin's cursor for one of its logs lives; log 0 is the
// cursor that pulling goes on from, the others are the applied vector (DATA 5).
func cursorKey(origin record.RegionID, log record.LogID) []byte {
	dst := binary.BigEndian.AppendUint16([]byte{spaceCursor}, uint16(origin))
	return binary.BigEndian.AppendUint64(dst, uint64(log))
}

func frontierKey(id record.TableID) []byte {
	return binary.BigEndian.AppendUint64([]byte{spaceFrontier, 't'}, uint64(id))
}

// floorKey is where it stands up to which time a table's receipts are gone.
func floorKey(id record.TableID) []byte {
	return binary.BigEndian.AppendUint64([]byte{spaceFrontier, 'l'}, uint64(id))
}

func reportKey(region record.RegionID) []byte {
	return binary.BigEndian.AppendUint16([]byte{spaceFrontier, 'r'}, uint16(region))
}

// successor is the lowest key above every key that starts with prefix.
func successor(prefix []byte) []byte {
	out := bytes.Clone(prefix)
	for i := len(out) - 1; i >= 0; i-- {
		if out[i]++; out[i] != 0 {
			return out[:i+1]
		}
	}
	return nil
}
