package differ

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/meridian-run/meridian/internal/dynamo/model"
)

// knownDifference is where dynalite does not do what AWS documents.
type knownDifference struct {
	name string
	// reason is why dynalite differs, rule what AWS documents.
	reason, rule string
	is           func(s Step, want, got model.Answer) bool
}

// known are the differences from dynalite 4.0.0.
var known = []knownDifference{
	{
		name:   "free empty reads",
		reason: "it adds up the sizes of what a Query or Scan found, which is 0 if that is nothing",
		rule:   "a read that finds nothing consumes as much as one of up to 4 KB",
		is: func(s Step, want, got model.Answer) bool {
			return onlyIn(s, want, got, "ConsumedCapacity") && want.Body["ScannedCount"] != nil && integer(want.Body["ScannedCount"]) == 0
		},
	},
	{
		name:   "free index writes",
		reason: "it counts the table only",
		rule:   "a write consumes the capacity of each secondary index whose entry it adds, changes or removes as well",
		is: func(s Step, want, got model.Answer) bool {
			return onlyIn(s, want, got, "ConsumedCapacity") && touchesIndexed(s)
		},
	},
	{
		name:   "free replaced items in batches",
		reason: "it looks at what a batch puts only",
		rule:   "a write consumes what the larger of the item before and after it does",
		is: func(s Step, want, got model.Answer) bool {
			return s.Operation == "BatchWriteItem" && onlyIn(s, want, got, "ConsumedCapacity")
		},
	},
	{
		name:   "empty Attributes",
		reason: "it answers {} where there is nothing to show",
		rule:   "Attributes is there only if it has an element",
		is: func(s Step, want, got model.Answer) bool {
			shown, isObject := got.Body["Attributes"].(map[string]any)
			return s.Operation == "UpdateItem" && onlyIn(s, want, got, "Attributes") && want.Body["Attributes"] == nil && isObject && len(shown) == 0
		},
	},
	{
		name:   "items out of removals",
		reason: "it stores the key where an update took something from an item that was not there",
		rule:   "taking away from an item that does not exist makes none (AttributeUpdates, DELETE: nothing happens)",
		is: func(s Step, want, got model.Answer) bool {
			return s.Operation == "UpdateItem" && !makesItems(s) && (onlyIn(s, want, got, "Attributes") || onlyIn(s, want, got, "ConsumedCapacity"))
		},
	},
	{
		name:   "shared copies",
		reason: "what it copies from one path to another stays one, which the next change of the update changes in both",
		rule:   "all operands are of the item as it was before the update",
		is: func(s Step, want, got model.Answer) bool {
			text, _ := s.Request["UpdateExpression"].(string)
			return s.Operation == "UpdateItem" && strings.Contains(text, "SET ") && strings.Contains(text, ",") && onlyIn(s, want, got, "Attributes")
		},
	},
	{
		name:   "plus signs",
		reason: "its number library does not read them",
		rule:   "a number may begin with a sign",
		is:     func(_ Step, _, got model.Answer) bool { return strings.Contains(got.Message, "numeric value: +") },
	},
	{
		name:   "words of syntax errors",
		reason: "they are those of the generator of its parsers, which want a parenthesis after two NOT",
		rule:   "Syntax error; token: \"…\", near: \"…\"; NOT condition is a condition",
		is: func(_ Step, want, got model.Answer) bool {
			return strings.HasPrefix(want.Message, "Invalid ") && strings.Contains(got.Message, "Syntax error; Expected") && want.Type == got.Type ||
				strings.Contains(got.Message, "Syntax error; Expected") && want.Type != "ValidationException" // not not
		},
	},
	{
		name:   "unordered literals",
		reason: "it compares literals of types without order, and answers false",
		rule:   "an operand of <, <=, >, >= and BETWEEN is a string, number or binary",
		is: func(_ Step, want, _ model.Answer) bool {
			for _, op := range []string{"<", "<=", ">", ">=", "BETWEEN"} {
				if strings.Contains(want.Message, "Incorrect operand type for operator or function; operator or function: "+op+", ") {
					return true
				}
			}
			return false
		},
	},
	{
		name:   "items of failed conditions",
		reason: "it is older than ReturnValuesOnConditionCheckFailure",
		rule:   "ALL_OLD puts the item into the error; other values are refused",
		is: func(s Step, want, got model.Answer) bool {
			return want.Type == "ConditionalCheckFailedException" && onlyIn(s, want, got, "Item") || strings.Contains(want.Message, "returnValuesOnConditionCheckFailure")
		},
	},
	{
		name:   "depth",
		reason: "it does not count levels",
		rule:   "values nest 32 levels deep",
		is: func(_ Step, want, _ model.Answer) bool {
			return strings.Contains(want.Message, "Nesting Levels have exceeded supported limits")
		},
	},
	{
		name:   "projections of indexes, and Select",
		reason: "it neither looks whether an index holds what is asked for, nor whether Select fits",
		rule:   "a global index answers what is projected into it; Select is checked against the other parameters",
		is: func(s Step, want, _ model.Answer) bool {
			return strings.Contains(want.Message, "does not project") || s.Request["Select"] != nil && (strings.Contains(want.Message, "Select") || strings.Contains(want.Message, "when choosing to get") || strings.Contains(want.Message, "ALL_PROJECTED_ATTRIBUTES"))
		},
	},
	{
		name:   "index keys first",
		reason: "it looks at the types of index keys before it evaluates an update",
		rule:   "an update is evaluated, and then its outcome is looked at",
		is: func(s Step, want, got model.Answer) bool {
			return s.Operation == "UpdateItem" && (strings.Contains(got.Message, "Type mismatch for Index Key") || strings.Contains(got.Message, "secondary index key to unsupported type"))
		},
	},
	{
		name:   "sums without end",
		reason: "it adds numbers of any length, and looks at the sum once all paths were found",
		rule:   "a number has 38 digits; what exceeds them is an error",
		is: func(s Step, want, _ model.Answer) bool {
			return s.Operation == "UpdateItem" && strings.HasPrefix(want.Message, "Number overflow")
		},
	},
	{
		name:   "nothing equals nothing",
		reason: "it compares what is not there with what is not there, and finds it equal",
		rule:   "a comparison with an attribute that does not exist is false",
		is: func(s Step, want, got model.Answer) bool {
			text, _ := s.Request["ConditionExpression"].(string)
			filter, _ := s.Request["FilterExpression"].(string)
			return strings.Contains(text+filter, "=") && (want.Type == "ConditionalCheckFailedException") != (got.Type == "ConditionalCheckFailedException") ||
				filter != "" && want.Type == "" && got.Type == "" && integer(want.Body["ScannedCount"]) == integer(got.Body["ScannedCount"])
		},
	},
	{
		name:   "consistent scans",
		reason: "its Scan does not know ConsistentRead",
		rule:   "a consistent read costs twice as much, and is refused on a global index",
		is: func(s Step, want, got model.Answer) bool {
			return s.Operation == "Scan" && s.Request["ConsistentRead"] != nil && (want.Type == "SerializationException" || onlyIn(s, want, got, "ConsumedCapacity") || strings.HasPrefix(want.Message, "Consistent reads are not"))
		},
	},
	{
		name:   "types of ADD",
		reason: "its message is one of before",
		rule:   "it ends with typeSet: ALLOWED_FOR_ADD_OPERAND",
		is: func(_ Step, want, got model.Answer) bool {
			return got.Message != "" && strings.HasPrefix(want.Message, got.Message+", typeSet: ")
		},
	},
	{
		name:   "operands after paths",
		reason: "it takes one section of an update after the other",
		rule:   "all operands are of the item as it was before the update",
		is: func(s Step, want, got model.Answer) bool {
			const operand, path = "An operand in the update expression has an incorrect data type", "The document path provided in the update expression is invalid for update"
			const absent = "The provided expression refers to an attribute that does not exist in the item"
			return s.Operation == "UpdateItem" && slices.Contains([]string{operand, path, absent}, want.Message) && slices.Contains([]string{operand, path, absent}, got.Message)
		},
	},
	{
		name:   "empty keys",
		reason: "its words for them are those of before",
		rule:   "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty …",
		is: func(_ Step, want, got model.Answer) bool {
			const end = "The AttributeValue for a key attribute cannot contain an empty "
			return strings.Contains(want.Message, end) && strings.Contains(got.Message, end)
		},
	},
	{
		name:   "ReturnValues of DeleteItem",
		reason: "it takes all of them",
		rule:   "ReturnValues can only be ALL_OLD or NONE",
		is: func(s Step, want, _ model.Answer) bool {
			return s.Operation == "DeleteItem" && strings.HasPrefix(want.Message, "ReturnValues can only be")
		},
	},
	{
		name:   "segment 0",
		reason: "it takes Segment 0 without TotalSegments for no segment",
		rule:   "Segment needs TotalSegments",
		is: func(_ Step, want, _ model.Answer) bool {
			return strings.HasPrefix(want.Message, "The TotalSegments parameter is required")
		},
	},
	{
		name:   "mistakes in two comparisons",
		reason: "it tells the first comparison's mistake, whatever it is",
		rule:   "which of several mistakes is told first is not documented",
		is: func(_ Step, want, got model.Answer) bool {
			a, b := mistake(want.Message), mistake(got.Message)
			return a != "" && b != "" && a != b
		},
	},
	{
		name:   "placeholders before key conditions",
		reason: "it looks for unused placeholders, and at the types of values, before it reads a key condition as one",
		rule:   "which of several mistakes is told first is not documented",
		is: func(s Step, want, got model.Answer) bool {
			return s.Operation == "Query" && want.Type == got.Type && want.Type == "ValidationException" &&
				(strings.Contains(got.Message, "unused in expressions") || strings.Contains(got.Message, "is not valid for"))
		},
	},
}

