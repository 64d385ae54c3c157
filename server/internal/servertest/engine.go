// Package servertest is what the tests of the server's packages share: an engine
// without models, a client, files of tokens. It is not part of the program.
package servertest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"eigenserve/runtime"
	"eigenserve/store"
)

// Engine is an engine of a few variants without models: Classify answers with the
// image as the label. Tests set the fields that they need.
type Engine struct {
	sync.Mutex // guards the rest while a server runs

	Models   []runtime.VariantInfo
	ByAlias  map[string]runtime.Alias
	Unloaded map[string]bool
	Memory   runtime.Ledger
	Count    runtime.Counters

	Added   [][]byte // files and checkpoints that arrived
	Uploads []runtime.Upload
	Asked   []runtime.Inputs // of Infer

	Err     error                           // if set, returned by every method that can fail
	Refused string                          // a name that nothing can be added under
	OnInfer func(ctx context.Context) error // if set, what Infer calls and returns
	// OnClassify, if set, is what Classify calls.
	OnClassify func(ctx context.Context, name string, image []byte, o runtime.ClassifyOptions) (runtime.Answer, error)
}

// Time is when everything in an Engine happened.
var Time = time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)

// NewEngine returns an engine of three variants of one family, and an alias.
func NewEngine() *Engine {
	f := &Engine{ByAlias: map[string]runtime.Alias{"current": {Name: "current", Targets: []runtime.Target{{Model: "sans-lao", Weight: 1}}, Updated: Time}}, Unloaded: map[string]bool{}}
	for _, name := range []string{"music-1", "sans-lao", "sans-takri"} {
		f.Models = append(f.Models, Variant(name))
	}
	f.Memory = runtime.Ledger{
		Basis: 1_500_000, Coefficients: 400_000, Private: 600_000, Slabs: 12_000_000, Activations: 800_000,
		Catalogue: 100_000, Total: 15_400_000, SlabsUsed: 7, SlabsTotal: 10, CacheLimit: 13_000_000,
		RSS: 41_000_000, IdleRSS: 24_000_000, Variants: 3, Dense: 260_000_000, ModelRatio: 16.9, ProcessRatio: 6.3,
	}
	return f
}

// Variant returns a variant of an Engine.
func Variant(name string) runtime.VariantInfo {
	return runtime.VariantInfo{
		Name: name, Version: 2, Versions: []int{1, 2}, Digest: "d1" + strings.Repeat("0", 62), Family: "glyphs", Basis: "b1" + strings.Repeat("0", 62),
		Bytes: 14_000, SourceBytes: 620_000, Classes: 3, Energy: 0.87, Step: 5.6, Added: Time, Resident: "coefficients",
	}
}

func (f *Engine) find(name string) (runtime.VariantInfo, error) {
	if f.Err != nil {
		return runtime.VariantInfo{}, f.Err
	}
	if a, ok := f.ByAlias[name]; ok {
		name = a.Targets[0].Model
	}
	name, version, numbered := strings.Cut(name, ":")
	for _, v := range f.Models {
		switch {
		case v.Name != name:
		case !numbered || version == "2":
			return v, nil
		case version == "1":
			v.Version = 1
			return v, nil
		default:
			return v, runtime.Errorf(runtime.NotFound, "model %q has no version %s", name, version)
		}
	}
	return runtime.VariantInfo{}, &runtime.Error{Code: runtime.NotFound, Text: fmt.Sprintf("no variant %q", name), Missing: "model", Similar: f.similar(name)}
}

// similar suggests, for a name without its last letter, the name that has it.
func (f *Engine) similar(name string) func(visible func(string) bool) string {
	return func(visible func(string) bool) string {
		for _, v := range f.Models {
			if v.Name[:len(v.Name)-1] == name && visible(v.Name) {
				return v.Name
			}
		}
		return ""
	}
}

func (f *Engine) Classify(ctx context.Context, name string, image []byte, o runtime.ClassifyOptions) (runtime.Answer, error) {
	f.Lock()
	defer f.Unlock()
	if f.OnClassify != nil {
		classify := f.OnClassify
		f.Unlock()
		defer f.Lock()
		return classify(ctx, name, image, o)
	}
	v, err := f.find(name)
	if err != nil {
		return runtime.Answer{}, err
	}
	f.Count.Requests++
	return runtime.Answer{
		Scores:  []runtime.Score{{Label: string(image), Score: 0.75}, {Label: "b", Score: 0.25}},
		Variant: v.Name, Digest: v.Digest, Basis: v.Basis,
		Timing: runtime.Timing{Queue: 10 * time.Microsecond, Rebuild: 1500 * time.Microsecond, Compute: 2 * time.Millisecond},
	}, nil
}

func (f *Engine) Versions(name string) ([]runtime.VersionInfo, error) {
	f.Lock()
	defer f.Unlock()
	v, err := f.find(name)
	if err != nil {
		return nil, err
	}
	return []runtime.VersionInfo{{Version: 1, Digest: "d0", Bytes: 1, Added: Time}, {Version: 2, Digest: v.Digest, Bytes: v.Bytes, Added: v.Added}}, nil
}

