// Package catalogue lets commands look into a store on disk (--store) or into a running
// server (--server) in the same way. It changes neither.
package catalogue

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"eigenserve/cmd/internal/cli"
	"eigenserve/cmd/internal/client"
	"eigenserve/runtime"
)

// Catalogue is the models and aliases of a store or of a server.
type Catalogue interface {
	Variants(ctx context.Context) ([]runtime.VariantInfo, error)
	Variant(ctx context.Context, name string) (runtime.VariantDetail, error)
	Remove(ctx context.Context, name string) error
	Aliases(ctx context.Context) ([]runtime.Alias, error)
	PutAlias(ctx context.Context, name string, targets []runtime.Target) (runtime.Alias, error)
	RemoveAlias(ctx context.Context, name string) error
}

// Flags are --store and --server, of which one must be given.
type Flags struct {
	Store, Server string
}

// Add declares the flags.
func (f *Flags) Add(cmd *cobra.Command) {
	StoreFlag(cmd, &f.Store)
	cmd.Flags().StringVar(&f.Server, "server", "", "`URL` of a running server, instead of --store")
}

// Check returns an error unless one of the flags was given.
func (f Flags) Check() error {
	if (f.Store == "") == (f.Server == "") {
		return cli.Usagef("give one of --store DIR and --server URL")
	}
	return nil
}

// Open opens the catalogue that the flags name. The caller must call done after its
// last use.
func (f Flags) Open() (c Catalogue, done func() error, err error) {
	if err := f.Check(); err != nil {
		return nil, nil, err
	}
	if f.Server != "" {
		c, err := client.New(f.Server)
		return c, func() error { return nil }, err
	}
	eng, err := OpenEngine(f.Store)
	if err != nil {
		return nil, nil, err
	}
	return local{eng}, eng.Close, nil
}

// PrintWarnings writes what is wrong with a store to w. A server has its log for
// that.
func PrintWarnings(w io.Writer, c Catalogue) {
	if l, ok := c.(local); ok {
		for _, line := range l.eng.Warnings() {
			fmt.Fprintf(w, "eigenserve: %s\n", line)
		}
	}
}

// local is the Catalogue of a store.
type local struct{ eng *runtime.Engine }

func (l local) Variants(context.Context) ([]runtime.VariantInfo, error) {
	list, _ := l.eng.Variants("", 0)
	return list, nil
}

func (l local) Variant(_ context.Context, name string) (runtime.VariantDetail, error) {
	return l.eng.Variant(name)
}

func (l local) Remove(ctx context.Context, name string) error {
	return l.eng.DeleteVariant(ctx, name)
}

func (l local) Aliases(context.Context) ([]runtime.Alias, error) { return l.eng.Aliases(), nil }

func (l local) PutAlias(ctx context.Context, name string, targets []runtime.Target) (runtime.Alias, error) {
	a, _, err := l.eng.PutAlias(ctx, name, targets)
	return a, err
}

func (l local) RemoveAlias(ctx context.Context, name string) error {
	return l.eng.DeleteAlias(ctx, name)
}
