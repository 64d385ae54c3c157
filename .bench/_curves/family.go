package main

import (
	"fmt"
	"path/filepath"
	"sort"
	"sync"

	"eigenserve/models"
	"eigenserve/models/nn"
	"eigenserve/store/checkpoint"
	"eigenserve/store/tensorfile"
)

// checkpointAt is a checkpoint and its folder.
type checkpointAt struct {
	*checkpoint.Checkpoint
	dir string

	mu       sync.Mutex     // guards computed
	computed map[string]any // see compute
}

// open opens every n-th checkpoint in a folder.
func open(folder string, n int) ([]*checkpointAt, error) {
	dirs, err := filepath.Glob(filepath.Join(folder, "*", "config.json"))
	if err != nil {
		return nil, err
	}
	sort.Strings(dirs)
	var out []*checkpointAt
	for i := 0; i < len(dirs); i += n {
		c, err := checkpoint.Open(filepath.Dir(dirs[i]))
		if err != nil {
			return nil, err
		}
		out = append(out, &checkpointAt{Checkpoint: c, dir: filepath.Dir(dirs[i]), computed: map[string]any{}})
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no checkpoints in %s", folder)
	}
	return out, nil
}

// tensor is one shared tensor as (rows, cols); a vector has one row.
type tensor struct {
	name       string
	rows, cols int
}

// family is what the published coders start from: the shared tensors and their means
// over the fitted checkpoints, in float32.
type family struct {
	model   models.Model
	members []*checkpointAt
	tensors []tensor
	mean    [][]float32
	numbers int // in all shared tensors

	rmsOnce    sync.Once
	scale      float64 // see rms
	axes       sync.Once
	components []axis // see modelAxis
	failed     error
}

func newFamily(members []*checkpointAt) (*family, error) {
	m, err := models.Open(members[0].Config, members[0].Preprocessor)
	if err != nil {
		return nil, err
	}
	f := &family{model: m, members: members}
	add := func(name string, shape []int, matrix bool) {
		t := tensor{name: name, rows: 1, cols: 1}
		for i, d := range shape {
			if i == 0 && matrix {
				t.rows = d
			} else {
				t.cols *= d
			}
		}
		f.tensors = append(f.tensors, t)
		f.numbers += t.rows * t.cols
	}
	for _, l := range m.Plan().Layers {
		for _, part := range l.Parts {
			add(part+".weight", l.Shape, true)
			if l.Bias {
				add(part+".bias", l.Shape[:1], false)
			}
		}
	}
	for _, v := range m.Plan().Vectors {
		add(v.Name, v.Shape, false)
	}
	for _, t := range f.tensors {
		mean := make([]float32, t.rows*t.cols)
		for _, c := range members {
			x, err := c.read(t.name)
			if err != nil {
				return nil, err
			}
			for i := range x {
				mean[i] += x[i] / float32(len(members))
			}
		}
		f.mean = append(f.mean, mean)
	}
	return f, nil
}

// read returns a tensor.
func (c *checkpointAt) read(name string) ([]float32, error) {
	t, ok := c.Tensor(name)
	if !ok {
		return nil, fmt.Errorf("%s: tensor %q is missing", c.dir, name)
	}
	x := make([]float32, t.Len())
	return x, t.Float32(x)
}

// deltas returns a checkpoint's deltas, by tensor.
func (f *family) deltas(c *checkpointAt) ([][]float32, error) {
	out := make([][]float32, len(f.tensors))
	for i, t := range f.tensors {
		x, err := c.read(t.name)
		if err != nil {
			return nil, err
		}
		for k := range x {
			x[k] -= f.mean[i][k]
		}
		out[i] = x
	}
	return out, nil
}

// compute returns what f returns for a checkpoint. It calls f once for each name.
func (c *checkpointAt) compute(name string, f func() any) any {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.computed[name] == nil {
		c.computed[name] = f()
	}
	return c.computed[name]
}

// coder is one way to store a variant at one setting.
type coder struct {
	name, setting string
	// code returns the tensors as they will be read, by name, and their size in
	// bytes.
	code func(c *checkpointAt) (map[string][]float32, float64, error)
	// shared is what the family keeps for all variants, in whole models.
	shared float64
}

