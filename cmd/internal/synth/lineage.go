package synth

import (
	"context"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"eigenserve/models"
	"eigenserve/models/nn"
	"eigenserve/runtime/kernel"
	"eigenserve/store/tensorfile"
)

// The distribution of a lineage's deltas.
const (
	sharedDirections = 48   // on each side of a layer
	spectrumDecay    = 0.75 // exponent of the shared part's spectrum
	deltaScale       = 0.05 // of the shared part, relative to the base
	noiseScale       = 0.01 // of each checkpoint's own noise, relative to the base
)

// Lineage makes checkpoints that look like fine-tunes of one base: the base, plus a
// delta in directions that all checkpoints share, plus noise.
type Lineage struct {
	spec   Spec
	seed   uint64
	Model  models.Model
	base   map[string][]float32
	layers []layerDirections // by Plan.Layers
}

// layerDirections are the directions that the deltas of one layer share.
type layerDirections struct {
	left, right []float32 // (m, d) and (d, width), of about unit length
}

// NewLineage returns a lineage of the model of a spec. The same seed makes the same
// checkpoints.
func NewLineage(spec Spec, seed uint64) (*Lineage, error) {
	model, err := models.Open([]byte(spec.Config), nil)
	if err != nil {
		return nil, err
	}
	l := &Lineage{spec: spec, seed: seed, Model: model, base: map[string][]float32{}}
	r := l.random("base", 0)
	for _, s := range model.Plan().Specs() {
		if s.Shape[0] > 0 {
			if l.base[s.Name], err = spec.tensor(s.Name, s.Shape, r); err != nil {
				return nil, err
			}
		}
	}
	for _, x := range model.Plan().Layers {
		m, width := x.Rows(), layerWidth(x)
		l.layers = append(l.layers, layerDirections{
			left:  normal(r, m*sharedDirections, 1/math.Sqrt(float64(m))),
			right: normal(r, sharedDirections*width, 1/math.Sqrt(float64(width))),
		})
	}
	return l, nil
}

// layerWidth returns the number of columns of a layer with its bias.
func layerWidth(l nn.Layer) int {
	if l.Bias {
		return l.Cols() + 1
	}
	return l.Cols()
}

// random returns a source that depends only on the seed, a tensor and a checkpoint.
func (l *Lineage) random(tensor string, checkpoint int) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(tensor))
	return rand.New(rand.NewPCG(l.seed<<32+uint64(checkpoint), h.Sum64()))
}

// Write writes count checkpoints into folders of out, except those that are there
// already, calls progress after each, and returns the number of bytes written.
func (l *Lineage) Write(ctx context.Context, out string, count int, progress func(done int)) (written int64, err error) {
	for i := range count {
		if err := ctx.Err(); err != nil {
			return written, err
		}
		n, err := l.checkpoint(filepath.Join(out, fmt.Sprintf("%s-%04d", l.spec.Name, i)), i)
		if err != nil {
			return written, err
		}
		written += n
		progress(i + 1)
	}
	return written, nil
}

// checkpoint writes the i-th checkpoint to a folder. It writes the weights last: a
// folder that has them is complete.
func (l *Lineage) checkpoint(dir string, i int) (int64, error) {
	weights := filepath.Join(dir, "model.safetensors")
	if _, err := os.Stat(weights); err == nil {
		return 0, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return 0, err
	}
	for name, text := range map[string]string{"config.json": l.spec.Config, "preprocessor_config.json": l.preprocessor()} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return 0, err
		}
	}
	tensors, err := l.tensors(i)
	if err != nil {
		return 0, err
	}
	var bytes int64
	for _, t := range tensors {
		bytes += int64(len(t.Data))
	}
	return bytes, tensorfile.WriteFile(weights, tensors, map[string]string{"format": "pt"})
}

// preprocessor returns preprocessor_config.json for images of the model's size.
func (l *Lineage) preprocessor() string {
	in := l.Model.Input().Image
	return fmt.Sprintf(`{"image_processor_type":"ViTImageProcessor","do_resize":true,"size":{"height":%d,"width":%d},"resample":2,`+
		`"do_rescale":true,"rescale_factor":0.00392156862745098,"do_normalize":true,"image_mean":[0.5,0.5,0.5],"image_std":[0.5,0.5,0.5]}`, in.Height, in.Width)
}

