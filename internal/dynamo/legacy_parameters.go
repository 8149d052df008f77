package dynamo

import "github.com/meridian-run/meridian/internal/dynamo/expr"

// Parameters that expressions have replaced, with what they are made of.
var (
	comparisonOperator  = parameter{name: "ComparisonOperator", enum: expr.LegacyOperators}
	requiredComparison  = parameter{name: "ComparisonOperator", enum: expr.LegacyOperators, required: true}
	valueList           = parameter{name: "AttributeValueList", form: valuesForm}
	conditionMembers    = []parameter{valueList, requiredComparison}
	expectedMembers     = []parameter{valueList, comparisonOperator, {name: "Exists", form: flagForm}, {name: "Value", form: valueForm}}
	updateMembers       = []parameter{{name: "Action", enum: []string{"ADD", "DELETE", "PUT"}}, {name: "Value", form: valueForm}}
	attributesToGet     = parameter{name: "AttributesToGet", form: namesForm, min: 1, max: 255}
	expected            = parameter{name: "Expected", form: membersForm, members: expectedMembers, of: "ExpectedAttributeValue"}
	attributeUpdates    = parameter{name: "AttributeUpdates", form: membersForm, members: updateMembers, of: "AttributeValueUpdate"}
	conditionalOperator = parameter{name: "ConditionalOperator", enum: []string{"OR", "AND"}}
)

// conditions is a parameter with conditions on attributes.
func conditions(name string) parameter {
	return parameter{name: name, form: membersForm, members: conditionMembers, of: "Condition"}
}
