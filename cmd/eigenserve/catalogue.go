package main

import (
	"context"

	"eigenserve/runtime"
)

// catalogue is where ls, show, rm and alias look: a store or a running server.
type catalogue struct {
	dir, server string
	json        bool
}

// open gives the calls on whichever was named.
func (c catalogue) open() (calls catalogueCalls, done func() error, err error) {
	if (c.dir == "") == (c.server == "") {
		return nil, nil, usagef("give one of --store DIR and --server URL")
	}
	if c.server != "" {
		cl, err := newClient(c.server)
		return cl, func() error { return nil }, err
	}
	eng, err := openEngine(c.dir)
	if err != nil {
		return nil, nil, err
	}
	return offline{eng}, eng.Close, nil
}

type catalogueCalls interface {
	variants(ctx context.Context) ([]runtime.VariantInfo, error)
	variant(ctx context.Context, name string) (runtime.VariantDetail, error)
	remove(ctx context.Context, name string) error
	aliases(ctx context.Context) ([]runtime.Alias, error)
	putAlias(ctx context.Context, name string, targets []runtime.Target) (runtime.Alias, error)
	removeAlias(ctx context.Context, name string) error
}

// offline looks into a store.
type offline struct{ eng *runtime.Engine }

func (o offline) variants(context.Context) ([]runtime.VariantInfo, error) {
	list, _ := o.eng.Variants("", 0)
	return list, nil
}

func (o offline) variant(_ context.Context, name string) (runtime.VariantDetail, error) {
	return o.eng.Variant(name)
}

func (o offline) remove(ctx context.Context, name string) error {
	return o.eng.DeleteVariant(ctx, name)
}
