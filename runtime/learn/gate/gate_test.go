package gate_test

import (
	"bytes"
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"eigenserve/models/image"
	"eigenserve/models/nn"
	"eigenserve/models/output"
	"eigenserve/runtime/family"
	"eigenserve/runtime/fault"
	"eigenserve/runtime/internal/testfamily"
	"eigenserve/runtime/internal/teststore"
	"eigenserve/runtime/learn"
	"eigenserve/runtime/learn/gate"
	"eigenserve/store"
	"eigenserve/store/checkpoint"
	"eigenserve/store/tensorfile"
)

func TestCoarsest(t *testing.T) {
	curves := map[string]func(octaves float64) float64{
		"only whether":    func(x float64) float64 { return math.Inf(int(math.Copysign(1, x-1e-9))) },
		"only by how far": func(x float64) float64 { return x },
		"half as steep":   func(x float64) float64 { return x / 2 },
		"a root":          func(x float64) float64 { return math.Copysign(math.Sqrt(math.Abs(x)), x) },
		"a square":        func(x float64) float64 { return x * math.Abs(x) },
		"ten times":       func(x float64) float64 { return 10 * x },
		"a tenth":         func(x float64) float64 { return x / 10 },
		"below only": func(x float64) float64 {
			if x > 0 {
				return math.Inf(1)
			}
			return x
		},
	}
	for name, over := range curves {
		most, sum := 0, 0
		for border := gate.FinestStep - 1; border <= gate.MaxStep; border++ {
			tries := 0
			k, err := gate.Coarsest(func(k int) (float64, error) {
				if k < gate.FinestStep || k > gate.MaxStep {
					t.Fatalf("%s: tries step %d", name, k)
				}
				tries++
				return over(float64(k-border) / gate.PerOctave), nil
			})
			if err != nil || k != border {
				t.Fatalf("%s: the border is %d: %d, %v", name, border, k, err)
			}
			most, sum = max(most, tries), sum+tries
		}
		mean := float64(sum) / (gate.MaxStep - gate.FinestStep + 2)
		t.Logf("%s: %.1f tries, %d at most", name, mean, most)
		if most > 12 || name == "only by how far" && most > 3 || name == "half as steep" && most > 4 {
			t.Errorf("%s: %.1f tries, %d at most", name, mean, most)
		}
	}
	fails := errors.New("fails")
	if _, err := gate.Coarsest(func(int) (float64, error) { return 0, fails }); !errors.Is(err, fails) {
		t.Error(err)
	}
}

// Of a step that passes by luck or fails so, the neighbour decides.
func TestCoarsestAmongLuckyOnes(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	for range 1000 {
		over := make([]float64, gate.MaxStep+1-gate.FinestStep)
		border := float64(r.IntN(len(over)))
		for i := range over {
			over[i] = (float64(i)-border)/gate.PerOctave + 0.3*r.NormFloat64()
		}
		k, _ := gate.Coarsest(func(k int) (float64, error) { return over[k-gate.FinestStep], nil })
		if k >= gate.FinestStep && over[k-gate.FinestStep] > 0 || k < gate.MaxStep && over[k+1-gate.FinestStep] <= 0 {
			t.Fatalf("%d of %v", k-gate.FinestStep, over)
		}
	}
}

func TestCompare(t *testing.T) {
	p, q := []float32{2, 0, 0, 1}, []float32{0, 1, 1, 2} // two images of two labels
	got := gate.Compare(output.SingleLabel, q, p, 2)
	share := func(a, b float64) float64 { return math.Exp(a) / (math.Exp(a) + math.Exp(b)) }
	kl := 0.0
	for _, x := range [][2]float64{{share(2, 0), share(0, 1)}, {share(0, 1), share(1, 2)}} {
		kl += (x[0]*math.Log(x[0]/x[1]) + (1-x[0])*math.Log((1-x[0])/(1-x[1]))) / 2
	}
	if got.Agreement != 0.5 || math.Abs(got.KL-kl) > 1e-4 || got.Logit != 1.5 {
		t.Errorf("%+v, want 0.5, %g, 1.5", got, kl)
	}
	if same := gate.Compare(output.SingleLabel, p, p, 2); same != (store.Answers{Agreement: 1}) {
		t.Errorf("the same answers differ by %+v", same)
	}
}

// adder adds checkpoints to a family of a store, and reads what was stored.
type adder struct {
	*testing.T
	store *store.Store
	*learn.Adder
	family string
}

func newAdder(t *testing.T, s *store.Store, family string) *adder {
	t.Helper()
	a, err := learn.NewAdder(s, family)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return &adder{t, s, a, family}
}

// add stores a checkpoint as "new" and returns the variant.
func (a *adder) add(c *checkpoint.Checkpoint, o gate.Options) *store.Variant {
	a.Helper()
	if _, _, err := a.Add(context.Background(), "new", c, o); err != nil {
		a.Fatal(err)
	}
	return a.variant("new")
}

