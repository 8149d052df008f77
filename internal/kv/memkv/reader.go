package memkv

import (
	"bytes"

	"github.com/meridian-run/meridian/internal/kv"
)

// view reads one root.
type view struct {
	root     *node
	sequence uint64
}

var _ kv.Snapshot = view{}

func (v view) Get(key []byte) ([]byte, error) {
	value, ok := find(v.root, key)
	if !ok {
		return nil, kv.ErrNotFound
	}
	return bytes.Clone(value), nil
}

func (v view) Scan(r kv.Range) kv.Iterator {
	it := &iterator{bounds: r}
	it.push(v.root)
	return it
}

func (v view) Sequence() uint64 { return v.sequence }
func (v view) Close() error     { return nil }

// iterator walks a tree with a stack of nodes whose own visit is due.
type iterator struct {
	bounds kv.Range
	stack  []*node
	at     *node
}

var _ kv.Iterator = (*iterator)(nil)

// push descends towards the first key in range, remembering the way.
func (it *iterator) push(n *node) {
	for n != nil {
		below := it.bounds.From != nil && bytes.Compare(n.key, it.bounds.From) < 0
		above := it.bounds.To != nil && bytes.Compare(n.key, it.bounds.To) >= 0
		switch {
		case below:
			n = n.right
		case above:
			n = n.left
		case it.bounds.Reverse:
			it.stack, n = append(it.stack, n), n.right
		default:
			it.stack, n = append(it.stack, n), n.left
		}
	}
}

func (it *iterator) Next() bool {
	if len(it.stack) == 0 {
		it.at = nil
		return false
	}
	it.at = it.stack[len(it.stack)-1]
	it.stack = it.stack[:len(it.stack)-1]
	if it.bounds.Reverse {
		it.push(it.at.left)
	} else {
		it.push(it.at.right)
	}
	return true
}

func (it *iterator) Key() []byte   { return it.at.key }
func (it *iterator) Value() []byte { return it.at.value }
func (it *iterator) Err() error    { return nil }
func (it *iterator) Close() error  { it.stack = nil; return nil }
