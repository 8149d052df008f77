package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// result is what came of one case of a client.
type result struct {
	Client     string   `json:"client"`
	Version    string   `json:"version"`
	Case       string   `json:"case"`
	Operations []string `json:"operations"` // that it asked for
	Passed     bool     `json:"passed"`
}

// read reads results, one a line.
func read(r io.Reader) ([]result, error) {
	var results []result
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		var one result
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			return nil, fmt.Errorf("line %d: %w", len(results)+1, err)
		}
		results = append(results, one)
	}
	return results, lines.Err()
}

// row is an operation that the docs list as supported.
var row = regexp.MustCompile(`(?m)^\| ([A-Z][A-Za-z]+) \| (?:supported|answers)`)

// supported are the operations that the docs say are supported, in their order.
func supported(docs string) []string {
	_, section, _ := strings.Cut(docs, "\n## Operations\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var operations []string
	for _, m := range row.FindAllStringSubmatch(section, -1) {
		operations = append(operations, m[1])
	}
	return operations
}

// tally counts cases.
type tally struct{ passed, all int }

// add counts a case.
func (t *tally) add(passed bool) {
	t.all++
	if passed {
		t.passed++
	}
}

// String is the count of cases if all passed, and "2 of 3" if not.
func (t tally) String() string {
	switch {
	case t.all == 0:
		return ""
	case t.passed == t.all:
		return fmt.Sprint(t.all)
	}
	return fmt.Sprintf("**%d of %d**", t.passed, t.all)
}

// tables writes who was run, and how many cases of each asked for each operation
// and passed.
func tables(results []result, operations []string) string {
	var clients []string // in the order of the run
	versions, whole := map[string]string{}, map[string]tally{}
	cells := map[[2]string]tally{} // by operation and client
	count := func(in tally, passed bool) tally { in.add(passed); return in }
	for _, r := range results {
		if !slices.Contains(clients, r.Client) {
			clients = append(clients, r.Client)
		}
		versions[r.Client], whole[r.Client] = r.Version, count(whole[r.Client], r.Passed)
		for _, o := range r.Operations {
			cells[[2]string{o, r.Client}] = count(cells[[2]string{o, r.Client}], r.Passed)
		}
	}
	var b strings.Builder
	b.WriteString("| client | version | cases passed |\n|---|---|---|\n")
	for _, c := range clients {
		fmt.Fprintf(&b, "| %s | %s | %d of %d |\n", c, versions[c], whole[c].passed, whole[c].all)
	}
	fmt.Fprintf(&b, "\n| asked for | %s |\n|---|%s\n", strings.Join(clients, " | "), strings.Repeat("---|", len(clients)))
	for _, o := range operations {
		fmt.Fprintf(&b, "| %s |", o)
		for _, c := range clients {
			fmt.Fprintf(&b, " %s |", cells[[2]string{o, c}])
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// The lines of the docs between which the tables stand.
const (
	begin = "<!-- written by make test-clients -->\n"
	end   = "<!-- end of what make test-clients writes -->\n"
)

// replaced is the docs with other tables.
func replaced(docs, tables string) (string, error) {
	before, rest, ok := strings.Cut(docs, begin)
	_, after, fine := strings.Cut(rest, end)
	if !ok || !fine {
		return "", fmt.Errorf("has no lines %q and %q", strings.TrimSpace(begin), strings.TrimSpace(end))
	}
	return before + begin + "\n" + tables + "\n" + end + after, nil
}
