package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"eigenserve/cmd/internal/catalogue"
	"eigenserve/cmd/internal/cli"
	"eigenserve/cmd/internal/dataset"
	"eigenserve/cmd/internal/learning"
	"eigenserve/runtime"
	"eigenserve/runtime/learn"
)

func (m *Main) refit() *cobra.Command {
	var f learning.FitFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "refit --store DIR --family NAME [NAME=]CHECKPOINT…",
		Short: "Learn a new basis for a family and move its variants to it",
		Long: `Refit learns a new basis for a family from original checkpoints, and makes the next
version of each variant whose original is among them. An original is recognized by the
digest of its tensors, or else by the variant's name: its folder's, or NAME in
NAME=FOLDER. Variants whose originals are not
given stay on their basis; a variant that was kept bit for bit (--exact) is kept so
again. A checkpoint without a variant only contributes to the basis; add it afterwards
to serve it.

Run the same command again to continue a refit that was interrupted.

A server that has the store open keeps answering with the old versions and switches to
each new one within a second. Afterwards gc removes what is no longer used.`,
		Example: "  eigenserve refit --store ./store --family glyphs checkpoints/* newer/*",
		Args:    cli.AtLeastOne("CHECKPOINT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := f.Options()
			if err != nil {
				return err
			}
			return m.runRefit(cmd.Context(), f, o, asJSON, args)
		},
	}
	f.Add(cmd, "`images` to measure the metric on: a folder, or a safetensors file (default: those kept with the family)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (m *Main) runRefit(ctx context.Context, f learning.FitFlags, o learn.Options, asJSON bool, args []string) error {
	defer debug.SetGCPercent(debug.SetGCPercent(fitGCPercent))
	s, err := catalogue.OpenStore(f.Store)
	if err != nil {
		return err
	}
	s.KeepVersions(f.KeepVersions)
	if o.Probes, err = dataset.OpenProbes(f.Probes); err != nil {
		return err
	}
	checkpoints, err := m.openCheckpoints(args)
	if err != nil {
		return err
	}
	defer checkpoints.Close()
	checkpoints.WarnOfAssumptions(m.Stderr)
	p := cli.NewProgress(m.Stderr)
	o.Progress = p.Update
	o.OnClusters = func(clusters []learn.Cluster) {
		p.Finish()
		learning.SuggestFamilies(m.Stderr, clusters)
	}
	done, err := learn.Refit(ctx, s, f.Family, checkpoints, o)
	p.Finish()
	if errors.Is(err, context.Canceled) {
		return errInterrupted
	}
	if err != nil {
		return err
	}
	if asJSON {
		err = cli.PrintJSON(m.Stdout, newRefitReport(done))
	} else {
		err = m.printRefit(done)
	}
	return errors.Join(err, refitFailures(done))
}

// refitReport is a refit as JSON. The new versions have the keys of all lists of models.
type refitReport struct {
	*learn.Refitted
	Moved []movedVariant `json:"moved"`
}

type movedVariant struct {
	learn.Move
	Now runtime.VariantInfo `json:"now"`
}

func newRefitReport(r *learn.Refitted) refitReport {
	moved := make([]movedVariant, len(r.Moved))
	for i, v := range r.Moved {
		moved[i] = movedVariant{v, runtime.NewVariantInfo(v.Now)}
	}
	return refitReport{r, moved}
}

// refitFailures returns an error if variants could not be moved.
func refitFailures(r *learn.Refitted) error {
	failed := 0
	for _, v := range r.Stayed {
		if v.Failed {
			failed++
		}
	}
	if failed == 0 {
		return nil
	}
	return fmt.Errorf("%d of %s could not be moved and stayed on the old basis", failed, cli.Plural(failed+len(r.Moved), "variant"))
}

func (m *Main) printRefit(r *learn.Refitted) error {
	rows := [][]string{{"NAME", "CHECKPOINT", "FOUND BY", "WAS", "NOW", "OF SOURCE"}}
	for _, v := range r.Moved {
		rows = append(rows, []string{v.Name, v.Checkpoint, v.By, cli.Size(v.WasBytes), cli.Size(v.Now.Bytes), shareOfSource(runtime.NewVariantInfo(v.Now))})
	}
	if err := cli.Table(m.Stdout, rows); err != nil {
		return err
	}
	fmt.Fprintf(m.Stdout, "\nFamily %s: basis %.12s replaces %.12s; %s moved, %d stayed.\n",
		r.Family, r.Basis, r.Was, cli.Plural(len(r.Moved), "variant"), len(r.Stayed))
	for _, v := range r.Stayed {
		fmt.Fprintf(m.Stdout, "  %s stayed on basis %.12s: %s\n", v.Name, v.Basis, v.Why)
	}
	if len(r.Unused) > 0 {
		fmt.Fprintf(m.Stdout, "Not variants: %s. They contributed to the basis; `eigenserve add` makes variants of them.\n", strings.Join(r.Unused, ", "))
	}
	return nil
}