// Infer answers each input with two logits: 1 and 0.5 for an image, the first two
// values for pixels.
func (f *Engine) Infer(ctx context.Context, name string, in runtime.Inputs) (runtime.Outputs, error) {
	f.Lock()
	defer f.Unlock()
	v, err := f.find(name)
	if err != nil {
		return runtime.Outputs{}, err
	}
	if f.Unloaded[v.Name] {
		return runtime.Outputs{}, runtime.Errorf(runtime.Unloaded, "model %q was unloaded", v.Name)
	}
	f.Asked = append(f.Asked, in)
	if infer := f.OnInfer; infer != nil {
		f.Unlock()
		defer f.Lock()
		return runtime.Outputs{}, infer(ctx)
	}
	out := runtime.Outputs{Labels: []string{"yes", "no:b"}, Variant: v.Name, Version: v.Version, Digest: v.Digest, Basis: v.Basis,
		Timing: runtime.Timing{Compute: time.Millisecond}}
	for range in.Images {
		out.Logits = append(out.Logits, 1, 0.5)
	}
	size := in.Shape[0] * in.Shape[1] * in.Shape[2]
	for at := 0; size > 1 && at < len(in.Pixels); at += size {
		out.Logits = append(out.Logits, in.Pixels[at], in.Pixels[at+1])
	}
	if out.Rows = len(out.Logits) / 2; out.Rows == 0 {
		return out, runtime.Errorf(runtime.Invalid, "the request has no rows")
	}
	return out, nil
}

func (f *Engine) Ready(name string) error {
	f.Lock()
	defer f.Unlock()
	v, err := f.find(name)
	if err == nil && f.Unloaded[v.Name] {
		return runtime.Errorf(runtime.Unloaded, "model %q was unloaded", v.Name)
	}
	return err
}

func (f *Engine) Stats(name string) ([]runtime.VersionStats, error) {
	f.Lock()
	defer f.Unlock()
	if name == "" {
		name = f.Models[0].Name
	}
	v, err := f.find(name)
	if err != nil {
		return nil, err
	}
	return []runtime.VersionStats{{Name: v.Name, Version: v.Version, Last: Time, Rows: 5, Runs: 2, Batches: []runtime.BatchStats{{Size: 4, Compute: runtime.Total{Count: 2, Took: 3000}}},
		Success: runtime.Total{Count: 2, Took: time.Microsecond}, Memory: 1234}}, nil
}

func (f *Engine) Load(name string) error   { return f.setUnloaded(name, false) }
func (f *Engine) Unload(name string) error { return f.setUnloaded(name, true) }

func (f *Engine) setUnloaded(name string, unloaded bool) error {
	f.Lock()
	defer f.Unlock()
	if _, err := f.find(name); err != nil {
		return err
	}
	f.Unloaded[name] = unloaded
	for i := range f.Models {
		if f.Models[i].Name == name {
			f.Models[i].Unloaded = unloaded
		}
	}
	return nil
}

func (f *Engine) Aliases() []runtime.Alias {
	f.Lock()
	defer f.Unlock()
	var out []runtime.Alias
	for _, a := range f.ByAlias {
		out = append(out, a)
	}
	return out
}

func (f *Engine) Alias(name string) (runtime.Alias, error) {
	f.Lock()
	defer f.Unlock()
	a, ok := f.ByAlias[name]
	if f.Err != nil {
		return a, f.Err
	}
	if !ok {
		return a, runtime.Errorf(runtime.NotFound, "no alias %q", name)
	}
	return a, nil
}

func (f *Engine) PutAlias(ctx context.Context, name string, targets []runtime.Target) (runtime.Alias, bool, error) {
	f.Lock()
	defer f.Unlock()
	for _, t := range targets {
		if _, err := f.find(t.Model); err != nil {
			return runtime.Alias{}, false, err
		}
	}
	_, replaced := f.ByAlias[name]
	f.ByAlias[name] = runtime.Alias{Name: name, Targets: targets, Updated: Time}
	return f.ByAlias[name], replaced, nil
}

func (f *Engine) DeleteAlias(ctx context.Context, name string) error {
	if _, err := f.Alias(name); err != nil {
		return err
	}
	f.Lock()
	defer f.Unlock()
	delete(f.ByAlias, name)
	return nil
}

func (f *Engine) Variants(after string, limit int) (list []runtime.VariantInfo, next string) {
	f.Lock()
	defer f.Unlock()
	for _, v := range f.Models {
		if v.Name <= after {
			continue
		}
		if len(list) == limit {
			return list, list[limit-1].Name
		}
		list = append(list, v)
	}
	return list, ""
}

