package dynamo

import (
	"fmt"
	"strconv"

	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/table"
)

// keysAndAttributes and writeRequest are what the requests of batches are made of.
var (
	keysAndAttributes = []parameter{
		{name: "Keys", form: listForm, required: true, min: 1, max: batchGetMax, deep: func(n item.Node) error { return eachIn(n, item.CheckShape) }},
		attributesToGet, consistentRead, projection, names,
	}
	writeRequest = parameter{of: "WriteRequest", members: []parameter{
		{name: "DeleteRequest", form: objectForm, of: "DeleteRequest", members: []parameter{keyParameter}},
		{name: "PutRequest", form: objectForm, of: "PutRequest", members: []parameter{{name: "Item", form: itemForm, required: true}}},
	}}
)

// checkTables appends a complaint if a map has names that no table can have.
func (p parameter) checkTables(n item.Node, complaints []string) []string {
	wrong := false
	for child, ok := n.First(); ok; child, ok = child.Next() {
		name := tableFrom(child.Key())
		wrong = wrong || len(name) < tableName.min || len(name) > tableName.max || !isName(name)
	}
	if wrong {
		complaints = append(complaints, p.complaint(n, fmt.Sprintf("Map keys must satisfy constraint: [Member must have length less than or equal to %d, Member must have length greater than or equal to %d, Member must satisfy regular expression pattern: %s]",
			tableName.max, tableName.min, namePattern)))
	}
	return complaints
}

// checkRequests appends what is wrong with the requests of a BatchWriteItem.
func (p parameter) checkRequests(n item.Node, complaints []string) []string {
	wrong := false
	for list, ok := n.First(); ok; list, ok = list.Next() {
		wrong = wrong || list.Len() < 1 || list.Len() > batchWriteMax
	}
	if wrong {
		complaints = append(complaints, p.complaint(n, fmt.Sprintf("Map value must satisfy constraint: [Member must have length less than or equal to %d, Member must have length greater than or equal to 1]", batchWriteMax)))
	}
	for list, ok := n.First(); ok; list, ok = list.Next() {
		i := 0
		for request, ok := list.First(); ok; request, ok = request.Next() {
			i++
			for _, m := range writeRequest.members {
				complaints = m.checkIn(request.Get(m.name), complaints, func() string { return p.at() + "." + list.Key() + ".member." + strconv.Itoa(i) + ".member." })
			}
		}
	}
	return complaints
}

// schemaKeys refuses an item of a batch whose keys do not fit the table.
func schemaKeys(t table.Table, it item.Item) error {
	for a := range attributes(t) {
		if it.Get(a.Name).Kind.String() != a.Type {
			return invalid(schemaMismatch)
		}
	}
	return nil
}
