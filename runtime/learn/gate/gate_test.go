package gate_test

import (
	"bytes"
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"eigenserve/models/image"
	"eigenserve/models/nn"
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

func TestMain(m *testing.M) { teststore.Main(m) }

// openGate returns the gate of a family of a store, which it closes at the end of the test.
func openGate(t *testing.T, s *store.Store, name string) *gate.Gate {
	t.Helper()
	f, err := family.OpenCurrent(s, name, nn.Float32)
	testfamily.Must(err)
	g := gate.New(f, s)
	t.Cleanup(func() {
		if err := errors.Join(g.Close(), f.Close()); err != nil {
			t.Error(err)
		}
	})
	return g
}

// adder adds checkpoints to a family of a store and reads what was stored.
type adder struct {
	*testing.T
	*learn.Adder
	store *store.Store
}

// newAdder returns an adder to a family, which it closes at the end of the test.
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
	return &adder{t, a, s}
}

// add stores a checkpoint as "new" and returns the variant.
func (a *adder) add(c *checkpoint.Checkpoint, o gate.Options) *store.Variant {
	a.Helper()
	if _, _, err := a.Add(context.Background(), "new", c, o); err != nil {
		a.Fatal(err)
	}
	return a.variant("new")
}

// variant reads the current version of a variant.
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

// TestGateTakesCoarsestStep checks that the chosen step passes and the next coarser one
// does not, that the report has what was measured, and that stricter gates take more bytes.
func TestGateTakesCoarsestStep(t *testing.T) {
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
			t.Errorf("divergence of at most %g: measured %+v", kl, m)
		}
		coarser, err := g.Variant(context.Background(), c, "new", gate.Options{MinAgreement: -1, MaxKL: kl, Step: f.Step * math.Exp2(1./gate.PerOctave)}, 1)
		testfamily.Must(err)
		if f.Step < gate.StepAt(gate.MaxStep) && coarser.Fidelity.Measured.KL <= kl {
			t.Errorf("divergence of at most %g: step %g was taken, but %g passes too", kl, f.Step, coarser.Fidelity.Step)
		}
		sizes = append(sizes, f.Bytes.Coefficients)
	}
	if sizes[0] >= sizes[1] || sizes[1] >= sizes[2] {
		t.Errorf("stricter gates take %v bytes, want more each time", sizes)
	}
}

func TestGateRefuses(t *testing.T) {
	a := newAdder(t, teststore.Fitted(t), testfamily.Name)
	c := testfamily.New(77, 4).Open(t, "new")
	for _, x := range []struct {
		name    string
		options gate.Options
		code    fault.Code
		text    string
	}{
		{"a divergence out of reach", gate.Options{MinAgreement: 1, MaxKL: 1e-9, MaxBytes: 3000}, fault.Refused, "3000 bytes"},
		{"a size out of reach", gate.Options{MinAgreement: 1, MaxKL: 1e-9, MaxBytes: 1, AllowLossy: true}, fault.Refused, "1 bytes"},
		{"an agreement above 1", gate.Options{MinAgreement: 2}, fault.Invalid, "agreement"},
		{"an agreement that is no number", gate.Options{MinAgreement: math.NaN()}, fault.Invalid, "agreement"},
		{"a negative divergence", gate.Options{MaxKL: -1}, fault.Invalid, "divergence"},
		{"a divergence that is no number", gate.Options{MaxKL: math.NaN()}, fault.Invalid, "divergence"},
		{"a negative size", gate.Options{MaxBytes: -1}, fault.Invalid, "budget"},
		{"a negative step", gate.Options{Step: -1}, fault.Invalid, "step"},
		{"an infinite step", gate.Options{Step: math.Inf(1)}, fault.Invalid, "step"},
		{"a step that is no number", gate.Options{Step: math.NaN()}, fault.Invalid, "step"},
		{"a step and exact tensors", gate.Options{Step: 1, Exact: true}, fault.Invalid, "exact"},
	} {
		_, _, err := a.Add(context.Background(), "new", c, x.options)
		if testfamily.CodeOf(err) != x.code || !strings.Contains(err.Error(), x.text) || strings.ContainsRune(err.Error(), '\n') {
			t.Errorf("%s: error %v, want code %d and %q on one line", x.name, err, x.code, x.text)
		}
		if _, err := a.store.Entry("new"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: stored all the same: %v", x.name, err)
		}
	}
}

func TestGateAllowsLossy(t *testing.T) {
	a := newAdder(t, teststore.Fitted(t), testfamily.Name)
	v := a.add(testfamily.New(77, 4).Open(t, "new"), gate.Options{MinAgreement: 1, MaxKL: 1e-9, MaxBytes: 3000, AllowLossy: true})
	if e, err := a.store.Entry("new"); err != nil || !e.Lossy || !v.Fidelity.Lossy || v.Fidelity.Measured.MaxKL != 1e-9 {
		t.Errorf("entry %+v, fidelity %+v: %v", e, v.Fidelity, err)
	}
}

func TestExactKeepsEveryBit(t *testing.T) {
	a := newAdder(t, teststore.Fitted(t), testfamily.Name)
	c := testfamily.New(77, 4)
	v := a.add(c.Open(t, "new"), gate.Options{Exact: true})
	for name, want := range c.Tensors {
		got, ok := v.Exact[name]
		if !ok {
			got = v.Private[name]
		}
		if got.DType != want.DType || !bytes.Equal(got.Data, want.Data) {
			t.Errorf("tensor %q has changed", name)
		}
	}
}

