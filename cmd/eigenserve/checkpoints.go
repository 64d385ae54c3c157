package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"eigenserve/models"
	"eigenserve/models/nn"
	"eigenserve/runtime/kernel"
	"eigenserve/store/tensorfile"
)

// benchCheckpoints writes checkpoints to try a fit at scale on.
func (m *Main) benchCheckpoints() *cobra.Command {
	var model, out string
	var count int
	var seed uint64
	cmd := &cobra.Command{
		Use:   "checkpoints --model NAME --count N --out DIR",
		Short: "Write made-up checkpoints of a known size, to try a fit at scale on",
		Long: `Checkpoints writes folders as Hugging Face saves them, float32, that look like fine-tunes of
one base: each is the base, plus a delta in some directions that all share, of a
spectrum that decays as those of real families do, plus a little noise of its
own. Their answers mean nothing. The same seed writes the same bytes, and a folder
that is there already is kept.`,
		Example: `  eigenserve bench checkpoints --model vit-b16 --count 48 --out ./made
  eigenserve fit --store ./store --family made --rank 256 --metric none ./made/*`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			sy, ok := synthetics[model]
			if !ok {
				return usagef("--model %q: use vit-b16, vit-s16 or vit-ti16", model)
			}
			if out == "" || count < 1 {
				return usagef("--out DIR and a positive --count are needed")
			}
			l, err := newMadeLineage(sy, seed)
			if err != nil {
				return err
			}
			p := newProgress(m.Stderr)
			defer p.end()
			written, err := l.write(cmd.Context(), out, count, func(done int) { p.show("write", done, count) })
			p.end()
			if err == nil {
				_, err = fmt.Fprintf(m.Stdout, "%s in %s, %s new.\n", number(count, "checkpoint"), out, size(written))
			}
			return err
		},
	}
	cmd.Flags().StringVar(&model, "model", "vit-b16", "sizes of the model: vit-b16, vit-s16 or vit-ti16")
	cmd.Flags().StringVar(&out, "out", "", "folder to write them into")
	cmd.Flags().IntVar(&count, "count", 48, "how many")
	cmd.Flags().Uint64Var(&seed, "seed", 7, "another seed, another base with other fine-tunes")
	return cmd
}

// What made-up deltas are like: the directions a side that they share, how their
// spectrum falls, and their size and the noise's against the base's.
const (
	madeDirections = 48
	madeDecay      = 0.75
	madeDelta      = 0.05
	madeNoise      = 0.01
)

// madeLineage makes checkpoints around one base.
type madeLineage struct {
	sy     synthetic
	seed   uint64
	model  models.Model
	base   map[string][]float32
	layers []madeDirection // by Plan.Layers
}

// madeDirection is what the deltas of one layer share.
type madeDirection struct {
	left, right []float32 // (m,d), (d,width), of about unit length
}

func newMadeLineage(sy synthetic, seed uint64) (*madeLineage, error) {
	model, err := models.Open([]byte(sy.config), nil)
	if err != nil {
		return nil, err
	}
	l := &madeLineage{sy: sy, seed: seed, model: model, base: map[string][]float32{}}
	r := l.random("base", 0)
	for _, s := range model.Plan().Specs() {
		if s.Shape[0] > 0 {
			if l.base[s.Name], err = sy.tensor(s.Name, s.Shape, r); err != nil {
				return nil, err
			}
		}
	}
	for _, x := range model.Plan().Layers {
		m, width := x.Rows(), madeWidth(x)
		l.layers = append(l.layers, madeDirection{
			left:  gaussians(r, m*madeDirections, 1/math.Sqrt(float64(m))),
			right: gaussians(r, madeDirections*width, 1/math.Sqrt(float64(width))),
		})
	}
	return l, nil
}

func madeWidth(l nn.Layer) int {
	if l.Bias {
		return l.Cols() + 1
	}
	return l.Cols()
}

