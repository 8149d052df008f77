package spec

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

func reference(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../docs/spec.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// TestDocsParse parses all YAML of docs/spec.md. A part of a file is
// completed by what it leaves out.
func TestDocsParse(t *testing.T) {
	blocks := yamlBlock.FindAllStringSubmatch(reference(t), -1)
	if len(blocks) < 10 {
		t.Fatalf("%d blocks of YAML", len(blocks))
	}
	rest := []struct{ key, text string }{
		{"world", "world: notes\n"},
		{"domain", "domain: notes.test\n"},
		{"regions", "regions: {us-east-1: , eu-west-1: , ap-southeast-2: }\n"},
		{"tables", "tables: {notes: {key: pk}}\n"},
	}
	for _, block := range blocks {
		source := block[1]
		for _, r := range rest {
			if !strings.HasPrefix(source, r.key+":") && !strings.Contains(source, "\n"+r.key+":") {
				source += r.text
			}
		}
		if _, err := Parse("docs/spec.md", []byte(source)); err != nil {
			t.Errorf("%v\n%s", err, source)
		}
	}
}

// TestDocsAreComplete: every key that the parser knows is on the page. The
// parser is asked for them by an unknown key in each mapping of full.yaml.
func TestDocsAreComplete(t *testing.T) {
	source, err := os.ReadFile("testdata/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var document yaml.Node
	if err := yaml.Unmarshal(source, &document); err != nil {
		t.Fatal(err)
	}
	spoil(&document)
	spoiled, err := yaml.Marshal(&document)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Parse("spoiled.yaml", spoiled)
	list, _ := err.(Errors)
	text, known := reference(t), 0
	for _, e := range list {
		_, keys, ok := strings.Cut(e.Instead, "known here: ")
		if !ok {
			continue
		}
		for key := range strings.SplitSeq(keys, ", ") {
			known++
			if !strings.Contains(text, "`"+key+"`") {
				t.Errorf("docs/spec.md does not have the key %s, which belongs to %s", key, parent(e.Path))
			}
		}
	}
	if known < 40 {
		t.Errorf("only %d keys were found", known)
	}
}

// spoil adds an unknown key to every mapping.
func spoil(n *yaml.Node) {
	for _, child := range n.Content {
		spoil(child)
	}
	if n.Kind == yaml.MappingNode {
		n.Style = 0
		n.Content = append(n.Content,
			&yaml.Node{Kind: yaml.ScalarNode, Value: "zzz"}, &yaml.Node{Kind: yaml.ScalarNode, Value: "1"})
	}
}

// TestDocsStateTheDefaults: the page repeats what defaults.go says.
func TestDocsStateTheDefaults(t *testing.T) {
	text := reference(t)
	for key, wants := range map[string][]string{
		"every":         {short(DefaultHealthEvery), short(everyMin), short(everyMax)},
		"fail_after":    {"3"},
		"deep_every":    {short(DefaultDeepEvery), short(deepEveryMin), short(deepEveryMax)},
		"ttl":           {short(DefaultTTL), short(ttlMin), short(ttlMax)},
		"policy":        {DefaultPolicy},
		"body_limit":    {bytesText(DefaultBodyLimit), bytesText(bodyLimitMin), bytesText(bodyLimitMax)},
		"memory":        {bytesText(DefaultMemory), bytesText(memoryMin), bytesText(memoryMax)},
		"concurrency":   {"10", "1000"},
		"idle":          {short(DefaultIdle), short(idleMin), short(idleMax)},
		"timeout":       {short(DefaultTimeout), short(DefaultFunctionTimeout), short(DefaultHealthTimeout), short(timeoutMin), short(timeoutMax)},
		"path":          {DefaultHealthPath},
		"consistency":   {DefaultConsistency},
		"gateway":       {"8080"},
		"dns":           {"53"},
		"recover_after": {"fail_after"},
	} {
		rows := strings.Join(regexp.MustCompile("(?m)^\\| `"+key+"` .*$").FindAllString(text, -1), "\n")
		for _, want := range wants {
			if !strings.Contains(rows, want) {
				t.Errorf("the rows of %s do not say %s:\n%s", key, want, rows)
			}
		}
	}
}
