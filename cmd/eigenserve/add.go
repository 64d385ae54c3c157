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
	"eigenserve/models/output"
	"eigenserve/runtime"
	"eigenserve/runtime/learn/gate"
	"eigenserve/store"
	"eigenserve/store/checkpoint"
)

type addFlags struct {
	where        catalogue.Flags
	family, name string
	keep         int
	gate         learning.GateFlags
}

func (m *Main) add() *cobra.Command {
	var f addFlags
	cmd := &cobra.Command{
		Use:   "add (--store DIR | --server URL) --family NAME [NAME=]CHECKPOINT…",
		Short: "Add checkpoints to a family, in a store or in a running server",
		Long: `Add projects checkpoints onto the basis of a family and stores each as a variant, named
after its folder, or NAME if it is given as NAME=FOLDER. A file that ends in .safetensors is taken as a variant that was made
elsewhere on the same basis; it needs no --family.

A checkpoint is stored in the fewest bytes that pass the gate: on the family's probe
images the variant must answer like its original (--min-agreement, --max-kl). A
checkpoint that cannot pass within --variant-budget is refused and changes nothing; the
others are added.`,
		Example: `  eigenserve add --store ./store --family glyphs checkpoints/sans-cham
  eigenserve add --server http://127.0.0.1:8080 --family glyphs checkpoints/sans-cham`,
		Args: cli.AtLeastOne("CHECKPOINT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(cmd, args); err != nil {
				return err
			}
			return m.runAdd(cmd.Context(), f, args)
		},
	}
	f.where.Add(cmd)
	cmd.Flags().StringVar(&f.family, "family", "", "`name` of the family")
	cmd.Flags().StringVar(&f.name, "name", "", "`name` of the variant (default: the folder's; NAME=FOLDER names one of several)")
	catalogue.KeepVersionsFlag(cmd, &f.keep)
	f.gate.Add(cmd)
	f.gate.AddOverrides(cmd)
	return cmd
}

// serverFlags are the flags that a server has set for itself.
var serverFlags = []string{"step", "exact", "min-agreement", "max-kl", "variant-budget", "allow-lossy", "refine", "keep-versions"}

func (f *addFlags) check(cmd *cobra.Command, paths []string) error {
	if err := f.where.Check(); err != nil {
		return err
	}
	if f.name != "" {
		if len(paths) > 1 {
			return cli.Usagef("--name is for one checkpoint, not %d; give NAME=FOLDER for each", len(paths))
		}
		if err := store.CheckName(f.name); err != nil {
			return cli.Usagef("--name: %w", err)
		}
	}
	if f.where.Server != "" {
		for _, name := range serverFlags {
			if cmd.Flags().Changed(name) {
				return cli.Usagef("--%s: a server has its own setting; give it to `eigenserve serve`", name)
			}
		}
	}
	if f.family == "" && slices.ContainsFunc(paths, func(path string) bool { return !isVariantFile(path) }) {
		return cli.Usagef("--family NAME is required to add a checkpoint")
	}
	_, err := f.gate.Gate()
	return err
}

func (m *Main) runAdd(ctx context.Context, f addFlags, args []string) error {
	sources, err := learning.ParseSources(m.Stderr, args)
	if err != nil {
		return err
	}
	if f.name != "" {
		if sources[0].Named {
			return cli.Usagef("give one of --name and NAME=FOLDER")
		}
		sources[0].Name = f.name
	}
	var paths []string
	for _, s := range sources {
		paths = append(paths, s.Path)
	}
	to, done, err := f.open()
	if err != nil {
		return err
	}
	defer done()
	p := cli.NewProgress(m.Stderr)
	return cli.ForEach(ctx, m.Stderr, paths, "added", concernsInput, func(i int, path string) error {
		p.Spin(fmt.Sprintf("%s (%d of %d)", filepath.Base(path), i+1, len(paths)))
		info, replaced, err := m.addSource(ctx, f.family, to, sources[i])
		p.Finish()
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		return m.printAdded(info, replaced)
	})
}

