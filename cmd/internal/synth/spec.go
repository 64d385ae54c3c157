// Package synth makes synthetic families, stores and checkpoints, of known sizes and
// from a seed. Their answers mean nothing, but their bytes and their times are those of
// real ones. None of them says anything about fidelity.
package synth

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	goruntime "runtime"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"eigenserve/models"
	"eigenserve/runtime/family"
	"eigenserve/store"
	"eigenserve/store/subspace"
	"eigenserve/store/tensorfile"
)

// Spec describes a synthetic family. Its mean is a given model, or random weights of
// a model's shapes; its directions and its variants' coefficients are random.
type Spec struct {
	Name       string
	Config     string  // config.json
	Directions int     // on each side of a layer
	Density    float64 // share of the coefficients that are not zero
	Variants   int
	// Profile, if set, replaces Density: coefficients are distributed like those that
	// it was taken from.
	Profile *Profile
	// LabelCount returns a variant's number of labels. If it is nil, all variants
	// have the labels of Config.
	LabelCount func(variant int) int
	// OnStored, if set, is called after each variant with the number stored so far.
	OnStored func(done int)

	// read fills dst with a tensor of the mean; nil for random weights.
	read func(tensor string, dst []float32) error
}

// defaultVariants is the number of variants of a known spec.
const defaultVariants = 8

// Specs are the specs that bench knows by name.
var Specs = map[string]Spec{
	"vit-b16": {Name: "vit-b16", Config: vitConfig(768, 12), Directions: 128, Density: 0.01, Variants: defaultVariants},
	"vit-s16": {Name: "vit-s16", Config: vitConfig(384, 6), Directions: 128, Density: 0.01, Variants: defaultVariants},
	// The embedded family's shapes with few directions, for very many variants.
	"small": {Name: "small", Config: smallConfig, Directions: 16, Density: 0.05, Variants: defaultVariants},
	// Small enough to try a large number of models in seconds.
	"vit-ti16": {Name: "vit-ti16", Config: vitConfig(192, 3), Directions: 128, Density: 0.01, Variants: defaultVariants},
}

const smallConfig = `{"model_type":"vit","hidden_size":64,"num_hidden_layers":6,"num_attention_heads":4,"intermediate_size":256,` +
	`"image_size":32,"patch_size":8,"id2label":{"0":"a","1":"b","2":"c","3":"d","4":"e","5":"f","6":"g","7":"h","8":"i","9":"j"}}`

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

// Install makes the family and its variants and stores them.
func (spec Spec) Install(s *store.Store) error {
	config := []byte(spec.Config)
	model, err := models.Open(config, nil)
	if err != nil {
		return err
	}
	r := rand.New(rand.NewPCG(7, 7))
	b := &store.Basis{Family: spec.Name, Config: config, RMS: 1, Metric: "none", Rank: spec.Directions,
		Sources: []store.Source{{Name: "synthetic", Digest: store.Digest(config)}}, Created: time.Unix(0, 0).UTC()}
	layout := family.LayoutOf(model.Plan())
	for _, l := range layout.Layers {
		layer, err := spec.layer(l, r)
		if err != nil {
			return err
		}
		b.Layers = append(b.Layers, layer)
	}
	for _, v := range layout.Vectors {
		mean, err := spec.tensor(v.Name, v.Shape, r)
		if err != nil {
			return err
		}
		b.Vectors = append(b.Vectors, store.BasisVector{Vector: v, Mean: mean, Scale: constant(len(mean), 1)})
	}
	f, err := s.PutBasis(b)
	if err != nil {
		return err
	}
	b.Digest = f.Basis
	var group errgroup.Group
	group.SetLimit(goruntime.GOMAXPROCS(0))
	var mu sync.Mutex // guards done, and keeps the calls of OnStored in order
	done := 0
	for i := range spec.Variants {
		group.Go(func() error {
			err := spec.putVariant(s, b, model, i, rand.New(rand.NewPCG(8, uint64(i))))
			mu.Lock()
			defer mu.Unlock()
			if done++; err == nil && spec.OnStored != nil {
				spec.OnStored(done)
			}
			return err
		})
	}
	return group.Wait()
}

// tensor returns a tensor of the mean: the given model's, or random values at which
// activations stay in a sensible range.
func (spec Spec) tensor(name string, shape []int, r *rand.Rand) ([]float32, error) {
	n := 1
	for _, d := range shape {
		n *= d
	}
	if spec.read != nil {
		v := make([]float32, n)
		return v, spec.read(name, v)
	}
	if len(shape) > 1 {
		return normal(r, n, 1/math.Sqrt(float64(n/shape[0]))), nil
	}
	v := normal(r, n, 0.02)
	if strings.Contains(name, "norm") && strings.HasSuffix(name, ".weight") {
		for i := range v {
			v[i]++
		}
	}
	return v, nil
}

