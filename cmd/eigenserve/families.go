package main

import (
	"context"
	"errors"
	"fmt"

	"eigenserve/runtime"
	"eigenserve/runtime/learn"
	"eigenserve/store"
	"eigenserve/store/checkpoint"
)

// fitFamilies fits a family for each cluster of the checkpoints.
func (m *Main) fitFamilies(ctx context.Context, s *store.Store, family string, checkpoints []*checkpoint.Checkpoint, o learn.Options) error {
	p := newProgress(m.Stderr)
	clusters, err := learn.Clusters(ctx, checkpoints, func(done, total int) { p.show("compare", done, total) })
	p.end()
	if err != nil {
		return err
	}
	names := familyNames(family, len(clusters))
	for _, name := range names {
		if err := store.CheckName(name); err != nil {
			return usagef("--family: %w", err)
		}
	}
	if err := m.showClusters(names, clusters); err != nil {
		return err
	}
	var refused []error // what one family's gate refuses holds no other up
	for i, c := range clusters {
		fmt.Fprintf(m.Stdout, "\n")
		err := m.fitFamily(ctx, s, names[i], c.Checkpoints, o)
		var known *runtime.Error
		switch {
		case errors.As(err, &known) && known.Code == runtime.Refused:
			refused = append(refused, fmt.Errorf("family %s: %w", names[i], err))
		case err != nil:
			return fmt.Errorf("family %s: %w", names[i], err)
		}
	}
	return errors.Join(refused...)
}

// familyNames are NAME-1, NAME-2 …, or NAME where there is one.
func familyNames(family string, n int) []string {
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

// showClusters prints which checkpoint goes where.
func (m *Main) showClusters(names []string, clusters []learn.Cluster) error {
	rows := [][]string{{"FAMILY", "CHECKPOINTS", "COSINE TO ITS MEAN", "TO THE NEXT FAMILY'S", "NAMES"}}
	for i, c := range clusters {
		next := "of other shapes"
		if c.OtherCosine > -1 {
			next = fmt.Sprintf("%.4f", c.OtherCosine)
		}
		rows = append(rows, []string{names[i], fmt.Sprint(len(c.Checkpoints)), fmt.Sprintf("%.4f or more", c.MinCosine), next, c.Names(named)})
	}
	return table(m.Stdout, rows)
}

// adviseClusters says that several bases would serve better than the one that is
// being fitted.
func (m *Main) adviseClusters(clusters []learn.Cluster) {
	fmt.Fprintf(m.Stderr, "These checkpoints are better served by %d bases than by one; --families auto fits a family of each:\n", len(clusters))
	for i, c := range clusters {
		if i == 8 {
			fmt.Fprintf(m.Stderr, "  and %d more\n", len(clusters)-i)
			break
		}
		fmt.Fprintf(m.Stderr, "  %d: %s; cosine to their mean %.4f or more, to the next one's %.4f\n",
			len(c.Checkpoints), c.Names(named), c.MinCosine, c.OtherCosine)
	}
}
