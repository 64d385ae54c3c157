package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"eigenserve/cmd/internal/catalogue"
	"eigenserve/cmd/internal/cli"
	"eigenserve/runtime"
)

func (m *Main) classify() *cobra.Command {
	var dir, model string
	var asJSON bool
	var o runtime.ClassifyOptions
	cmd := &cobra.Command{
		Use:   "classify --store DIR --model NAME IMAGE…",
		Short: "Classify images without a server",
		Args:  cli.AtLeastOne("IMAGE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if model == "" {
				return cli.Usagef("--model NAME is needed")
			}
			eng, err := catalogue.OpenEngine(dir)
			if err != nil {
				return err
			}
			defer eng.Close()
			type answer struct {
				Image  string          `json:"image"`
				Scores []runtime.Score `json:"scores"`
			}
			answers := []answer{}
			failed := cli.ForEach(cmd.Context(), m.Stderr, args, "classified", isOfOne, func(_ int, path string) error {
				image, err := os.ReadFile(path)
				if err != nil {
					return err
				}
				a, err := eng.Classify(cmd.Context(), model, image, o)
				if err != nil {
					return fmt.Errorf("%s: %w", path, err)
				}
				answers = append(answers, answer{path, a.Scores})
				return nil
			})
			if failed != nil && len(answers) == 0 {
				return failed
			}
			if asJSON {
				return errors.Join(failed, cli.PrintJSON(m.Stdout, answers))
			}
			for _, a := range answers {
				rows := [][]string{{a.Image, ""}}
				for _, s := range a.Scores {
					rows = append(rows, []string{"  " + s.Label, fmt.Sprintf("%.4f", s.Score)})
				}
				if err := cli.Table(m.Stdout, rows); err != nil {
					return err
				}
			}
			return failed
		},
	}
	catalogue.StoreFlag(cmd, &dir)
	cmd.Flags().StringVar(&model, "model", "", "name of the model")
	cmd.Flags().IntVar(&o.TopK, "top", 5, "how many labels to print, best first; 0 prints all")
	cmd.Flags().StringVar(&o.Function, "function", "softmax", "scores from logits: softmax, sigmoid or none")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
