package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"

	"eigenserve/cmd/internal/cli"
	"eigenserve/cmd/internal/dataset"
	"eigenserve/cmd/internal/learning"
	"eigenserve/models/output"
	"eigenserve/runtime"
	"eigenserve/runtime/learn"
	"eigenserve/store"
	"eigenserve/store/checkpoint"
	"eigenserve/store/subspace"
)

// fitGCPercent is GOGC during a fit, which reuses its large buffers: other garbage is
// collected early so that it takes little memory.
const fitGCPercent = 20

func (m *Main) fit() *cobra.Command {
	var f learning.FitFlags
	var families, meanType string
	cmd := &cobra.Command{
		Use:   "fit --store DIR --family NAME [NAME=]CHECKPOINT…",
		Short: "Learn a family's basis from checkpoints and store them as variants",
		Long: `Fit learns the basis of a family from checkpoints (folders as Hugging Face saves them)
and stores each of them as a variant, named after its folder, or NAME if it is given as
NAME=FOLDER. The store is created if it does not exist. A family of that name gets a new basis; variants on its old basis are
still served.

A basis serves checkpoints of one lineage: fine-tunes of one model. If the checkpoints
belong to several lineages, or are so far apart that several bases would serve them
better, fit says so; --families auto makes a family for each group, the largest as
NAME-1.

The metric, what an error in each weight costs in the answers, is measured on images:
--probes names unlabelled ones like those that the models will read; without it
built-in noise and patches of colour serve nearly as well. The probes are kept with the
family, at the models' input size: at most 1024 images and 64 MiB.

Each variant is stored in the fewest bytes that pass the gate: on some of the probes,
and on images combined from them, it must answer like its original (--min-agreement,
--max-kl). A checkpoint that cannot pass within --variant-budget is refused; the others
are stored.

Checkpoints are read layer by layer, in --memory besides the basis. Finished work is
kept in the folder "fitting" of the store: run the same command again to continue a fit
that was interrupted or killed. Models of the size of a ViT-B have up to 3,072
directions on each side of a layer, which take an hour to compute; --rank 256 takes
minutes.`,
		Example: "  eigenserve fit --store ./store --family glyphs --probes ./images checkpoints/*",
		Args:    cli.AtLeastOne("CHECKPOINT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := f.Options()
			if err != nil {
				return err
			}
			types := map[string]string{"auto": "", "f16": "F16", "bf16": "BF16"}
			o.MeanType = types[meanType]
			return m.runFit(cmd.Context(), f, o, families == "auto", args)
		},
	}
	f.Add(cmd, "`images` without labels to measure the metric and check variants on, kept with the family: a folder, or a safetensors file (default: built-in images)")
	cmd.Flags().Var(cli.Choice(&families, "one", "one", "auto"), "families", "one: all checkpoints share a basis; auto: a family for each lineage among them, NAME-1, NAME-2, …")
	cmd.Flags().Var(cli.Choice(&meanType, "auto", "auto", "bf16", "f16"), "basis-dtype", "type of the stored means; auto is bf16")
	return cmd
}

