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

func (o local) Aliases(context.Context) ([]runtime.Alias, error) { return o.eng.Aliases(), nil }

func (o local) PutAlias(ctx context.Context, name string, targets []runtime.Target) (runtime.Alias, error) {
	a, _, err := o.eng.PutAlias(ctx, name, targets)
	return a, err
}

func (o local) RemoveAlias(ctx context.Context, name string) error {
	return o.eng.DeleteAlias(ctx, name)
}

// Flags is where ls, show, rm and alias look: a store or a running server.
type Flags struct {
	Store, Server string
}

// Open gives the calls on whichever was named.
func (c Flags) Open() (calls Catalogue, done func() error, err error) {
	if (c.Store == "") == (c.Server == "") {
		return nil, nil, cli.Usagef("give one of --store DIR and --server URL")
	}
	if c.Server != "" {
		cl, err := client.New(c.Server)
		return cl, func() error { return nil }, err
	}
	eng, err := OpenEngine(c.Store)
	if err != nil {
		return nil, nil, err
	}
	return local{eng}, eng.Close, nil
}

type Catalogue interface {
	Variants(ctx context.Context) ([]runtime.VariantInfo, error)
	Variant(ctx context.Context, name string) (runtime.VariantDetail, error)
	Remove(ctx context.Context, name string) error
	Aliases(ctx context.Context) ([]runtime.Alias, error)
	PutAlias(ctx context.Context, name string, targets []runtime.Target) (runtime.Alias, error)
	RemoveAlias(ctx context.Context, name string) error
}

// local looks into a store.
type local struct{ eng *runtime.Engine }

func (o local) Variants(context.Context) ([]runtime.VariantInfo, error) {
	list, _ := o.eng.Variants("", 0)
	return list, nil
}

func (o local) Variant(_ context.Context, name string) (runtime.VariantDetail, error) {
	return o.eng.Variant(name)
}

func (o local) Remove(ctx context.Context, name string) error {
	return o.eng.DeleteVariant(ctx, name)
}

// PrintWarnings tells what is wrong with a store; a server has told its log.
func PrintWarnings(w io.Writer, calls Catalogue) {
	if o, ok := calls.(local); ok {
		for _, line := range o.eng.Warnings() {
			fmt.Fprintf(w, "eigenserve: %s\n", line)
		}
	}
}

func (c *Flags) Add(cmd *cobra.Command) {
	StoreFlag(cmd, &c.Store)
	cmd.Flags().StringVar(&c.Server, "server", "", "address of a running server, in the place of --store")
}