// onDeltas returns a coder that codes deltas. The function code replaces the deltas by
// what is read back, and returns their size in bits.
func (f *family) onDeltas(name, setting string, code func(c *checkpointAt, deltas [][]float32) float64) coder {
	return coder{name: name, setting: setting, shared: 1, code: func(c *checkpointAt) (map[string][]float32, float64, error) {
		deltas, err := f.deltas(c)
		if err != nil {
			return nil, 0, err
		}
		bits := code(c, deltas)
		out := map[string][]float32{}
		for i, t := range f.tensors {
			for k, m := range f.mean[i] {
				deltas[i][k] += m
			}
			out[t.name] = deltas[i]
		}
		return out, bits / 8, nil
	}}
}

// result is what a coder reached on some checkpoints: means, and the lowest agreement.
type result struct{ size, agreement, lowest float64 }

type point struct {
	name          string
	fitted, added result
}

// measure codes every checkpoint and compares its answers on its own images.
func measure(f *family, c coder, all []*checkpointAt) (result, error) {
	out := result{lowest: 1}
	var mu sync.Mutex // guards out and failed
	var failed error
	work := make(chan *checkpointAt)
	var wait sync.WaitGroup
	for range 2 {
		wait.Go(func() {
			for at := range work {
				tensors, bytes, err := c.code(at)
				agreement := 0.0
				if err == nil {
					agreement, err = f.agreement(at, tensors)
				}
				mu.Lock()
				if err != nil && failed == nil {
					failed = err
				}
				out.size += bytes / float64(2*f.numbers) / float64(len(all))
				out.agreement += agreement / float64(len(all))
				out.lowest = min(out.lowest, agreement)
				mu.Unlock()
			}
		})
	}
	for _, at := range all {
		work <- at
	}
	close(work)
	wait.Wait()
	return out, failed
}

// agreement returns how often the best label of a checkpoint's own images is the
// original's if its shared tensors are replaced, in float32.
func (f *family) agreement(c *checkpointAt, tensors map[string][]float32) (float64, error) {
	file, err := tensorfile.Open(filepath.Join(c.dir, "eval.safetensors"))
	if err != nil {
		return 0, err
	}
	defer file.Close()
	images, ok := file.Tensor("images")
	logits, okLogits := file.Tensor("logits")
	if !ok || !okLogits {
		return 0, fmt.Errorf("%s: no images or logits in eval.safetensors", c.dir)
	}
	want := make([]float32, logits.Len())
	if err := logits.Float32(want); err != nil {
		return 0, err
	}
	spec, n := f.model.Input().Image, images.Shape[0]
	size := spec.Len()
	input := make([]float32, n*size)
	for i := range n {
		img, err := spec.FromRGB(images.Data[i*size:(i+1)*size], images.Shape[1], images.Shape[2])
		if err != nil {
			return 0, err
		}
		if err := spec.Fill(input[i*size:(i+1)*size], img); err != nil {
			return 0, err
		}
	}
	plan := f.model.Plan()
	slab := make([]float32, plan.SlabLen())
	read := func(name string, dst []float32) error {
		if copy(dst, tensors[name]) != len(dst) {
			return fmt.Errorf("tensor %q is missing", name)
		}
		return nil
	}
	if err := plan.Load(slab, read); err != nil {
		return 0, err
	}
	w := plan.Bind(slab)
	err = plan.BindPrivate(&w, func(name string) ([]float32, []int, error) {
		t, ok := c.Tensor(name)
		if !ok {
			return nil, nil, fmt.Errorf("tensor %q is missing", name)
		}
		x := make([]float32, t.Len())
		return x, t.Shape, t.Float32(x)
	})
	if err != nil {
		return 0, err
	}
	var pass nn.Pass
	inputs := models.Images(f.model, input)
	pass.Begin(nn.Group{Spans: models.Spans(f.model, inputs), Weights: &w})
	got, err := f.model.Forward(&pass, inputs)
	if err != nil {
		return 0, err
	}
	same, labels := 0, len(want)/n
	for i, x := range got {
		if largest(x.Logits) == largest(want[i*labels:(i+1)*labels]) {
			same++
		}
	}
	return float64(same) / float64(n), nil
}

// largest returns the index of the largest number.
func largest(v []float32) int {
	best := 0
	for i, x := range v {
		if x > v[best] {
			best = i
		}
	}
	return best
}
