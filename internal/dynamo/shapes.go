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
		if err := p.checkDeep(n); err != nil {
			return err
		}
	}
	return nil
}

// checkDeep finds what has a wrong form inside of a value that has its own.
func (p parameter) checkDeep(n item.Node) error {
	inside := func(n item.Node) error { return checkShapes(n, p.members) }
	switch {
	case p.deep != nil:
		return p.deep(n)
	case p.form == itemForm:
		return item.CheckShape(n)
	case p.form == requestsForm:
		return eachIn(n, func(list item.Node) error {
			return eachIn(list, func(n item.Node) error { return checkShapes(n, writeRequest.members) })
		})
	case p.form == objectForm:
		return inside(n)
	case p.members != nil:
		return eachIn(n, inside)
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
		return checkForms(n, p.members)
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
	if p.form == objectForm {
		for _, m := range p.members {
			complaints = m.checkIn(n.Get(m.name), complaints, func() string { return p.at() + "." })
		}
		return complaints
	}
	i := 0
	for child, ok := n.First(); ok; child, ok = child.Next() {
		i++
		path := func() string {
			if p.form == listForm {
				return p.at() + "." + strconv.Itoa(i) + ".member."
			}
			return p.at() + "." + child.Key() + ".member."
		}
		for _, m := range p.members {
			complaints = m.checkIn(child.Get(m.name), complaints, path)
		}
	}
	return complaints
}

// checkIn is check of what is inside of another parameter; where that is is only
// said if something is wrong.
func (p parameter) checkIn(n item.Node, complaints []string, path func() string) []string {
	before := len(complaints)
	if complaints = p.check(n, complaints); len(complaints) == before {
		return complaints
	}
	p.path = path()
	return p.check(n, complaints[:before])
}
