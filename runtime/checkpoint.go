package runtime

import (
	"context"

	"eigenserve/runtime/family"
	"eigenserve/runtime/fault"
	"eigenserve/runtime/learn/gate"
	"eigenserve/store"
	"eigenserve/store/checkpoint"
	"eigenserve/store/tensorfile"
)

// AddCheckpoint projects an uploaded checkpoint onto a family's basis and serves the
// variant that it becomes.
func (eng *Engine) AddCheckpoint(ctx context.Context, family, name string, u Upload) (VariantInfo, bool, error) {
	if err := eng.enter(); err != nil {
		return VariantInfo{}, false, err
	}
	defer eng.leave()
	if err := checkName(name); err != nil {
		return VariantInfo{}, false, err
	}
	if _, _, err := eng.current(family); err != nil {
		return VariantInfo{}, false, err
	}
	file, err := tensorfile.Parse(u.Model)
	if err != nil {
		return VariantInfo{}, false, &Error{Code: Invalid, Text: "model: " + err.Error(), Err: err}
	}
	c, err := checkpoint.FromFiles(name, u.Config, u.Preprocessor, file)
	if err != nil {
		return VariantInfo{}, false, fault.With(Invalid, err)
	}
	defer c.Close()
	return eng.Add(ctx, family, name, c, eng.options.Gate)
}

// Add projects a checkpoint onto a family's basis, stores it in the fewest bytes that
// pass the gate, and serves the variant. A checkpoint that cannot pass is refused with
// code Refused and its report, and nothing changes.
func (eng *Engine) Add(ctx context.Context, family, name string, c *checkpoint.Checkpoint, o gate.Options) (VariantInfo, bool, error) {
	if err := eng.enter(); err != nil {
		return VariantInfo{}, false, err
	}
	defer eng.leave()
	f, _, err := eng.current(family)
	if err != nil {
		return VariantInfo{}, false, err
	}
	v, err := f.gate.Variant(ctx, c, name, o, parallel)
	if err != nil {
		return VariantInfo{}, false, err
	}
	file, err := gate.File(eng.store, name, v)
	if err != nil {
		return VariantInfo{}, false, err
	}
	// The file is checked and served as an upload would be.
	return eng.PutVariant(ctx, name, file)
}

func checkName(name string) error { return family.Coded(store.CheckName(name)) }
