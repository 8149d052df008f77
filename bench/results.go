package main

import (
	"os"
	"slices"
	"strings"
)

// heading begins a section of the results.
const heading = "\n## "

// joined puts a measured section in the place of the one with its title in what a
// file holds, or behind them all.
func joined(file, measured string) (string, error) {
	held, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	parts := strings.Split(string(held), heading)
	measured = strings.TrimPrefix(measured, heading)
	same := func(p string) bool { return titleOf(p) == titleOf(measured) }
	if i := slices.IndexFunc(parts, same); i > 0 {
		parts[i] = measured
	} else {
		parts = append(parts, measured)
	}
	return strings.Join(parts, heading), nil
}

// kept are the sections of a file that a run of the others leaves as they are.
func kept(file string, titles []string) string {
	held, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	var b strings.Builder
	for _, p := range strings.Split(string(held), heading)[1:] {
		if slices.Contains(titles, titleOf(p)) {
			b.WriteString(heading + p)
		}
	}
	return b.String()
}

func titleOf(part string) string {
	title, _, _ := strings.Cut(part, "\n")
	return title
}