// adder is what add adds to: a store or a running server. Its methods report whether a
// model was replaced.
type adder interface {
	AddCheckpoint(ctx context.Context, family, name string, c *checkpoint.Checkpoint) (info runtime.VariantInfo, replaced bool, err error)
	PutVariant(ctx context.Context, name string, file []byte) (info runtime.VariantInfo, replaced bool, err error)
}

// open returns what the flags name. The caller must call done after its last use.
func (f *addFlags) open() (to adder, done func() error, err error) {
	if f.where.Server != "" {
		c, err := client.New(f.where.Server)
		return c, func() error { return nil }, err
	}
	s, err := catalogue.OpenStore(f.where.Store)
	if err != nil {
		return nil, nil, err
	}
	s.KeepVersions(f.keep)
	eng, err := runtime.Open(s, runtime.Options{})
	if err != nil {
		return nil, nil, err
	}
	return storeAdder{eng, f.gate.Unchecked()}, eng.Close, nil
}

// storeAdder adds to a store.
type storeAdder struct {
	*runtime.Engine
	gate gate.Options
}

func (a storeAdder) AddCheckpoint(ctx context.Context, family, name string, c *checkpoint.Checkpoint) (runtime.VariantInfo, bool, error) {
	return a.Add(ctx, family, name, c, a.gate)
}

// addSource adds a checkpoint or a variant file.
func (m *Main) addSource(ctx context.Context, family string, to adder, s learning.Source) (info runtime.VariantInfo, replaced bool, err error) {
	if err := store.CheckName(s.Name); err != nil {
		return info, false, fmt.Errorf("%w; give another: NAME=%s", err, s.Path)
	}
	if isVariantFile(s.Path) {
		file, err := os.ReadFile(s.Path)
		if err != nil {
			return info, false, err
		}
		return to.PutVariant(ctx, s.Name, file)
	}
	c, err := s.Open()
	if err != nil {
		return info, false, err
	}
	defer c.Close()
	learning.Checkpoints{c}.WarnOfAssumptions(m.Stderr)
	return to.AddCheckpoint(ctx, family, s.Name, c)
}

func isVariantFile(path string) bool { return strings.HasSuffix(path, ".safetensors") }

// concernsInput reports whether an error concerns one input, rather than the store or
// the connection to the server.
func concernsInput(err error) bool {
	if e, ok := errors.AsType[*client.Error](err); ok {
		return slices.Contains([]int{http.StatusBadRequest, http.StatusConflict, http.StatusRequestEntityTooLarge,
			http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity}, e.Status)
	}
	if e, ok := errors.AsType[*runtime.Error](err); ok {
		return slices.Contains([]runtime.Code{runtime.Invalid, runtime.Conflict, runtime.TooLarge, runtime.Unsupported, runtime.Refused}, e.Code)
	}
	return true
}

func (m *Main) printAdded(info runtime.VariantInfo, replaced bool) error {
	verb := "added"
	if replaced {
		verb = "replaced"
	}
	_, err := fmt.Fprintf(m.Stdout, "%s %s: %s of %s (%s), %s, digest %.12s\n", verb, info.Name, cli.Size(info.Bytes),
		cli.Size(info.SourceBytes), shareOfSource(info), fidelityText(info), info.Digest)
	return err
}

// fidelityText describes in a few words how a variant is stored.
func fidelityText(v runtime.VariantInfo) string {
	text := stepText(v)
	if v.Step > 0 {
		text = "step " + text
	}
	if v.Agreement > 0 {
		text += ", agreement " + cli.Percent(v.Agreement)
		if v.Task != output.SingleLabel {
			text += " of " + agreementText(v.Task)
		}
	}
	if v.Lossy {
		text += ", LOSSY"
	}
	return text
}
