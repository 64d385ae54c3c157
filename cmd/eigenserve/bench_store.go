package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"eigenserve/cmd/internal/cli"
	"eigenserve/cmd/internal/synth"
	"eigenserve/store"
)

// benchStore makes a store of made-up variants, to try serving at scale on.
func (m *Main) benchStore() *cobra.Command {
	var model, out string
	var variants, rank int
	cmd := &cobra.Command{
		Use:   "store --model NAME --variants N --out DIR",
		Short: "Make a store of made-up variants of a known size, to try serving at scale on",
		Long: `Store makes a family of random weights and directions, and variants whose
coefficients are like the embedded family's: as many in proportion, spread over the
directions as those are, so that a variant takes the share of bytes that a real one
does. Each has from 10 to 200 labels of its own. Their answers mean nothing, their
times and their bytes are real.`,
		Example: `  eigenserve bench store --model vit-b16 --variants 500 --out ./made
  eigenserve bench serve --store ./made --weight-cache 2GiB --zipf 1.0`,
		Args: cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			sy, ok := synth.Specs[model]
			if !ok {
				return cli.Usagef("--model %q: use vit-b16, vit-s16, vit-ti16 or small", model)
			}
			if out == "" || variants < 1 || rank < 0 {
				return cli.Usagef("--out DIR and a positive --variants are needed")
			}
			if rank == 0 && sy.Directions == 128 {
				rank = 256
			}
			if rank > 0 {
				sy.Directions = rank
			}
			p := cli.NewProgress(m.Stderr)
			defer p.Finish()
			sy.Variants, sy.OnStored = variants, func(done int) { p.Update("make", done, variants) }
			sy.LabelCount = func(i int) int { return 10 + i*67%191 }
			return m.runBenchStore(sy, out, p)
		},
	}
	cmd.Flags().StringVar(&model, "model", "vit-b16", "sizes of the model: vit-b16, vit-s16, vit-ti16 or small")
	cmd.Flags().StringVar(&out, "out", "", "folder of the store, which must be new")
	cmd.Flags().IntVar(&variants, "variants", 500, "how many")
	cmd.Flags().IntVar(&rank, "rank", 0, "most directions a side of each layer (default: 256, 16 for small)")
	return cmd
}

func (m *Main) runBenchStore(sy synth.Spec, out string, p *cli.Progress) (err error) {
	if sy.Profile, err = synth.EmbeddedProfile(); err != nil {
		return err
	}
	s, err := store.Create(out)
	if err != nil {
		return err
	}
	if len(s.Variants()) > 0 {
		return fmt.Errorf("%s holds models already: name a new folder", out)
	}
	began := time.Now()
	if err := sy.Install(s); err != nil {
		return err
	}
	p.Finish()
	var stored, source int64
	for _, v := range s.Variants() {
		stored, source = stored+v.Bytes, source+v.SourceBytes
	}
	_, err = fmt.Fprintf(m.Stdout, "%d variants of %s each, a basis of %s, in %v; %s dense in float32.\n", sy.Variants,
		cli.Size(stored/int64(sy.Variants)), cli.Size(s.Families()[0].Bytes), time.Since(began).Round(time.Second), cli.Size(source))
	return err
}
