package main

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"

	"eigenserve/models"
	"eigenserve/store"
	"eigenserve/store/checkpoint"
	"eigenserve/store/subspace"
	"eigenserve/store/tensorfile"
	"eigenserve/store/zoo"
)

// synthetic describes a family around one model: that model, or random weights
// of its sizes, is the mean, the directions and the variants' cores are made up.
// Its answers mean nothing, its times and its bytes are real.
type synthetic struct {
	name       string
	config     string  // config.json
	directions int     // a side
	density    float64 // share of a core's coefficients that are not zero
	variants   int
	// read fills dst with a tensor of the model, or is nil for random weights.
	read func(tensor string, dst []float32) error
}

// synthetics are the sizes that bench knows by name.
var synthetics = map[string]synthetic{
	"vit-b16": {name: "vit-b16", config: vitConfig(768, 12), directions: 128, density: 0.01, variants: mixed},
	"vit-s16": {name: "vit-s16", config: vitConfig(384, 6), directions: 128, density: 0.01, variants: mixed},
	// Small enough to try things at scale on in seconds.
	"vit-ti16": {name: "vit-ti16", config: vitConfig(192, 3), directions: 128, density: 0.01, variants: mixed},
}

func vitConfig(hidden, heads int) string {
	labels := map[string]string{}
	for i := range 1000 {
		labels[fmt.Sprint(i)] = fmt.Sprintf("label %d", i)
	}
	config, err := json.Marshal(map[string]any{"model_type": "vit", "hidden_size": hidden, "num_hidden_layers": 12,
		"num_attention_heads": heads, "intermediate_size": 4 * hidden, "image_size": 224, "patch_size": 16, "id2label": labels})
	if err != nil {
		panic(err) // numbers and strings
	}
	return string(config)
}

// installCheckpoint makes a family around a checkpoint.
func installCheckpoint(s *store.Store, dir string) error {
	c, err := checkpoint.Open(dir)
	if err != nil {
		return err
	}
	defer c.Close()
	sy := synthetics["vit-b16"]
	sy.name, sy.config = "checkpoint", string(c.Config)
	sy.read = func(tensor string, dst []float32) error {
		t, ok := c.Tensor(tensor)
		if !ok {
			return fmt.Errorf("tensor %q is missing", tensor)
		}
		return t.Float32(dst)
	}
	return sy.install(s)
}

// installZoo puts the embedded family into a store.
func installZoo(s *store.Store) error {
	_, err := zoo.Install(s)
	return err
}

// install makes the family and puts it into a store.
func (sy synthetic) install(s *store.Store) error {
	config := []byte(sy.config)
	model, err := models.Open(config, nil)
	if err != nil {
		return err
	}
	r := rand.New(rand.NewPCG(7, 7))
	b := &store.Basis{Family: sy.name, Config: config, RMS: 1, Metric: "none", Rank: sy.directions,
		Sources: []store.Source{{Name: "synthetic", Digest: store.Digest(config)}}, Created: time.Unix(0, 0).UTC()}
	for _, l := range model.Plan().Layers {
		layer, err := sy.layer(store.Layer(l), r)
		if err != nil {
			return err
		}
		b.Layers = append(b.Layers, layer)
	}
	for _, v := range model.Plan().Vectors {
		mean, err := sy.tensor(v.Name, v.Shape, r)
		if err != nil {
			return err
		}
		b.Vectors = append(b.Vectors, store.BasisVector{Vector: store.Vector(v), Mean: mean, Scale: constant(len(mean), 1)})
	}
	f, err := s.PutBasis(b)
	if err != nil {
		return err
	}
	b.Digest = f.Basis
	for i := range sy.variants {
		if err := sy.variant(s, b, model, i, r); err != nil {
			return err
		}
	}
	return nil
}

