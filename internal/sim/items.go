package sim

import (
	"cmp"
	"fmt"
	"maps"
	"math/big"
	"slices"

	"github.com/meridian-run/meridian/internal/record"
)

// edit is one write of a client to an item that is merged by attribute (DATA 10).
type edit struct {
	key     record.Key
	region  string
	version record.Version
	log     record.LogID
	// whole is a Put or a delete: it writes every attribute.
	whole bool
	// sets are the values that it gave to attributes; an empty one removes it. No
	// value but the counter's is written twice.
	sets map[string]string
	// add is what it added to the counter, nil for nothing.
	add *big.Int
	// saw is which edit had written what its writer found under an attribute that
	// it writes, nil for nothing; took are the increments that it found in a
	// counter that it sets.
	saw  map[string]*edit
	took *big.Int

	acked, excused bool
}

func (e *edit) String() string {
	what := fmt.Sprint(e.sets)
	if e.whole {
		what = "whole " + what
	}
	if e.add != nil {
		what += " + " + e.add.String()
	}
	return fmt.Sprintf("update of %s (%s, %s, version %v)", plain(e.key), e.region, what, e.version)
}

// writes reports whether an edit gave an attribute a value, or removed it.
func (e *edit) writes(attribute string) bool {
	_, set := e.sets[attribute]
	return set || e.whole
}

// knew reports whether an edit is, or knowingly replaced, the value of another.
func (e *edit) knew(attribute string, x *edit) bool {
	for ; e != nil; e = e.saw[attribute] {
		if e == x {
			return true
		}
	}
	return false
}

// items is all edits of one key.
type items struct {
	key   record.Key
	edits []*edit
	by    map[[2]string]*edit // by attribute and value
	added int
}

// items answers the history of a key of a table that merges by attribute.
func (o *oracle) items(k record.Key) *items {
	h := o.merged[name(k)]
	if h == nil {
		h = &items{key: k, by: map[[2]string]*edit{}}
		o.merged[name(k)] = h
	}
	return h
}

// amount is what the next increment adds; nil if a number holds no more.
func (h *items) amount() *big.Int {
	if h.added++; h.added > addsMax {
		return nil
	}
	return new(big.Int).Lsh(big.NewInt(1), uint(h.added-1))
}

// increment answers the edit that made an increment, nil if nobody did.
func (h *items) increment(bit int) *edit {
	for _, e := range h.edits {
		if e.add != nil && e.add.BitLen() == bit+1 {
			return e
		}
	}
	return nil
}

// found notes what a writer finds under the attributes that it writes.
func (h *items) found(e *edit, there map[string]string) error {
	e.saw, e.took = map[string]*edit{}, new(big.Int)
	for _, a := range sortedKeys(there) {
		switch {
		case !e.writes(a):
		case a == counter:
			if e.took = bits(there[a]); e.took == nil {
				return fmt.Errorf("the counter is %s", there[a])
			}
		default:
			if e.saw[a] = h.by[[2]string{a, there[a]}]; e.saw[a] == nil {
				return fmt.Errorf("%s is %s, which nobody wrote", a, there[a])
			}
		}
	}
	return nil
}

// wrote notes an edit that is visible in its region.
func (h *items) wrote(e *edit) {
	h.edits = append(h.edits, e)
	for a, value := range e.sets {
		if value != "" {
			h.by[[2]string{a, value}] = e
		}
	}
}

// kept is what of a key's edits is not lost.
type kept struct {
	values map[string]map[*edit]bool // by attribute
	counts *big.Int                  // increments in the counter
	lost   *big.Int                  // increments with a receipt
	// bad says what nobody wrote.
	bad string
}

