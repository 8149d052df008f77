package differ

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/meridian-run/meridian/internal/dynamo/model"
)

// difference says in which field two answers differ; empty if they are the same
// for a client that follows the documentation.
func difference(operation string, want, got model.Answer) string {
	switch {
	case want.Status != got.Status:
		return fmt.Sprintf("status %d, want %d", got.Status, want.Status)
	case want.Type != got.Type:
		return fmt.Sprintf("type %q, want %q", got.Type, want.Type)
	case want.Message != got.Message && !byTypeOnly(want):
		return fmt.Sprintf("message %q, want %q", got.Message, want.Message)
	}
	w, g := normal(operation, want.Body), normal(operation, got.Body)
	names := map[string]bool{}
	for name := range w {
		names[name] = true
	}
	for name := range g {
		names[name] = true
	}
	var all []string
	for name := range names {
		all = append(all, name)
	}
	sort.Strings(all)
	for _, name := range all {
		if a, b := encode(w[name]), encode(g[name]); !bytes.Equal(a, b) {
			return fmt.Sprintf("%s %s, want %s", name, brief(b), brief(a))
		}
	}
	return ""
}

const briefMax = 2000

func brief(text []byte) string {
	if len(text) > briefMax {
		return string(text[:briefMax]) + "…"
	}
	return string(text)
}

// byTypeOnly lists the errors whose messages AWS does not document: those of
// the reader of its JSON are its Java library's.
func byTypeOnly(a model.Answer) bool { return a.Type == "SerializationException" }

// normal is a body with everything in one order that AWS leaves open: elements
// of sets, members, tables of batches, and items where they come unsorted.
func normal(operation string, body map[string]any) map[string]any {
	body, _ = canonical(clone(body)).(map[string]any)
	switch operation {
	case "Scan":
		sortList(body["Items"])
	case "BatchGetItem":
		responses, _ := body["Responses"].(map[string]any)
		for _, items := range responses {
			sortList(items)
		}
	}
	if list, ok := body["ConsumedCapacity"].([]any); ok {
		slices.SortFunc(list, func(a, b any) int { return strings.Compare(tableOf(a), tableOf(b)) })
	}
	return body
}

func tableOf(consumed any) string {
	part, _ := consumed.(map[string]any)
	name, _ := part["TableName"].(string)
	return name
}

func sortList(j any) {
	if list, ok := j.([]any); ok {
		slices.SortFunc(list, func(a, b any) int { return bytes.Compare(encode(a), encode(b)) })
	}
}

// canonical sorts sets and writes numbers of JSON in one way.
func canonical(j any) any {
	switch j := j.(type) {
	case json.Number:
		if f, err := j.Float64(); err == nil {
			return json.Number(strconv.FormatFloat(f, 'f', -1, 64))
		}
	case []any:
		for i := range j {
			j[i] = canonical(j[i])
		}
	case map[string]any:
		for name, inner := range j {
			j[name] = canonical(inner)
			if name == "SS" || name == "NS" || name == "BS" {
				sortList(j[name])
			}
		}
	}
	return j
}
