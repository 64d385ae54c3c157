package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"eigenserve/cmd/internal/catalogue"
	"eigenserve/cmd/internal/cli"
	"eigenserve/models/output"
	"eigenserve/runtime"
)

type classifyFlags struct {
	store, model string
	json         bool
	options      runtime.ClassifyOptions
}

func (m *Main) classify() *cobra.Command {
	var f classifyFlags
	cmd := &cobra.Command{
		Use:     "classify --store DIR --model NAME IMAGE…",
		Short:   "Classify images without a server",
		Example: "  eigenserve classify --store ./store --model warblers bird.jpg",
		Args:    cli.AtLeastOne("IMAGE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.model == "" {
				return cli.Usagef("--model NAME is required")
			}
			if f.options.TopK < 0 {
				return cli.Usagef("--top %d: give a number of labels, or 0 for all", f.options.TopK)
			}
			return m.runClassify(cmd.Context(), f, args)
		},
	}
	flags := cmd.Flags()
	catalogue.StoreFlag(cmd, &f.store)
	flags.StringVar(&f.model, "model", "", "`name` of the model, NAME:VERSION, NAME@DIGEST or an alias")
	flags.IntVar(&f.options.TopK, "top", 5, "labels to print, best first; 0 prints all")
	flags.Var(cli.Choice(&f.options.Function, "", "softmax", "sigmoid", "none"), "function", "function from logits to scores (default: sigmoid for a multi-label model or one label, none for a regression, otherwise softmax)")
	flags.BoolVar(&f.json, "json", false, "print JSON")
	return cmd
}

// classified is the answer for one image.
type classified struct {
	Image  string          `json:"image"`
	Scores []runtime.Score `json:"scores"`
	format string          // of a score
}

func (m *Main) runClassify(ctx context.Context, f classifyFlags, paths []string) error {
	eng, err := catalogue.OpenEngine(f.store)
	if err != nil {
		return err
	}
	defer eng.Close()
	if err := eng.Ready(f.model); err != nil {
		return err
	}
	answers := []classified{}
	failed := cli.ForEach(ctx, m.Stderr, paths, "classified", concernsInput, func(_ int, path string) error {
		image, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		a, err := eng.Classify(ctx, f.model, image, f.options)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		format := "%.4f"
		if a.Function == output.None { // of any magnitude
			format = "%.6g"
		}
		answers = append(answers, classified{path, a.Scores, format})
		return nil
	})
	if failed != nil && len(answers) == 0 {
		return failed
	}
	if f.json {
		return errors.Join(failed, cli.PrintJSON(m.Stdout, answers))
	}
	for _, a := range answers {
		rows := [][]string{{a.Image, ""}}
		for _, s := range a.Scores {
			rows = append(rows, []string{"  " + s.Label, fmt.Sprintf(a.format, s.Score)})
		}
		if err := cli.Table(m.Stdout, rows); err != nil {
			return err
		}
	}
	return failed
}