// layer returns a layer of the basis. Its directions are random and of about unit
// length, which costs as much to compute with as orthonormal ones.
func (spec Spec) layer(l store.Layer, r *rand.Rand) (store.BasisLayer, error) {
	m, n, width := l.Rows(), l.Cols(), l.Width()
	p, q := min(spec.Directions, m), min(spec.Directions, width)
	var weight, bias []float32
	for _, part := range l.Parts {
		w, err := spec.tensor(part+".weight", l.Shape, r)
		if err != nil {
			return store.BasisLayer{}, err
		}
		weight = append(weight, w...)
		if l.Bias {
			b, err := spec.tensor(part+".bias", l.Shape[:1], r)
			if err != nil {
				return store.BasisLayer{}, err
			}
			bias = append(bias, b...)
		}
	}
	left, right := constant(p, 1), constant(q, 1)
	if spec.Profile != nil {
		role := spec.Profile.of(l.Name)
		left, right = resampled(role.left, p), resampled(role.right, q)
	}
	return store.BasisLayer{Layer: l, Bias: bias,
		Mean:  tensorfile.FromFloat32("BF16", []int{m, n}, weight),
		Left:  tensorfile.FromFloat32("BF16", []int{m, p}, normal(r, m*p, 1/math.Sqrt(float64(m)))),
		Right: tensorfile.FromFloat32("BF16", []int{q, width}, normal(r, q*width, 1/math.Sqrt(float64(width)))),
		// The gain of each tensor scales these to its coefficients.
		LeftScale: left, RightScale: right,
		Spectrum: store.Spectrum{Left: make([]float64, p), Right: make([]float64, q), Energy: 1},
	}, nil
}

// putVariant makes and stores the i-th variant.
func (spec Spec) putVariant(s *store.Store, b *store.Basis, model models.Model, i int, r *rand.Rand) error {
	labels := model.Labels()
	if spec.LabelCount != nil {
		labels = LabelNames(spec.LabelCount(i))
	}
	v, file, err := spec.Make(b, model, fmt.Sprintf("%s-%04d", spec.Name, i), labels, r)
	if err != nil {
		return err
	}
	_, _, err = s.PutVariant(v.Name, v, file)
	return err
}

// Make returns a variant on the basis b, and its file.
func (spec Spec) Make(b *store.Basis, model models.Model, name string, labels []string, r *rand.Rand) (*store.Variant, []byte, error) {
	v := &store.Variant{Name: name, Family: b.Family, Basis: b.Digest, Step: 0.02,
		Provenance: store.Provenance{Name: "synthetic", Checkpoint: store.Digest([]byte(name)), Added: b.Created}}
	layers, vectors := spec.coefficients(b, r)
	if err := subspace.EncodeIntegers(v, b, layers, vectors); err != nil {
		return nil, nil, err
	}
	v.Labels, v.Private = labels, map[string]tensorfile.Tensor{}
	for _, p := range model.Plan().Private {
		shape := append([]int{len(v.Labels)}, p.Shape[1:]...)
		values, err := spec.privateTensor(p.Name, shape, r)
		if err != nil {
			return nil, nil, err
		}
		v.Private[p.Name] = tensorfile.FromFloat32("BF16", shape, values)
		v.Fidelity.Bytes.Source += 4 * int64(len(values))
	}
	v.Fidelity.Bytes.Source += 4 * int64(b.Layout().Parameters())
	file, err := v.Bytes()
	return v, file, err
}

// privateTensor returns a tensor that the variants do not share. It is random if the
// labels are not the model's.
func (spec Spec) privateTensor(name string, shape []int, r *rand.Rand) ([]float32, error) {
	if spec.LabelCount != nil {
		spec.read = nil
	}
	return spec.tensor(name, shape, r)
}

// LabelNames returns n labels.
func LabelNames(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("label %d", i)
	}
	return out
}

// coefficients returns random coefficients, each layer's as (right, left). With a
// Profile they are distributed like a real family's. Without one the diagonal is
// nonzero, so that every direction is used, and the other nonzeros are anywhere.
func (spec Spec) coefficients(b *store.Basis, r *rand.Rand) (layers, vectors [][]int32) {
	for k := range b.Layers {
		l := &b.Layers[k]
		p, q := l.Directions()
		if spec.Profile != nil {
			layers = append(layers, spec.Profile.of(l.Name).draw(r, l.Parameters(), p, q))
			continue
		}
		c := make([]int32, p*q)
		for j := range min(p, q) {
			c[j*p+j] = int32(1 - 2*r.IntN(2))
		}
		for range int(spec.Density*float64(p*q)) - min(p, q) {
			c[r.IntN(len(c))] = int32(1 - 2*r.IntN(2))
		}
		layers = append(layers, c)
	}
	for k := range b.Vectors {
		n := b.Vectors[k].Len()
		if spec.Profile != nil {
			vectors = append(vectors, spec.Profile.vector.draw(r, n, n, 1))
			continue
		}
		vectors = append(vectors, make([]int32, n))
	}
	return layers, vectors
}

// normal returns n normally distributed numbers.
func normal(r *rand.Rand, n int, scale float64) []float32 {
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
