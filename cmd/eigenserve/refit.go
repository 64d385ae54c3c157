package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"eigenserve/cmd/internal/catalogue"
	"eigenserve/cmd/internal/cli"
	"eigenserve/cmd/internal/dataset"
	"eigenserve/cmd/internal/learning"
	"eigenserve/runtime"
	"eigenserve/store/subspace"
)

func (m *Main) refit() *cobra.Command {
	var r refitting
	cmd := &cobra.Command{
		Use:   "refit --store DIR --family NAME CHECKPOINT…",
		Short: "Learn a new basis for a family and move its variants over",
		Long: `Refit learns a new basis for a family from original checkpoints, and makes the
next version of each variant whose original is among them: it is known by the
digest of its tensors, or else by the variant's name. Variants whose originals are
not given stay on the basis that they stand on; one that was kept bit for bit
(--exact) is so again. A checkpoint of which there is no
variant only teaches the basis; add it afterwards to serve it.

A refit that was interrupted goes on when the same command is run again.

A server that has the store open goes on answering with the old versions and takes
each new one over within a second. What nothing refers to in the end, gc removes.`,
		Example: "  eigenserve refit --store ./store --family glyphs checkpoints/* newer/*",
		Args:    cli.AtLeastOne("CHECKPOINT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if r.dir == "" || r.family == "" {
				return cli.Usagef("--store DIR and --family NAME are needed")
			}
			if r.o.Rank < 0 {
				return cli.Usagef("--rank must not be negative")
			}
			if !slices.Contains(learning.Metrics, r.o.Metric) {
				return cli.Usagef("--metric %q: use %s", r.o.Metric, strings.Join(learning.Metrics, ", "))
			}
			var err error
			if r.o.Gate, err = r.gate.Gate(); err != nil {
				return err
			}
			return m.runRefit(cmd, r, args)
		},
	}
	catalogue.StoreFlag(cmd, &r.dir)
	cmd.Flags().StringVar(&r.family, "family", "", "name of the family")
	cmd.Flags().IntVar(&r.o.Rank, "rank", 0, "most directions a side of each layer (default: all)")
	r.gate.Add(cmd)
	r.gate.AddForced(cmd)
	cmd.Flags().StringVar(&r.o.Metric, "metric", subspace.MetricFull, "what an error costs: full (by inputs and outputs of layers), input or none")
	cmd.Flags().StringVar(&r.probes, "probes", "", "images to measure the metric on: a folder of them, or a safetensors file (default: those kept with the family)")
	catalogue.KeepVersionsFlag(cmd, &r.keep)
	r.o.Memory = runtime.DefaultFitMemory
	cmd.Flags().Var((*cli.SizeValue)(&r.o.Memory), "memory", "what the fit may take beside the basis")
	cmd.Flags().BoolVar(&r.json, "json", false, "print JSON")
	return cmd
}

type refitting struct {
	dir, family, probes string
	json                bool
	keep                int
	gate                learning.GateFlags
	o                   runtime.FitOptions
}

func (m *Main) runRefit(cmd *cobra.Command, r refitting, args []string) error {
	defer debug.SetGCPercent(debug.SetGCPercent(20)) // as fit has it
	s, err := catalogue.OpenStore(r.dir)
	if err != nil {
		return err
	}
	s.KeepVersions(r.keep)
	if r.o.Probes, err = dataset.OpenProbes(r.probes); err != nil {
		return err
	}
	checkpoints, err := learning.OpenCheckpoints(args)
	if err != nil {
		return err
	}
	defer learning.CloseCheckpoints(checkpoints)
	p := cli.NewProgress(m.Stderr)
	r.o.Progress = p.Update
	r.o.OnClusters = func(clusters []runtime.Cluster) {
		p.Finish()
		learning.SuggestFamilies(m.Stderr, clusters)
	}
	done, err := runtime.Refit(cmd.Context(), s, r.family, checkpoints, r.o)
	p.Finish()
	if errors.Is(err, context.Canceled) {
		return errors.New("interrupted; the same command goes on from here")
	}
	if err != nil {
		return err
	}
	show := m.showRefit
	if r.json {
		show = func(done *runtime.Refitted) error { return cli.PrintJSON(m.Stdout, done) }
	}
	if err := show(done); err != nil {
		return err
	}
	failed := 0
	for _, v := range done.Stayed {
		if v.Failed {
			failed++
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %s can't be moved; they stay on the basis that they stand on", failed, cli.Plural(failed+len(done.Moved), "variant"))
	}
	return nil
}

func (m *Main) showRefit(r *runtime.Refitted) error {
	rows := [][]string{{"NAME", "FROM", "FOUND BY", "WAS", "NOW", "OF SOURCE"}}
	for _, v := range r.Moved {
		rows = append(rows, []string{v.Name, v.Checkpoint, v.By, cli.Size(v.Was), cli.Size(v.Now.Bytes),
			cli.Percent(float64(v.Now.Bytes) / float64(max(v.Now.SourceBytes, 1)))})
	}
	if err := cli.Table(m.Stdout, rows); err != nil {
		return err
	}
	fmt.Fprintf(m.Stdout, "\nFamily %s has basis %.12s; it had %.12s. %s moved, %d stay.\n",
		r.Family, r.Basis, r.Was, cli.Plural(len(r.Moved), "variant"), len(r.Stayed))
	for _, v := range r.Stayed {
		fmt.Fprintf(m.Stdout, "  %s stays on basis %.12s: %s\n", v.Name, v.Basis, v.Why)
	}
	if len(r.Unused) > 0 {
		fmt.Fprintf(m.Stdout, "No variant was made of: %s. They taught the basis; `eigenserve add` serves them.\n", strings.Join(r.Unused, ", "))
	}
	return nil
}