func (a *adder) variant(name string) *store.Variant {
	a.Helper()
	e, err := a.store.Entry(name)
	if err != nil {
		a.Fatal(err)
	}
	v, err := a.store.ReadVariant(e.Digest)
	if err != nil {
		a.Fatal(err)
	}
	return v
}

// TestGateTakesTheCoarsestStep checks that a step passes where the next one does not,
// and that the report says what was measured.
func TestGateTakesTheCoarsestStep(t *testing.T) {
	a := newAdder(t, teststore.Fitted(t), testfamily.Name)
	c := testfamily.New(77, 4).Open(t, "new")
	g := openGate(t, a.store, testfamily.Name)
	var sizes []int64
	for _, kl := range []float64{1e-5, 4e-6, 1.5e-6} {
		f := a.add(c, gate.Options{MinAgreement: -1, MaxKL: kl, MaxBytes: 1 << 30}).Fidelity
		e, err := a.store.Entry("new")
		testfamily.Must(err)
		m := f.Measured
		if m == nil || m.KL > kl || m.MaxKL != kl || m.Images < 30 || m.AtLeast >= m.Agreement || e.Agreement != m.Agreement ||
			m.Probes != store.BuiltInProbes || m.Mean.KL <= m.KL ||
			m.Random == nil || m.Random.KL <= m.KL || m.Random.KL >= m.Mean.KL {
			t.Errorf("at most %g: %+v", kl, m)
		}
		coarser, err := g.Variant(context.Background(), c, "new", gate.Options{MinAgreement: -1, MaxKL: kl, Step: f.Step * math.Exp2(1./gate.PerOctave)}, 1)
		testfamily.Must(err)
		if f.Step < gate.StepAt(gate.MaxStep) && coarser.Fidelity.Measured.KL <= kl {
			t.Errorf("at most %g: step %g passes too, but %g was taken", kl, coarser.Fidelity.Step, f.Step)
		}
		sizes = append(sizes, f.Bytes.Coefficients)
	}
	if sizes[0] >= sizes[1] || sizes[1] >= sizes[2] {
		t.Errorf("stricter gates take %v bytes", sizes)
	}
}

func TestGateRefuses(t *testing.T) {
	a := newAdder(t, teststore.Fitted(t), testfamily.Name)
	c := testfamily.New(77, 4).Open(t, "new")
	strict := gate.Options{MinAgreement: 1, MaxKL: 1e-9, MaxBytes: 3000}
	refused := func(o gate.Options, code fault.Code) error {
		t.Helper()
		_, _, err := a.Add(context.Background(), "new", c, o)
		if testfamily.CodeOf(err) != code {
			t.Errorf("%+v: %v", o, err)
		}
		return err
	}
	if err := refused(strict, fault.Refused); err == nil || strings.ContainsRune(err.Error(), '\n') || !strings.Contains(err.Error(), "3000 bytes") {
		t.Error(err)
	}
	if _, err := a.store.Entry("new"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("it was stored all the same: %v", err)
	}
	strict.AllowLossy = true
	v := a.add(c, strict)
	if e, err := a.store.Entry("new"); err != nil || !e.Lossy || !v.Fidelity.Lossy || v.Fidelity.Measured.MaxKL != 1e-9 {
		t.Fatalf("%+v, %+v, %v", e, v.Fidelity, err)
	}
	strict.MaxBytes = 1
	refused(strict, fault.Refused)
	for _, o := range []gate.Options{{MinAgreement: 2}, {MaxKL: -1}, {MaxKL: math.NaN()}, {MaxBytes: -1}, {Step: 1, Exact: true}} {
		refused(o, fault.Invalid)
	}
}

func TestExactKeepsEveryBit(t *testing.T) {
	a := newAdder(t, teststore.Fitted(t), testfamily.Name)
	tiny := testfamily.New(77, 4)
	v := a.add(tiny.Open(t, "new"), gate.Options{Exact: true})
	for name, want := range tiny.Tensors {
		got, ok := v.Exact[name]
		if !ok {
			got = v.Private[name]
		}
		if got.DType != want.DType || !bytes.Equal(got.Data, want.Data) {
			t.Errorf("tensor %q has changed", name)
		}
	}
}