func (m *Main) runFit(ctx context.Context, f learning.FitFlags, o learn.Options, auto bool, args []string) error {
	defer debug.SetGCPercent(debug.SetGCPercent(fitGCPercent))
	var err error
	if o.Probes, err = dataset.OpenProbes(f.Probes); err != nil {
		return err
	}
	checkpoints, err := m.openCheckpoints(args)
	if err != nil {
		return err
	}
	defer checkpoints.Close()
	checkpoints.WarnOfAssumptions(m.Stderr)
	s, err := store.Create(f.Store)
	if err != nil {
		return err
	}
	s.KeepVersions(f.KeepVersions)
	if auto {
		err = m.fitFamilies(ctx, s, f.Family, checkpoints, o)
	} else {
		err = m.fitFamily(ctx, s, f.Family, checkpoints, o)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(m.Stdout, metricText(f))
	return err
}

// openCheckpoints opens the checkpoints that arguments name.
func (m *Main) openCheckpoints(args []string) (learning.Checkpoints, error) {
	sources, err := learning.ParseSources(m.Stderr, args)
	if err != nil {
		return nil, err
	}
	return learning.OpenCheckpoints(sources)
}

// fitFamilies fits a family for each cluster of the checkpoints. A family whose gate
// refuses checkpoints does not keep the others from being fitted.
func (m *Main) fitFamilies(ctx context.Context, s *store.Store, family string, checkpoints []*checkpoint.Checkpoint, o learn.Options) error {
	if err := learn.CheckNames(s, checkpoints); err != nil {
		return err
	}
	p := cli.NewProgress(m.Stderr)
	clusters, err := learn.Clusters(ctx, checkpoints, func(done, total int) { p.Update("compare", done, total) })
	p.Finish()
	if err != nil {
		return err
	}
	names := learning.FamilyNames(family, len(clusters))
	for _, name := range names {
		if err := s.CheckFamily(name); err != nil {
			return err
		}
	}
	if err := learning.PrintClusters(m.Stdout, names, clusters); err != nil {
		return err
	}
	var refused []error
	for i, c := range clusters {
		fmt.Fprintln(m.Stdout)
		err := m.fitFamily(ctx, s, names[i], c.Checkpoints, o)
		if err == nil {
			continue
		}
		err = fmt.Errorf("family %s: %w", names[i], err)
		if e, ok := errors.AsType[*runtime.Error](err); !ok || e.Code != runtime.Refused {
			return err
		}
		refused = append(refused, err)
	}
	return errors.Join(refused...)
}

// errInterrupted is the error of a fit or a refit that can be continued.
var errInterrupted = errors.New("interrupted; run the same command again to continue")

// fitFamily fits one family and prints what came of it.
func (m *Main) fitFamily(ctx context.Context, s *store.Store, family string, checkpoints learning.Checkpoints, o learn.Options) error {
	p := cli.NewProgress(m.Stderr)
	p.Bytes = map[string]int64{"check": checkpoints.Bytes(), "fit": checkpoints.Bytes()}
	o.Progress = p.Update
	o.OnClusters = func(clusters []learn.Cluster) {
		p.Finish()
		learning.SuggestFamilies(m.Stderr, clusters)
	}
	var stored []runtime.VariantInfo
	o.OnVariant = func(e store.Entry) { stored = append(stored, runtime.NewVariantInfo(e)) }
	var refusals []error
	o.OnRefused = func(_ string, err error) { refusals = append(refusals, err) }
	err := learn.Fit(ctx, s, family, checkpoints, o)
	p.Finish()
	if errors.Is(err, context.Canceled) {
		return errInterrupted
	}
	if err != nil && len(refusals) == 0 {
		return err
	}
	slices.SortFunc(stored, func(a, b runtime.VariantInfo) int { return strings.Compare(a.Name, b.Name) })
	if err := m.printFit(s, family, stored); err != nil {
		return err
	}
	for _, refusal := range refusals {
		fmt.Fprintln(m.Stdout, refusal)
	}
	return err
}

// printFit prints a row for each variant, and the totals.
func (m *Main) printFit(s *store.Store, family string, stored []runtime.VariantInfo) error {
	f, err := s.Family(family)
	if err != nil {
		return err
	}
	if len(stored) == 0 {
		_, err = fmt.Fprintf(m.Stdout, "Family %s: a basis of %s, but no variant.\n", family, cli.Size(f.Bytes))
		return err
	}
	rows := [][]string{{"NAME", "CLASSES", "SOURCE", "STORED", "OF SOURCE", "STEP", "AGREEMENT"}}
	var variantBytes, sourceBytes int64
	for _, v := range stored {
		agreement := v.Agreement
		if v.Step == 0 {
			agreement = 1 // exact
		}
		rows = append(rows, []string{v.Name, strconv.Itoa(v.Classes), cli.Size(v.SourceBytes), cli.Size(v.Bytes), shareOfSource(v), stepText(v), cli.Percent(agreement)})
		variantBytes, sourceBytes = variantBytes+v.Bytes, sourceBytes+v.SourceBytes
	}
	if err := cli.Table(m.Stdout, rows); err != nil {
		return err
	}
	for _, task := range []output.Task{output.MultiLabel, output.Binary, output.Regression} {
		if slices.ContainsFunc(stored, func(v runtime.VariantInfo) bool { return v.Task == task }) {
			if _, err := fmt.Fprintf(m.Stdout, "\nThe agreement of %s models is the share of %s.\n", task, agreementText(task)); err != nil {
				return err
			}
		}
	}
	times, than := float64(sourceBytes)/float64(variantBytes+f.Bytes), "less"
	if times < 1 { // a basis pays off when several models share it
		times, than = 1/times, "more"
	}
	_, err = fmt.Fprintf(m.Stdout, "\nFamily %s: %s of %s became a basis of %s and %s of %s: %.1f times %s.\n",
		family, cli.Plural(len(stored), "checkpoint"), cli.Size(sourceBytes), cli.Size(f.Bytes), english.PluralWord(len(stored), "a variant", "variants"), cli.Size(variantBytes), times, than)
	return err
}

// stepText returns a variant's quantisation step, or "exact".
func stepText(v runtime.VariantInfo) string {
	if v.Step == 0 {
		return "exact"
	}
	return fmt.Sprintf("%.3g", v.Step)
}

// metricText says which metric a fit used and what it was measured on.
func metricText(f learning.FitFlags) string {
	switch {
	case f.Metric == subspace.MetricNone:
		return "No metric: every error costs the same."
	case f.Probes == "":
		return fmt.Sprintf("Metric %s, measured on built-in images; name your own with --probes.", f.Metric)
	}
	return fmt.Sprintf("Metric %s, measured on the images in %s.", f.Metric, f.Probes)
}
