package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// section is one table of the results.
type section struct {
	title string
	// how says what was measured and under which conditions.
	how   string
	rows  []*row
	notes []string
}

// row is one quantity, with a value for each round.
type row struct {
	what, unit string
	values     []float64
	// floor is what must hold: at most, or with atLeast at least, this. 0 is none.
	floor   float64
	atLeast bool
}

// add makes a row.
func (s *section) add(what, unit string) *row {
	r := &row{what: what, unit: unit}
	s.rows = append(s.rows, r)
	return r
}

func (s *section) note(format string, args ...any) {
	s.notes = append(s.notes, fmt.Sprintf(format, args...))
}

// most and least set the floor.
func (r *row) most(floor float64) *row  { r.floor = floor; return r }
func (r *row) least(floor float64) *row { r.floor, r.atLeast = floor, true; return r }

func (r *row) put(v float64) { r.values = append(r.values, v) }

func (r *row) median() float64 { return percentile(slices.Clone(r.values), 50) }

// verdict compares the median with the floor.
func (r *row) verdict() (floor, holds string) {
	if r.floor == 0 {
		return "", ""
	}
	sign, ok := "≤ ", r.median() <= r.floor
	if r.atLeast {
		sign, ok = "≥ ", r.median() >= r.floor
	}
	holds = "**no**"
	if ok {
		holds = "yes"
	}
	return sign + number(r.floor), holds
}

func (s section) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| what | unit | median | min – max | floor | holds |\n|---|---|---:|---:|---:|---|\n", s.title, strings.TrimSpace(s.how))
	for _, r := range s.rows {
		floor, holds := r.verdict()
		fmt.Fprintf(&b, "| %s | %s | %s | %s – %s | %s | %s |\n", r.what, r.unit,
			number(r.median()), number(slices.Min(r.values)), number(slices.Max(r.values)), floor, holds)
	}
	for i, n := range s.notes {
		if i == 0 {
			b.WriteString("\n")
		}
		b.WriteString("- " + n + "\n")
	}
	return b.String()
}

// number has three significant digits or so.
func number(v float64) string {
	switch {
	case v >= 100 || v <= -100 || v == math.Trunc(v):
		return fmt.Sprintf("%.0f", v)
	case v >= 10 || v <= -10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// percentile of values, which it sorts; p is 0 to 100. Of an even number of
// values the median is the mean of the middle two.
func percentile(values []float64, p float64) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	if n := len(values); p == 50 && n%2 == 0 {
		return (values[n/2-1] + values[n/2]) / 2
	}
	return values[min(len(values)-1, int(p/100*float64(len(values))))]
}

// in gives durations in a unit.
func in(unit time.Duration, took []time.Duration) []float64 {
	out := make([]float64, len(took))
	for i, d := range took {
		out[i] = float64(d) / float64(unit)
	}
	return out
}