// TestProbesAreKept checks that probes are stored with the family and that later
// additions are compared on them.
func TestProbesAreKept(t *testing.T) {
	s := testfamily.EmptyStore(t)
	calls := 0
	probes := &gate.Probes{Count: 7, Image: func(spec image.Spec, i int) (*image.Image, error) {
		calls++
		return spec.FromRGB(bytes.Repeat([]byte{byte(30 * i), 90, 200}, 9*11), 9, 11)
	}}
	fitted := []*checkpoint.Checkpoint{testfamily.New(1, 3).Open(t, "a"), testfamily.New(2, 3).Open(t, "b")}
	if err := learn.Fit(context.Background(), s, "family", fitted, learn.Options{Probes: probes, Gate: gate.Options{Step: 2}}); err != nil {
		t.Fatal(err)
	}
	pointer, err := s.Family("family")
	testfamily.Must(err)
	kept, err := s.ReadProbes(pointer.Probes)
	if err != nil || kept.Count != 7 || kept.Height != 8 || kept.Width != 8 || !s.Referenced()[pointer.Probes] {
		t.Fatalf("%+v, %v", kept, err)
	}
	before := calls
	v := newAdder(t, testfamily.Reopen(t, s.Dir()), "family").add(testfamily.New(3, 3).Open(t, "c"), gate.Options{Step: 2})
	if v.Fidelity.Measured.Probes != pointer.Probes || calls != before {
		t.Errorf("compared on %q after %d more calls", v.Fidelity.Measured.Probes, calls-before)
	}
}

// TestGateOfAFamilyOfOne checks the default of a family whose mean is its only member
// up to rounding: the mean's divergence then measures nothing.
func TestGateOfAFamilyOfOne(t *testing.T) {
	s := testfamily.EmptyStore(t)
	if err := learn.Fit(context.Background(), s, "family", []*checkpoint.Checkpoint{testfamily.New(5, 4).Open(t, "one")}, learn.Options{}); err != nil {
		t.Fatal(err)
	}
	a := newAdder(t, s, "family")
	a.add(testfamily.New(6, 4).Open(t, "other"), gate.Options{AllowLossy: true})
	for _, name := range []string{"one", "new"} {
		f := a.variant(name).Fidelity
		m := f.Measured
		if m == nil || m.MaxKL < gate.DefaultMaxKL/4 || m.MaxKL > 2*gate.DefaultMaxKL {
			t.Errorf("%s: %+v", name, m)
		}
		if name == "one" && f.Bytes.Coefficients > 256 {
			t.Errorf("the only member's coefficients take %d bytes", f.Bytes.Coefficients)
		}
	}
}

// The mean answers the same images for all variants: it is asked once, and again
// only if that failed.
func TestMeanIsReadOnce(t *testing.T) {
	var g gate.Images
	reads, fails := 0, errors.New("fails")
	read := func() ([]float32, error) {
		if reads++; reads == 1 {
			return nil, fails
		}
		return []float32{1}, nil
	}
	if _, err := g.MeanFeatures(read); !errors.Is(err, fails) {
		t.Errorf("the first: %v", err)
	}
	for range 2 {
		if x, err := g.MeanFeatures(read); err != nil || len(x) != 1 {
			t.Errorf("%v, %v", x, err)
		}
	}
	if reads != 2 {
		t.Errorf("%d reads, want 2", reads)
	}
}

// TestGateLooksAtTheHead checks that the default divergence depends on the head, and a
// given one does not.
func TestGateLooksAtTheHead(t *testing.T) {
	a := newAdder(t, teststore.Fitted(t), testfamily.Name)
	f, err := family.OpenCurrent(a.store, testfamily.Name, nn.Float32)
	testfamily.Must(err)
	defer f.Close()
	c := testfamily.New(77, 4)
	allowed := func(o gate.Options) float64 {
		t.Helper()
		return a.add(c.Open(t, "new"), o).Fidelity.Measured.MaxKL
	}
	s, m, err := f.OpenMember(c.Open(t, "new"))
	testfamily.Must(err)
	h := f.Plan.Heads()[0]
	head, labels, err := family.JoinHead(h, s.ReadPrivate)
	testfamily.Must(err)
	if labels != len(m.Labels()) {
		t.Fatalf("%d labels", labels)
	}
	usual := gate.DefaultShare * f.Basis.Divergence
	lenient := gate.Leniency(head, labels, h.Inputs)
	if got := allowed(gate.Options{MinAgreement: -1, MaxBytes: 1 << 30}); got != gate.Digits(usual*lenient) {
		t.Errorf("allowed %g, want %g", got, usual*lenient)
	}
	// A head whose first two labels are nearly the same.
	w := c.Tensors[h.Weight]
	values := make([]float32, w.Len())
	testfamily.Must(w.Float32(values))
	for k := range h.Inputs {
		values[h.Inputs+k] = values[k] + 1e-3*float32(k)
	}
	c.Tensors[h.Weight] = tensorfile.FromFloat32(w.DType, w.Shape, values)
	if got := allowed(gate.Options{MinAgreement: -1, MaxBytes: 1 << 30}); !(got < 0.9*usual*lenient) {
		t.Errorf("similar labels are allowed %g, others %g", got, usual*lenient)
	}
	if got := allowed(gate.Options{MinAgreement: -1, MaxBytes: 1 << 30, MaxKL: 0.03}); got != 0.03 {
		t.Errorf("allowed %g, not what was given", got)
	}
}
