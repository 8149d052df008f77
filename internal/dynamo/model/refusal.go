package model

import (
	"encoding/json"
	"strings"
)

// refusal is an error that a request is answered with. It travels as a panic to
// Ask, so that the rules read as rules.
type refusal struct {
	kind, message string
	item          item
	reasons       []any
	// whole says that it is of all of a transaction, not of one of its actions.
	whole bool
}

func refuseAs(kind, message string) { panic(refusal{kind: kind, message: message}) }

func refuse(message string) { refuseAs("ValidationException", message) }

func refuseWhole(message string) {
	panic(refusal{kind: "ValidationException", message: message, whole: true})
}

func refuseValues(message string) { refuse("One or more parameter values were invalid: " + message) }

// refuseShape refuses JSON of another form than a parameter has.
func refuseShape(message string) { refuseAs("SerializationException", message) }

// refuseForm refuses what is not a want.
func refuseForm(j any, want string) {
	switch j := j.(type) {
	case json.Number:
		if strings.ContainsAny(j.String(), ".eE") {
			refuseShape("DECIMAL_VALUE cannot be converted to " + want)
		}
		refuseShape("NUMBER_VALUE cannot be converted to " + want)
	case bool:
		if j {
			refuseShape("TRUE_VALUE cannot be converted to " + want)
		}
		refuseShape("FALSE_VALUE cannot be converted to " + want)
	case string:
		if want == "Boolean" {
			refuseShape("Unexpected token received from parser")
		}
		refuseShape("STRING_VALUE cannot be converted to " + want)
	case []any:
		refuseShape("Unrecognized collection type class java.lang." + want)
	}
	refuseShape("Start of structure or map found where not expected")
}
