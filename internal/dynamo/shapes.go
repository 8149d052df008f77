package dynamo

import (
	"strconv"

	"github.com/meridian-run/meridian/internal/item"
)

// structPrefix begins AWS's names of structures in messages about JSON forms.
const structPrefix = "com.amazonaws.dynamodb.v20120810."

func wrongShape(message string) error { return &item.SyntaxError{Message: message, Offset: -1} }

// checkShapes finds what has a wrong JSON form anywhere in a request: AWS reads
// all of it before it looks at what it says. The error is an *item.SyntaxError.
func checkShapes(request item.Node, parameters []parameter) error {
	for _, p := range parameters {
		n := request.Get(p.name)
		if !n.Exists() {
			continue
		}
		if err := p.checkForm(n); err != nil {
			return err
		}
		var err error
		switch {
		case p.deep != nil:
			err = p.deep(n)
		case p.form == itemForm:
			err = item.CheckShape(n)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// checkMapForm is checkForm of a map; of is AWS's name of its elements.
func checkMapForm(n item.Node, of string, element func(item.Node) error) error {
	switch n.Form() {
	case item.Object:
		return eachIn(n, element)
	case item.Array:
		return wrongShape("Unrecognized collection type java.util.Map<java.lang.String, " + of + ">")
	}
	return shape()
}

// checkListForm is checkForm of a list.
func checkListForm(n item.Node, element func(item.Node) error) error {
	switch n.Form() {
	case item.Array:
		return eachIn(n, element)
	case item.Object:
		return wrongShape("Start of structure or map found where not expected")
	}
	return shape()
}

func eachIn(n item.Node, fn func(item.Node) error) error {
	for child, ok := n.First(); ok; child, ok = child.Next() {
		if err := fn(child); err != nil {
			return err
		}
	}
	return nil
}

// checkStructure is checkForm of one of the structures that p is a map of.
func (p parameter) checkStructure(n item.Node) error {
	switch n.Form() {
	case item.Object:
		return checkShapes(n, p.members)
	case item.Array:
		return wrongShape("Unrecognized collection type class " + structPrefix + p.of)
	}
	return wrongShape("Unexpected value type in payload")
}

// checkMembers appends what is wrong with the members of an object, or with the
// structures of a list or a map.
func (p parameter) checkMembers(n item.Node, complaints []string) []string {
	if p.members == nil {
		return complaints
	}
	in := func(object item.Node, path string) {
		for _, m := range p.members {
			m.path = p.at() + "." + path
			complaints = m.check(object.Get(m.name), complaints)
		}
	}
	if p.form == objectForm {
		in(n, "")
		return complaints
	}
	i := 0
	for child, ok := n.First(); ok; child, ok = child.Next() {
		i++
		which := child.Key()
		if p.form == listForm {
			which = strconv.Itoa(i)
		}
		in(child, which+".member.")
	}
	return complaints
}

// keysAndAttributes and what follows are what batches are made of.
var (
	keysAndAttributes = parameter{of: "KeysAndAttributes", members: []parameter{
		{name: "Keys", form: listForm, deep: func(n item.Node) error { return checkListForm(n, item.CheckShape) }},
		attributesToGet, consistentRead, projection, names,
	}}
	writeRequest = parameter{of: "WriteRequest", members: []parameter{
		{name: "DeleteRequest", form: objectForm, deep: func(n item.Node) error { return checkShapes(n, []parameter{keyParameter}) }},
		{name: "PutRequest", form: objectForm, deep: func(n item.Node) error { return checkShapes(n, []parameter{{name: "Item", form: itemForm}}) }},
	}}
)

func batchGetShape(n item.Node) error {
	return checkMapForm(n, structPrefix+keysAndAttributes.of, keysAndAttributes.checkStructure)
}

func batchWriteShape(n item.Node) error {
	return checkMapForm(n, "java.util.List<"+structPrefix+writeRequest.of+">", func(n item.Node) error {
		return checkListForm(n, writeRequest.checkStructure)
	})
}
