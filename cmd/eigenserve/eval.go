package main

import (
	"context"
	"fmt"
	"path/filepath"
	goruntime "runtime"
	"sync"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"eigenserve/cmd/internal/catalogue"
	"eigenserve/cmd/internal/cli"
	"eigenserve/cmd/internal/dataset"
	"eigenserve/cmd/internal/learning"
	"eigenserve/runtime/learn/eval"
)

type evalFlags struct {
	store, family, data string
	step                float64
}

func (m *Main) eval() *cobra.Command {
	var f evalFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "eval --store DIR --family NAME [NAME=]CHECKPOINT…",
		Short: "Compare originals, rebuilt variants and the nulls on labelled images",
		Long: `Eval classifies labelled images with each original checkpoint, with its variant, and
with two nulls: the family's mean without coefficients, and as many random orthonormal
directions coded to the same number of bytes. A checkpoint's variant has the name of its
folder, or NAME if it is given as NAME=FOLDER. The images are those of --data, or each
checkpoint's own eval.safetensors.

With --step the checkpoints are coded again at that step, whether or not they are in the
store, and nothing is stored.`,
		Example: "  eigenserve eval --store ./store --family glyphs --json checkpoints/*",
		Args:    cli.AtLeastOne("CHECKPOINT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.family == "" {
				return cli.Usagef("--family NAME is required")
			}
			r, err := m.evaluate(cmd.Context(), f, args)
			if err != nil {
				return err
			}
			if asJSON {
				return cli.PrintJSON(m.Stdout, r)
			}
			return m.printEval(r)
		},
	}
	catalogue.StoreFlag(cmd, &f.store)
	cmd.Flags().StringVar(&f.family, "family", "", "`name` of the family")
	cmd.Flags().StringVar(&f.data, "data", "", "labelled `images` for all checkpoints: a folder with a folder of images for each label, or a safetensors file")
	cmd.Flags().Var((*cli.PositiveFloat)(&f.step), "step", "code the checkpoints at this quantisation step (default: as they are stored)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// evalReport is what eval prints.
type evalReport struct {
	Family   string            `json:"family"`
	Rank     int               `json:"rank"`
	Variants []eval.Evaluation `json:"variants"`
	Mean     eval.Evaluation   `json:"mean"`
}

func (m *Main) evaluate(ctx context.Context, f evalFlags, args []string) (*evalReport, error) {
	s, err := catalogue.OpenStore(f.store)
	if err != nil {
		return nil, err
	}
	ev, err := eval.New(s, f.family, f.step)
	if err != nil {
		return nil, err
	}
	defer ev.Close()
	sources, err := learning.ParseSources(m.Stderr, args)
	if err != nil {
		return nil, err
	}
	checkpoints, err := learning.OpenCheckpoints(sources)
	if err != nil {
		return nil, err
	}
	defer checkpoints.Close()
	r := &evalReport{Family: f.family, Rank: ev.Rank()}
	r.Variants, err = m.evaluateAll(ctx, ev, checkpoints, func(i int) string {
		if f.data != "" {
			return f.data
		}
		return filepath.Join(sources[i].Path, "eval.safetensors")
	})
	if err != nil {
		return nil, err
	}
	r.Mean = meanEvaluation(r.Variants)
	return r, nil
}

// evaluateAll evaluates all checkpoints, one on each processor at a time. data returns
// where the i-th checkpoint's images are.
func (m *Main) evaluateAll(ctx context.Context, ev *eval.Evaluator, checkpoints learning.Checkpoints, data func(i int) string) ([]eval.Evaluation, error) {
	p := cli.NewProgress(m.Stderr)
	defer p.Finish()
	var mu sync.Mutex // guards p and done
	done := 0
	out := make([]eval.Evaluation, len(checkpoints))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(goruntime.GOMAXPROCS(0))
	for i, c := range checkpoints {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			images, err := dataset.OpenLabelled(data(i))
			if err != nil {
				return err
			}
			if out[i], err = ev.Evaluate(ctx, c, images); err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			done++
			p.Update("evaluate", done, len(checkpoints))
			return nil
		})
	}
	return out, group.Wait()
}

// meanEvaluation returns the means of the evaluations.
func meanEvaluation(all []eval.Evaluation) eval.Evaluation {
	m := eval.Evaluation{Name: "mean"}
	n := float64(len(all))
	var bytes, source, shared, half float64
	for _, e := range all {
		m.Original += e.Original / n
		m.Rebuilt += e.Rebuilt / n
		m.MeanOnly += e.MeanOnly / n
		m.RandomBasis += e.RandomBasis / n
		m.Agreement += e.Agreement / n
		m.Energy += e.Energy / n
		m.Step += e.Step / n
		bytes += float64(e.Bytes) / n
		source += float64(e.SourceBytes) / n
		shared += float64(e.SharedBytes) / n
		half += float64(e.SharedHalfBytes) / n
	}
	m.Bytes, m.SourceBytes, m.SharedBytes, m.SharedHalfBytes = int64(bytes), int64(source), int64(shared), int64(half)
	return m
}

func (m *Main) printEval(r *evalReport) error {
	rows := [][]string{{"NAME", "ORIGINAL", "REBUILT", "MEAN ONLY", "RANDOM BASIS", "AGREEMENT", "ENERGY", "BYTES", "OF SOURCE", "SHARED OF F16"}}
	for _, e := range append(r.Variants, r.Mean) {
		rows = append(rows, []string{e.Name, cli.Percent(e.Original), cli.Percent(e.Rebuilt), cli.Percent(e.MeanOnly), cli.Percent(e.RandomBasis),
			cli.Percent(e.Agreement), cli.Percent(e.Energy), fmt.Sprint(e.Bytes), cli.Percent(float64(e.Bytes) / float64(e.SourceBytes)),
			cli.Percent(float64(e.SharedBytes) / float64(e.SharedHalfBytes))})
	}
	return cli.Table(m.Stdout, rows)
}
