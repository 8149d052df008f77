package memkv

import (
	"bytes"
	"hash/maphash"
)

// node is one key of a persistent treap: nodes never change once they can be
// reached, so a root is a snapshot.
type node struct {
	key, value  []byte
	priority    uint64
	left, right *node
}

// seed only balances trees; no decision depends on it.
var seed = maphash.MakeSeed()

// split divides a tree into the keys below key and the others.
func split(n *node, key []byte) (below, others *node) {
	if n == nil {
		return nil, nil
	}
	c := *n
	if bytes.Compare(n.key, key) < 0 {
		c.right, others = split(n.right, key)
		return &c, others
	}
	below, c.left = split(n.left, key)
	return below, &c
}

// merge joins two trees; every key of a is below every key of b.
func merge(a, b *node) *node {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case a.priority > b.priority:
		c := *a
		c.right = merge(a.right, b)
		return &c
	default:
		c := *b
		c.left = merge(a, b.left)
		return &c
	}
}

// after is the lowest key above key.
func after(key []byte) []byte { return append(bytes.Clone(key), 0) }

func put(root *node, key, value []byte) *node {
	below, rest := split(root, key)
	_, above := split(rest, after(key))
	n := &node{key: key, value: value, priority: maphash.Bytes(seed, key)}
	return merge(merge(below, n), above)
}

// remove deletes the keys from from (included) to to (excluded; nil is the end).
func remove(root *node, from, to []byte) *node {
	below, rest := split(root, from)
	if to == nil {
		return below
	}
	_, above := split(rest, to)
	return merge(below, above)
}

func find(n *node, key []byte) ([]byte, bool) {
	for n != nil {
		switch c := bytes.Compare(key, n.key); {
		case c == 0:
			return n.value, true
		case c < 0:
			n = n.left
		default:
			n = n.right
		}
	}
	return nil, false
}
