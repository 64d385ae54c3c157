package learning

import (
	"fmt"
	"io"

	"eigenserve/cmd/internal/cli"
	"eigenserve/runtime/learn"
)

// FamilyNames returns the names of n families: NAME-1, NAME-2 and so on, or NAME if
// there is only one.
func FamilyNames(family string, n int) []string {
	if n == 1 {
		return []string{family}
	}
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("%s-%d", family, i+1)
	}
	return out
}

// maxNamed is the number of a cluster's checkpoints that are listed by name.
const maxNamed = 4

// PrintClusters writes which checkpoints go into which family.
func PrintClusters(w io.Writer, names []string, clusters []learn.Cluster) error {
	rows := [][]string{{"FAMILY", "CHECKPOINTS", "COSINE TO ITS MEAN", "TO THE NEAREST OTHER", "NAMES"}}
	for i, c := range clusters {
		nearest := "of other shapes"
		if c.OtherCosine > -1 {
			nearest = fmt.Sprintf("%.4f", c.OtherCosine)
		}
		toMean := fmt.Sprintf("%.4f or more", c.MinCosine)
		if len(c.Checkpoints) == 1 {
			toMean = "–" // it is its mean
		}
		rows = append(rows, []string{names[i], fmt.Sprint(len(c.Checkpoints)), toMean, nearest, c.Names(maxNamed)})
	}
	return cli.Table(w, rows)
}

// SuggestFamilies writes that several bases would serve the checkpoints better than
// the one that is being fitted.
func SuggestFamilies(w io.Writer, clusters []learn.Cluster) {
	fmt.Fprintf(w, "These checkpoints are better served by %d bases than by one; --families auto fits one for each group:\n", len(clusters))
	for i, c := range clusters {
		if i == 8 {
			fmt.Fprintf(w, "  and %d more\n", len(clusters)-i)
			break
		}
		if len(c.Checkpoints) == 1 {
			fmt.Fprintf(w, "  1: %s; cosine to the nearest other group's mean %.4f\n", c.Names(maxNamed), c.OtherCosine)
			continue
		}
		fmt.Fprintf(w, "  %d: %s; cosine to their mean %.4f or more, of that to the nearest other group's %.4f\n",
			len(c.Checkpoints), c.Names(maxNamed), c.MinCosine, c.OtherCosine)
	}
}
