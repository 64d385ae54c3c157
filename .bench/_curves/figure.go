package main

import (
	"fmt"
	"math"
	"strings"
)

// The dimensions of the figure and the ranges of its axes, which are logarithmic: sizes,
// and the share of answers that change.
const (
	wide, high, margin   = 460.0, 380.0, 54.0
	leastSize, mostSize  = 0.0005, 0.4
	leastLost, mostLost  = 0.001, 0.1
	legendWide, rowsHigh = 190.0, 20.0
)

var colours = []string{"#d6336c", "#f783ac", "#1c7ed6", "#2b8a3e", "#e8590c", "#5f3dc4", "#0b7285", "#846358", "#495057", "#f59f00", "#74b816"}

// figure returns an SVG of two panels, for the fitted and for the added checkpoints.
func figure(points []point) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g" font-family="system-ui, sans-serif" font-size="12">`+"\n", 2*wide+legendWide, high)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="#fff"/>`+"\n")
	names := []string{}
	for _, p := range points {
		if len(names) == 0 || names[len(names)-1] != p.name {
			names = append(names, p.name)
		}
	}
	for panel, title := range []string{"fitted", "only added"} {
		left := float64(panel) * wide
		axes(&b, left, title)
		for k, name := range names {
			var line []string
			for _, p := range points {
				r := p.fitted
				if panel == 1 {
					r = p.added
				}
				if p.name != name || r.size < leastSize || r.size > mostSize {
					continue
				}
				x, y := position(left, r)
				line = append(line, fmt.Sprintf("%.1f,%.1f", x, y))
				fmt.Fprintf(&b, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`+"\n", x, y, colours[k%len(colours)])
			}
			if name != "UltraDelta" && name != "Delta-DCT" && name != "block scales" { // these vary two settings
				fmt.Fprintf(&b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="1.5"/>`+"\n", strings.Join(line, " "), colours[k%len(colours)])
			}
		}
	}
	for k, name := range names {
		y := margin + float64(k)*rowsHigh
		fmt.Fprintf(&b, `<circle cx="%g" cy="%g" r="4" fill="%s"/><text x="%g" y="%g">%s</text>`+"\n", 2*wide+10, y, colours[k%len(colours)], 2*wide+20, y+4, name)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// position returns the coordinates of a result in the panel that begins at left.
func position(left float64, r result) (x, y float64) {
	lost := min(mostLost, max(leastLost, 1-r.agreement))
	x = left + margin + (wide-2*margin+20)*math.Log(r.size/leastSize)/math.Log(mostSize/leastSize)
	y = margin + (high-2*margin)*math.Log(lost/leastLost)/math.Log(mostLost/leastLost)
	return x, y
}

// axes draws the axes of a panel.
func axes(b *strings.Builder, left float64, title string) {
	fmt.Fprintf(b, `<text x="%g" y="22" font-weight="600">Checkpoints that were %s</text>`+"\n", left+margin, title)
	for _, agreement := range []float64{0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999} {
		x0, y := position(left, result{size: leastSize, agreement: agreement})
		x1, _ := position(left, result{size: mostSize, agreement: agreement})
		fmt.Fprintf(b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="#dee2e6"/><text x="%.1f" y="%.1f" text-anchor="end" fill="#495057">%g%%</text>`+"\n", x0, y, x1, y, x0-6, y+4, 100*agreement)
	}
	for _, size := range []float64{0.001, 0.003, 0.01, 0.03, 0.1, 0.3} {
		x, y0 := position(left, result{size: size, agreement: 0.9})
		_, y1 := position(left, result{size: size, agreement: 0.999})
		fmt.Fprintf(b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="#dee2e6"/><text x="%.1f" y="%.1f" text-anchor="middle" fill="#495057">%g%%</text>`+"\n", x, y0, x, y1, x, y0+18, 100*size)
	}
	fmt.Fprintf(b, `<text x="%g" y="%g" text-anchor="middle">size of the shared tensors, of float16</text>`+"\n", left+wide/2, high-14)
	fmt.Fprintf(b, `<text x="%g" y="%g" fill="#495057">same best label</text>`+"\n", left+margin, margin-10)
}
