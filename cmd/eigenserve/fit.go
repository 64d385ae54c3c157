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

	"eigenserve/runtime"
	"eigenserve/runtime/learn"
	"eigenserve/store"
	"eigenserve/store/checkpoint"
	"eigenserve/store/subspace"
)

func (m *Main) fit() *cobra.Command {
	var f fitting
	var families, dtype string
	var gateFlags gateFlags
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
		Args:    needs("CHECKPOINT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.dir == "" || f.family == "" {
				return usagef("--store DIR and --family NAME are needed")
			}
			if f.o.Rank < 0 {
				return usagef("--rank must not be negative")
			}
			types := map[string]string{"auto": "", "f16": "F16", "bf16": "BF16"}
			mean, ok := types[dtype]
			if !ok {
				return usagef("--basis-dtype %q: use auto, bf16 or f16", dtype)
			}
			f.o.MeanType = mean
			if !slices.Contains(metrics, f.o.Metric) {
				return usagef("--metric %q: use %s", f.o.Metric, strings.Join(metrics, ", "))
			}
			if err := store.CheckName(f.family); err != nil {
				return usagef("--family: %w", err)
			}
			var err error
			if f.o.Gate, err = gateFlags.gate(); err != nil {
				return err
			}
			if families != "one" && families != "auto" {
				return usagef("--families %q: use one or auto", families)
			}
			f.auto = families == "auto"
			return m.runFit(cmd, f, args)
		},
	}
	storeFlag(cmd, &f.dir)
	cmd.Flags().StringVar(&f.family, "family", "", "name of the family")
	cmd.Flags().StringVar(&families, "families", "one", "one: all checkpoints share a basis; auto: a family for each lineage found in them, NAME-1, NAME-2 …")
	cmd.Flags().IntVar(&f.o.Rank, "rank", 0, "most directions a side of each layer (default: all)")
	gateFlags.add(cmd)
	gateFlags.addForced(cmd)
	cmd.Flags().StringVar(&f.o.Metric, "metric", subspace.MetricFull, "what an error costs: full (by inputs and outputs of layers), input or none")
	cmd.Flags().StringVar(&f.probes, "probes", "", "unlabelled images to measure the metric on and hold variants against, kept with the family for later adds: a folder of them, or a safetensors file (default: built-in ones)")
	keepFlag(cmd, &f.keep)
	f.o.Memory = learn.DefaultMemory
	cmd.Flags().Var((*sizeValue)(&f.o.Memory), "memory", "what the fit may take beside the basis")
	cmd.Flags().StringVar(&dtype, "basis-dtype", "auto", "type of the stored means: auto (bf16), bf16 or f16")
	return cmd
}

// metrics are the kinds that --metric takes.
var metrics = []string{subspace.MetricFull, subspace.MetricInput, subspace.MetricNone}

type fitting struct {
	dir, family, probes string
	auto                bool // a family for each lineage
	keep                int
	o                   learn.Options
}

func (m *Main) runFit(cmd *cobra.Command, f fitting, args []string) error {
	// A fit reuses its memory: let the collector keep the garbage of the rest small.
	defer debug.SetGCPercent(debug.SetGCPercent(20))
	var err error
	if f.o.Probes, err = openProbes(f.probes); err != nil {
		return err
	}
	checkpoints, err := openCheckpoints(args)
	if err != nil {
		return err
	}
	defer closeAll(checkpoints)
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
func (m *Main) fitFamily(ctx context.Context, s *store.Store, family string, checkpoints []*checkpoint.Checkpoint, o learn.Options) error {
	p := newProgress(m.Stderr)
	p.bytes = map[string]int64{"check": bytesOf(checkpoints), "fit": bytesOf(checkpoints)}
	var infos []runtime.VariantInfo
	o.Progress = p.show
	o.OnVariant = func(e store.Entry) { infos = append(infos, runtime.NewVariantInfo(e)) }
	o.OnClusters = func(clusters []learn.Cluster) {
		p.end()
		m.adviseClusters(clusters)
	}
	var refusals []error
	o.OnRefused = func(_ string, err error) { refusals = append(refusals, err) }
	err := learn.Fit(ctx, s, family, checkpoints, o)
	p.end()
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
		rows = append(rows, []string{v.Name, strconv.Itoa(v.Classes), size(v.SourceBytes), size(v.Bytes),
			percent(float64(v.Bytes) / float64(v.SourceBytes)), stepOf(v), agreementOf(v)})
		stored, source = stored+v.Bytes, source+v.SourceBytes
	}
	f, err := s.Family(family)
	if err != nil {
		return err
	}
	if len(infos) == 0 {
		_, err = fmt.Fprintf(m.Stdout, "Family %s: a basis of %s, and no checkpoint that became a variant.\n", family, size(f.Bytes))
		return err
	}
	if err := table(m.Stdout, rows); err != nil {
		return err
	}
	times, than := float64(source)/float64(stored+f.Bytes), "less"
	if times < 1 { // a basis pays off once several models share it
		times, than = 1/times, "more"
	}
	_, err = fmt.Fprintf(m.Stdout, "\nFamily %s: %s of %s became a basis of %s and %s of %s: %.1f times %s.\n",
		family, number(len(infos), "checkpoint"), size(source), size(f.Bytes), english.PluralWord(len(infos), "a variant", "variants"), size(stored), times, than)
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
		return percent(1)
	}
	return percent(v.Agreement)
}

// openCheckpoints opens all of them, or none.
func openCheckpoints(dirs []string) ([]*checkpoint.Checkpoint, error) {
	var out []*checkpoint.Checkpoint
	for _, dir := range dirs {
		c, err := checkpoint.Open(dir)
		if err != nil {
			closeAll(out)
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

// bytesOf is what the checkpoints take on disk.
func bytesOf(checkpoints []*checkpoint.Checkpoint) (n int64) {
	for _, c := range checkpoints {
		n += c.Bytes()
	}
	return n
}

func closeAll(checkpoints []*checkpoint.Checkpoint) {
	for _, c := range checkpoints {
		c.Close()
	}
}
