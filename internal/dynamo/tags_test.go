package dynamo_test

import (
	"fmt"
	"strings"
	"testing"
)

// D1: tags are kept by key, within AWS's limits.
func TestD1_TagsOfATable(t *testing.T) {
	r := newRegion(t).tables()
	arn := "arn:aws:dynamodb:eu-west-1:000000000000:table/notes"
	tag := func(tags string) string { return `{"ResourceArn":"` + arn + `","Tags":[` + tags + `]}` }
	list := `{"ResourceArn":"` + arn + `"}`
	r.expect("ListTagsOfResource", list, `{"Tags":[]}`)
	r.expectEmpty("TagResource", tag(`{"Key":"team","Value":"a"},{"Key":"cost","Value":""}`))
	r.expectEmpty("TagResource", tag(`{"Key":"team","Value":"b"}`))
	r.expect("ListTagsOfResource", list, `{"Tags":[{"Key":"cost","Value":""},{"Key":"team","Value":"b"}]}`)
	r.expectEmpty("UntagResource", `{"ResourceArn":"`+arn+`","TagKeys":["cost","none"]}`)
	r.expect("ListTagsOfResource", list, `{"Tags":[{"Key":"team","Value":"b"}]}`)

	var many []string
	for i := range 50 {
		many = append(many, fmt.Sprintf(`{"Key":"k%d","Value":"v"}`, i))
	}
	v := "ValidationException"
	for body, words := range map[string]string{
		tag(strings.Join(many, ",")): "Number of Tags exceed the current limit for the provided ResourceArn",
		tag(``):                      "Atleast one Tag needs to be provided as Input.",
		tag(`{"Key":"","Value":""}`): "The Tag Key provided is invalid, Key: ",
		tag(`{"Key":"` + strings.Repeat("k", 129) + `","Value":""}`):  "The Tag Key provided is invalid, Key: kkk",
		tag(`{"Key":"k","Value":"` + strings.Repeat("v", 257) + `"}`): "The Tag Value provided is invalid, Value: vvv",
		tag(`{"Key":"k"}`):                                                           "The Tag Value provided is invalid, Value: null",
		tag(`{"Key":"aws:k","Value":""}`):                                            "Tag Key cannot be prefixed with aws:, Key: aws:k",
		`{"ResourceArn":"` + arn + `"}`:                                              "Value null at 'tags' failed to satisfy constraint: Member must not be null",
		`{"ResourceArn":"notes","Tags":[]}`:                                          "Atleast one Tag",
		`{"ResourceArn":"notes","Tags":[{"Key":"k","Value":"v"}]}`:                   "ARNs must start with 'arn:': notes",
		`{"ResourceArn":"arn:aws:s3:::x","Tags":[{"Key":"k","Value":"v"}]}`:          "Provided Arn is not a DynamoDB resource arn",
		strings.Replace(tag(`{"Key":"k","Value":"v"}`), "notes", "notes/index/x", 1): "only table or stream is accepted",
		strings.Replace(tag(`{"Key":"k","Value":"v"}`), "eu-west-1", "eu-west-9", 1): "Invalid TableArn: Invalid ResourceArn provided as input",
	} {
		r.refuse("TagResource", body, v, words)
	}
	r.refuse("TagResource", strings.Replace(tag(`{"Key":"k","Value":"v"}`), "000000000000", "123456789012", 1), "AccessDeniedException", "not authorized")
	r.refuse("TagResource", strings.Replace(tag(`{"Key":"k","Value":"v"}`), "notes", "none", 1), "ResourceNotFoundException", "Requested resource not found: ResourcArn: ")
	r.refuse("UntagResource", `{"ResourceArn":"`+arn+`","TagKeys":[]}`, v, "Atleast one Tag Key needs to be provided as Input.")
	if a := r.send(function, "TagResource", tag(`{"Key":"k","Value":"v"}`)); a.kind() != "AccessDeniedException" {
		t.Errorf("a function's key: %s", a.body)
	}
	r.expect("ListTagsOfResource", list, `{"Tags":[{"Key":"team","Value":"b"}]}`)
}

// expectEmpty wants an answer without a body.
func (r *region) expectEmpty(operation, body string) {
	r.t.Helper()
	if a := r.send(admin, operation, body); a.status != 200 || a.body != "" {
		r.t.Errorf("%s %s: %d %s", operation, body, a.status, a.body)
	}
}
