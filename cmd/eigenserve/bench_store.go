package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"eigenserve/cmd/internal/cli"
	"eigenserve/cmd/internal/synth"
	"eigenserve/store"
)

func (m *Main) benchStore() *cobra.Command {
	var model, out string
	var variants, rank int
	cmd := &cobra.Command{
		Use:   "store --model NAME --variants N --out DIR",
		Short: "Make a store of synthetic variants of a known size, to try serving many",
		Long: `Store makes a family of random weights and directions, and variants whose coefficients
are distributed like those of the embedded family: a variant takes the share of bytes
that a real one does. Each has between 10 and 200 labels. Their answers mean nothing,
but their times and bytes are real.`,
		Example: `  eigenserve bench store --model vit-b16 --variants 500 --out ./synthetic
  eigenserve bench serve --store ./synthetic --weight-cache 2GiB --zipf 1.0`,
		Args: cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			spec, ok := synth.Specs[model]
			if !ok {
				return cli.Usagef("--model %q: use vit-b16, vit-s16, vit-ti16 or small", model)
			}
			if out == "" || variants < 1 || rank < 0 {
				return cli.Usagef("--out DIR and a positive --variants are required")
			}
			switch {
			case rank > 0:
				spec.Directions = rank
			case model != "small":
				spec.Directions = defaultRank
			}
			spec.Variants = variants
			spec.LabelCount = func(i int) int { return 10 + i*67%191 }
			return m.runBenchStore(spec, out)
		},
	}
	cmd.Flags().StringVar(&model, "model", "vit-b16", "size of the model: vit-b16, vit-s16, vit-ti16 or small")
	cmd.Flags().StringVar(&out, "out", "", "`folder` of the store, which must be new")
	cmd.Flags().IntVar(&variants, "variants", 500, "number of variants")
	cmd.Flags().IntVar(&rank, "rank", 0, "most directions on each side of a layer (default: 256; 16 for small)")
	return cmd
}

// defaultRank is the number of directions of the models that are not small.
const defaultRank = 256

func (m *Main) runBenchStore(spec synth.Spec, out string) (err error) {
	if spec.Profile, err = synth.EmbeddedProfile(); err != nil {
		return err
	}
	s, err := store.Create(out)
	if err != nil {
		return err
	}
	if len(s.Variants()) > 0 {
		return fmt.Errorf("%s has models already: name a new folder", out)
	}
	p := cli.NewProgress(m.Stderr)
	defer p.Finish()
	spec.OnStored = func(done int) { p.Update("make", done, spec.Variants) }
	start := time.Now()
	if err := spec.Install(s); err != nil {
		return err
	}
	p.Finish()
	var stored, source int64
	for _, v := range s.Variants() {
		stored, source = stored+v.Bytes, source+v.SourceBytes
	}
	_, err = fmt.Fprintf(m.Stdout, "%d variants of %s each and a basis of %s, made in %v; %s dense in float32.\n", spec.Variants,
		cli.Size(stored/int64(spec.Variants)), cli.Size(s.Families()[0].Bytes), time.Since(start).Round(time.Second), cli.Size(source))
	return err
}
