package dynamo

import "github.com/meridian-run/meridian/internal/table"

// Parameters that define secondary indexes.
var (
	localIndexes  = parameter{name: "LocalSecondaryIndexes", form: listForm, members: indexMembers(2)}
	globalIndexed = parameter{name: "GlobalSecondaryIndexes", form: listForm, members: globalMembers}
	indexUpdates  = parameter{name: "GlobalSecondaryIndexUpdates", form: listForm, members: []parameter{
		{name: "Create", form: objectForm, members: globalMembers},
		{name: "Update", form: objectForm, members: []parameter{indexNamed, provisionedThroughput, onDemandThroughput, warmThroughput}},
		{name: "Delete", form: objectForm, members: []parameter{indexNamed}},
	}}
	globalMembers = append(indexMembers(2*table.IndexKeysMax), provisionedThroughput, onDemandThroughput, warmThroughput)
)

// indexMembers are what every index is defined by, in AWS's order of complaints;
// its key has keysMax attributes at most.
func indexMembers(keysMax int) []parameter {
	return []parameter{
		{name: "Projection", form: objectForm, required: true, members: []parameter{
			{name: "ProjectionType", enum: []string{"ALL", "INCLUDE", "KEYS_ONLY"}},
			{name: "NonKeyAttributes", form: namesForm, min: 1, max: nonKeyMax},
		}},
		indexNamed, keySchema(keysMax),
	}
}

// nonKeyMax is how many attributes an index can list.
const nonKeyMax = 20

// keySchema is the key of a table or an index, of keysMax attributes at most.
func keySchema(keysMax int) parameter {
	return parameter{name: "KeySchema", form: listForm, required: true, min: 1, max: keysMax, members: []parameter{
		{name: "AttributeName", required: true, min: 1, max: 255},
		{name: "KeyType", required: true, enum: []string{"HASH", "RANGE"}},
	}}
}
