package learning

import (
	"fmt"
	"io"

	"eigenserve/cmd/internal/cli"
	"eigenserve/runtime"
)

// FamilyNames are NAME-1, NAME-2 …, or NAME where there is one.
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

// named is how many of a cluster's checkpoints are named where it is one of
// several; the summary of its family names all.
const named = 4

// PrintClusters prints which checkpoint goes where.
func PrintClusters(w io.Writer, names []string, clusters []runtime.Cluster) error {
	rows := [][]string{{"FAMILY", "CHECKPOINTS", "COSINE TO ITS MEAN", "TO THE NEXT FAMILY'S", "NAMES"}}
	for i, c := range clusters {
		next := "of other shapes"
		if c.Others > -1 {
			next = fmt.Sprintf("%.4f", c.Others)
		}
		rows = append(rows, []string{names[i], fmt.Sprint(len(c.Checkpoints)), fmt.Sprintf("%.4f or more", c.Lineage.Cosine), next, c.Names(named)})
	}
	return cli.Table(w, rows)
}

// SuggestFamilies says that several bases would serve better than the one that is
// being fitted.
func SuggestFamilies(w io.Writer, clusters []runtime.Cluster) {
	fmt.Fprintf(w, "These checkpoints are better served by %d bases than by one; --families auto fits a family of each:\n", len(clusters))
	for i, c := range clusters {
		if i == 8 {
			fmt.Fprintf(w, "  and %d more\n", len(clusters)-i)
			break
		}
		fmt.Fprintf(w, "  %d: %s; cosine to their mean %.4f or more, to the next one's %.4f\n",
			len(c.Checkpoints), c.Names(named), c.Lineage.Cosine, c.Others)
	}
}
