package learn

import (
	"context"

	"eigenserve/models/nn"
	"eigenserve/runtime/family"
	"eigenserve/runtime/fault"
	"eigenserve/runtime/learn/gate"
	"eigenserve/store"
	"eigenserve/store/checkpoint"
)

// Adder adds checkpoints to a family of a store. Any number of goroutines may use it.
type Adder struct {
	store  *store.Store
	family *family.Family
	gate   *gate.Gate
}

// NewAdder opens the current basis of a family. The caller closes the adder.
func NewAdder(s *store.Store, name string) (*Adder, error) {
	f, err := family.OpenCurrent(s, name, nn.Float32)
	if err != nil {
		return nil, err
	}
	return &Adder{store: s, family: f, gate: gate.New(f, s)}, nil
}

// Close frees the basis. No call may be running.
func (a *Adder) Close() error {
	if err := a.gate.Close(); err != nil {
		a.family.Close()
		return err
	}
	return a.family.Close()
}

// Add stores a checkpoint as a variant of the given name, in the fewest bytes that pass,
// and reports whether the variant replaced a version. A checkpoint that cannot pass is
// refused with code Refused, and nothing changes.
func (a *Adder) Add(ctx context.Context, name string, c *checkpoint.Checkpoint, o gate.Options) (e store.Entry, replaced bool, err error) {
	return a.add(ctx, name, "", c, o, parallel)
}

// add is Add with the condition that the current version has the digest was, if that is
// not "". At most workers forward passes run at once.
func (a *Adder) add(ctx context.Context, name, was string, c *checkpoint.Checkpoint, o gate.Options, workers int) (e store.Entry, replaced bool, err error) {
	if err := store.CheckName(name); err != nil {
		return e, false, family.Coded(err)
	}
	made, err := a.gate.Variant(ctx, c, name, o, workers)
	if err != nil {
		return e, false, err
	}
	file, err := gate.File(a.store, name, made)
	if err != nil {
		return e, false, err
	}
	// Check the file as an upload is checked.
	v, err := store.ParseVariant(file)
	if err != nil {
		return e, false, fault.With(fault.Invalid, err)
	}
	if err := a.family.Check(v); err != nil {
		return e, false, err
	}
	if err := ctx.Err(); err != nil {
		return e, false, err
	}
	e, replaced, err = a.store.ReplaceVariant(name, was, v, file)
	return e, replaced, family.CodedChange(err)
}