// kept reads a record and the receipts of its key.
func (h *items) kept(r record.Record, found bool, receipts []record.Record) *kept {
	k := &kept{values: map[string]map[*edit]bool{}, counts: new(big.Int), lost: new(big.Int)}
	if found {
		there, err := content(r)
		if err != nil {
			k.bad = err.Error()
			return k
		}
		for _, a := range sortedKeys(there) {
			if a == counter {
				k.counts = h.counted(k, there[a])
			} else {
				k.add(a, h.written(k, a, there[a]))
			}
		}
	}
	for _, x := range receipts {
		h.receipt(k, x)
	}
	// Who removed a value had seen what is found here; that is not lost.
	for _, e := range h.edits {
		for a, old := range e.saw {
			if e.sets[a] == "" {
				k.add(a, old)
			}
		}
	}
	return k
}

// add keeps an edit of an attribute, and all that it knowingly replaced.
func (k *kept) add(attribute string, e *edit) {
	if k.values[attribute] == nil {
		k.values[attribute] = map[*edit]bool{}
	}
	for ; e != nil && !k.values[attribute][e]; e = e.saw[attribute] {
		k.values[attribute][e] = true
	}
}

func (h *items) written(k *kept, attribute, value string) *edit {
	e := h.by[[2]string{attribute, value}]
	if e == nil && k.bad == "" {
		k.bad = fmt.Sprintf("%s is %s, which nobody wrote", attribute, value)
	}
	return e
}

// counted reads a sum of increments.
func (h *items) counted(k *kept, text string) *big.Int {
	n := bits(text)
	if n == nil {
		k.bad = cmp.Or(k.bad, "the counter is "+text)
		return new(big.Int)
	}
	for i := range n.BitLen() {
		if n.Bit(i) == 1 && h.increment(i) == nil {
			k.bad = cmp.Or(k.bad, fmt.Sprintf("the counter is %s: nobody added 2^%d, or it counts twice", text, i))
		}
	}
	return n
}

// receipt reads one receipt, and judges whether what it keeps was truly lost
// unseen.
func (h *items) receipt(k *kept, x record.Record) {
	loss, err := record.LossOf(x)
	if err != nil {
		k.bad = cmp.Or(k.bad, err.Error())
		return
	}
	for _, a := range loss.Set {
		if a.Name == keyAttribute || a.Name == counter {
			continue
		}
		e := h.written(k, a.Name, a.Value.Text)
		if k.add(a.Name, e); e != nil && !h.raced(a.Name, e) {
			k.bad = cmp.Or(k.bad, fmt.Sprintf("a receipt of %s in %v, and whoever replaced it had seen it", a.Name, e))
		}
	}
	for _, a := range loss.Added {
		n := h.counted(k, a.Amount.Text())
		if new(big.Int).And(n, k.lost).Sign() != 0 {
			k.bad = cmp.Or(k.bad, fmt.Sprintf("two receipts of one increment: %v and %v", n, k.lost))
		}
		k.lost = new(big.Int).Or(k.lost, n)
	}
}

// raced reports whether an edit's value can have lost to one that had not seen it.
func (h *items) raced(attribute string, e *edit) bool {
	return slices.ContainsFunc(h.edits, func(x *edit) bool {
		return x.writes(attribute) && x.version.Compare(e.version) > 0 && !x.knew(attribute, e)
	})
}

// taken are the increments that whoever set the counter had found in it.
func (h *items) taken() *big.Int {
	n := new(big.Int)
	for _, e := range h.edits {
		if e.writes(counter) {
			n.Or(n, e.took)
		}
	}
	return n
}

// missing answers an acknowledged edit that is lost; nil if none is.
func (h *items) missing(k *kept) (lost *edit, what string) {
	safe := new(big.Int).Or(k.counts, k.lost)
	safe.Or(safe, h.taken())
	for _, e := range h.edits {
		if !e.acked || e.excused {
			continue
		}
		for _, a := range sortedKeys(e.sets) {
			if a != counter && e.sets[a] != "" && !k.values[a][e] {
				return e, a
			}
		}
		if e.add != nil && safe.Bit(e.add.BitLen()-1) == 0 {
			return e, counter
		}
	}
	return nil, ""
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
