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

	"eigenserve/cmd/internal/catalogue"
	"eigenserve/cmd/internal/cli"
	"eigenserve/cmd/internal/dataset"
	"eigenserve/cmd/internal/learning"
	"eigenserve/runtime"
	"eigenserve/store"
	"eigenserve/store/checkpoint"
	"eigenserve/store/subspace"
)

// fitFamilies fits a family for each cluster of the checkpoints.
func (m *Main) fitFamilies(ctx context.Context, s *store.Store, family string, checkpoints []*checkpoint.Checkpoint, o runtime.FitOptions) error {
	p := cli.NewProgress(m.Stderr)
	clusters, err := runtime.Clusters(ctx, checkpoints, func(done, total int) { p.Update("compare", done, total) })
	p.Finish()
	if err != nil {
		return err
	}
	names := learning.FamilyNames(family, len(clusters))
	for _, name := range names {
		if err := store.CheckName(name); err != nil {
			return cli.Usagef("--family: %w", err)
		}
	}
	if err := learning.PrintClusters(m.Stdout, names, clusters); err != nil {
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

func (m *Main) fit() *cobra.Command {
	var f fitting
	var families, dtype string
	var gate learning.GateFlags
	cmd := &cobra.Command{
		Use:   "fit --store DIR --family NAME CHECKPOINT…",
		Short: "Learn a family's basis from checkpoints and store them as variants",
		Long: `Fit learns the basis of a family from checkpoints (folders as Hugging Face saves
them), and stores each as a variant named by its folder. The store is made if it
is not there. A family of that name gets a new basis; variants on the old one
are served on.

A basis serves checkpoints of one lineage: tuned from one model. Where those given
are of several, or so far apart that several bases would serve better, fit says so,
and with --families auto makes them, the largest as NAME-1.

The metric, what an error in each weight costs in the answers, is measured on
images: --probes names some like those that the models are to read, without
labels; else noise and patches of colour serve, nearly as well. They are kept with
the family (at most 1024 of them, at the models' own size, in at most 64 MiB).

Each variant is stored in the fewest bytes that pass the gate: on some of the
probes, and on images cut together from them, it must answer as its original does
(--min-agreement, --max-kl). One that can't within --max-bytes is refused; the
others are stored all the same.

Checkpoints are read layer by layer, within --memory beside the basis itself. What
is finished is kept in the store's folder "fitting": a fit that was interrupted or
killed goes on there when the same command is run again, unless a checkpoint or an
option has changed. Models of the size of a ViT-B have sides of 3,072 directions,
which take an hour of arithmetic to find in full: --rank 256 takes minutes.`,
		Example: "  eigenserve fit --store ./store --family glyphs --probes ./images checkpoints/*",
		Args:    cli.AtLeastOne("CHECKPOINT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.dir == "" || f.family == "" {
				return cli.Usagef("--store DIR and --family NAME are needed")
			}
			if f.o.Rank < 0 {
				return cli.Usagef("--rank must not be negative")
			}
			types := map[string]string{"auto": "", "f16": "F16", "bf16": "BF16"}
			mean, ok := types[dtype]
			if !ok {
				return cli.Usagef("--basis-dtype %q: use auto, bf16 or f16", dtype)
			}
			f.o.MeanType = mean
			if !slices.Contains(learning.Metrics, f.o.Metric) {
				return cli.Usagef("--metric %q: use %s", f.o.Metric, strings.Join(learning.Metrics, ", "))
			}
			if err := store.CheckName(f.family); err != nil {
				return cli.Usagef("--family: %w", err)
			}
			var err error
			if f.o.Gate, err = gate.Gate(); err != nil {
				return err
			}
			if families != "one" && families != "auto" {
				return cli.Usagef("--families %q: use one or auto", families)
			}
			f.auto = families == "auto"
			return m.runFit(cmd, f, args)
		},
	}
	catalogue.StoreFlag(cmd, &f.dir)
	cmd.Flags().StringVar(&f.family, "family", "", "name of the family")
	cmd.Flags().StringVar(&families, "families", "one", "one: all checkpoints share a basis; auto: a family for each lineage found in them, NAME-1, NAME-2 …")
	cmd.Flags().IntVar(&f.o.Rank, "rank", 0, "most directions a side of each layer (default: all)")
	gate.Add(cmd)
	gate.AddForced(cmd)
	cmd.Flags().StringVar(&f.o.Metric, "metric", subspace.MetricFull, "what an error costs: full (by inputs and outputs of layers), input or none")
	cmd.Flags().StringVar(&f.probes, "probes", "", "unlabelled images to measure the metric on and hold variants against, kept with the family for later adds: a folder of them, or a safetensors file (default: built-in ones)")
	catalogue.KeepVersionsFlag(cmd, &f.keep)
	f.o.Memory = runtime.DefaultFitMemory
	cmd.Flags().Var((*cli.SizeValue)(&f.o.Memory), "memory", "what the fit may take beside the basis")
	cmd.Flags().StringVar(&dtype, "basis-dtype", "auto", "type of the stored means: auto (bf16), bf16 or f16")
	return cmd
}

type fitting struct {
	dir, family, probes string
	auto                bool // a family for each lineage
	keep                int
	o                   runtime.FitOptions
}

func (m *Main) runFit(cmd *cobra.Command, f fitting, args []string) error {
	// A fit reuses its memory: let the collector keep the garbage of the rest small.
	defer debug.SetGCPercent(debug.SetGCPercent(20))
	var err error
	if f.o.Probes, err = dataset.OpenProbes(f.probes); err != nil {
		return err
	}
	checkpoints, err := learning.OpenCheckpoints(args)
	if err != nil {
		return err
	}
	defer learning.CloseCheckpoints(checkpoints)
	s, err := store.Create(f.dir)
	if err != nil {
		return err
	}
	s.KeepVersions(f.keep)
	if f.auto {
		err = m.fitFamilies(cmd.Context(), s, f.family, checkpoints, f.o)
	} else {
		err = m.fitFamily(cmd.Context(), s, f.family, checkpoints, f.o)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(m.Stdout, metricSummary(f.o, f.probes))
	return err
}

// fitFamily fits one family and prints its summary.
func (m *Main) fitFamily(ctx context.Context, s *store.Store, family string, checkpoints []*checkpoint.Checkpoint, o runtime.FitOptions) error {
	p := cli.NewProgress(m.Stderr)
	p.Bytes = map[string]int64{"check": learning.TotalBytes(checkpoints), "fit": learning.TotalBytes(checkpoints)}
	var infos []runtime.VariantInfo
	o.Progress = p.Update
	o.OnVariant = func(v runtime.VariantInfo) { infos = append(infos, v) }
	o.OnClusters = func(clusters []runtime.Cluster) {
		p.Finish()
		learning.SuggestFamilies(m.Stderr, clusters)
	}
	var refusals []error
	o.OnRefused = func(_ string, err error) { refusals = append(refusals, err) }
	err := runtime.Fit(ctx, s, family, checkpoints, o)
	p.Finish()
	if errors.Is(err, context.Canceled) {
		return errors.New("interrupted; the same command goes on from here")
	}
	if err != nil && len(refusals) == 0 {
		return err
	}
	slices.SortFunc(infos, func(a, b runtime.VariantInfo) int { return strings.Compare(a.Name, b.Name) })
	if failed := m.fitSummary(s, family, infos); failed != nil {
		return failed
	}
	for _, refused := range refusals {
		fmt.Fprintln(m.Stdout, refused)
	}
	return err
}

// fitSummary prints what came out: a row for each variant, then the totals.
func (m *Main) fitSummary(s *store.Store, family string, infos []runtime.VariantInfo) error {
	rows := [][]string{{"NAME", "CLASSES", "SOURCE", "STORED", "SHARE", "STEP", "AGREEMENT"}}
	var stored, source int64
	for _, v := range infos {
		rows = append(rows, []string{v.Name, strconv.Itoa(v.Classes), cli.Size(v.SourceBytes), cli.Size(v.Bytes),
			cli.Percent(float64(v.Bytes) / float64(v.SourceBytes)), stepOf(v), agreementOf(v)})
		stored, source = stored+v.Bytes, source+v.SourceBytes
	}
	f, err := s.Family(family)
	if err != nil {
		return err
	}
	if len(infos) == 0 {
		_, err = fmt.Fprintf(m.Stdout, "Family %s: a basis of %s, and no checkpoint that became a variant.\n", family, cli.Size(f.Bytes))
		return err
	}
	if err := cli.Table(m.Stdout, rows); err != nil {
		return err
	}
	times, than := float64(source)/float64(stored+f.Bytes), "less"
	if times < 1 { // a basis pays off once several models share it
		times, than = 1/times, "more"
	}
	_, err = fmt.Fprintf(m.Stdout, "\nFamily %s: %s of %s became a basis of %s and %s of %s: %.1f times %s.\n",
		family, cli.Plural(len(infos), "checkpoint"), cli.Size(source), cli.Size(f.Bytes), english.PluralWord(len(infos), "a variant", "variants"), cli.Size(stored), times, than)
	return err
}

// stepOf and agreementOf say what there is to say of a variant that is kept bit for bit.
func stepOf(v runtime.VariantInfo) string {
	if v.Step == 0 {
		return "exact"
	}
	return fmt.Sprintf("%.3g", v.Step)
}

func agreementOf(v runtime.VariantInfo) string {
	if v.Step == 0 {
		return cli.Percent(1)
	}
	return cli.Percent(v.Agreement)
}

// metricSummary says what a fit's metric was measured on.
func metricSummary(o runtime.FitOptions, probes string) string {
	switch {
	case o.Metric == subspace.MetricNone:
		return "No metric: an error costs the same wherever it is."
	case probes == "":
		return fmt.Sprintf("Metric %s, measured on built-in images; --probes takes your own.", o.Metric)
	}
	return fmt.Sprintf("Metric %s, measured on the images of %s.", o.Metric, probes)
}
