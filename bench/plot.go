package main

import (
	"fmt"
	"slices"
	"strings"
)

// The drawing of a soak: memory above, lag below, time from left to right.
const (
	plotWidth, plotHeight = 900.0, 220.0
	plotLeft, plotTop     = 70.0, 30.0
	plotGap               = 70.0
)

var plotColours = []string{"#1b6ca8", "#c0392b", "#2e8b57", "#8e44ad"}

// plot draws samples as SVG.
func plot(names []string, samples []sample) string {
	var b strings.Builder
	height := 2*(plotHeight+plotGap) + plotTop
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%.0f" font-family="sans-serif" font-size="12">`+"\n", plotLeft+plotWidth+30, height)
	b.WriteString(`<rect width="100%" height="100%" fill="white"/>` + "\n")
	memory := make([]curve, len(names))
	for i, name := range names {
		memory[i].name = name
		for _, x := range samples {
			memory[i].values = append(memory[i].values, x.memory[i])
		}
	}
	lag := curve{name: "lag, the furthest of all pairs"}
	for _, x := range samples {
		lag.values = append(lag.values, x.lag)
	}
	minutes := float64(len(samples)) * soakEvery.Minutes()
	panel(&b, plotTop, "resident set, MB", minutes, memory)
	panel(&b, plotTop+plotHeight+plotGap, "lag, ms", minutes, []curve{lag})
	b.WriteString("</svg>\n")
	return b.String()
}

// curve is one line of a panel.
type curve struct {
	name   string
	values []float64
}

// panel draws curves over one scale that begins at zero.
func panel(b *strings.Builder, top float64, title string, minutes float64, curves []curve) {
	highest := 1.0
	for _, c := range curves {
		if len(c.values) > 0 {
			highest = max(highest, 1.1*slices.Max(c.values))
		}
	}
	fmt.Fprintf(b, `<text x="%.0f" y="%.0f" font-weight="bold">%s</text>`+"\n", plotLeft, top-8, title)
	for i := range 5 {
		y := top + plotHeight*float64(i)/4
		fmt.Fprintf(b, `<line x1="%.0f" y1="%.1f" x2="%.0f" y2="%.1f" stroke="#ddd"/><text x="%.0f" y="%.1f" text-anchor="end">%s</text>`+"\n",
			plotLeft, y, plotLeft+plotWidth, y, plotLeft-6, y+4, number(highest*(1-float64(i)/4)))
		x := plotLeft + plotWidth*float64(i)/4
		fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="middle">%s min</text>`+"\n", x, top+plotHeight+18, number(minutes*float64(i)/4))
	}
	for i, c := range curves {
		colour := plotColours[i%len(plotColours)]
		var points strings.Builder
		for n, v := range c.values {
			fmt.Fprintf(&points, "%.1f,%.1f ", plotLeft+plotWidth*float64(n)/float64(max(1, len(c.values)-1)), top+plotHeight*(1-v/highest))
		}
		fmt.Fprintf(b, `<polyline fill="none" stroke="%s" stroke-width="1.5" points="%s"/>`+"\n", colour, points.String())
		fmt.Fprintf(b, `<text x="%.0f" y="%.0f" fill="%s">%s</text>`+"\n", plotLeft+250+200*float64(i), top-8, colour, c.name)
	}
}
