package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"eigenserve/cmd/internal/cli"
	"eigenserve/cmd/internal/synth"
)

// benchCheckpoints writes checkpoints to try a fit at scale on.
func (m *Main) benchCheckpoints() *cobra.Command {
	var model, out string
	var count int
	var seed uint64
	cmd := &cobra.Command{
		Use:   "checkpoints --model NAME --count N --out DIR",
		Short: "Write made-up checkpoints of a known size, to try a fit at scale on",
		Long: `Checkpoints writes folders as Hugging Face saves them, float32, that look like fine-tunes of
one base: each is the base, plus a delta in some directions that all share, of a
spectrum that decays as those of real families do, plus a little noise of its
own. Their answers mean nothing. The same seed writes the same bytes, and a folder
that is there already is kept.`,
		Example: `  eigenserve bench checkpoints --model vit-b16 --count 48 --out ./made
  eigenserve fit --store ./store --family made --rank 256 --metric none ./made/*`,
		Args: cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			sy, ok := synth.Specs[model]
			if !ok {
				return cli.Usagef("--model %q: use vit-b16, vit-s16 or vit-ti16", model)
			}
			if out == "" || count < 1 {
				return cli.Usagef("--out DIR and a positive --count are needed")
			}
			l, err := synth.NewLineage(sy, seed)
			if err != nil {
				return err
			}
			p := cli.NewProgress(m.Stderr)
			defer p.Finish()
			written, err := l.Write(cmd.Context(), out, count, func(done int) { p.Update("write", done, count) })
			p.Finish()
			if err == nil {
				_, err = fmt.Fprintf(m.Stdout, "%s in %s, %s new.\n", cli.Plural(count, "checkpoint"), out, cli.Size(written))
			}
			return err
		},
	}
	cmd.Flags().StringVar(&model, "model", "vit-b16", "sizes of the model: vit-b16, vit-s16 or vit-ti16")
	cmd.Flags().StringVar(&out, "out", "", "folder to write them into")
	cmd.Flags().IntVar(&count, "count", 48, "how many")
	cmd.Flags().Uint64Var(&seed, "seed", 7, "another seed, another base with other fine-tunes")
	return cmd
}
