package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"eigenserve/runtime"
	"eigenserve/store/checkpoint"
)

func (m *Main) add() *cobra.Command {
	var a adding
	cmd := &cobra.Command{
		Use:   "add (--store DIR | --server URL) --family NAME CHECKPOINT…",
		Short: "Add checkpoints to a family, in a store or in a running server",
		Long: `Add projects checkpoints onto a family's basis and stores what comes out, each as
a variant named by its folder. A file that ends in .safetensors is taken as a
variant that was made elsewhere on the same basis; it needs no --family.

A checkpoint is stored in the fewest bytes that pass the gate: on the images that
are kept with the family it must answer as its original does (--min-agreement,
--max-kl). One that can't within --max-bytes is refused, and nothing changes.`,
		Example: `  eigenserve add --store ./store --family glyphs checkpoints/sans-cham
  eigenserve add --server http://127.0.0.1:8080 --family glyphs checkpoints/sans-cham`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if (a.dir == "") == (a.server == "") {
				return usagef("give one of --store DIR and --server URL")
			}
			if a.name != "" && len(args) > 1 {
				return usagef("--name is for one checkpoint; %d are given", len(args))
			}
			if a.server != "" {
				for _, name := range []string{"step", "exact", "min-agreement", "max-kl", "max-bytes", "allow-lossy", "refine"} {
					if cmd.Flags().Changed(name) {
						return usagef("--%s: a server has a gate of its own, which `eigenserve serve` sets", name)
					}
				}
			}
			var err error
			if a.gate, err = a.flags.gate(); err != nil {
				return err
			}
			return m.runAdd(cmd.Context(), a, args)
		},
	}
	storeFlag(cmd, &a.dir)
	cmd.Flags().StringVar(&a.server, "server", "", "address of a running server, in the place of --store")
	cmd.Flags().StringVar(&a.family, "family", "", "name of the family")
	cmd.Flags().StringVar(&a.name, "name", "", "name of the variant (default: the folder's)")
	keepFlag(cmd, &a.keep)
	a.flags.add(cmd)
	a.flags.addForced(cmd)
	return cmd
}

type adding struct {
	dir, server, family, name string
	keep                      int
	flags                     gateFlags
	gate                      runtime.Gate
}

// adder puts one thing, a checkpoint's folder or a variant's file, somewhere.
type adder func(ctx context.Context, name, path string, isVariant bool) (runtime.VariantInfo, bool, error)

func (m *Main) runAdd(ctx context.Context, a adding, args []string) error {
	put, done, err := a.open()
	if err != nil {
		return err
	}
	defer done()
	for _, path := range args {
		isVariant := strings.HasSuffix(path, ".safetensors")
		if !isVariant && a.family == "" {
			return usagef("--family NAME is needed to add a checkpoint")
		}
		name := a.name
		if name == "" {
			name = strings.TrimSuffix(filepath.Base(filepath.Clean(path)), ".safetensors")
		}
		info, replaced, err := put(ctx, name, path, isVariant)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		verb := "added"
		if replaced {
			verb = "replaced"
		}
		fmt.Fprintf(m.Stdout, "%s %s: %s for %s (%s), %s, digest %.12s\n", verb, info.Name, size(info.Bytes),
			size(info.SourceBytes), percent(float64(info.Bytes)/float64(max(info.SourceBytes, 1))), kept(info), info.Digest)
	}
	return nil
}

func (a adding) open() (put adder, done func() error, err error) {
	if a.server != "" {
		c, err := newClient(a.server)
		if err != nil {
			return nil, nil, err
		}
		return func(ctx context.Context, name, path string, isVariant bool) (runtime.VariantInfo, bool, error) {
			if !isVariant {
				return c.addCheckpoint(ctx, a.family, name, path)
			}
			file, err := os.ReadFile(path)
			if err != nil {
				return runtime.VariantInfo{}, false, err
			}
			return c.putVariant(ctx, name, file)
		}, func() error { return nil }, nil
	}
	s, err := openStore(a.dir)
	if err != nil {
		return nil, nil, err
	}
	s.KeepVersions(a.keep)
	eng, err := runtime.Open(s, runtime.Options{})
	if err != nil {
		return nil, nil, err
	}
	return func(ctx context.Context, name, path string, isVariant bool) (runtime.VariantInfo, bool, error) {
		if isVariant {
			file, err := os.ReadFile(path)
			if err != nil {
				return runtime.VariantInfo{}, false, err
			}
			return eng.PutVariant(ctx, name, file)
		}
		c, err := checkpoint.Open(path)
		if err != nil {
			return runtime.VariantInfo{}, false, err
		}
		defer c.Close()
		return eng.Add(ctx, a.family, name, c, a.gate)
	}, eng.Close, nil
}
