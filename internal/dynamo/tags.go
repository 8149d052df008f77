package dynamo

import (
	"context"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/table"
)

// DynamoDB's limits on tags, in characters.
const (
	tagKeyMax   = 128
	tagValueMax = 256
)

var (
	tags        = parameter{name: "Tags", form: listForm, members: []parameter{{name: "Key"}, {name: "Value"}}}
	resourceARN = parameter{name: "ResourceArn", required: true, min: 1, max: 1283}

	tagParameters      = []parameter{resourceARN, {name: "Tags", form: listForm, required: true, members: tags.members}}
	untagParameters    = []parameter{resourceARN, {name: "TagKeys", form: listForm, required: true}}
	listTagsParameters = []parameter{resourceARN, {name: "NextToken"}}
)

// resource is the table that the request names by its ARN.
func (c *call) resource() (table.Table, error) {
	arn := c.text("ResourceArn")
	if !strings.HasPrefix(arn, "arn:") {
		return table.Table{}, invalidValues("ARNs must start with 'arn:': %s", arn)
	}
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 || parts[2] != "dynamodb" {
		return table.Table{}, invalidValues("Provided Arn is not a DynamoDB resource arn: %s", arn)
	}
	name, isTable := strings.CutPrefix(parts[5], "table/")
	switch {
	case !isTable || strings.Contains(name, "/"):
		return table.Table{}, invalidValues("Invalid resource arn provided, only table or stream is accepted. Provided resource arn: %s", arn)
	case parts[4] != account:
		return table.Table{}, c.denied(name)
	case parts[1] != "aws" || parts[3] != c.server.config.Region || len(name) < 3 || !isName(name):
		return table.Table{}, invalid("Invalid TableArn: Invalid ResourceArn provided as input %s", arn)
	}
	t, err := c.tableHere(name)
	if err == errNotFound {
		err = missing("Requested resource not found: ResourcArn: %s not found", arn) // AWS's spelling
	}
	return t, err
}

// readTags reads a list of tags, sorted by key.
func readTags(list item.Node) ([]table.Tag, error) {
	var read []table.Tag
	for n, ok := list.First(); ok; n, ok = n.Next() {
		tag := table.Tag{Key: n.Get("Key").Text(), Value: n.Get("Value").Text()}
		switch {
		case !tagKey(tag.Key):
			return nil, invalid("The Tag Key provided is invalid, Key: %s", tag.Key)
		case !n.Get("Value").Exists():
			return nil, invalid("The Tag Value provided is invalid, Value: null")
		case utf8.RuneCountInString(tag.Value) > tagValueMax:
			return nil, invalid("The Tag Value provided is invalid, Value: %s", tag.Value)
		case strings.HasPrefix(strings.ToLower(tag.Key), "aws:"):
			return nil, invalid("Tag Key cannot be prefixed with aws:, Key: %s", tag.Key)
		case slices.ContainsFunc(read, func(t table.Tag) bool { return t.Key == tag.Key }):
			return nil, invalid("Duplicate Tag Keys provided as input: Duplicate Tag Key found %s", tag.Key)
		}
		read = append(read, tag)
	}
	sortTags(read)
	return read, checkTagCount(len(read))
}

func sortTags(tags []table.Tag) {
	slices.SortFunc(tags, func(a, b table.Tag) int { return strings.Compare(a.Key, b.Key) })
}

func tagKey(key string) bool { return key != "" && utf8.RuneCountInString(key) <= tagKeyMax }

func checkTagCount(n int) error {
	if n > table.TagsMax {
		return invalid("Number of Tags exceed the current limit for the provided ResourceArn")
	}
	return nil
}

// tagResource sets tags of a table; those of the same key are replaced.
func tagResource(ctx context.Context, c *call) error {
	added, err := readTags(c.request.Get("Tags"))
	if err == nil && len(added) == 0 {
		err = invalid("Atleast one Tag needs to be provided as Input.") // AWS's spelling
	}
	if err != nil {
		return err
	}
	return c.retag(ctx, func(have []table.Tag) []table.Tag {
		kept := slices.DeleteFunc(slices.Clone(have), func(h table.Tag) bool {
			return slices.ContainsFunc(added, func(a table.Tag) bool { return a.Key == h.Key })
		})
		return append(kept, added...)
	})
}

// untagResource removes tags of a table; that one is not there is no error.
func untagResource(ctx context.Context, c *call) error {
	var keys []string
	list := c.request.Get("TagKeys")
	for n, ok := list.First(); ok; n, ok = n.Next() {
		key, err := item.StringFrom(n)
		if err != nil {
			return err
		}
		if !tagKey(key) {
			return invalid("The Tag Key provided is invalid, Key: %s", key)
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return invalid("Atleast one Tag Key needs to be provided as Input.")
	}
	if err := checkTagCount(len(keys)); err != nil {
		return err
	}
	return c.retag(ctx, func(have []table.Tag) []table.Tag {
		return slices.DeleteFunc(slices.Clone(have), func(h table.Tag) bool { return slices.Contains(keys, h.Key) })
	})
}

// retag changes the tags of the request's table. Its answer has no body.
func (c *call) retag(ctx context.Context, change func([]table.Tag) []table.Tag) error {
	t, err := c.resource()
	if err != nil {
		return err
	}
	_, err = c.server.config.Catalog.UpdateTable(ctx, t.Name, func(t *table.Table) error {
		changed := change(t.Settings.Tags)
		sortTags(changed)
		t.Settings.Tags = changed
		return checkTagCount(len(changed))
	})
	return err
}

// listTagsOfResource answers the tags of a table, all on one page.
func listTagsOfResource(_ context.Context, c *call) error {
	t, err := c.resource()
	if err != nil {
		return err
	}
	c.out = append(c.out, `{"Tags":[`...)
	for i, tag := range t.Settings.Tags {
		c.out = item.AppendQuoted(append(comma(c.out, i), `{"Key":`...), tag.Key)
		c.out = append(item.AppendQuoted(member(c.out, "Value"), tag.Value), '}')
	}
	c.out = append(c.out, `]}`...)
	return nil
}
