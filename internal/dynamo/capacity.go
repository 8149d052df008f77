package dynamo

import (
	"strconv"

	"github.com/meridian-run/meridian/internal/item"
)

// Sizes of capacity units: a strongly consistent read of 4 KB, a write of 1 KB.
const (
	readUnit  = 4 << 10
	writeUnit = 1 << 10
)

// readUnits is what reading size bytes costs.
func readUnits(size int, consistent bool) float64 {
	units := float64(max(1, (size+readUnit-1)/readUnit))
	if !consistent {
		units /= 2
	}
	return units
}

// writeUnits is what a write costs that leaves or replaces size bytes.
func writeUnits(size int) float64 { return float64(max(1, (size+writeUnit-1)/writeUnit)) }

// wantsCapacity reports whether the answer tells the consumed capacity.
func (c *call) wantsCapacity() bool {
	n := c.request.Get("ReturnConsumedCapacity")
	return n.Exists() && n.Text() != "NONE"
}

// capacity appends ConsumedCapacity, if the request asks for it. An index's
// part is told apart only on INDEXES.
func (c *call) capacity(table, index string, units float64) {
	if !c.wantsCapacity() {
		return
	}
	c.out = member(c.out, "ConsumedCapacity")
	c.out = c.appendCapacity(c.out, table, index, units)
}

func (c *call) appendCapacity(dst []byte, table, index string, units float64) []byte {
	dst = append(dst, `{"TableName":`...)
	dst = item.AppendQuoted(dst, table)
	dst = appendUnits(member(dst, "CapacityUnits"), units)
	if c.text("ReturnConsumedCapacity") == "INDEXES" {
		ofTable := units
		if index != "" {
			ofTable = 0
			dst = append(member(dst, "GlobalSecondaryIndexes"), '{')
			dst = item.AppendQuoted(dst, index)
			dst = append(dst, `:{"CapacityUnits":`...)
			dst = append(appendUnits(dst, units), `}}`...)
		}
		dst = append(member(dst, "Table"), `{"CapacityUnits":`...)
		dst = append(appendUnits(dst, ofTable), '}')
	}
	return append(dst, '}')
}

// appendUnits writes 0.5, 1.0, 12.0 as AWS does.
func appendUnits(dst []byte, units float64) []byte {
	return strconv.AppendFloat(dst, units, 'f', 1, 64)
}

// member appends an object member's name, after a comma if one is due. Names
// are ours and need no escapes.
func member(dst []byte, name string) []byte {
	if last := dst[len(dst)-1]; last != '{' {
		dst = append(dst, ',')
	}
	dst = append(dst, '"')
	dst = append(dst, name...)
	return append(dst, '"', ':')
}
