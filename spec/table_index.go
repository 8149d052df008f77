package spec

import (
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"
)

// Limits on indexes, DynamoDB's own.
const (
	globalIndexesMax = 20
	localIndexesMax  = 5
	indexKeysMax     = 4
)

func (v value) indexes(t Table) []Index {
	var list []Index
	locals := 0
	for _, e := range v.entries("write a name and its keys, such as by_author: {key: author}") {
		index := e.index(t)
		if index.Local {
			locals++
		}
		list = append(list, index)
	}
	if globals := len(list) - locals; globals > globalIndexesMax {
		v.fail(fmt.Sprintf("%d indexes", globals), fmt.Sprintf("write at most %d", globalIndexesMax))
	}
	if locals > localIndexesMax {
		v.fail(fmt.Sprintf("%d local indexes", locals), fmt.Sprintf("write at most %d", localIndexesMax))
	}
	return list
}

func (e entry) index(t Table) Index {
	e.tableKey("an index")
	f := e.fields("key", "sort", "local", "project")
	index := Index{Name: e.name, Projection: "ALL"}
	if v, ok := f.get("project"); ok {
		index.Projection, index.Include = v.projection()
	}
	if v, ok := f.get("local"); ok {
		sort := v.attribute("created")
		index.Local, index.Key, index.Sort = true, t.Key, &sort
		for _, name := range []string{"key", "sort"} {
			if other, given := f.get(name); given {
				other.fail("does not go with local: a local index has the table's key, and sorts by what local names", "keep one of them")
			}
		}
		if t.Sort == nil {
			v.fail("is of no use in a table without sort, which has one item for each key", "write key, for a global index")
		}
		return index
	}
	if v, ok := f.need("key", "name the attribute that the index finds items by, such as key: author"); ok {
		if all := v.attributes("author"); len(all) > 0 {
			index.Key, index.MoreKeys = all[0], all[1:]
		}
	}
	if v, ok := f.get("sort"); ok {
		if all := v.attributes("created"); len(all) > 0 {
			index.Sort, index.MoreSorts = &all[0], all[1:]
		}
	}
	return index
}

// attributes reads one attribute, or a list of up to four.
func (v value) attributes(example string) []Attribute {
	if v.node.Kind != yaml.SequenceNode {
		return []Attribute{v.attribute(example)}
	}
	instead := fmt.Sprintf("list 1 to %d attributes, such as [%s]", indexKeysMax, example)
	list := v.list(instead)
	if len(list) == 0 || len(list) > indexKeysMax {
		v.fail(fmt.Sprintf("lists %d attributes", len(list)), instead)
		return nil
	}
	var all []Attribute
	for _, one := range list {
		all = append(all, one.attribute(example))
	}
	return all
}

func (v value) projection() (string, []string) {
	if v.scalar() || v.null() {
		if word, ok := v.choice("all", "keys"); ok && word == "keys" {
			return "KEYS_ONLY", nil
		}
		return "ALL", nil
	}
	var names []string
	for _, item := range v.texts("write all, keys, or a list of attributes, such as [title, author]") {
		names = append(names, item.node.Value)
	}
	return "INCLUDE", names
}

// more are the attributes behind the first of each part of the index's key.
func (x Index) more() []Attribute { return slices.Concat(x.MoreKeys, x.MoreSorts) }

func (x Index) sortName() string {
	if x.Sort == nil {
		return ""
	}
	return x.Sort.Name
}

func (x Index) format() node {
	m := mapping()
	if x.Local {
		m.add("local", x.Sort.format())
	} else {
		m.add("key", formatAttributes(x.Key, x.MoreKeys))
		if x.Sort != nil {
			m.add("sort", formatAttributes(*x.Sort, x.MoreSorts))
		}
	}
	switch x.Projection {
	case "ALL":
		m.text("project", "all")
	case "KEYS_ONLY":
		m.text("project", "keys")
	default:
		m.texts("project", x.Include)
	}
	return m
}

func formatAttributes(first Attribute, more []Attribute) node {
	if len(more) == 0 {
		return first.format()
	}
	n := node{&yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}}
	for _, a := range append([]Attribute{first}, more...) {
		n.Content = append(n.Content, a.format().Node)
	}
	return n
}
