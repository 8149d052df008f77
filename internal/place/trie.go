package place

import "net/netip"

// trie is a binary trie of prefixes of one family, used once to cut the
// address space into leaves.
type trie struct {
	child [2]*trie
	value int32
	set   bool
}

// insert adds a prefix; a later value for the same prefix replaces it.
func (t *trie) insert(p netip.Prefix, value int32) {
	bytes := p.Addr().AsSlice()
	for i := range p.Bits() {
		bit := bytes[i/8] >> (7 - i%8) & 1
		if t.child[bit] == nil {
			t.child[bit] = new(trie)
		}
		t = t.child[bit]
	}
	t.value, t.set = value, true
}

// push moves every value down to the leaves, where inherited is what the
// prefixes above say, and joins two leaves that say the same. Afterwards a
// node has two children or is a leaf with a value.
func (t *trie) push(inherited int32, same func(a, b int32) bool) {
	if t.set {
		inherited = t.value
	}
	t.value, t.set = inherited, true
	if t.child[0] == nil && t.child[1] == nil {
		return
	}
	for i := range t.child {
		if t.child[i] == nil {
			t.child[i] = new(trie)
		}
		t.child[i].push(inherited, same)
	}
	if left, right := t.child[0], t.child[1]; left.leaf() && right.leaf() && same(left.value, right.value) {
		t.value, t.child = left.value, [2]*trie{}
	}
}

func (t *trie) leaf() bool { return t.child[0] == nil }

// each calls fn for every leaf below the prefix at.
func (t *trie) each(at netip.Prefix, fn func(netip.Prefix, int32)) {
	if t.leaf() {
		fn(at, t.value)
		return
	}
	bytes := at.Addr().AsSlice()
	for bit := range t.child {
		bytes[at.Bits()/8] |= byte(bit) << (7 - at.Bits()%8)
		address, _ := netip.AddrFromSlice(bytes)
		t.child[bit].each(netip.PrefixFrom(address, at.Bits()+1), fn)
	}
}