// TestProbesAreKept checks that probes are stored with the family and that checkpoints
// which are added later are compared on them.
func TestProbesAreKept(t *testing.T) {
	s := testfamily.EmptyStore(t)
	reads := 0
	probes := &gate.Probes{Count: 7, Image: func(spec image.Spec, i int) (*image.Image, error) {
		reads++
		return spec.FromRGB(bytes.Repeat([]byte{byte(30 * i), 90, 200}, 9*11), 9, 11)
	}}
	err := learn.Fit(context.Background(), s, "family", testfamily.Members(t, 1, 2), learn.Options{Probes: probes, Gate: gate.Options{Step: 2}})
	testfamily.Must(err)
	pointer, err := s.Family("family")
	testfamily.Must(err)
	kept, err := s.ReadProbes(pointer.Probes)
	if err != nil || kept.Count != 7 || kept.Height != 8 || kept.Width != 8 || !s.Referenced()[pointer.Probes] {
		t.Fatalf("stored probes %+v: %v", kept, err)
	}
	reads = 0
	v := newAdder(t, testfamily.Reopen(t, s.Dir()), "family").add(testfamily.New(3, 3).Open(t, "c"), gate.Options{Step: 2})
	if v.Fidelity.Measured.Probes != pointer.Probes || reads != 0 {
		t.Errorf("compared on probes %q, want %q; %d images were read", v.Fidelity.Measured.Probes, pointer.Probes, reads)
	}
}

// TestGateOfFamilyOfOne checks the default of a family whose mean is its only member up to
// rounding. The divergence of the mean then says nothing about the family.
func TestGateOfFamilyOfOne(t *testing.T) {
	s := testfamily.EmptyStore(t)
	err := learn.Fit(context.Background(), s, "family", []*checkpoint.Checkpoint{testfamily.New(5, 4).Open(t, "one")}, learn.Options{})
	testfamily.Must(err)
	a := newAdder(t, s, "family")
	a.add(testfamily.New(6, 4).Open(t, "other"), gate.Options{AllowLossy: true})
	for _, name := range []string{"one", "new"} {
		f := a.variant(name).Fidelity
		if m := f.Measured; m == nil || m.MaxKL < gate.DefaultMaxKL/4 || m.MaxKL > 2*gate.DefaultMaxKL {
			t.Errorf("%s: measured %+v, want a default divergence near %g", name, m, gate.DefaultMaxKL)
		}
		if name == "one" && f.Bytes.Coefficients > 256 {
			t.Errorf("the coefficients of the only member take %d bytes", f.Bytes.Coefficients)
		}
	}
}

// TestMeanFeaturesAreComputedOnce checks that the features of the mean are computed once,
// and again only after an error.
func TestMeanFeaturesAreComputedOnce(t *testing.T) {
	var images gate.Images
	calls, fails := 0, errors.New("fails")
	compute := func() ([]float32, error) {
		if calls++; calls == 1 {
			return nil, fails
		}
		return []float32{1}, nil
	}
	if _, err := images.MeanFeatures(compute); !errors.Is(err, fails) {
		t.Errorf("first call: error %v, want %v", err, fails)
	}
	for range 2 {
		if x, err := images.MeanFeatures(compute); err != nil || len(x) != 1 {
			t.Errorf("later call: %v, %v", x, err)
		}
	}
	if calls != 2 {
		t.Errorf("computed %d times, want 2", calls)
	}
}

// TestDefaultDivergenceDependsOnHead checks that heads with similar labels are allowed less
// divergence by default, and that a given divergence is not changed.
func TestDefaultDivergenceDependsOnHead(t *testing.T) {
	a := newAdder(t, teststore.Fitted(t), testfamily.Name)
	f, err := family.OpenCurrent(a.store, testfamily.Name, nn.Float32)
	testfamily.Must(err)
	defer f.Close()
	c := testfamily.New(77, 4)
	s, m, err := f.OpenMember(c.Open(t, "new"))
	testfamily.Must(err)
	h := f.Plan.Heads()[0]
	head, labels, err := family.JoinHead(h, s.ReadPrivate)
	testfamily.Must(err)
	if labels != len(m.Labels()) {
		t.Fatalf("the head has %d labels, want %d", labels, len(m.Labels()))
	}
	maxKL := func(given float64) float64 {
		t.Helper()
		return a.add(c.Open(t, "new"), gate.Options{MinAgreement: -1, MaxBytes: 1 << 30, MaxKL: given}).Fidelity.Measured.MaxKL
	}
	usual := gate.DefaultShare * f.Basis.Divergence * gate.Leniency(head, labels, h.Inputs)
	if got := maxKL(0); got != gate.Round(usual) {
		t.Errorf("default divergence %g, want %g", got, usual)
	}
	makeLabelsSimilar(c, h)
	if got := maxKL(0); !(got < 0.9*usual) {
		t.Errorf("default divergence %g with similar labels, %g with others", got, usual)
	}
	if got := maxKL(0.03); got != 0.03 {
		t.Errorf("divergence %g, want the given 0.03", got)
	}
}

// makeLabelsSimilar makes the first two rows of a checkpoint's head nearly equal.
func makeLabelsSimilar(c *testfamily.Checkpoint, h nn.HeadTensors) {
	w := c.Tensors[h.Weight]
	values := make([]float32, w.Len())
	testfamily.Must(w.Float32(values))
	for k := range h.Inputs {
		values[h.Inputs+k] = values[k] + 1e-3*float32(k)
	}
	c.Tensors[h.Weight] = tensorfile.FromFloat32(w.DType, w.Shape, values)
}
