package teach_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

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

func TestMain(m *testing.M) { teststore.Main(m) }

// refinement is a checkpoint that the basis of the tests' family was not fitted on, with
// images to refine it on and others to compare answers on.
type refinement struct {
	*testing.T
	family       *family.Family
	projector    *subspace.Projector
	coefficients *subspace.Coefficients
	target       teach.Target
	heldOut      []float32 // images
	want         []float32 // features of the checkpoint for them
	pass         nn.Pass
}

// numImages is the number of images to refine on, and of those held out.
const numImages = 256

func newRefinement(t *testing.T) *refinement {
	t.Helper()
	f, err := family.OpenCurrent(teststore.Fitted(t), testfamily.Name, nn.Float32)
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
	input, err := builtIn.Fill(f.Model, 2*numImages)
	testfamily.Must(err)
	w, err := family.LoadDense(f.Plan, s.Read, make([]float32, f.Plan.SlabLen()))
	testfamily.Must(err)
	features := r.features(w, input)
	head, labels, err := family.JoinHead(f.Plan.Heads()[0], s.ReadPrivate)
	testfamily.Must(err)
	r.target = teach.Target{Images: input[:len(input)/2], Features: features[:len(features)/2], Head: head, Labels: labels}
	r.heldOut, r.want = input[len(input)/2:], features[len(features)/2:]
	return r
}

// features returns the features of images under weights, (n, inputs of the head).
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

// meanSquareError returns the mean square error of a variant's features of the held-out images.
func (r *refinement) meanSquareError(v *store.Variant) float64 {
	read, err := family.Collect(func(put subspace.Put) error { return subspace.Rebuild(r.projector.Basis(), v, put) })
	testfamily.Must(err)
	w, err := family.LoadDense(r.family.Plan, read, make([]float32, r.family.Plan.SlabLen()))
	testfamily.Must(err)
	sum := 0.0
	for i, x := range r.features(w, r.heldOut) {
		d := float64(x - r.want[i])
		sum += d * d / float64(len(r.want))
	}
	return sum
}

// refined returns a refined variant at a step.
func (r *refinement) refined(ctx context.Context, step float64) (*store.Variant, error) {
	var v store.Variant
	return &v, teach.NewRefiner(r.family, r.target).Refine(ctx, r.projector, &v, r.coefficients, step)
}

// TestRefine checks that a refined variant answers images that the refinement did not see
// more like its original, in about as many bytes, and that it is the same every time.
func TestRefine(t *testing.T) {
	r := newRefinement(t)
	for _, step := range []float64{2, 4} {
		var plain store.Variant
		testfamily.Must(r.projector.Quantise(&plain, r.coefficients, step))
		v, err := r.refined(context.Background(), step)
		if err != nil {
			t.Fatal(err)
		}
		if got, rounded := r.meanSquareError(v), r.meanSquareError(&plain); got > 0.8*rounded {
			t.Errorf("step %g: error %g, only rounded %g", step, got, rounded)
		}
		if got, rounded := len(v.Coefficients), len(plain.Coefficients); float64(got) > 1.2*float64(rounded) {
			t.Errorf("step %g: %d bytes, only rounded %d", step, got, rounded)
		}
		if v.Step != plain.Step || v.Fidelity.Step != step || v.Basis != plain.Basis || v.Family != testfamily.Name {
			t.Errorf("step %g: variant %+v", step, v)
		}
		again, err := r.refined(context.Background(), step)
		if err != nil || !bytes.Equal(v.Coefficients, again.Coefficients) {
			t.Errorf("step %g: the coefficients differ the second time: %v", step, err)
		}
	}
}

func TestRefineErrors(t *testing.T) {
	r := newRefinement(t)
	if _, err := r.refined(context.Background(), 0); !errors.Is(err, subspace.ErrStep) {
		t.Errorf("step 0: error %v, want ErrStep", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if v, err := r.refined(ctx, 2); !errors.Is(err, context.Canceled) || v.Coefficients != nil {
		t.Errorf("canceled: error %v and %d bytes, want Canceled and none", err, len(v.Coefficients))
	}
}
