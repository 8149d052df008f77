package sim

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/record"
)

// held is what a directory has under one key: a record, or a receipt.
type held struct {
	key    record.Key
	record record.Record
}

// records reads all records of a table, tombstones too, in the order of their
// keys. It reads the engine itself, because what it looks for is not for the
// store's callers.
func records(r kv.Reader, id record.TableID) []held {
	var list []held
	scan(r, 'd', id, func(key, value []byte) {
		partition, _ := partitionOf(key[11:])
		list = append(list, held{record.Key{Table: id, Partition: partition}, parse(key, value)})
	})
	slices.SortFunc(list, byKey)
	return list
}

// receipts reads all receipts of a table.
func receipts(r kv.Reader, id record.TableID) []held {
	var list []held
	scan(r, 'r', id, func(key, value []byte) {
		partition, _ := partitionOf(key[11:])
		list = append(list, held{record.Key{Table: id, Partition: partition}, parse(key, value)})
	})
	slices.SortFunc(list, byKey)
	return list
}

func byKey(a, b held) int {
	return cmp.Or(bytes.Compare(a.key.Partition, b.key.Partition), a.record.Version.Compare(b.record.Version))
}

func scan(r kv.Reader, space byte, id record.TableID, fn func(key, value []byte)) {
	from := binary.BigEndian.AppendUint64([]byte{space}, uint64(id))
	to := binary.BigEndian.AppendUint64([]byte{space}, uint64(id)+1)
	it := r.Scan(kv.Range{From: from, To: to})
	for it.Next() {
		fn(bytes.Clone(it.Key()), bytes.Clone(it.Value()))
	}
	if err := it.Close(); err != nil {
		panic(fmt.Sprintf("scan of %c: %v", space, err))
	}
}

// partitionOf undoes the escaping of a partition in a key; the simulator's own
// have no zero bytes.
func partitionOf(b []byte) (partition, rest []byte) {
	i := bytes.Index(b, []byte{0, 1})
	return bytes.Clone(b[:i]), b[i+2:]
}

func parse(key, value []byte) record.Record {
	r, err := record.Parse(value)
	if err != nil {
		panic(fmt.Sprintf("record %x is damaged: %v", key, err))
	}
	return r
}

// find reads the record of one key.
func find(r kv.Reader, k record.Key) (record.Record, bool) {
	key := binary.BigEndian.AppendUint64([]byte{'d'}, uint64(k.Table))
	key = binary.BigEndian.AppendUint16(key, uint16(xxhash.Sum64(k.Partition)>>48))
	key = append(append(key, k.Partition...), 0, 1)
	value, err := r.Get(key)
	if err != nil {
		return record.Record{}, false
	}
	return parse(key, value), true
}
