package teach_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"gorgonia.org/tensor"

	"eigenserve/models"
	"eigenserve/models/nn"
	"eigenserve/runtime/family"
	"eigenserve/runtime/internal/testfamily"
	"eigenserve/runtime/internal/teststore"
	"eigenserve/runtime/learn/gate"
	"eigenserve/runtime/learn/teach"
	"eigenserve/store"
	"eigenserve/store/subspace"
)

// refinement is a checkpoint of the tests' family that its basis was not fitted
// on, about to be refined on some images and looked at on others.
type refinement struct {
	*testing.T
	family       *family.Family
	projector    *subspace.Projector
	coefficients *subspace.Coefficients
	target       teach.Target
	unseen       []float32 // images
	want         []float32 // the original's features of them
	pass         nn.Pass
}

func TestMain(m *testing.M) { teststore.Main(m) }

const refinedImages = 256

func newRefinement(t *testing.T) *refinement {
	t.Helper()
	st := teststore.Fitted(t)
	f, err := family.OpenCurrent(st, testfamily.Name, nn.Float32)
	testfamily.Must(err)
	basis, err := f.OpenBasis()
	testfamily.Must(err)
	t.Cleanup(func() { basis.Close(); f.Close() })
	projector, err := subspace.NewProjector(basis)
	testfamily.Must(err)
	s, _, err := f.OpenMember(testfamily.New(77, 4).Open(t, "refined"))
	testfamily.Must(err)
	r := &refinement{T: t, family: f, projector: projector}
	r.coefficients, err = projector.Project(s)
	testfamily.Must(err)

	var builtIn *gate.Probes
	input, err := builtIn.Fill(f.Model, 2*refinedImages)
	testfamily.Must(err)
	slab := make([]float32, f.Plan.SlabLen())
	testfamily.Must(f.Plan.Load(slab, s.Read))
	w := f.Plan.Bind(slab)
	features := r.features(&w, input)
	weight, shape, err := s.ReadPrivate("classifier.weight")
	testfamily.Must(err)
	bias, _, err := s.ReadPrivate("classifier.bias")
	testfamily.Must(err)
	r.target = teach.Target{Images: input[:len(input)/2], Features: features[:len(features)/2], Labels: shape[0]}
	r.unseen, r.want = input[len(input)/2:], features[len(features)/2:]
	for i, b := range bias {
		r.target.Head = append(append(r.target.Head, weight[i*shape[1]:(i+1)*shape[1]]...), b)
	}
	return r
}

func (r *refinement) features(w *nn.Weights, input []float32) (out []float32) {
	r.family.Plan.Features(w)
	images := models.Images(r.family.Model, input)
	r.pass.Begin(nn.Group{Spans: models.Spans(r.family.Model, images), Weights: w})
	features, err := r.family.Model.Forward(&r.pass, images)
	testfamily.Must(err)
	for _, x := range features {
		out = append(out, x.Logits...)
	}
	return out
}

// off is the mean square error of a variant's features of images that no
// refinement saw.
func (r *refinement) off(v *store.Variant) float64 {
	slab := make([]float32, r.family.Plan.SlabLen())
	w := r.family.Plan.Bind(slab)
	tensors := map[string][]float32{}
	b := r.projector.Basis()
	testfamily.Must(subspace.Rebuild(b, v, func(name string, x *tensor.Dense) { tensors[name] = x.Float32s() }))
	testfamily.Must(r.family.Plan.Load(slab, func(name string, dst []float32) error {
		copy(dst, tensors[name])
		return nil
	}))
	sum := 0.0
	for i, x := range r.features(&w, r.unseen) {
		d := float64(x - r.want[i])
		sum += d * d / float64(len(r.want))
	}
	return sum
}

func (r *refinement) refined(ctx context.Context, step float64) (*store.Variant, error) {
	var v store.Variant
	return &v, teach.NewRefiner(r.family, r.target).Refine(ctx, r.projector, &v, r.coefficients, step)
}

// A refined variant answers images that the refinement never saw nearer to its
// original, in about as many bytes, the same every time.
func TestRefine(t *testing.T) {
	r := newRefinement(t)
	for _, step := range []float64{2, 4} {
		var plain store.Variant
		testfamily.Must(r.projector.Quantise(&plain, r.coefficients, step))
		v, err := r.refined(context.Background(), step)
		if err != nil {
			t.Fatal(err)
		}
		if was, is := r.off(&plain), r.off(v); is > 0.8*was {
			t.Errorf("step %g: off by %g, without a refinement by %g", step, is, was)
		}
		if was, is := len(plain.Coefficients), len(v.Coefficients); float64(is) > 1.2*float64(was) {
			t.Errorf("step %g: %d bytes, without a refinement %d", step, is, was)
		}
		if v.Step != plain.Step || v.Fidelity.Step != step || v.Basis != plain.Basis || v.Family != testfamily.Name {
			t.Errorf("step %g: %+v", step, v)
		}
		again, err := r.refined(context.Background(), step)
		if err != nil || !bytes.Equal(v.Coefficients, again.Coefficients) {
			t.Errorf("step %g: another stream the second time (%v)", step, err)
		}
	}
}

func TestRefineRefusals(t *testing.T) {
	r := newRefinement(t)
	if _, err := r.refined(context.Background(), 0); !errors.Is(err, subspace.ErrStep) {
		t.Errorf("step 0: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if v, err := r.refined(ctx, 2); !errors.Is(err, context.Canceled) || v.Coefficients != nil {
		t.Errorf("cancelled: %v, %d bytes", err, len(v.Coefficients))
	}
}