// Find knows the orders by name, and by requests.
func (f *Engine) Find(q runtime.Query) (runtime.Found, error) {
	f.Lock()
	defer f.Unlock()
	if f.Err != nil {
		return runtime.Found{}, f.Err
	}
	list := []runtime.VariantInfo{}
	for _, v := range f.Models {
		if strings.Contains(v.Name, strings.TrimSpace(q.Words)) && (q.Allow == nil || q.Allow(v.Name)) {
			list = append(list, v)
		}
	}
	if q.Order == "requests" {
		slices.SortStableFunc(list, func(a, b runtime.VariantInfo) int { return cmp.Compare(b.Requests, a.Requests) })
	}
	out := runtime.Found{Total: len(list), Offset: min(q.Offset, len(list))}
	if i := slices.IndexFunc(list, func(v runtime.VariantInfo) bool { return v.Name == q.From }); i >= 0 {
		out.Offset = i
	}
	list = list[out.Offset:]
	out.Variants = list[:min(q.Limit, len(list))]
	return out, nil
}

func (f *Engine) Variant(name string) (runtime.VariantDetail, error) {
	f.Lock()
	defer f.Unlock()
	v, err := f.find(name)
	return runtime.VariantDetail{
		VariantInfo: v,
		Labels:      []string{"ກ", "ຂ", "<b>&"},
		Fidelity:    store.Fidelity{Step: v.Step, Energy: v.Energy},
		Provenance:  store.Provenance{Name: name, Added: Time},
		Input:       runtime.Input{Channels: 3, Height: 32, Width: 32},
	}, err
}

func (f *Engine) PutVariant(ctx context.Context, name string, file []byte) (runtime.VariantInfo, bool, error) {
	f.Lock()
	defer f.Unlock()
	if f.Err != nil {
		return runtime.VariantInfo{}, false, f.Err
	}
	if name == f.Refused {
		return runtime.VariantInfo{}, false, runtime.Errorf(runtime.Refused, "%s is refused", name)
	}
	f.Added = append(f.Added, file)
	if v, err := f.find(name); err == nil {
		return v, true, nil
	}
	f.Models = append(f.Models, Variant(name))
	return Variant(name), false, nil
}

func (f *Engine) AddCheckpoint(ctx context.Context, family, name string, u runtime.Upload) (runtime.VariantInfo, bool, error) {
	f.Lock()
	f.Uploads = append(f.Uploads, u)
	f.Unlock()
	return f.PutVariant(ctx, name, u.Model)
}

func (f *Engine) DeleteVariant(ctx context.Context, name string) error {
	f.Lock()
	defer f.Unlock()
	if _, err := f.find(name); err != nil {
		return err
	}
	kept := f.Models[:0:0]
	for _, v := range f.Models {
		if v.Name != name {
			kept = append(kept, v)
		}
	}
	f.Models = kept
	return nil
}

func (f *Engine) SetPinned(ctx context.Context, name string, pinned bool) error {
	f.Lock()
	defer f.Unlock()
	if _, err := f.find(name); err != nil {
		return err
	}
	for i := range f.Models {
		if f.Models[i].Name == name {
			f.Models[i].Pinned = pinned
		}
	}
	return nil
}

var spectrum = runtime.SpectrumInfo{At: []int{1, 2, 4, 8, 64}, Left: []float64{.7, .5, .3, .1, 0}, Right: []float64{.6, .4, .3, .1, 0}}

func (f *Engine) Families() []runtime.FamilyInfo {
	f.Lock()
	defer f.Unlock()
	return []runtime.FamilyInfo{f.family()}
}

func (f *Engine) family() runtime.FamilyInfo {
	return runtime.FamilyInfo{
		Name: "glyphs", Basis: "b1" + strings.Repeat("0", 62), Bytes: 1_400_000, Resident: 1_500_000, Rank: 256,
		Fitted: 200, Variants: len(f.Models), Parameters: 320_000, DenseBytes: 1_280_000, SlabBytes: 1_300_000,
		Input: runtime.Input{Channels: 3, Height: 32, Width: 32},
	}
}

func (f *Engine) Family(name string) (runtime.FamilyDetail, error) {
	f.Lock()
	defer f.Unlock()
	if f.Err != nil {
		return runtime.FamilyDetail{}, f.Err
	}
	if name != "glyphs" {
		return runtime.FamilyDetail{}, runtime.Errorf(runtime.NotFound, "no family %q", name)
	}
	return runtime.FamilyDetail{FamilyInfo: f.family(), Config: []byte(`{"hidden_size":64}`), Layers: []runtime.LayerInfo{
		{Name: "vit.encoder.layer.0.output.dense", Outputs: 64, Inputs: 256, Left: 64, Right: 64, Energy90: 9, Spectrum: spectrum},
		{Name: "vit.encoder.layer.1.output.dense", Outputs: 64, Inputs: 256, Left: 64, Right: 64, Energy90: 12, Spectrum: spectrum},
	}}, nil
}

func (f *Engine) Ledger() runtime.Ledger {
	f.Lock()
	defer f.Unlock()
	return f.Memory
}

func (f *Engine) Counters() runtime.Counters {
	f.Lock()
	defer f.Unlock()
	return f.Count
}

// Arrived returns how many files and checkpoints reached the engine.
func (f *Engine) Arrived() int {
	f.Lock()
	defer f.Unlock()
	return len(f.Added)
}

// Pinned reports whether a variant is pinned.
func (f *Engine) Pinned(name string) bool {
	f.Lock()
	defer f.Unlock()
	v, err := f.find(name)
	return err == nil && v.Pinned
}
