package sim

import (
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
)

const (
	// keyAttribute is in every item of a table that merges by attribute. Its value
	// names the table (DATA 22).
	keyAttribute = "k"
	// counter is the attribute that counts. The i-th increment of an item adds 2^i:
	// the value says which increments are in it, and that each is there once.
	counter = "n"
	// addsMax is how many increments fit into one number.
	addsMax = 110
)

var errNoItem = errors.New("a value without the attribute that names its table")

// merging reports whether a table merges by attribute (DATA 10).
func (w *World) merging(id record.TableID) bool { return w.merged[id] }

// edit is "update REGION KEY a=v b= n+": it sets a, removes b, adds to n.
func (n *node) edit(c Command) error {
	k, err := n.world.key(c.arg(1))
	if err != nil {
		return err
	}
	if !n.world.merging(k.Table) {
		return fmt.Errorf("table %d does not merge by attribute", k.Table)
	}
	e := &edit{sets: map[string]string{}}
	for _, word := range c.Args[2:] {
		switch attribute, value, set := strings.Cut(word, "="); {
		case set:
			e.sets[attribute] = value
		case word == counter+"+":
			if e.add = n.world.oracle.items(k).amount(); e.add == nil {
				n.line("has counted enough")
				return nil
			}
		default:
			return fmt.Errorf("want NAME=VALUE or %s+, not %s", counter, word)
		}
	}
	return n.update([]op{{key: k, edit: e}})
}

// editing makes edits of all writes to tables that merge by attribute, and notes
// what they find; false if that is what nobody wrote.
func (n *node) editing(ops []op) bool {
	for i := range ops {
		o := &ops[i]
		if !n.world.merging(o.key.Table) {
			continue
		}
		if o.edit == nil {
			o.edit = &edit{whole: true, sets: map[string]string{}}
			if !o.remove {
				o.edit.sets["a"] = o.value
			}
		}
		var there map[string]string
		r, found := find(n.disk.engine, o.key)
		err := error(nil)
		if found {
			there, err = content(r)
		}
		if err == nil {
			err = n.world.oracle.items(o.key).found(o.edit, there)
		}
		if err != nil && !n.world.rewound {
			n.world.fail("invented", "%s has %s, and %v", n.name, plain(o.key), err)
			return false
		}
	}
	return true
}

// itemOf is the item that a plain put writes to a table that merges by attribute.
func itemOf(id record.TableID, value string) item.Item {
	return item.Make(item.Attribute{Name: keyAttribute, Value: item.Text(string(mark(id)))}, item.Attribute{Name: "a", Value: item.Text(value)})
}

// put writes what an edit makes of the item that is there, as package dynamo does.
func (e *edit) put(tx *store.Tx, k record.Key) error {
	current, found, err := tx.Get(k)
	if err != nil {
		return err
	}
	it := item.Make(item.Attribute{Name: keyAttribute, Value: item.Text(string(mark(k.Table)))})
	if found {
		if it, err = item.Decode(current.Value); err != nil {
			return err
		}
	}
	change, there := &record.Change{}, !found
	for _, name := range sortedKeys(e.sets) {
		change.Attributes = append(change.Attributes, name)
		if it = it.Remove(name); e.sets[name] != "" {
			there, it = true, it.Set(name, scalar(name, e.sets[name]))
		}
	}
	if e.add != nil {
		sum := &item.Sum{}
		if old := it.Get(counter); old.Exists() {
			sum.Add(old)
		}
		amount, err := item.ParseSum(e.add.String())
		if err != nil {
			return err
		}
		sum.Plus(amount)
		value, _ := sum.Value()
		it = it.Set(counter, value)
		change.Adds = []record.Add{{Attribute: counter, Amount: amount}}
	}
	if there {
		change.Attributes = append(change.Attributes, keyAttribute)
	}
	return tx.Put(k, item.Encode(nil, it), store.PutOptions{Changed: change, Expires: current.Expires})
}

// scalar is a value as a script has it: the counter's is a number.
func scalar(name, text string) item.Value {
	if name == counter {
		if v, err := item.Number(text); err == nil {
			return v
		}
	}
	return item.Text(text)
}

// content is what of an item a script names.
func content(r record.Record) (map[string]string, error) {
	if r.Tombstone || r.Expired {
		return nil, nil
	}
	it, err := item.Decode(r.Value)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, a := range it {
		out[a.Name] = a.Value.Text
	}
	if _, ok := out[keyAttribute]; !ok {
		return nil, errNoItem
	}
	delete(out, keyAttribute)
	return out, nil
}

// bits reads which increments a counter's value has; nil if it cannot have come
// from any.
func bits(text string) *big.Int {
	if text == "" {
		return new(big.Int)
	}
	n, ok := new(big.Int).SetString(text, 10)
	if !ok || n.Sign() < 0 {
		return nil
	}
	return n
}
