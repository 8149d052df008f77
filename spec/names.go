package spec

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/meridian-run/meridian/internal/spelling"
)

var labelPattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)

// label reports whether a name can be one part of a DNS name.
func label(name string) bool {
	return len(name) <= labelMax && labelPattern.MatchString(name)
}

const labelInstead = "write lower-case letters, digits and hyphens, at most 63, such as eu-west-1"

// labelKey checks a key that becomes part of DNS names.
func (e entry) labelKey(what string) {
	if label(e.name) {
		return
	}
	instead := labelInstead
	if lower := strings.ToLower(strings.ReplaceAll(e.name, "_", "-")); label(lower) {
		instead = "write " + lower
	}
	e.p.errorAtKey(e.path, fmt.Sprintf("%q cannot be the name of a %s, which is part of DNS names", e.name, what), instead)
}

// errorAtKey reports about a key itself.
func (p *parser) errorAtKey(path, what, instead string) {
	if k := p.keys[path]; k != nil {
		p.report(position{k.Line, k.Column}, path, what, instead)
		return
	}
	p.errorAt(path, what, instead)
}

// domain reports whether a name is a DNS name of labels.
func domain(name string) bool {
	if len(name) > nameMax {
		return false
	}
	for part := range strings.SplitSeq(name, ".") {
		if !label(part) {
			return false
		}
	}
	return true
}

var tablePattern = regexp.MustCompile(`^[A-Za-z0-9_.-]{3,255}$`)

// tableKey checks the name of a table or index by DynamoDB's rule.
func (e entry) tableKey(what string) {
	if !tablePattern.MatchString(e.name) {
		e.p.errorAtKey(e.path, fmt.Sprintf("%q cannot be the name of %s", e.name, what),
			"write 3 to 255 letters, digits, hyphens, underscores or dots")
	}
}

// synonyms are keys of other systems, and ours.
var synonyms = map[string]string{
	"interval": "every", "period": "every", "threshold": "fail_after", "retries": "fail_after",
	"url": "backend", "upstream": "backend", "lambda": "function", "hostname": "host",
	"hash": "key", "hash_key": "key", "partition_key": "key", "range": "sort", "range_key": "sort", "sort_key": "sort",
	"location": "place", "city": "place", "ip": "address", "zone": "domain", "environment": "env", "replicas": "regions",
	"lat": "latitude", "lon": "longitude", "lng": "longitude", "name": "world", "code": "bundle", "max_body": "body_limit",
	"projection": "project", "healthcheck": "health", "health_check": "health",
}

// nearest finds the word that was probably meant; empty if none was.
func nearest(name string, words []string) string {
	if len(name) > 2*labelMax {
		return "" // not worth the comparison
	}
	lower := strings.ToLower(strings.ReplaceAll(name, "-", "_"))
	best, least := "", min(1+len(name)/4, len(name)-1)
	for _, w := range words {
		if w == synonyms[lower] {
			return w
		}
		compared := strings.ReplaceAll(strings.ToLower(w), "-", "_")
		switch d := spelling.Distance(lower, compared); {
		case d <= least:
			best, least = w, d-1
		case best == "" && len(compared) >= 4 && strings.HasPrefix(lower, compared+"_"):
			best = w
		}
	}
	return best
}

// quote quotes a name from the file for a message, cut to what one line holds.
func quote(name string) string {
	const longest = 80
	if len(name) > longest {
		name = strings.ToValidUTF8(name[:longest], "") + "…"
	}
	return strconv.Quote(name)
}