// onlyIn reports whether two answers differ in one member alone.
func onlyIn(s Step, want, got model.Answer, member string) bool {
	without := func(a model.Answer) model.Answer {
		a.Body = maps.Clone(a.Body)
		delete(a.Body, member)
		return a
	}
	return difference(s.Operation, want, got) != "" && difference(s.Operation, without(want), without(got)) == ""
}

// mistake is which mistake of a comparison a message tells; empty for others.
func mistake(message string) string {
	for _, m := range []string{"must be distinct", "Incorrect operand type", "The BETWEEN operator", "Incorrect number of operands", "is not defined", "requires a document path", "Invalid attribute type name"} {
		if strings.HasPrefix(message, "Invalid ") && strings.Contains(message, m) {
			return m
		}
	}
	return ""
}

func touchesIndexed(s Step) bool {
	if s.Request["TableName"] == "indexed" {
		return true
	}
	tables, _ := s.Request["RequestItems"].(map[string]any)
	return tables["indexed"] != nil
}

// makesItems reports whether an update makes an item where there is none.
func makesItems(s Step) bool {
	text, ok := s.Request["UpdateExpression"].(string)
	if !ok {
		return true
	}
	return slices.ContainsFunc(strings.Fields(strings.ToUpper(text)), func(word string) bool { return word == "SET" || word == "ADD" })
}

// Known tells what was met of the known differences.
func (d *Dynalite) Known() string {
	var b strings.Builder
	for _, k := range known {
		if n := d.seen[k.name]; n > 0 {
			fmt.Fprintf(&b, "%6d × %s: %s. AWS: %s.\n", n, k.name, k.reason, k.rule)
		}
	}
	if n := d.seen["ends"]; n > 0 {
		fmt.Fprintf(&b, "%6d × its process ended at a request; it was asked again in the next history.\n", n)
	}
	return b.String()
}