// random is a source that depends on the seed, a tensor and a checkpoint alone.
func (l *madeLineage) random(tensor string, checkpoint int) *rand.Rand {
	h := uint64(14695981039346656037) // FNV-1a
	for _, c := range []byte(tensor) {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return rand.New(rand.NewPCG(l.seed<<32+uint64(checkpoint), h))
}

// write makes the checkpoints, and tells how many bytes are new.
func (l *madeLineage) write(ctx context.Context, out string, count int, tell func(done int)) (written int64, err error) {
	for i := range count {
		if err := ctx.Err(); err != nil {
			return written, err
		}
		n, err := l.checkpoint(filepath.Join(out, fmt.Sprintf("%s-%04d", l.sy.name, i)), i)
		if err != nil {
			return written, err
		}
		written += n
		tell(i + 1)
	}
	return written, nil
}

// checkpoint writes one folder. Its weights come last: with them it is whole.
func (l *madeLineage) checkpoint(dir string, i int) (int64, error) {
	weights := filepath.Join(dir, "model.safetensors")
	if _, err := os.Stat(weights); err == nil {
		return 0, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return 0, err
	}
	for name, text := range map[string]string{"config.json": l.sy.config, "preprocessor_config.json": l.preprocessor()} {
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

// preprocessor is preprocessor_config.json of the model's own size.
func (l *madeLineage) preprocessor() string {
	in := l.model.Input().Image
	return fmt.Sprintf(`{"image_processor_type":"ViTImageProcessor","do_resize":true,"size":{"height":%d,"width":%d},"resample":2,`+
		`"do_rescale":true,"rescale_factor":0.00392156862745098,"do_normalize":true,"image_mean":[0.5,0.5,0.5],"image_std":[0.5,0.5,0.5]}`, in.Height, in.Width)
}

// tensors makes the i-th checkpoint's tensors.
func (l *madeLineage) tensors(i int) (map[string]tensorfile.Tensor, error) {
	out := map[string]tensorfile.Tensor{}
	for _, s := range l.model.Plan().Specs() { // the map is filled before goroutines look at it
		shape := s.Shape
		if shape[0] < 0 {
			shape = append([]int{len(l.model.Labels())}, shape[1:]...)
		}
		out[s.Name] = tensorfile.Tensor{DType: "F32", Shape: shape, Data: make([]byte, 4*product(shape))}
	}
	var group errgroup.Group
	group.SetLimit(2)
	for k := range l.model.Plan().Layers {
		group.Go(func() error { l.layer(out, k, i); return nil })
	}
	for _, v := range l.model.Plan().Vectors {
		x, r := append([]float32(nil), l.base[v.Name]...), l.random(v.Name, i)
		for k := range x {
			x[k] += float32(madeNoise * r.NormFloat64())
		}
		tensorfile.PutFloat32(out[v.Name].Data, x)
	}
	for _, p := range l.model.Plan().Private {
		x, err := l.sy.tensor(p.Name, out[p.Name].Shape, l.random(p.Name, i))
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

// layer makes the parts of one layer: base + L·C·R + noise.
func (l *madeLineage) layer(out map[string]tensorfile.Tensor, k, i int) {
	x, d := l.model.Plan().Layers[k], l.layers[k]
	m, n, width := x.Rows(), x.Cols(), madeWidth(x)
	r := l.random(x.Name, i)
	core := make([]float32, madeDirections*madeDirections)
	for a := range madeDirections {
		for b := range madeDirections {
			core[a*madeDirections+b] = float32(r.NormFloat64() * math.Pow(float64((a+1)*(b+1)), -madeDecay))
		}
	}
	rescale(core, madeDelta*math.Sqrt(float64(m)))
	turned, delta := make([]float32, m*madeDirections), make([]float32, m*width)
	kernel.Gemm(kernel.NoTrans, kernel.NoTrans, m, madeDirections, madeDirections, d.left, madeDirections, core, madeDirections, turned, madeDirections, false)
	kernel.Gemm(kernel.NoTrans, kernel.NoTrans, m, width, madeDirections, turned, madeDirections, d.right, width, delta, width, false)
	addNoise(delta, r, madeNoise/math.Sqrt(float64(n)))
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

// rescale gives v a norm.
func rescale(v []float32, norm float64) {
	sum := 0.0
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	for i := range v {
		v[i] *= float32(norm / math.Sqrt(sum))
	}
}

// addNoise adds noise of a standard deviation: the difference of two uniform
// 16-bit numbers each, since normal ones would take longer than the disk does.
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