// tensor gives the model's values of a tensor, or random ones at which
// activations stay sane.
func (sy synthetic) tensor(name string, shape []int, r *rand.Rand) ([]float32, error) {
	n := 1
	for _, d := range shape {
		n *= d
	}
	if sy.read != nil {
		v := make([]float32, n)
		return v, sy.read(name, v)
	}
	if len(shape) > 1 {
		return gaussians(r, n, 1/math.Sqrt(float64(n/shape[0]))), nil
	}
	v := gaussians(r, n, 0.02)
	if strings.Contains(name, "norm") && strings.HasSuffix(name, ".weight") {
		for i := range v {
			v[i]++
		}
	}
	return v, nil
}

// layer has the model's weights for means, and random directions of about unit
// length, which cost what orthonormal ones do.
func (sy synthetic) layer(l store.Layer, r *rand.Rand) (store.BasisLayer, error) {
	m, n, width := l.Rows(), l.Cols(), l.Width()
	p, q := min(sy.directions, m), min(sy.directions, width)
	var weight, bias []float32
	for _, part := range l.Parts {
		w, err := sy.tensor(part+".weight", l.Shape, r)
		if err != nil {
			return store.BasisLayer{}, err
		}
		weight = append(weight, w...)
		if l.Bias {
			b, err := sy.tensor(part+".bias", l.Shape[:1], r)
			if err != nil {
				return store.BasisLayer{}, err
			}
			bias = append(bias, b...)
		}
	}
	return store.BasisLayer{Layer: l, Bias: bias,
		Mean:  tensorfile.FromFloat32("BF16", []int{m, n}, weight),
		Left:  tensorfile.FromFloat32("BF16", []int{m, p}, gaussians(r, m*p, 1/math.Sqrt(float64(m)))),
		Right: tensorfile.FromFloat32("BF16", []int{q, width}, gaussians(r, q*width, 1/math.Sqrt(float64(width)))),
		// The gain of each tensor makes of these what its coefficients are.
		LeftScale: constant(p, 1), RightScale: constant(q, 1),
		Spectrum: store.Spectrum{Left: make([]float64, p), Right: make([]float64, q), Energy: 1},
	}, nil
}

// variant makes the i-th variant: every direction is used, by the diagonal, and
// the rest of the nonzeros lie anywhere.
func (sy synthetic) variant(s *store.Store, b *store.Basis, model models.Model, i int, r *rand.Rand) error {
	v := &store.Variant{Name: fmt.Sprintf("%s-%04d", sy.name, i), Family: b.Family, Basis: b.Digest, Step: 0.02,
		Provenance: store.Provenance{Name: "synthetic", Checkpoint: store.Digest([]byte{byte(i), byte(i >> 8)}), Added: b.Created}}
	var layers, vectors [][]int32
	for k := range b.Layers {
		l := &b.Layers[k]
		p, q := l.Directions()
		c := make([]int32, p*q)
		for j := range min(p, q) {
			c[j*p+j] = int32(1 - 2*r.IntN(2))
		}
		for range int(sy.density*float64(p*q)) - min(p, q) {
			c[r.IntN(len(c))] = int32(1 - 2*r.IntN(2))
		}
		layers = append(layers, c)
	}
	for k := range b.Vectors {
		vectors = append(vectors, make([]int32, b.Vectors[k].Len()))
	}
	if err := subspace.Code(v, b, layers, vectors); err != nil {
		return err
	}
	v.Labels, v.Private = model.Labels(), map[string]tensorfile.Tensor{}
	for _, p := range model.Plan().Private {
		shape := append([]int{len(v.Labels)}, p.Shape[1:]...)
		values, err := sy.tensor(p.Name, shape, r)
		if err != nil {
			return err
		}
		v.Private[p.Name] = tensorfile.FromFloat32("BF16", shape, values)
		v.Fidelity.Bytes.Source += 4 * int64(len(values))
	}
	v.Fidelity.Bytes.Source += 4 * int64(b.Layout().Parameters())
	file, err := v.Bytes()
	if err != nil {
		return err
	}
	_, _, err = s.PutVariant(v.Name, v, file)
	return err
}

func gaussians(r *rand.Rand, n int, scale float64) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(r.NormFloat64() * scale)
	}
	return v
}

func constant(n int, x float32) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = x
	}
	return v
}
