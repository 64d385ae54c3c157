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
	"eigenserve/runtime"
	"eigenserve/store/checkpoint"
)

func (m *Main) eval() *cobra.Command {
	var e evaluating
	cmd := &cobra.Command{
		Use:   "eval --store DIR --family NAME CHECKPOINT…",
		Short: "Compare originals, rebuilt variants and the nulls on labelled images",
		Long: `Eval answers labelled images with each original checkpoint, with its variant, and
with two nulls: the family's mean alone, and as many random orthonormal
directions coded to the same bytes. Each checkpoint's own eval.safetensors is
read, or --data. With --step the checkpoints are coded anew at that step, whether
they are in the store or not, and nothing is stored.`,
		Example: "  eigenserve eval --store ./store --family glyphs --json checkpoints/*",
		Args:    cli.AtLeastOne("CHECKPOINT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if e.family == "" {
				return cli.Usagef("--family NAME is needed")
			}
			report, err := m.evaluate(cmd.Context(), e, args)
			if err != nil {
				return err
			}
			if e.json {
				return cli.PrintJSON(m.Stdout, report)
			}
			return m.showReport(report)
		},
	}
	catalogue.StoreFlag(cmd, &e.dir)
	cmd.Flags().StringVar(&e.family, "family", "", "name of the family")
	cmd.Flags().StringVar(&e.data, "data", "", "labelled images for all checkpoints: label/image folders, or a safetensors file")
	cmd.Flags().Var((*cli.PositiveFloat)(&e.step), "step", "code the checkpoints at this step (default: as they are stored)")
	cmd.Flags().BoolVar(&e.json, "json", false, "print JSON")
	return cmd
}

type evaluating struct {
	dir, family, data string
	step              float64
	json              bool
}

// report is what eval prints.
type report struct {
	Family   string               `json:"family"`
	Rank     int                  `json:"rank"`
	Variants []runtime.Evaluation `json:"variants"`
	Mean     runtime.Evaluation   `json:"mean"`
}

func (m *Main) evaluate(ctx context.Context, e evaluating, args []string) (*report, error) {
	eng, err := catalogue.OpenEngine(e.dir)
	if err != nil {
		return nil, err
	}
	defer eng.Close()
	family, err := eng.Family(e.family)
	if err != nil {
		return nil, err
	}
	checkpoints, err := learning.OpenCheckpoints(args)
	if err != nil {
		return nil, err
	}
	defer learning.CloseCheckpoints(checkpoints)
	ev, err := eng.NewEvaluator(e.family, e.step)
	if err != nil {
		return nil, err
	}
	r := &report{Family: e.family, Rank: family.Rank, Variants: make([]runtime.Evaluation, len(checkpoints))}
	if err := m.evaluateAll(ctx, ev, checkpoints, args, e.data, r.Variants); err != nil {
		return nil, err
	}
	r.Mean = mean(r.Variants)
	return r, nil
}

// evaluateAll scores every checkpoint, one on each processor.
func (m *Main) evaluateAll(ctx context.Context, ev *runtime.Evaluator, checkpoints []*checkpoint.Checkpoint, dirs []string, data string, out []runtime.Evaluation) error {
	p := cli.NewProgress(m.Stderr)
	defer p.Finish()
	var mu sync.Mutex // guards p and done
	done := 0
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(goruntime.GOMAXPROCS(0))
	for i, c := range checkpoints {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			path := data
			if path == "" {
				path = filepath.Join(dirs[i], "eval.safetensors")
			}
			images, err := dataset.OpenLabelled(path)
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
	return group.Wait()
}

// mean averages the evaluations.
func mean(all []runtime.Evaluation) runtime.Evaluation {
	m := runtime.Evaluation{Name: "mean"}
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

func (m *Main) showReport(r *report) error {
	rows := [][]string{{"NAME", "ORIGINAL", "REBUILT", "MEAN ONLY", "RANDOM BASIS", "AGREEMENT", "ENERGY", "BYTES", "OF SOURCE", "SHARED OF F16"}}
	for _, e := range append(r.Variants, r.Mean) {
		rows = append(rows, []string{e.Name, cli.Percent(e.Original), cli.Percent(e.Rebuilt), cli.Percent(e.MeanOnly), cli.Percent(e.RandomBasis),
			cli.Percent(e.Agreement), cli.Percent(e.Energy), fmt.Sprint(e.Bytes), cli.Percent(float64(e.Bytes) / float64(e.SourceBytes)),
			cli.Percent(float64(e.SharedBytes) / float64(e.SharedHalfBytes))})
	}
	return cli.Table(m.Stdout, rows)
}
