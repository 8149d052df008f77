package spec

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// text reads a setting that is text.
func (v value) text(instead string) (string, bool) {
	switch {
	case v.scalar() && v.node.ShortTag() == "!!str" && v.node.Value != "":
		return v.node.Value, true
	case v.null() || v.scalar() && v.node.Value == "":
		v.fail("is empty", instead)
	case v.scalar():
		v.fail(fmt.Sprintf("%s is %s where text is expected", v.node.Value, kind(v.node)), instead)
	default:
		v.fail("is "+kind(v.node)+" where text is expected", instead)
	}
	return "", false
}

// texts reads a list of different texts.
func (v value) texts(instead string) []value {
	list := v.list(instead)
	if len(list) == 0 && len(v.node.Content) == 0 && v.node.Kind != 0 && !v.scalar() {
		v.fail("is an empty list", instead)
	}
	var good []value
	seen := make(map[string]bool)
	for _, item := range list {
		text, ok := item.text(instead)
		switch {
		case !ok:
		case seen[text]:
			item.fail(strconv.Quote(text)+" is in the list twice", "keep one of them")
		default:
			seen[text] = true
			good = append(good, item)
		}
	}
	return good
}

// choice reads one of a few words.
func (v value) choice(words ...string) (string, bool) {
	instead := "write one of " + strings.Join(words, ", ")
	text, ok := v.text(instead)
	if !ok {
		return "", false
	}
	for _, w := range words {
		if text == w {
			return text, true
		}
	}
	if near := nearest(text, words); near != "" {
		instead = "did you mean " + near + "? " + instead
	}
	v.fail(strconv.Quote(text)+" is not known here", instead)
	return "", false
}

// integer reads a whole number within bounds.
func (v value) integer(low, high int) (int, bool) {
	instead := fmt.Sprintf("write a whole number from %d to %d", low, high)
	if !v.scalar() || v.node.ShortTag() != "!!int" {
		v.fail(v.shown()+" is not a whole number", instead)
		return 0, false
	}
	n, err := strconv.Atoi(strings.ReplaceAll(v.node.Value, "_", ""))
	if err != nil || n < low || n > high {
		v.fail(v.node.Value+" is out of range", instead)
		return 0, false
	}
	return n, true
}

// degrees reads a coordinate.
func (v value) degrees(limit float64, example string) (float64, bool) {
	instead := fmt.Sprintf("write degrees from -%v to %v, such as %s", limit, limit, example)
	if tag := v.node.ShortTag(); !v.scalar() || (tag != "!!int" && tag != "!!float") {
		v.fail(v.shown()+" is not a number", instead)
		return 0, false
	}
	f, err := strconv.ParseFloat(v.node.Value, 64)
	if err != nil || math.IsNaN(f) || math.Abs(f) > limit {
		v.fail(v.node.Value+" is out of range", instead)
		return 0, false
	}
	return f, true
}

// duration reads a time span within bounds.
func (v value) duration(low, high time.Duration) (time.Duration, bool) {
	between := fmt.Sprintf("from %s to %s", short(low), short(high))
	instead := "write a number and a unit, such as 250ms, 5s or 2m"
	d, err := time.ParseDuration(v.node.Value)
	switch {
	case !v.scalar():
		v.fail("is "+kind(v.node)+" where a duration is expected", instead)
		return 0, false
	case err != nil && v.node.ShortTag() == "!!int":
		v.fail(v.node.Value+" has no unit", "write "+v.node.Value+"s for seconds or "+v.node.Value+"ms for milliseconds")
		return 0, false
	case err != nil:
		v.fail(v.shown()+" is not a duration", instead)
		return 0, false
	case d < low || d > high:
		v.fail(v.node.Value+" is out of range", "write a duration "+between)
		return 0, false
	}
	return d, true
}

// short is a duration without the zero units that String appends.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

var sizePattern = regexp.MustCompile(`^(\d{1,12}) ?(B|KB|MB|GB)$`)

var sizeUnits = map[string]int64{"B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30}

// size reads a number of bytes. Units are powers of 1,024, as for Lambda.
func (v value) size(low, high int64) (int64, bool) {
	instead := fmt.Sprintf("write a size from %s to %s, such as %s", bytesText(low), bytesText(high), bytesText(low*4))
	m := sizePattern.FindStringSubmatch(v.node.Value)
	if !v.scalar() || m == nil {
		what := v.shown() + " is not a size"
		if v.scalar() && v.node.ShortTag() == "!!int" {
			what = v.node.Value + " has no unit"
		}
		v.fail(what, instead)
		return 0, false
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	if unit := sizeUnits[m[2]]; err == nil && n <= high/unit && n*unit >= low {
		return n * unit, true
	}
	v.fail(v.node.Value+" is out of range", instead)
	return 0, false
}

// bytesText writes a size in the largest unit that divides it.
func bytesText(n int64) string {
	for _, unit := range []string{"GB", "MB", "KB"} {
		if n%sizeUnits[unit] == 0 && n > 0 {
			return strconv.FormatInt(n/sizeUnits[unit], 10) + unit
		}
	}
	return strconv.FormatInt(n, 10) + "B"
}

// shown is a value for a message: quoted if it is text.
func (v value) shown() string {
	switch {
	case !v.scalar():
		return "what is there (" + kind(v.node) + ")"
	case v.node.ShortTag() == "!!str":
		return strconv.Quote(v.node.Value)
	}
	return v.node.Value
}
