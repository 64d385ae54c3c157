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
	"eigenserve/store"
	"eigenserve/store/subspace"
	"eigenserve/store/tensorfile"
)

// Spec describes a family around one model: that model, or random weights
// of its sizes, is the mean, the directions and the variants' cores are made up.
// Its answers mean nothing, its times and its bytes are real.
type Spec struct {
	Name       string
	Config     string  // config.json
	Directions int     // a side
	Density    float64 // share of a core's coefficients that are not zero
	Variants   int
	// read fills dst with a tensor of the model, or is nil for random weights.
	read func(tensor string, dst []float32) error
	// like, if set, says what cores are like in place of density.
	Profile *Profile
	// classes gives a variant's number of labels; nil for the model's own.
	LabelCount func(variant int) int
	// tell is told of every variant that is stored.
	OnStored func(done int)
}

// defaultVariants is how many variants a family has unless more are asked for.
const defaultVariants = 8

// Specs are the sizes that bench knows by name.
var Specs = map[string]Spec{
	"vit-b16": {Name: "vit-b16", Config: vitConfig(768, 12), Directions: 128, Density: 0.01, Variants: defaultVariants},
	"vit-s16": {Name: "vit-s16", Config: vitConfig(384, 6), Directions: 128, Density: 0.01, Variants: defaultVariants},
	// The embedded family's sizes at few directions, for very many variants.
	"small": {Name: "small", Config: smallConfig, Directions: 16, Density: 0.05, Variants: defaultVariants},
	// Small enough to try things at scale on in seconds.
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

// Install makes the family and puts it into a store.
func (sy Spec) Install(s *store.Store) error {
	config := []byte(sy.Config)
	model, err := models.Open(config, nil)
	if err != nil {
		return err
	}
	r := rand.New(rand.NewPCG(7, 7))
	b := &store.Basis{Family: sy.Name, Config: config, RMS: 1, Metric: "none", Rank: sy.Directions,
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
	var group errgroup.Group
	group.SetLimit(goruntime.GOMAXPROCS(0))
	var mu sync.Mutex // guards done, and orders what tell is told
	done := 0
	for i := range sy.Variants {
		group.Go(func() error {
			err := sy.putVariant(s, b, model, i, rand.New(rand.NewPCG(8, uint64(i))))
			mu.Lock()
			defer mu.Unlock()
			if done++; err == nil && sy.OnStored != nil {
				sy.OnStored(done)
			}
			return err
		})
	}
	return group.Wait()
}

// tensor gives the model's values of a tensor, or random ones at which
// activations stay sane.
func (sy Spec) tensor(name string, shape []int, r *rand.Rand) ([]float32, error) {
	n := 1
	for _, d := range shape {
		n *= d
	}
	if sy.read != nil {
		v := make([]float32, n)
		return v, sy.read(name, v)
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

// layer has the model's weights for means, and random directions of about unit
// length, which cost what orthonormal ones do.
func (sy Spec) layer(l store.Layer, r *rand.Rand) (store.BasisLayer, error) {
	m, n, width := l.Rows(), l.Cols(), l.Width()
	p, q := min(sy.Directions, m), min(sy.Directions, width)
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
	left, right := constant(p, 1), constant(q, 1)
	if sy.Profile != nil {
		role := sy.Profile.of(l.Name)
		left, right = resampled(role.left, p), resampled(role.right, q)
	}
	return store.BasisLayer{Layer: l, Bias: bias,
		Mean:  tensorfile.FromFloat32("BF16", []int{m, n}, weight),
		Left:  tensorfile.FromFloat32("BF16", []int{m, p}, normal(r, m*p, 1/math.Sqrt(float64(m)))),
		Right: tensorfile.FromFloat32("BF16", []int{q, width}, normal(r, q*width, 1/math.Sqrt(float64(width)))),
		// The gain of each tensor makes of these what its coefficients are.
		LeftScale: left, RightScale: right,
		Spectrum: store.Spectrum{Left: make([]float64, p), Right: make([]float64, q), Energy: 1},
	}, nil
}

// putVariant makes the i-th variant and stores it.
func (sy Spec) putVariant(s *store.Store, b *store.Basis, model models.Model, i int, r *rand.Rand) error {
	labels := model.Labels()
	if sy.LabelCount != nil {
		labels = LabelNames(sy.LabelCount(i))
	}
	v, file, err := sy.Make(b, model, fmt.Sprintf("%s-%04d", sy.Name, i), labels, r)
	if err != nil {
		return err
	}
	_, _, err = s.PutVariant(v.Name, v, file)
	return err
}

// Make makes a variant and its file.
func (sy Spec) Make(b *store.Basis, model models.Model, name string, labels []string, r *rand.Rand) (*store.Variant, []byte, error) {
	v := &store.Variant{Name: name, Family: b.Family, Basis: b.Digest, Step: 0.02,
		Provenance: store.Provenance{Name: "synthetic", Checkpoint: store.Digest([]byte(name)), Added: b.Created}}
	layers, vectors := sy.cores(b, r)
	if err := subspace.Code(v, b, layers, vectors); err != nil {
		return nil, nil, err
	}
	v.Labels, v.Private = labels, map[string]tensorfile.Tensor{}
	for _, p := range model.Plan().Private {
		shape := append([]int{len(v.Labels)}, p.Shape[1:]...)
		values, err := sy.privateTensor(p.Name, shape, r)
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

// privateTensor is a tensor of a variant's own. Labels other than the model's have no
// weights to be read.
func (sy Spec) privateTensor(name string, shape []int, r *rand.Rand) ([]float32, error) {
	if sy.LabelCount != nil {
		sy.read = nil
	}
	return sy.tensor(name, shape, r)
}

// LabelNames are labels of no meaning.
func LabelNames(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("label %d", i)
	}
	return out
}

// cores makes up coefficients: like a real family's, or evenly spread, where
// every direction is used, by the diagonal, and the rest of the nonzeros lie
// anywhere.
func (sy Spec) cores(b *store.Basis, r *rand.Rand) (layers, vectors [][]int32) {
	for k := range b.Layers {
		l := &b.Layers[k]
		p, q := l.Directions()
		if sy.Profile != nil {
			layers = append(layers, sy.Profile.of(l.Name).core(r, l.Parameters(), p, q))
			continue
		}
		c := make([]int32, p*q)
		for j := range min(p, q) {
			c[j*p+j] = int32(1 - 2*r.IntN(2))
		}
		for range int(sy.Density*float64(p*q)) - min(p, q) {
			c[r.IntN(len(c))] = int32(1 - 2*r.IntN(2))
		}
		layers = append(layers, c)
	}
	for k := range b.Vectors {
		n := b.Vectors[k].Len()
		if sy.Profile != nil {
			vectors = append(vectors, sy.Profile.vector.core(r, n, n, 1))
			continue
		}
		vectors = append(vectors, make([]int32, n))
	}
	return layers, vectors
}

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