// tensors returns the i-th checkpoint's tensors.
func (l *Lineage) tensors(i int) (map[string]tensorfile.Tensor, error) {
	out := map[string]tensorfile.Tensor{}
	for _, s := range l.Model.Plan().Specs() { // all keys are set before goroutines read the map
		shape := s.Shape
		if shape[0] < 0 {
			shape = append([]int{len(l.Model.Labels())}, shape[1:]...)
		}
		out[s.Name] = tensorfile.Tensor{DType: "F32", Shape: shape, Data: make([]byte, 4*product(shape))}
	}
	var group errgroup.Group
	group.SetLimit(2)
	for k := range l.Model.Plan().Layers {
		group.Go(func() error { l.layer(out, k, i); return nil })
	}
	for _, v := range l.Model.Plan().Vectors {
		x, r := append([]float32(nil), l.base[v.Name]...), l.random(v.Name, i)
		for k := range x {
			x[k] += float32(noiseScale * r.NormFloat64())
		}
		tensorfile.PutFloat32(out[v.Name].Data, x)
	}
	for _, p := range l.Model.Plan().Private {
		x, err := l.spec.tensor(p.Name, out[p.Name].Shape, l.random(p.Name, i))
		if err != nil {
			return nil, err
		}
		tensorfile.PutFloat32(out[p.Name].Data, x)
	}
	return out, group.Wait()
}

func product(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// layer fills in the tensors of the k-th layer: base + L·C·R + noise.
func (l *Lineage) layer(out map[string]tensorfile.Tensor, k, i int) {
	x, d := l.Model.Plan().Layers[k], l.layers[k]
	m, n, width := x.Rows(), x.Cols(), layerWidth(x)
	r := l.random(x.Name, i)
	core := make([]float32, sharedDirections*sharedDirections)
	for a := range sharedDirections {
		for b := range sharedDirections {
			core[a*sharedDirections+b] = float32(r.NormFloat64() * math.Pow(float64((a+1)*(b+1)), -spectrumDecay))
		}
	}
	rescale(core, deltaScale*math.Sqrt(float64(m)))
	scaled, delta := make([]float32, m*sharedDirections), make([]float32, m*width)
	kernel.Gemm(false, false, m, sharedDirections, sharedDirections, d.left, sharedDirections, core, sharedDirections, scaled, sharedDirections, false)
	kernel.Gemm(false, false, m, width, sharedDirections, scaled, sharedDirections, d.right, width, delta, width, false)
	addNoise(delta, r, noiseScale/math.Sqrt(float64(n)))
	rows := x.Shape[0]
	for p, part := range x.Parts {
		weight := append([]float32(nil), l.base[part+".weight"]...)
		bias := append([]float32(nil), l.base[part+".bias"]...)
		for row := range rows {
			from := delta[(p*rows+row)*width:][:width]
			kernel.Add(weight[row*n:][:n], from[:n])
			if x.Bias {
				bias[row] += from[n]
			}
		}
		tensorfile.PutFloat32(out[part+".weight"].Data, weight)
		if x.Bias {
			tensorfile.PutFloat32(out[part+".bias"].Data, bias)
		}
	}
}

// rescale scales v to a norm.
func rescale(v []float32, norm float64) {
	sum := 0.0
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	for i := range v {
		v[i] *= float32(norm / math.Sqrt(sum))
	}
}

// addNoise adds noise with a standard deviation to v. Each number is the difference of
// two uniform 16-bit numbers, since normal ones would take longer than the disk.
func addNoise(v []float32, r *rand.Rand, deviation float64) {
	unit := float32(deviation * math.Sqrt(6) / 65536)
	for i := 0; i < len(v); i += 2 {
		bits := r.Uint64()
		v[i] += unit * float32(int32(bits&0xffff)-int32(bits>>16&0xffff))
		if i+1 < len(v) {
			v[i+1] += unit * float32(int32(bits>>32&0xffff)-int32(bits>>48))
		}
	}
}
