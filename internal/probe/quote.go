package probe

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	// quoteReadMax is how much of a failing answer's body is read, in bytes.
	quoteReadMax = 16 << 10
	// quoteBytesMax and quoteChecksMax bound what is quoted of it.
	quoteBytesMax  = 120
	quoteChecksMax = 3
)

// quote says in a few words what a failing endpoint answered: which checks fail
// and why if it is the answer of a deep check, else what it says first.
func quote(status int, body []byte) string {
	said := deepAnswer(body)
	if said == "" && !bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) {
		said = firstLine(string(body))
	}
	if said == "" {
		return "status " + strconv.Itoa(status)
	}
	return strconv.Itoa(status) + ": " + cut(said, quoteBytesMax)
}

// deepAnswer reads a deep check's answer: {"status", "checks": {name: {"status",
// "reason"}}}; and errors in JSON, which have a message. "" is none of them.
func deepAnswer(body []byte) string {
	var answer struct {
		Status, Message, Error text
		Checks                 map[string]json.RawMessage
	}
	if json.Unmarshal(body, &answer) != nil {
		return ""
	}
	var failing []string
	for _, name := range slices.Sorted(maps.Keys(answer.Checks)) {
		if why, fails := failure(name, answer.Checks[name]); fails {
			failing = append(failing, why)
		}
	}
	if more := len(failing) - quoteChecksMax; more > 0 {
		failing = append(failing[:quoteChecksMax], fmt.Sprintf("%d more", more))
	}
	for _, said := range []string{strings.Join(failing, "; "), string(answer.Message), string(answer.Error), string(answer.Status)} {
		if said = words(said); said != "" {
			return said
		}
	}
	return ""
}

// failure says why one check of a deep answer fails, if it does.
func failure(name string, raw json.RawMessage) (why string, fails bool) {
	var check struct{ Status, Reason, Message, Error text }
	if json.Unmarshal(raw, &check) != nil {
		return "", false
	}
	switch strings.ToLower(string(check.Status)) {
	case "healthy", "ok", "pass", "passed", "up", "":
		return "", false
	}
	for _, reason := range []text{check.Reason, check.Message, check.Error} {
		if reason != "" {
			return name + ": " + string(reason), true
		}
	}
	return name + " is " + string(check.Status), true
}

// text is a string of JSON; anything else reads as "".
type text string

// UnmarshalJSON implements json.Unmarshaler.
func (t *text) UnmarshalJSON(src []byte) error {
	var s string
	if json.Unmarshal(src, &s) == nil {
		*t = text(s)
	}
	return nil
}

// firstLine is the first line that says anything.
func firstLine(s string) string {
	for line := range strings.Lines(s) {
		if said := words(line); said != "" {
			return said
		}
	}
	return ""
}

// words is s in one line, in UTF-8 and without double spaces.
func words(s string) string {
	return strings.Join(strings.Fields(strings.ToValidUTF8(s, " ")), " ")
}

// cut shortens s to some bytes, at the end of a word if there is one.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	const mark = "…"
	end := most - len(mark)
	for !utf8.RuneStart(s[end]) {
		end--
	}
	if space := strings.LastIndexByte(s[:end+1], ' '); space > 0 {
		end = space
	}
	return strings.TrimRight(s[:end], " ,;:") + mark
}
