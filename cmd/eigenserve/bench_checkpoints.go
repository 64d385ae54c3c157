package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"eigenserve/cmd/internal/cli"
	"eigenserve/cmd/internal/synth"
)

func (m *Main) benchCheckpoints() *cobra.Command {
	var model, out string
	var count int
	var seed uint64
	cmd := &cobra.Command{
		Use:   "checkpoints --model NAME --count N --out DIR",
		Short: "Write synthetic checkpoints of a known size, to try a large fit",
		Long: `Checkpoints writes float32 checkpoints, as Hugging Face saves them, that look like
fine-tunes of one base: the base, plus a delta in directions that all of them share and
whose spectrum decays like that of real families, plus a little noise. Their answers
mean nothing. The same seed writes the same bytes. Folders that exist are kept.`,
		Example: `  eigenserve bench checkpoints --model vit-b16 --count 48 --out ./synthetic
  eigenserve fit --store ./store --family synthetic --rank 256 --metric none ./synthetic/*`,
		Args: cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			spec, ok := synth.Specs[model]
			if !ok {
				return cli.Usagef("--model %q: use vit-b16, vit-s16 or vit-ti16", model)
			}
			if out == "" || count < 1 {
				return cli.Usagef("--out DIR and a positive --count are required")
			}
			l, err := synth.NewLineage(spec, seed)
			if err != nil {
				return err
			}
			p := cli.NewProgress(m.Stderr)
			written, err := l.Write(cmd.Context(), out, count, func(done int) { p.Update("write", done, count) })
			p.Finish()
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(m.Stdout, "%s in %s, %s written.\n", cli.Plural(count, "checkpoint"), out, cli.Size(written))
			return err
		},
	}
	cmd.Flags().StringVar(&model, "model", "vit-b16", "size of the model: vit-b16, vit-s16 or vit-ti16")
	cmd.Flags().StringVar(&out, "out", "", "`folder` to write them to")
	cmd.Flags().IntVar(&count, "count", 48, "number of checkpoints")
	cmd.Flags().Uint64Var(&seed, "seed", 7, "seed of the base and its fine-tunes")
	return cmd
}
