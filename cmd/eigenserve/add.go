package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"eigenserve/cmd/internal/catalogue"
	"eigenserve/cmd/internal/cli"
	"eigenserve/cmd/internal/client"
	"eigenserve/cmd/internal/learning"
	"eigenserve/runtime"
	"eigenserve/store"
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
--max-kl). One that can't within --max-bytes is refused, and nothing changes; the
others are added all the same.`,
		Example: `  eigenserve add --store ./store --family glyphs checkpoints/sans-cham
  eigenserve add --server http://127.0.0.1:8080 --family glyphs checkpoints/sans-cham`,
		Args: cli.AtLeastOne("CHECKPOINT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if (a.dir == "") == (a.server == "") {
				return cli.Usagef("give one of --store DIR and --server URL")
			}
			if a.name != "" && len(args) > 1 {
				return cli.Usagef("--name is for one checkpoint; %d are given", len(args))
			}
			if a.server != "" {
				for _, name := range []string{"step", "exact", "min-agreement", "max-kl", "max-bytes", "allow-lossy", "refine", "keep-versions"} {
					if cmd.Flags().Changed(name) {
						return cli.Usagef("--%s: a server goes by its own, which `eigenserve serve` sets", name)
					}
				}
			}
			var err error
			if a.gate, err = a.flags.Gate(); err != nil {
				return err
			}
			return m.runAdd(cmd.Context(), a, args)
		},
	}
	catalogue.StoreFlag(cmd, &a.dir)
	cmd.Flags().StringVar(&a.server, "server", "", "address of a running server, in the place of --store")
	cmd.Flags().StringVar(&a.family, "family", "", "name of the family")
	cmd.Flags().StringVar(&a.name, "name", "", "name of the variant (default: the folder's)")
	catalogue.KeepVersionsFlag(cmd, &a.keep)
	a.flags.Add(cmd)
	a.flags.AddForced(cmd)
	return cmd
}

type adding struct {
	dir, server, family, name string
	keep                      int
	flags                     learning.GateFlags
	gate                      runtime.Gate
}

// place is where things are added.
type place struct {
	checkpoint func(ctx context.Context, name string, c *checkpoint.Checkpoint) (runtime.VariantInfo, bool, error)
	variant    func(ctx context.Context, name string, file []byte) (runtime.VariantInfo, bool, error)
	close      func() error
}

func (m *Main) runAdd(ctx context.Context, a adding, paths []string) error {
	if a.family == "" && slices.ContainsFunc(paths, func(path string) bool { return !isVariant(path) }) {
		return cli.Usagef("--family NAME is needed to add a checkpoint")
	}
	to, err := a.open()
	if err != nil {
		return err
	}
	defer to.close()
	p := cli.NewProgress(m.Stderr)
	return cli.ForEach(ctx, m.Stderr, paths, "added", isOfOne, func(i int, path string) error {
		p.Spin(fmt.Sprintf("%s (%d of %d)", filepath.Base(path), i+1, len(paths)))
		info, replaced, err := a.put(ctx, to, path)
		p.Finish()
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		m.added(info, replaced)
		return nil
	})
}

// put adds what lies at a path.
func (a adding) put(ctx context.Context, to place, path string) (runtime.VariantInfo, bool, error) {
	name := a.name
	if name == "" {
		name = strings.TrimSuffix(filepath.Base(filepath.Clean(path)), ".safetensors")
	}
	if err := store.CheckName(name); err != nil && a.name == "" {
		return runtime.VariantInfo{}, false, fmt.Errorf("%w; --name gives it another", err)
	}
	if isVariant(path) {
		file, err := os.ReadFile(path)
		if err != nil {
			return runtime.VariantInfo{}, false, err
		}
		return to.variant(ctx, name, file)
	}
	c, err := checkpoint.Open(path)
	if err != nil {
		return runtime.VariantInfo{}, false, err
	}
	defer c.Close()
	return to.checkpoint(ctx, name, c)
}

func isVariant(path string) bool { return strings.HasSuffix(path, ".safetensors") }

// isOfOne tells whether an error is of what was to be added, rather than of the place
// or of the way there.
func isOfOne(err error) bool {
	if e, ok := errors.AsType[*client.Error](err); ok {
		return slices.Contains([]int{http.StatusBadRequest, http.StatusConflict, http.StatusRequestEntityTooLarge,
			http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity}, e.Status)
	}
	if e, ok := errors.AsType[*runtime.Error](err); ok {
		return slices.Contains([]runtime.Code{runtime.Invalid, runtime.Conflict, runtime.TooLarge, runtime.Unsupported, runtime.Refused}, e.Code)
	}
	return true
}

func (m *Main) added(info runtime.VariantInfo, replaced bool) {
	verb := "added"
	if replaced {
		verb = "replaced"
	}
	fmt.Fprintf(m.Stdout, "%s %s: %s for %s (%s), %s, digest %.12s\n", verb, info.Name, cli.Size(info.Bytes),
		cli.Size(info.SourceBytes), cli.Percent(float64(info.Bytes)/float64(max(info.SourceBytes, 1))), kept(info), info.Digest)
}

func (a adding) open() (to place, err error) {
	if a.server != "" {
		c, err := client.New(a.server)
		if err != nil {
			return to, err
		}
		return place{
			checkpoint: func(ctx context.Context, name string, ck *checkpoint.Checkpoint) (runtime.VariantInfo, bool, error) {
				return c.AddCheckpoint(ctx, a.family, name, ck)
			},
			variant: c.PutVariant,
			close:   func() error { return nil },
		}, nil
	}
	s, err := catalogue.OpenStore(a.dir)
	if err != nil {
		return to, err
	}
	s.KeepVersions(a.keep)
	eng, err := runtime.Open(s, runtime.Options{})
	if err != nil {
		return to, err
	}
	return place{
		checkpoint: func(ctx context.Context, name string, c *checkpoint.Checkpoint) (runtime.VariantInfo, bool, error) {
			return eng.Add(ctx, a.family, name, c, a.gate)
		},
		variant: eng.PutVariant,
		close:   eng.Close,
	}, nil
}

// kept says in a few words what a variant keeps.
func kept(v runtime.VariantInfo) string {
	text := stepOf(v)
	if v.Step > 0 {
		text = "step " + text
	}
	if v.Agreement > 0 {
		text += ", agreement " + cli.Percent(v.Agreement)
	}
	if v.Lossy {
		text += ", LOSSY"
	}
	return text
}
